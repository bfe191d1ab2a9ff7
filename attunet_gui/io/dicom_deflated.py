"""Deflated DICOM: the one transfer syntax that a parser unpacks whole before it can tell what is inside."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import BinaryIO

from pydicom.filereader import read_dataset, read_preamble
from pydicom.uid import DeflatedExplicitVRLittleEndian

_SYNTAX = DeflatedExplicitVRLittleEndian.encode()
_HEAD = 1 << 16
_CHUNK = 1 << 18
_ALWAYS = 16 << 20
_TIMES = 20
"""CT deflates to a half or a third; empty slices are small enough to be let through by `_ALWAYS`."""


def unpacks_honestly(path: Path) -> bool:
    """False if the DICOM file at `path` is deflated and swells as no image does, or cannot be unpacked.

    Raises:
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        if _SYNTAX not in file.read(_HEAD):
            return True
        file.seek(0)
        read_preamble(file, True)
        read_dataset(file, False, True, stop_when=lambda tag, _vr, _length: tag >> 16 != 2)
        return _swells_little(file, max(_ALWAYS, _TIMES * path.stat().st_size))


def _swells_little(file: BinaryIO, limit: int) -> bool:
    unpacker, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
    try:
        while not unpacker.eof and (packed := unpacker.unconsumed_tail or file.read(_CHUNK)):
            size += len(unpacker.decompress(packed, _CHUNK))
            if size > limit:
                return False
    except zlib.error:
        return False
    return True
