"""Refusing zip bombs among deflated DICOM files.

Deflated Explicit VR Little Endian (PS3.5, A.5) packs the whole data set, not only the pixels, so pydicom
unpacks all of it to read a single tag.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import BinaryIO

from pydicom.filereader import read_dataset, read_preamble
from pydicom.uid import DeflatedExplicitVRLittleEndian

_SYNTAX = DeflatedExplicitVRLittleEndian.encode()
# The file meta group, which names the syntax, lies within the first bytes of a file.
_HEAD = 1 << 16
_CHUNK = 1 << 18
# CT deflates to a half or a third of its size, so 20 times is more than any image. Empty slices deflate to
# much less, but are small enough for the absolute limit.
_ALWAYS = 16 << 20
_TIMES = 20


def inflates_plausibly(path: Path) -> bool:
    """Whether the DICOM file at `path` can be parsed without taking more memory than an image can need.

    Returns:
        False if the file is deflated and unpacks to far more bytes than an image would, or cannot be
        unpacked; True for every other file.

    Raises:
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        if _SYNTAX not in file.read(_HEAD):
            return True
        file.seek(0)
        read_preamble(file, True)
        read_dataset(file, False, True, stop_when=lambda tag, _vr, _length: tag >> 16 != 2)
        return _inflates_within(file, max(_ALWAYS, _TIMES * path.stat().st_size))


def _inflates_within(file: BinaryIO, limit: int) -> bool:
    unpacker, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
    try:
        while not unpacker.eof and (packed := unpacker.unconsumed_tail or file.read(_CHUNK)):
            size += len(unpacker.decompress(packed, _CHUNK))
            if size > limit:
                return False
    except zlib.error:
        return False
    return True
