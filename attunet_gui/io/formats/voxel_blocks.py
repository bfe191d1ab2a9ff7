"""Reading voxels from raw, packed or text files into one array.

A file that cannot hold the voxels that its header claims is refused before memory is allocated for them.
"""

from __future__ import annotations

import bz2
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from attunet_gui.system.displayable_text import displayable_text
from attunet_gui.system.errors import UnreadableInput
from attunet_gui.system.progress import ProgressCallback

VoxelPacking = Literal["raw", "zlib", "bzip2", "text"]

MOST_UNPACKED = {"raw": 1, "zlib": 1032, "bzip2": 50_000, "text": 8}
"""The most bytes that one packed byte can become: bounds of the methods, so that no real file is refused."""

_CHUNK = 1 << 20
_STREAMS: tuple[VoxelPacking, ...] = ("zlib", "bzip2")
_OF_NUMBERS = b"0123456789+-.eE \t\r\n"
# Characters of a number in a text file; a file without spaces would otherwise be collected in memory.
_LONGEST_WORD = 400


@dataclass(frozen=True)
class VoxelBlock:
    """A file, or the rest of one from an offset, that holds voxels.

    Attributes:
        path: a regular file.
        start: number of bytes before the voxels.
        packing: how the voxels are stored; "zlib" has the header of zlib or of gzip, "text" is numbers
            separated by spaces.
    """

    path: Path
    start: int
    packing: VoxelPacking


def read_voxel_blocks(
    pieces: Sequence[VoxelBlock],
    shape: tuple[int, int, int],
    dtype: np.dtype[Any],
    progress: ProgressCallback,
) -> NDArray[Any]:
    """Read the voxels in `pieces`, which follow one another.

    Args:
        pieces: the files, each of which holds an equal part of the voxels; at least one.
        shape: (i, j, k).
        dtype: of the stored voxels.
        progress: called once a piece.

    Returns:
        The voxels, (i, j, k) in Fortran order.

    Raises:
        UnreadableInput: if a file is not a regular file, holds too little, or is damaged.
    """
    # As objects, because the sizes in a damaged header would overflow int64.
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize
    share = size // len(pieces)
    for piece in pieces:
        _check_block_size(piece, share)
    if share * len(pieces) != size:
        raise damaged_voxels_error(pieces[0].path)
    buffer = np.empty(size, np.uint8)
    for number, piece in enumerate(pieces):
        progress(number, len(pieces), "reading")
        with piece.path.open("rb") as file:
            file.seek(piece.start)
            _fill_from_block(file, piece, dtype, buffer.data[number * share : (number + 1) * share])
    progress(len(pieces), len(pieces), "reading")
    return buffer.view(dtype).reshape(shape, order="F")


def has_more_than_voxels(
    pieces: Sequence[VoxelBlock], shape: tuple[int, int, int], dtype: np.dtype[Any]
) -> bool:
    """Return whether a file of unpacked voxels holds more than its share of the image.

    Packed voxels and numbers as text are read to their end by `read_voxel_blocks`, which refuses a surplus.

    Raises:
        UnreadableInput: if the bytes of a file are packed voxels or text, whatever its header says.
    """
    share = int(np.prod(shape, dtype=object)) * dtype.itemsize // len(pieces)
    found = [each for each in pieces if each.packing == "raw"]
    found = [each for each in found if each.path.stat().st_size - each.start > share]
    for piece in found:
        if _is_text(piece) or any(_unpacks_to(piece, packing, share) for packing in _STREAMS):
            raise UnreadableInput(
                f"{piece.path.name} holds packed voxels or text although its header says that they are "
                "neither: convert it again."
            )
    return bool(found)


def _is_text(piece: VoxelBlock) -> bool:
    with piece.path.open("rb") as file:
        file.seek(piece.start)
        return not file.read(_CHUNK).strip(_OF_NUMBERS)


def _unpacks_to(piece: VoxelBlock, packing: VoxelPacking, size: int) -> bool:
    """Whether the bytes of `piece` are a packed stream of `size` bytes; it is unpacked in small parts."""
    stream, count = _PackedStream(packing), 0
    try:
        with piece.path.open("rb") as file:
            file.seek(piece.start)
            while count <= size and (part := stream.read_some(file, _CHUNK)):
                count += len(part)
    except (zlib.error, OSError, EOFError, ValueError):
        return False
    return count == size and stream.is_finished


def iter_voxel_parts(
    pieces: Sequence[VoxelBlock], shape: tuple[int, int, int], dtype: np.dtype[Any]
) -> Iterator[NDArray[Any]]:
    """Yield the voxels that `read_voxel_blocks` returns as arrays (n,) of a megabyte, in the order of the
    files.

    Raises:
        UnreadableInput: see `read_voxel_blocks`.
    """
    share = int(np.prod(shape, dtype=object)) * dtype.itemsize // len(pieces)
    for piece in pieces:
        _check_block_size(piece, share)
        with piece.path.open("rb") as file:
            file.seek(piece.start)
            unpacker = None if piece.packing == "raw" else _make_unpacker(piece.packing, dtype)
            for at in range(0, share, _CHUNK):
                block = np.empty(min(_CHUNK, share - at), np.uint8)
                _fill_next_part(file, unpacker, block.data, piece.path)
                yield block[: block.size // dtype.itemsize * dtype.itemsize].view(dtype)


def _fill_next_part(
    file: BinaryIO, unpacker: _PackedStream | _NumberText | None, view: memoryview, path: Path
) -> None:
    at = 0
    try:
        while at < len(view):
            part = file.read(len(view) - at) if unpacker is None else unpacker.read_some(file, len(view) - at)
            if not part:
                raise damaged_voxels_error(path)
            view[at : at + len(part)] = part
            at += len(part)
    except (zlib.error, EOFError, ValueError, OverflowError) as error:
        raise damaged_voxels_error(path) from error


def damaged_voxels_error(path: Path) -> UnreadableInput:
    """Return the error for a file that does not hold what its header says."""
    return UnreadableInput(
        f"{path.name} is damaged or incomplete, or a file it names is missing: copy it again."
    )


def surplus_notes(path: Path) -> tuple[str, ...]:
    """Return the note for a file that holds more than its header describes.

    Where a header names too few voxels, or a wrong byte as the first, they are read in wrong places.
    """
    return (
        f"{displayable_text(path.name)} holds more than the voxels that its header describes: make sure that "
        "the picture is not shifted or torn.",
    )


def _check_block_size(piece: VoxelBlock, size: int) -> None:
    # Checked before the file is opened, because opening a pipe would wait forever.
    if not piece.path.is_file():
        raise damaged_voxels_error(piece.path)
    held = piece.path.stat().st_size - piece.start
    if piece.start < 0 or held * MOST_UNPACKED[piece.packing] < size:
        raise damaged_voxels_error(piece.path)


def _make_unpacker(packing: VoxelPacking, dtype: np.dtype[Any]) -> _PackedStream | _NumberText:
    return _NumberText(dtype) if packing == "text" else _PackedStream(packing)


def _fill_from_block(file: BinaryIO, piece: VoxelBlock, dtype: np.dtype[Any], view: memoryview) -> None:
    """Fill `view` with the voxels of one piece; `UnreadableInput` if there are fewer or more."""
    if piece.packing == "raw":
        if file.readinto(view) != len(view):  # type: ignore[attr-defined]
            raise damaged_voxels_error(piece.path)
        return
    unpacker = _make_unpacker(piece.packing, dtype)
    try:
        at = 0
        while at < len(view):
            part = unpacker.read_some(file, len(view) - at)
            if not part:
                raise damaged_voxels_error(piece.path)
            view[at : at + len(part)] = part
            at += len(part)
        # The checksum is only tested at the end of the stream, so the stream is read up to it.
        if unpacker.read_some(file, _CHUNK) or not unpacker.is_finished:
            raise damaged_voxels_error(piece.path)
    except (zlib.error, OSError, EOFError, ValueError, OverflowError) as error:
        raise damaged_voxels_error(piece.path) from error


class _PackedStream:
    """Unpacks a stream in parts, so that a zip bomb never takes more memory than one part."""

    def __init__(self, packing: VoxelPacking) -> None:
        # 32 more bits let zlib detect by itself whether the stream has the header of zlib or of gzip.
        self._zlib = zlib.decompressobj(zlib.MAX_WBITS + 32) if packing == "zlib" else None
        self._bzip2 = bz2.BZ2Decompressor()

    @property
    def is_finished(self) -> bool:
        return self._bzip2.eof if self._zlib is None else self._zlib.eof

    def read_some(self, file: BinaryIO, most: int) -> bytes:
        """Return up to `most` unpacked bytes; b"" at the end of the stream."""
        while not self.is_finished:
            part = self._unpack_step(file, min(most, _CHUNK))
            if part is None:
                return b""
            if part:
                return part
        return b""

    def _unpack_step(self, file: BinaryIO, most: int) -> bytes | None:
        if self._zlib is None:
            packed = file.read(_CHUNK) if self._bzip2.needs_input else b""
            return None if self._bzip2.needs_input and not packed else self._bzip2.decompress(packed, most)
        packed = self._zlib.unconsumed_tail or file.read(_CHUNK)
        return self._zlib.decompress(packed, most) if packed else None


class _NumberText:
    """Reads numbers that are written as text, in parts, as the bytes of `dtype`."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._dtype = dtype
        self._left = b""
        self._bytes = b""
        self._read_all = False

    @property
    def is_finished(self) -> bool:
        return self._read_all and not self._bytes

    def read_some(self, file: BinaryIO, most: int) -> bytes:
        """Return up to `most` bytes; b"" at the end of the text. `ValueError` if a word is not a number."""
        while not self._bytes and not self._read_all:
            text = file.read(_CHUNK // 8)
            self._read_all = not text
            words = (self._left + text).split()
            # The last word may continue in the next part.
            cut = bool(text) and not text[-1:].isspace() and bool(words)
            self._left = words.pop() if cut else b""
            if len(self._left) > _LONGEST_WORD:
                raise ValueError("no number is so long")
            self._bytes = self._to_bytes(words)
        part, self._bytes = self._bytes[:most], self._bytes[most:]
        return part

    def _to_bytes(self, words: list[bytes]) -> bytes:
        if not words:
            return b""
        if self._dtype.kind == "f":
            return np.array(words).astype(np.float64).astype(self._dtype).tobytes()
        wide = np.array([int(word) for word in words], dtype=object)
        limits = np.iinfo(self._dtype)
        if wide.min() < limits.min or wide.max() > limits.max:
            raise ValueError("a number does not fit the type")
        return wide.astype(self._dtype).tobytes()
