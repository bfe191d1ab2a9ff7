"""Reads the items of napari's stroke history, as they come with the event `paint`.

An item either has a box (`slice_key`), a mask within it and a new value, or it is a tuple of (indices, values
before, values after).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.edit import Box


def box_of(atoms: Any) -> Box:
    """Return the (z, y, x) box that holds all voxels that the items `atoms` of napari's history name."""
    parts = [_bounds_of(atom) for atom in atoms]
    z, y, x = (
        slice(min(part[axis].start for part in parts), max(part[axis].stop for part in parts))
        for axis in range(3)
    )
    return z, y, x


def _bounds_of(atom: Any) -> tuple[slice, ...]:
    if hasattr(atom, "slice_key"):
        return tuple(atom.slice_key)
    return tuple(slice(int(index.min()), int(index.max()) + 1) for index in atom[0])


def finish(atoms: Any, data: NDArray[np.uint8]) -> None:
    """Write the values that `atoms` announce into `data`, uint8 (z, y, x).

    Values that are there already stay.
    """
    for atom in atoms:
        if not hasattr(atom, "slice_key"):
            indices, _before, after = atom
            data[indices] = after
        elif atom.mask is None:
            data[atom.slice_key] = atom.new_value
        else:
            data[atom.slice_key][atom.mask] = atom.new_value


def bytes_of(atom: Any) -> int:
    """Return the memory in bytes that napari's history keeps for `atom`: its arrays and tuples of arrays."""
    return sum(
        getattr(part, "nbytes", 0) or sum(getattr(index, "nbytes", 0) for index in part)
        for part in atom
        if isinstance(part, np.ndarray | tuple)
    )
