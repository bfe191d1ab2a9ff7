"""DICOM as an image format, and recognising its files by their first bytes, without loading pydicom."""

from __future__ import annotations

from pathlib import Path

from attunet_gui.core.volume import Volume
from attunet_gui.io.formats.image_format import ImageFormat
from attunet_gui.system.folders import files_beside, walk_folder
from attunet_gui.system.progress import ProgressCallback

# Files written without the 128-byte preamble start with a tag of group 0002 or 0008, little endian.
_BARE_STARTS = (b"\x02\x00\x00\x00", b"\x02\x00\x01\x00", b"\x02\x00\x10\x00", b"\x08\x00\x00\x00")
_BARE_STARTS_8 = tuple(b"\x08\x00" + bytes([element, 0]) for element in (0x01, 0x05, 0x08, 0x12, 0x16))
# Value representations (PS3.5, 6.2) of the elements of group 0008, which follow their tag in explicit syntax.
_REPRESENTATIONS = (b"AE", b"CS", b"DA", b"DT", b"LO", b"OB", b"PN", b"SH", b"SQ", b"ST", b"TM", b"UI", b"UL")


def looks_like_dicom(path: Path) -> bool:
    """Whether the file at `path` begins like DICOM (PS3.10, 7.1), or like a data set without its preamble.

    Raises:
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(132)
    # What an anonymiser has taken out may be the elements that a data set usually begins with.
    bare = start[:2] == b"\x08\x00" and start[4:6] in _REPRESENTATIONS
    return start[128:] == b"DICM" or bare or start[:4] in _BARE_STARTS + _BARE_STARTS_8


def _is_folder_or_dicom(path: Path) -> bool:
    return path.is_dir() or looks_like_dicom(path)


def _read_ct(path: Path, series: str | None, progress: ProgressCallback) -> Volume:
    # Imported here, because pydicom is slow to load and most cases are single files.
    from attunet_gui.io.formats import dicom

    return dicom.read_series(path, series, progress)


def _files_of_series(path: Path) -> tuple[Path, ...]:
    """Return every file that may belong to the series at `path`; no header is read to tell them apart."""
    return walk_folder(path).files if path.is_dir() else files_beside(path).files


DICOM = ImageFormat(
    title="DICOM",
    kind="DICOM",
    suffixes=(),
    read_ct=_read_ct,
    recognises=_is_folder_or_dicom,
    files=_files_of_series,
    has_series=True,
    usual_suffixes=(".dcm",),
)
