"""Reading a label file, and placing it on the grid of the volume to which it belongs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.volume import Volume
from attunet_gui.core.voxel_grid import GridReorientation, VoxelGrid, canonical_reorientation
from attunet_gui.io.formats.image_format import StoredLabels
from attunet_gui.io.image_format_registry import format_of_path, label_format_names
from attunet_gui.io.label_values import LabelValues, pancreas_mask, with_chosen_label
from attunet_gui.system.displayable_text import displayable_errors
from attunet_gui.system.errors import UnreadableInput

# NIfTI-1 stores positions as float32: a grid that started as DICOM comes back rounded by less than this.
_TOLERANCE_MM = 1e-3


@displayable_errors()
def read_mask(path: Path, volume: Volume, *, label: int | None = None) -> NDArray[np.uint8]:
    """Read the mask in `path` on the canonical grid of `volume`.

    Args:
        path: the label file. If its grid is a part of that of `volume`, everything outside that part is 0.
        volume: the volume on which it was drawn.
        label: the value that counts as inside; None takes the only value but 0.

    Returns:
        (z, y, x) uint8, 0 or 1.

    Raises:
        UnreadableInput: if the file is not a label file, holds several labels and `label` is None, or lies on
            another voxel grid than `volume`.
    """
    return read_labels(path, volume).pancreas_mask(with_chosen_label(label))


@dataclass(frozen=True, eq=False)
class LabelFile:
    """The content of a label file.

    Attributes:
        name: name of the file.
        values: (z, y, x) values on the canonical grid, in the dtype of the file.
        placement: source grid, canonical grid and the map between them.
    """

    name: str
    values: NDArray[Any]
    placement: GridReorientation

    def pancreas_mask(self, meant: LabelValues) -> NDArray[np.uint8]:
        """Return the mask of the pancreas, (z, y, x) uint8, 0 or 1; it raises like `pancreas_mask`."""
        return np.ascontiguousarray(pancreas_mask(self.values, meant, self.name)).view(np.uint8)

    def on_grid_of(self, other: GridReorientation) -> LabelFile | None:
        """Return the labels on the grid of `other`, 0 outside of their own; None if they do not fit into it.

        They fit if their voxels are voxels of the other grid.
        """
        here, there = self.placement.canonical, other.canonical
        if here.matches_grid(there, _TOLERANCE_MM):
            return LabelFile(self.name, self.values, other)
        first = (
            None if _has_same_corner(self.placement.source, other.source) else _voxel_offset_in(here, there)
        )
        if first is None:
            return None
        whole = np.zeros(there.shape, self.values.dtype)
        whole[tuple(slice(at, at + n) for at, n in zip(first, here.shape, strict=True))] = self.values
        return LabelFile(self.name, whole, other)


@displayable_errors()
def read_labels(path: Path, volume: Volume | None = None) -> LabelFile:
    """Read all labels in `path` on the canonical grid.

    Args:
        path: the label file.
        volume: the volume on which it was drawn; None does not check that.

    Raises:
        UnreadableInput: if the file is not a label file, or lies on another grid than `volume`.
    """
    values, grid = load_stored_labels(path)
    if volume is not None and grid.matches_grid(volume.placement.source, _TOLERANCE_MM):
        # Not canonicalised by its own affine: where two orders of axes are equally close, rounding would
        # decide between them, and mask and CT could be turned differently.
        placement = volume.placement
    else:
        placement = canonical_reorientation(grid)
    turned = np.ascontiguousarray(placement.to_canonical(values))
    found = LabelFile(path.name, turned, placement)
    if volume is None:
        return found
    # Other programs store the same voxels with axes swapped or reversed, or only the part with the organ.
    placed = found.on_grid_of(volume.placement)
    if placed is None:
        raise UnreadableInput(
            f"{path.name} does not belong to {volume.name}: {_grid_difference(grid, volume)}."
        )
    return placed


def load_stored_labels(path: Path) -> StoredLabels:
    """Read the values of the label file `path` as (i, j, k), and the grid on which they lie.

    Raises:
        UnreadableInput: if the format of the file holds no labels, or it cannot be read.
    """
    load_labels = format_of_path(path).load_labels
    if load_labels is None:
        raise UnreadableInput(f"{path.name} is not a label file: open {label_format_names()}.")
    return load_labels(path)


def _has_same_corner(part: VoxelGrid, whole: VoxelGrid) -> bool:
    """Whether both grids begin at the same point.

    Then a smaller grid is not trusted: a program that cut voxels out may have left the origin as it was.
    """
    return bool(np.abs(part.affine[:3, 3] - whole.affine[:3, 3]).max() <= _TOLERANCE_MM)


def _voxel_offset_in(part: VoxelGrid, whole: VoxelGrid) -> tuple[int, int, int] | None:
    """Return the voxel of `whole` at which `part` begins; None if its voxels are not voxels of `whole`."""
    place = np.linalg.solve(whole.affine, part.affine[:, 3])[:3]
    first = np.rint(place)
    moved = whole.affine.copy()
    moved[:, 3] = whole.affine @ np.append(first, 1)
    # Bounds are checked first: a part may not stick out of the whole.
    ends = first + np.array(part.shape)
    if (first < 0).any() or (ends > np.array(whole.shape)).any():
        return None
    if not part.matches_grid(VoxelGrid(part.shape, moved), _TOLERANCE_MM):
        return None
    return int(first[0]), int(first[1]), int(first[2])


def _grid_difference(grid: VoxelGrid, volume: Volume) -> str:
    source = volume.placement.source
    if sorted(grid.shape) != sorted(source.shape):
        sizes = [" x ".join(map(str, shape)) for shape in (grid.shape, source.shape)]
        return f"it has {sizes[0]} voxels, the CT {sizes[1]}"
    return "its voxels lie elsewhere in the patient"
