"""Decoding the stored values of one DICOM image.

If a JPEG stream holds another image than the tags describe, GDCM's decoder does not refuse it but ends the
process, so the stream is compared with the tags first. What a decoder returns is then treated as cells of
bits (PS3.5, 8.1.1): the stored value is the BitsStored bits from HighBit down, signed if PixelRepresentation
says so. Sources of the layouts of streams: ITU-T T.81 (JPEG), T.87 (JPEG-LS) and T.800 (JPEG 2000), annexes
B, C and A.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from pydicom.encaps import get_frame
from pydicom.pixels import pixel_array
from pydicom.uid import (
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
)

# Two bytes of a run become at most 128 (PS3.5, G.3.1).
_MOST_OF_RLE = 64
_JPEG = (*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes)
# The start-of-frame segments, which hold the size; C4, C8 and CC mean something else (T.81, table B.1).
_FRAME_MARKERS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
# Markers without a segment: TEM, the restart markers and SOI (T.81, table B.1).
_ALONE = {0x01, *range(0xD0, 0xD9)}
# SOC and SIZ, with which every JPEG 2000 codestream begins (T.800, A.4.1 and A.5.1).
_SIZ = b"\xff\x4f\xff\x51"

# Overlay Bit Position (60xx,0102): older files keep drawings in the unused bits of the pixels.
_OVERLAY_GROUPS = range(0x6000, 0x6020, 2)
_OVERLAY_BIT = 0x0102
# The bits are put in order here: what pydicom does about them differs by decoder and knows no HighBit.
_AS_DECODED = {
    "raw": True,
    "correct_unused_bits": False,
    "apply_j2k_sign_correction": False,
    "apply_jls_sign_correction": False,
}


class ContradictingTags(ValueError):
    """BitsAllocated, BitsStored and HighBit cannot all be true, or not of these pixels."""


@dataclass(frozen=True)
class CompressedImage:
    """What the stream of a compressed image says about the image.

    Attributes:
        rows, columns: its size.
        samples: number of samples per pixel.
        bits: number of bits per sample.
        signed: whether the samples are signed; False for formats that cannot say so.
    """

    rows: int
    columns: int
    samples: int
    bits: int
    signed: bool


def decode_frame(data: Any, frame: int) -> tuple[NDArray[Any], str]:
    """Decode one image of a data set.

    Args:
        data: a pydicom data set with its pixels and its file meta group.
        frame: index of the image.

    Returns:
        The stored values, (rows, columns), and a note for the user if they may be wrong, else "".

    Raises:
        ContradictingTags: if the tags do not say which bits are the value.
        Exception: anything else that decoders raise on a damaged image.
    """
    stream = check_pixel_data(data, frame)
    return extract_stored_values(pixel_array(data, index=frame, **_AS_DECODED), data, stream)


def check_pixel_data(data: Any, frame: int) -> CompressedImage | None:
    """Check that the pixel data can be the image that the tags describe.

    Returns:
        What the compressed stream of image `frame` says; None if the pixels are not JPEG of any kind.

    Raises:
        ValueError: if it is another image.
    """
    syntax = data.file_meta.TransferSyntaxUID
    if not syntax.is_encapsulated:
        _check_pixel_length(data)
    if syntax == RLELossless:
        _check_run_length(data, frame)
    if syntax not in (*_JPEG, *JPEG2000TransferSyntaxes):
        return None
    packed = get_frame(data.PixelData, frame, number_of_frames=int(data.get("NumberOfFrames") or 1))
    said = _parse_jpeg(packed) if syntax in _JPEG else _parse_jpeg_2000(packed)
    tags = (data.Rows, data.Columns, data.SamplesPerPixel, data.BitsAllocated)
    if (said.rows, said.columns, said.samples, 8 * -(-said.bits // 8)) != tags:
        raise ValueError("the stream holds another image than the tags describe")
    return said


def extract_stored_values(
    pixels: NDArray[Any], data: Any, stream: CompressedImage | None
) -> tuple[NDArray[Any], str]:
    """Extract from decoded `pixels` the bits that the tags call the stored value.

    Args:
        pixels: any shape; whole numbers of 8 to 64 bits, or floats, which are returned unchanged.
        data: a data set with BitsStored, HighBit and PixelRepresentation.
        stream: the compressed image from which they come; None for native pixels and RLE, whose cells hold
            unused bits too.

    Returns:
        The values in the same shape and item size, signed if PixelRepresentation is 1, and a note for the
        user if they may be wrong, else "".

    Raises:
        ContradictingTags: if there are no such bits, or the value is evidently in others.
    """
    if pixels.dtype.kind not in "iu":
        return pixels, ""
    bits, low = _value_bits(data, 8 * pixels.dtype.itemsize, stream)
    spare = 8 * pixels.dtype.itemsize - bits
    cells = pixels.astype(pixels.dtype.newbyteorder("="), copy=False).view(f"u{pixels.dtype.itemsize}")
    signed = int(data.get("PixelRepresentation") or 0) == 1
    # A shift to the left makes the highest bit of the value that of the cell; the shift back to the right
    # then repeats it if the type is signed.
    values = (((cells >> low) << spare).view(f"{'i' if signed else 'u'}{cells.itemsize}")) >> spare
    return values, _sign_mismatch_note(cells, values, stream, data) or _dropped_bits_note(
        cells, values, low, data
    )


def _value_bits(data: Any, size: int, stream: CompressedImage | None) -> tuple[int, int]:
    """Return the number of bits of the value and the index of its lowest bit, in a cell of `size` bits."""
    bits = int(data.BitsStored)
    high = bits - 1 if data.get("HighBit") is None else int(data.HighBit)
    if not 0 < bits <= high + 1 <= size:
        raise ContradictingTags
    # A stream with that many bits per sample, or fewer, holds the values alone, from its lowest bit up.
    return bits, 0 if stream and stream.bits <= bits else high + 1 - bits


def _sign_mismatch_note(
    cells: NDArray[Any], values: NDArray[Any], stream: CompressedImage | None, data: Any
) -> str:
    """Return a note if the compressed image and the tags disagree about the sign of values that occur."""
    if stream is None or stream.signed == (values.dtype.kind == "i"):
        return ""
    if stream.signed and (cells.view(f"i{cells.itemsize}") < 0).any():
        return (
            "The compressed images have values below 0, and the DICOM tag PixelRepresentation says that "
            "there are none: the tag was believed."
        )
    if not stream.signed and stream.bits < data.BitsStored and (cells >> (stream.bits - 1)).any():
        return (
            f"The compressed images have {stream.bits} bits, and the DICOM tag BitsStored says "
            f"{data.BitsStored}: the tag was believed, so no value is below 0."
        )
    return ""


def _dropped_bits_note(cells: NDArray[Any], values: NDArray[Any], low: int, data: Any) -> str:
    """Return a note if bits were left out that are not empty, not a copy of the sign and not an overlay.

    Raises:
        ContradictingTags: if the values lie below the bits that HighBit names.
    """
    bits, whole = int(data.BitsStored), values.view(cells.dtype)
    if bits == 8 * cells.itemsize:
        return ""
    kept = whole & cells.dtype.type(2**bits - 1)
    if ((cells == kept << low) | (cells == whole << low)).all() or _has_overlay(data):
        return ""
    if low and (cells & cells.dtype.type(2**low - 1)).any():
        raise ContradictingTags
    return (
        f"Pixels have something in bits beside the {bits} that the DICOM tag BitsStored counts: it was left "
        "out."
    )


def _has_overlay(data: Any) -> bool:
    return any((group, _OVERLAY_BIT) in data for group in _OVERLAY_GROUPS)


def _check_pixel_length(data: Any) -> None:
    count, image = int(data.get("NumberOfFrames") or 1), _image_bytes(data)
    # A little padding is usual; room for one more image means that the size is wrong.
    if len(data.PixelData) >= image * (count + 1):
        raise ValueError("there are more pixels than the tags describe")


def _check_run_length(data: Any, frame: int) -> None:
    # The decoder takes memory for the size that the tags claim before it looks at the runs.
    packed = get_frame(data.PixelData, frame, number_of_frames=int(data.get("NumberOfFrames") or 1))
    if _image_bytes(data) > _MOST_OF_RLE * len(packed):
        raise ValueError("the runs cannot be the image that the tags describe")


def _image_bytes(data: Any) -> int:
    return int(data.Rows) * int(data.Columns) * int(data.SamplesPerPixel) * int(data.BitsAllocated) // 8


def _parse_jpeg(stream: bytes) -> CompressedImage:
    # Segments follow one another, each with its length after its marker; FF before a marker is a fill byte.
    at = 2
    while stream[:2] == b"\xff\xd8" and at + 10 <= len(stream):
        if stream[at] != 0xFF:
            break
        marker = stream[at + 1]
        if marker in _FRAME_MARKERS:
            rows, columns = _big_endian(stream, at + 5, 2), _big_endian(stream, at + 7, 2)
            return CompressedImage(rows, columns, samples=stream[at + 9], bits=stream[at + 4], signed=False)
        at += 1 if marker == 0xFF else 2 if marker in _ALONE else 2 + _big_endian(stream, at + 2, 2)
    raise ValueError("no JPEG stream")


def _parse_jpeg_2000(stream: bytes) -> CompressedImage:
    at = stream.find(_SIZ)
    if at < 0 or at + 43 > len(stream):
        raise ValueError("no JPEG 2000 stream")
    right, bottom, left, top = (_big_endian(stream, at + 8 + 4 * k, 4) for k in range(4))
    depth = stream[at + 42]
    samples = _big_endian(stream, at + 40, 2)
    return CompressedImage(bottom - top, right - left, samples, bits=(depth & 0x7F) + 1, signed=depth >= 0x80)


def _big_endian(stream: bytes, at: int, size: int) -> int:
    return int.from_bytes(stream[at : at + size], "big")
