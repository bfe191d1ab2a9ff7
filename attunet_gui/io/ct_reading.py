"""Reading a CT of any format: the table of the readers, and the choice among them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from attunet_gui.core.volume import Volume
from attunet_gui.io.formats.nifti_header import find_pair_files, is_pair
from attunet_gui.system.display_names import displayable_errors, displayable_text
from attunet_gui.system.errors import UnreadableInput
from attunet_gui.system.progress import ProgressCallback, no_progress


def files_of_image(path: Path) -> tuple[Path, ...]:
    """Return the files of the image `path`, which is not DICOM; the file of the header is the first.

    Raises:
        UnreadableInput: if the header is damaged, or one file of a pair is missing.
        OSError: if the header cannot be read.
    """
    if is_pair(path):
        return find_pair_files(path)
    name = path.name.lower()
    if name.endswith((".nhdr", ".mhd")):
        from attunet_gui.io.formats import metaimage, nrrd

        read_header = nrrd.read_nrrd_header if name.endswith(".nhdr") else metaimage.read_metaimage_header
        found = read_header(path)
        return tuple(dict.fromkeys((path, *(piece.path for piece in found.pieces))))
    return (path,)


@dataclass(frozen=True)
class FormatReader:
    """The reader of one format.

    Attributes:
        kind: name of the format for the user, as in `Origin.kind`.
        suffixes: suffixes of file names in lower case; () if the content decides.
        accepts: decides whether this reader should open an existing path. It reads a few bytes at most, and
            may raise `OSError`.
        read: (path, series, progress) -> volume; it raises `UnreadableInput`.
    """

    kind: str
    suffixes: tuple[str, ...]
    accepts: Callable[[Path], bool]
    read: Callable[[Path, str | None, ProgressCallback], Volume]


@displayable_errors()
def read_ct_volume(
    path: Path, *, series: str | None = None, progress: ProgressCallback = no_progress
) -> Volume:
    """Read the CT volume at `path`.

    Args:
        path: an image file, a DICOM file, which stands for its whole series, or a folder of DICOM files.
        series: key of the DICOM series to read if there are several.
        progress: called between steps; an exception that it raises passes through.

    Returns:
        The volume on the canonical grid, with hu (z, y, x) int16 or float32.

    Raises:
        SeriesChoiceNeeded: if a folder holds several CT series and `series` is None.
        UnreadableInput: in every other case in which there is no CT volume.
    """
    try:
        volume = reader_for(path).read(path, series, progress)
    except MemoryError as error:
        raise UnreadableInput(
            f"{path.name} needs more memory than this computer has free: close other programs."
        ) from error
    return replace(volume, name=displayable_text(volume.name))


def reader_for(path: Path) -> FormatReader:
    """Return the reader that opens `path`.

    Raises:
        UnreadableInput: if there is nothing at `path`, or no reader accepts it.
    """
    try:
        _check_exists(path)
        for reader in READERS:
            if reader.accepts(path):
                return reader
    except OSError as error:
        raise UnreadableInput(
            f"{path.name} could not be read, {error.strerror}: ask for access to it."
        ) from error
    endings = ", ".join(ending for reader in READERS for ending in reader.suffixes)
    raise UnreadableInput(f"{path.name} is not a CT image this program knows: open {endings} or DICOM.")


def _check_exists(path: Path) -> None:
    kind = path.stat().st_mode if path.exists() else None
    if kind is None:
        raise UnreadableInput(f"There is no file or folder {path}: it may have been moved or renamed.")
    # A pipe, or a device, would keep the reader waiting for ever.
    if not (S_ISREG(kind) or S_ISDIR(kind)):
        raise UnreadableInput(f"{path.name} is neither a file nor a folder: open an image file or a folder.")


def _has_suffix(suffixes: tuple[str, ...]) -> Callable[[Path], bool]:
    return lambda path: path.name.lower().endswith(suffixes) and path.is_file()


# The imports are within these functions, so that only the formats that are used are loaded.
def _is_dicom_path(path: Path) -> bool:
    from attunet_gui.io.formats.dicom_sniff import looks_like_dicom

    return path.is_dir() or looks_like_dicom(path)


def _is_nifti_pair(path: Path) -> bool:
    from attunet_gui.io.formats.nifti_header import is_pair, looks_like_nifti_header

    return is_pair(path) and path.is_file() and looks_like_nifti_header(path)


def _read_nifti(path: Path, _series: str | None, progress: ProgressCallback) -> Volume:
    from attunet_gui.io.formats import nifti

    return nifti.read_nifti(path, progress)


def _read_itk(path: Path, _series: str | None, progress: ProgressCallback) -> Volume:
    from attunet_gui.io.formats import itk_image

    return itk_image.read_itk(path, progress)


def _read_dicom(path: Path, series: str | None, progress: ProgressCallback) -> Volume:
    from attunet_gui.io.formats import dicom

    return dicom.read_series(path, series, progress)


_NIFTI, _NRRD, _META = (".nii", ".nii.gz"), (".nrrd", ".nhdr"), (".mha", ".mhd")
_PAIR = (".hdr", ".img", ".hdr.gz", ".img.gz")

READERS: tuple[FormatReader, ...] = (
    FormatReader("NIfTI", _NIFTI, _has_suffix(_NIFTI), _read_nifti),
    FormatReader("NIfTI pair, Analyze", _PAIR, _is_nifti_pair, _read_nifti),
    FormatReader("NRRD", _NRRD, _has_suffix(_NRRD), _read_itk),
    FormatReader("MetaImage", _META, _has_suffix(_META), _read_itk),
    FormatReader("DICOM", (), _is_dicom_path, _read_dicom),
)
"""Every format; the first reader that accepts a path is used. A new one is a module and a line here."""
