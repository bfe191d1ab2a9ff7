"""One input of a fuzz run, and how bytes are damaged whatever they mean."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

Rng = np.random.Generator
Chosen = TypeVar("Chosen")


@dataclass(frozen=True)
class Made:
    """An input.

    Attributes:
        path: what the product is asked to open.
        steps: what was done, in order; with seed and number it tells the input.
        honest: bytes of the voxels that are really in it, unpacked; what hostile headers only claim is not.
        original: the same before anything was done to it; None where what was done makes another sound image
            of it, which nobody can notice.
        closed: files and folders in it with the mode that they have while the product reads.
    """

    path: Path
    steps: tuple[str, ...]
    honest: int
    original: Path | None = None
    closed: tuple[tuple[Path, int], ...] = ()


def beside(folder: Path) -> Path:
    """An empty folder for the original of what is made in `folder`, which is no part of it."""
    original = folder.with_name(f"{folder.name}_original")
    shutil.rmtree(original, ignore_errors=True)
    original.mkdir()
    return original


def rng_for(kind: str, seed: int, number: int) -> Rng:
    """A generator of its own for every input, so that any one can be made again alone."""
    return np.random.default_rng([seed, number, *kind.encode()])


def pick(rng: Rng, choices: tuple[Chosen, ...]) -> Chosen:
    """One of `choices`."""
    return choices[int(rng.integers(len(choices)))]


def flipped(raw: bytes, rng: Rng, start: int = 0, stop: int | None = None) -> bytes:
    """`raw` with 1 to 8 bytes changed between `start` and `stop`."""
    data, end = bytearray(raw), min(len(raw), stop or len(raw))
    if end <= start:
        return raw
    for at in rng.integers(start, end, int(rng.integers(1, 9))):
        data[at] ^= int(rng.integers(1, 256))
    return bytes(data)


def cut(raw: bytes, rng: Rng) -> bytes:
    """The beginning of `raw`; nothing of it now and then."""
    return raw[: int(rng.integers(0, max(1, len(raw))))]


def lengthened(raw: bytes, rng: Rng) -> bytes:
    """`raw` with rubbish behind it."""
    return raw + rng.bytes(int(rng.integers(1, 5000)))


def punched(raw: bytes, rng: Rng) -> bytes:
    """`raw` with a piece left out of its middle."""
    start, stop = sorted(int(at) for at in rng.integers(0, len(raw) + 1, 2))
    return raw[:start] + raw[min(stop, start + 64) :]


def zeroed(raw: bytes, rng: Rng) -> bytes:
    """`raw` with a block of zeros in it, as a bad disk leaves it."""
    start = int(rng.integers(0, max(1, len(raw))))
    size = min(512, len(raw) - start)
    return raw[:start] + bytes(size) + raw[start + size :]
