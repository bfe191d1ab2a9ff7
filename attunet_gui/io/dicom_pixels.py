"""Whether the pixels in a DICOM file are the image that its tags describe, before a decoder believes them.

Where a JPEG stream is another image, GDCM's decoder does not refuse, it ends the process.
Source of the layouts: ITU-T T.81 (JPEG), T.87 (JPEG-LS) and T.800 (JPEG 2000), annexes B, C and A.
"""

from __future__ import annotations

from typing import Any

from pydicom.encaps import get_frame
from pydicom.uid import JPEG2000TransferSyntaxes, JPEGLSTransferSyntaxes, JPEGTransferSyntaxes

_JPEG = (*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes)
_FRAME_MARKERS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
_ALONE = {0x01, *range(0xD0, 0xD9)}
_SIZ = b"\xff\x4f\xff\x51"

Said = tuple[int, int, int, int]
"""Rows, columns, samples a pixel, bits a sample."""


def check_pixels(data: Any, frame: int) -> None:
    """Nothing, if image `frame` of a data set can be the one that its tags describe.

    Raises:
        ValueError: if it is another.
    """
    syntax = data.file_meta.TransferSyntaxUID
    if not syntax.is_encapsulated:
        _check_length(data)
    if syntax not in (*_JPEG, *JPEG2000TransferSyntaxes):
        return
    stream = get_frame(data.PixelData, frame, number_of_frames=int(data.get("NumberOfFrames") or 1))
    rows, columns, samples, bits = _jpeg(stream) if syntax in _JPEG else _jpeg_2000(stream)
    tags = (data.Rows, data.Columns, data.SamplesPerPixel, data.BitsAllocated)
    if (rows, columns, samples, 8 * -(-bits // 8)) != tags:
        raise ValueError("the stream holds another image than the tags describe")


def _check_length(data: Any) -> None:
    image = int(data.Rows) * int(data.Columns) * int(data.SamplesPerPixel) * int(data.BitsAllocated) // 8
    count = int(data.get("NumberOfFrames") or 1)
    # A little padding is usual; room for one more image means that the size is wrong.
    if len(data.PixelData) >= image * (count + 1):
        raise ValueError("there are more pixels than the tags describe")


def _jpeg(stream: bytes) -> Said:
    at = 2
    while stream[:2] == b"\xff\xd8" and at + 10 <= len(stream):
        if stream[at] != 0xFF:
            break
        marker = stream[at + 1]
        if marker in _FRAME_MARKERS:
            return _number(stream, at + 5, 2), _number(stream, at + 7, 2), stream[at + 9], stream[at + 4]
        at += 1 if marker == 0xFF else 2 if marker in _ALONE else 2 + _number(stream, at + 2, 2)
    raise ValueError("no JPEG stream")


def _jpeg_2000(stream: bytes) -> Said:
    at = stream.find(_SIZ)
    if at < 0 or at + 43 > len(stream):
        raise ValueError("no JPEG 2000 stream")
    right, bottom, left, top = (_number(stream, at + 8 + 4 * k, 4) for k in range(4))
    return bottom - top, right - left, _number(stream, at + 40, 2), (stream[at + 42] & 0x7F) + 1


def _number(stream: bytes, at: int, size: int) -> int:
    return int.from_bytes(stream[at : at + size], "big")
