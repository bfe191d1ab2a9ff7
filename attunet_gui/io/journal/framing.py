"""A file of frames. An incomplete last frame, as a crash leaves it, is told from damage.

Frames follow the first line of the file. A frame is the length of its content, the complement of that length,
so that a damaged length is not taken for an end that was not written, the CRC-32 of the content, and the
content. The content is the length of a JSON object, the object, and bytes that belong to it. All numbers are
little-endian uint32.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from attunet_gui.system.errors import UnreadableInput

MAGIC = b"attunet journal 1\n"
"""The first bytes of the file; the number in them is the version of the layout."""

_HEAD = struct.Struct("<III")
_SIZE = struct.Struct("<I")
_MOST = 0xFFFFFFFF


class BadFrame(Exception):
    """A frame cannot be read, so reading ends before the end of the file.

    Attributes:
        torn: whether it looks like a frame that was being written when the power failed; otherwise the file
            is damaged.
    """

    def __init__(self, torn: bool) -> None:
        super().__init__("torn" if torn else "damaged")
        self.torn = torn


@dataclass(frozen=True)
class JournalFrame:
    """One frame as it was read.

    Attributes:
        fields: the JSON object.
        data: the bytes that belong to it.
        end: offset in the file of the first byte after the frame.
    """

    fields: dict[str, Any]
    data: bytes
    end: int


def pack_frame(fields: Mapping[str, Any], data: bytes = b"") -> bytes:
    """Return the bytes of a frame with a JSON object and `data`; `ValueError` if it is 4 GiB or more."""
    text = json.dumps(fields, separators=(",", ":"), allow_nan=False).encode()
    content = b"".join((_SIZE.pack(len(text)), text, data))
    if len(content) > _MOST:
        raise ValueError(f"a frame holds less than 4 GiB, got {len(content)} bytes")
    return _HEAD.pack(len(content), len(content) ^ _MOST, zlib.crc32(content)) + content


def read_frames(file: BinaryIO) -> Iterator[JournalFrame]:
    """Yield the frames of `file` from its beginning. A frame takes no more memory than its bytes in the file.

    Raises:
        UnreadableInput: if it is not a file of frames, or a frame is complete but makes no sense.
        BadFrame: after the last complete frame, if the file continues.
    """
    size = os.fstat(file.fileno()).st_size
    if file.read(len(MAGIC)) != MAGIC:
        raise UnreadableInput("it is no journal of this version of the program")
    at = len(MAGIC)
    while at < size:
        content = _read_frame_content(file, size - at)
        at += _HEAD.size + len(content)
        yield JournalFrame(*_split_content(content), at)


def _read_frame_content(file: BinaryIO, left: int) -> bytes:
    """Read the content of the next frame, where `left` bytes are left in the file; `BadFrame` if broken."""
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        raise BadFrame(torn=True)
    length, complement, crc = _HEAD.unpack(head)
    if length ^ complement != _MOST:
        # After a power cut a file may have its new length already, and zeros in place of the rest.
        raise BadFrame(torn=not any(head) and _is_rest_zero(file))
    if length > left - _HEAD.size:
        # The length is intact, by its complement, and the rest of the frame was never written.
        raise BadFrame(torn=True)
    content = file.read(length)
    if zlib.crc32(content) != crc:
        raise BadFrame(torn=False)
    return content


def _is_rest_zero(file: BinaryIO) -> bool:
    return not any(any(block) for block in iter(lambda: file.read(1 << 16), b""))


def _split_content(content: bytes) -> tuple[dict[str, Any], bytes]:
    try:
        (length,) = _SIZE.unpack_from(content)
        text = content[_SIZE.size : _SIZE.size + length]
        fields = json.loads(text)
    except (struct.error, ValueError, RecursionError) as error:
        raise UnreadableInput("a part of it makes no sense") from error
    if not isinstance(fields, dict):
        raise UnreadableInput("a part of it makes no sense")
    return fields, content[_SIZE.size + length :]
