"""Recognising DICOM files by their first bytes, without pydicom."""

from __future__ import annotations

from pathlib import Path

# Files written without the 128-byte preamble start with a tag of group 0002 or 0008, little endian.
_BARE_STARTS = (b"\x02\x00\x00\x00", b"\x02\x00\x01\x00", b"\x02\x00\x10\x00", b"\x08\x00\x00\x00")
_BARE_STARTS_8 = tuple(b"\x08\x00" + bytes([element, 0]) for element in (0x01, 0x05, 0x08, 0x12, 0x16))


def looks_like_dicom(path: Path) -> bool:
    """Whether the file at `path` begins like DICOM (PS3.10, 7.1), or like a data set without its preamble.

    Raises:
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(132)
    return start[128:] == b"DICM" or start[:4] in _BARE_STARTS + _BARE_STARTS_8
