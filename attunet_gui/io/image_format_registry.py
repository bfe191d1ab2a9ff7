"""The image formats that are read, and what all of them together say about a path.

Whoever needs suffixes, readers or the files of an image asks here; no other module knows a format by name.
The functions look `IMAGE_FORMATS` up when they are called, so a format that is added is known everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from attunet_gui.io.formats.dicom_format import DICOM
from attunet_gui.io.formats.image_format import ImageFormat
from attunet_gui.io.formats.metaimage import METAIMAGE
from attunet_gui.io.formats.nifti import NIFTI, NIFTI_PAIR
from attunet_gui.io.formats.nrrd import NRRD
from attunet_gui.system.errors import UnreadableInput

IMAGE_FORMATS: tuple[ImageFormat, ...] = (NIFTI, NIFTI_PAIR, NRRD, METAIMAGE, DICOM)
"""Every format; the first that accepts a path reads it. A new one is a module and an entry here."""


def format_of_path(path: Path) -> ImageFormat:
    """Return the format that reads `path`.

    Raises:
        UnreadableInput: if there is nothing at `path`, or no format accepts it.
    """
    try:
        _check_exists(path)
        for each in IMAGE_FORMATS:
            if each.accepts(path):
                return each
    except OSError as error:
        raise UnreadableInput(
            f"{path.name} could not be read, {error.strerror}: ask for access to it."
        ) from error
    by_content = (each.kind for each in IMAGE_FORMATS if not each.suffixes)
    known = join_alternatives([*image_suffixes(), *by_content])
    raise UnreadableInput(f"{path.name} is not a CT image this program knows: open {known}.")


def format_by_suffix(path: Path) -> ImageFormat | None:
    """Return the format to which the suffix of `path` belongs; None if it says nothing."""
    return next((each for each in IMAGE_FORMATS if each.has_suffix(path)), None)


def files_of_image(path: Path) -> tuple[Path, ...]:
    """Return the files of the image `path`, that of its header first, for a format with suffixes.

    A file whose suffix says nothing, such as one of a DICOM series, stands for itself.

    Raises:
        UnreadableInput: if the header is damaged, or one of the files is missing.
        OSError: if the header cannot be read.
    """
    found = format_by_suffix(path)
    return (path,) if found is None else found.files(path)


def is_image_file(path: Path) -> bool:
    """Whether `path` has the suffix of an image, and stands for an image by itself."""
    found = format_by_suffix(path)
    return found is not None and found.is_main_file(path)


def image_suffixes() -> tuple[str, ...]:
    """Return the suffixes of the formats that have suffixes, in lower case."""
    return tuple(suffix for each in IMAGE_FORMATS for suffix in each.suffixes)


def main_suffixes() -> tuple[str, ...]:
    """Return the suffixes of files that stand for an image: of header and voxels, that of the header."""
    return tuple(suffix for each in IMAGE_FORMATS for suffix in each.main_suffixes)


def dialog_suffixes() -> tuple[str, ...]:
    """Return the suffixes by which images are offered in a file dialog; DICOM files may have none."""
    return tuple(suffix for each in IMAGE_FORMATS for suffix in each.dialog_suffixes)


def label_file_suffixes() -> tuple[str, ...]:
    """Return the suffixes of files that may be label files."""
    return tuple(suffix for each in _label_formats() for suffix in each.main_suffixes)


def label_format_names() -> str:
    """Return the names of the formats of label files, such as "NIfTI, NRRD or MetaImage"."""
    return join_alternatives(list(dict.fromkeys(each.kind for each in _label_formats())))


def strip_format_suffix(name: str) -> str:
    """Return the file name without the suffix of its image format."""
    found = [suffix for suffix in image_suffixes() if name.lower().endswith(suffix)]
    return name[: len(name) - max(map(len, found), default=0)] or name


def join_alternatives(words: list[str]) -> str:
    """Return the words as one phrase, such as "a, b or c"."""
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _label_formats() -> Iterator[ImageFormat]:
    return (each for each in IMAGE_FORMATS if each.load_labels is not None)


def _check_exists(path: Path) -> None:
    kind = path.stat().st_mode if path.exists() else None
    if kind is None:
        raise UnreadableInput(f"There is no file or folder {path}: it may have been moved or renamed.")
    # A pipe, or a device, would keep the reader waiting for ever.
    if not (S_ISREG(kind) or S_ISDIR(kind)):
        raise UnreadableInput(f"{path.name} is neither a file nor a folder: open an image file or a folder.")
