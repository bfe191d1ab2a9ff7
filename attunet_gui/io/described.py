"""What a header of lines says of an image, whichever of the formats of ITK it is written in."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.errors import UnreadableInput
from attunet_gui.io.stored import Piece, damaged

LONGEST_HEADER = 1 << 20
"""Bytes; headers have a few hundred."""

_MOST_DIMENSIONS = 16
_MOST_FILES = 10_000


@dataclass(frozen=True, eq=False)
class Described:
    """An image, without its voxels.

    Attributes:
        shape: (i, j, k).
        dtype: of the stored voxels, with their byte order.
        affine: (4, 4) float64, (i, j, k) -> LPS mm, not checked.
        placed: whether the header says how the patient lies.
        pieces: where the voxels are.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    affine: NDArray[np.float64]
    placed: bool
    pieces: tuple[Piece, ...]


def numbers(path: Path, text: str, count: int) -> NDArray[np.float64]:
    """`count` finite numbers, from words.

    Raises:
        UnreadableInput: if there are others.
    """
    try:
        found = [float(word) for word in text.split()]
    except ValueError as error:
        raise damaged(path) from error
    if len(found) != count or not all(map(math.isfinite, found)):
        raise damaged(path)
    return np.array(found)


def whole(path: Path, text: str) -> int:
    """A whole number.

    Raises:
        UnreadableInput: if it is none, or has more digits than any size.
    """
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text.strip()):
        raise damaged(path)
    return int(text)


def dimensions(path: Path, text: str) -> int:
    """A number of axes that can be.

    Raises:
        UnreadableInput: if it cannot.
    """
    count = whole(path, text)
    if not 1 <= count <= _MOST_DIMENSIONS:
        raise damaged(path)
    return count


def spatial(path: Path, sizes: list[int]) -> tuple[int, int, int]:
    """The first three of `sizes`, where there is but one of everything else.

    Raises:
        UnreadableInput: if this is not one 3-D image.
    """
    if min(sizes) < 1 or len(sizes) < 3 or any(n != 1 for n in sizes[3:]):
        text = " x ".join(map(str, sizes))
        raise UnreadableInput(f"{path.name} is not one 3-D image: its size is {text}.")
    return sizes[0], sizes[1], sizes[2]


def colours(path: Path) -> UnreadableInput:
    """The refusal of voxels with several numbers."""
    return UnreadableInput(f"{path.name} holds colours, vectors or complex numbers, not CT values.")


def files_named(path: Path, text: str, rest: list[str]) -> tuple[Path, ...]:
    """The files that hold the voxels.

    Args:
        path: the header; names are relative to its folder.
        text: one name, "LIST", or a pattern like "slice%03d.raw 1 100 1".
        rest: the lines behind it, names where `text` is "LIST".

    Raises:
        UnreadableInput: if no file is named, or too many are.
    """
    words = text.split()
    if words and words[0] == "LIST":
        names = [line.strip() for line in rest if line.strip()]
    elif len(words) >= 3 and "%" in words[0]:
        names = _counted(path, words)
    else:
        names = [text.strip()]
    if not names or not all(names) or len(names) > _MOST_FILES:
        raise damaged(path)
    return tuple(path.parent / name for name in names)


def _counted(path: Path, words: list[str]) -> list[str]:
    first, last = whole(path, words[1]), whole(path, words[2])
    step = whole(path, words[3]) if len(words) > 3 else 1
    if step < 1 or (last - first) // step >= _MOST_FILES:
        raise damaged(path)
    try:
        return [words[0] % number for number in range(first, last + 1, step)]
    except (ValueError, TypeError, OverflowError) as error:
        raise damaged(path) from error


def last_of(files: tuple[Path, ...], shape: tuple[int, int, int], dtype: np.dtype[Any]) -> tuple[Piece, ...]:
    """Voxels as they are, which end where their files end, whatever lies before them.

    Raises:
        UnreadableInput: if a file is no ordinary one, or too short.
    """
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize // len(files)
    found = []
    for file in files:
        if not file.is_file() or file.stat().st_size < size:
            raise damaged(file)
        found.append(Piece(file, file.stat().st_size - size, "raw"))
    return tuple(found)
