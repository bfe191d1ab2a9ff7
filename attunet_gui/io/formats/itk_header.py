"""The parts that the text headers of ITK's formats, NRRD and MetaImage, have in common."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.io.formats.voxel_blocks import VoxelBlock, damaged_voxels_error
from attunet_gui.system.errors import UnreadableInput

LONGEST_HEADER = 1 << 20
"""Bytes that are read of a header; real headers have a few hundred."""

# Limits on what a damaged header may ask for: no array is made and no file is looked for beyond them.
_MOST_DIMENSIONS = 16
_MOST_FILES = 10_000


@dataclass(frozen=True, eq=False)
class ItkHeader:
    """What a header says about an image.

    Attributes:
        shape: (i, j, k).
        dtype: dtype of the stored voxels, with their byte order.
        affine: (4, 4) float64, voxel (i, j, k) -> LPS mm; it is not checked here.
        placed: whether the header says how the patient lies.
        pieces: the files, or parts of files, that hold the voxels.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    affine: NDArray[np.float64]
    placed: bool
    pieces: tuple[VoxelBlock, ...]


def parse_numbers(path: Path, text: str, count: int) -> NDArray[np.float64]:
    """Parse `count` finite numbers separated by spaces, as (count,) float64.

    Raises:
        UnreadableInput: if `text` holds anything else; the message names `path`.
    """
    try:
        found = [float(word) for word in text.split()]
    except ValueError as error:
        raise damaged_voxels_error(path) from error
    if len(found) != count or not all(map(math.isfinite, found)):
        raise damaged_voxels_error(path)
    return np.array(found)


def parse_whole_number(path: Path, text: str) -> int:
    """Parse a whole number.

    Raises:
        UnreadableInput: if `text` is not one, or has more digits than any size can have.
    """
    # `int` would also accept "1_000" and digits of other scripts, which no header may have.
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text.strip()):
        raise damaged_voxels_error(path)
    return int(text)


def parse_dimension_count(path: Path, text: str) -> int:
    """Parse a number of axes.

    Raises:
        UnreadableInput: if it is not a whole number from 1 to 16.
    """
    count = parse_whole_number(path, text)
    if not 1 <= count <= _MOST_DIMENSIONS:
        raise damaged_voxels_error(path)
    return count


def spatial_shape(path: Path, sizes: list[int]) -> tuple[int, int, int]:
    """Return the first three of `sizes`.

    Raises:
        UnreadableInput: if there are fewer, or a further one is not 1, so that this is not one 3-D image.
    """
    if min(sizes) < 1 or len(sizes) < 3 or any(n != 1 for n in sizes[3:]):
        text = " x ".join(map(str, sizes))
        raise UnreadableInput(f"{path.name} is not one 3-D image: its size is {text}.")
    return sizes[0], sizes[1], sizes[2]


def not_scalar_error(path: Path) -> UnreadableInput:
    """Return the error for an image whose voxels are not single real numbers."""
    return UnreadableInput(f"{path.name} holds colours, vectors or complex numbers, not CT values.")


def named_voxel_files(path: Path, text: str, rest: list[str]) -> tuple[Path, ...]:
    """Return the files that hold the voxels.

    Args:
        path: the header; the names are relative to its folder.
        text: a file name, "LIST", or a pattern with first number, last number and step, such as
            "slice%03d.raw 1 100 1".
        rest: the lines after this one, which hold the names if `text` is "LIST".

    Raises:
        UnreadableInput: if no file is named, or more than 10,000 are.
    """
    words = text.split()
    if words and words[0] == "LIST":
        names = [line.strip() for line in rest if line.strip()]
    elif len(words) >= 3 and "%" in words[0]:
        names = _numbered_file_names(path, words)
    else:
        names = [text.strip()]
    if not names or not all(names) or len(names) > _MOST_FILES:
        raise damaged_voxels_error(path)
    return tuple(path.parent / name for name in names)


def _numbered_file_names(path: Path, words: list[str]) -> list[str]:
    first, last = parse_whole_number(path, words[1]), parse_whole_number(path, words[2])
    step = parse_whole_number(path, words[3]) if len(words) > 3 else 1
    if step < 1 or (last - first) // step >= _MOST_FILES:
        raise damaged_voxels_error(path)
    try:
        return [words[0] % number for number in range(first, last + 1, step)]
    except (ValueError, TypeError, OverflowError) as error:
        raise damaged_voxels_error(path) from error


def voxel_blocks_at_file_end(
    files: tuple[Path, ...], shape: tuple[int, int, int], dtype: np.dtype[Any]
) -> tuple[VoxelBlock, ...]:
    """Return the pieces for unpacked voxels that lie at the end of their files, after bytes of any kind.

    Args:
        files: the files, each of which holds an equal part of the voxels.
        shape: (i, j, k) of the whole image.
        dtype: of the stored voxels.

    Raises:
        UnreadableInput: if a file is not a regular file, or is too short.
    """
    # As objects, because the sizes in a damaged header would overflow int64.
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize // len(files)
    found = []
    for file in files:
        if not file.is_file() or file.stat().st_size < size:
            raise damaged_voxels_error(file)
        found.append(VoxelBlock(file, file.stat().st_size - size, "raw"))
    return tuple(found)
