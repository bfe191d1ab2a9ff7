"""Reading a label file, back onto the volume it belongs to where there is one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.errors import UnreadableInput
from attunet_gui.core.grid import Grid, Reorientation, canonicalise
from attunet_gui.core.volume import Volume
from attunet_gui.io.showable import showable_errors

# NIfTI-1 stores positions as float32: a grid that started as DICOM comes back rounded by less than this.
_TOLERANCE_MM = 1e-3


@showable_errors()
def read_mask(path: Path, volume: Volume, *, label: int | None = None) -> NDArray[np.uint8]:
    """The mask in `path` (NIfTI, NRRD or MetaImage), on the canonical grid of `volume`.

    Args:
        path: the label file.
        volume: the volume it was drawn on.
        label: the value that counts as inside; None takes every value but 0, if there is only one.

    Returns:
        (z, y, x) uint8, 0 or 1.

    Raises:
        UnreadableInput: if the file is no label file, holds several labels and `label` is None, or lies on
            another voxel grid than `volume`.
    """
    values, grid = _load(path)
    placement = _placement(grid, volume, path)
    inside = values != 0 if label is None else values == label
    if label is None:
        _check_one_label(values[inside], path)
    return np.ascontiguousarray(placement.to_canonical(inside)).view(np.uint8)


@dataclass(frozen=True, eq=False)
class LabelFile:
    """A label file, without a CT to lie on.

    Attributes:
        values: (z, y, x) the stored values on the canonical grid, of whatever type they are.
        placement: source grid, canonical grid and the map between them.
    """

    values: NDArray[Any]
    placement: Reorientation

    def lies_on(self, grid: Grid) -> bool:
        """Whether its canonical grid is `grid`, to a thousandth of a millimetre."""
        return self.placement.canonical.matches(grid, _TOLERANCE_MM)


@showable_errors()
def read_labels(path: Path, volume: Volume | None = None) -> LabelFile:
    """Every label in `path` (NIfTI, NRRD or MetaImage), on the canonical grid.

    Args:
        path: the label file.
        volume: the volume it was drawn on; None for any.

    Raises:
        UnreadableInput: if the file is no label file, or lies on another grid than `volume`.
    """
    values, grid = _load(path)
    placement = _placement(grid, volume, path) if volume else canonicalise(grid)
    return LabelFile(np.ascontiguousarray(placement.to_canonical(values)), placement)


def _load(path: Path) -> tuple[NDArray[Any], Grid]:
    from attunet_gui.io.reading import reader_for

    kind = reader_for(path).kind
    if kind == "NIfTI":
        from attunet_gui.io import nifti

        content = nifti.load(path)
        return _scaled(content.stored, content.slope, content.intercept), content.grid
    if kind in ("NRRD", "MetaImage"):
        from attunet_gui.io import itk

        plain = itk.load(path)
        return plain.stored, plain.grid
    raise UnreadableInput(f"{path.name} is not a label file: open NIfTI, NRRD or MetaImage.")


def _scaled(stored: NDArray[Any], slope: float, intercept: float) -> NDArray[Any]:
    if slope == 1.0 and intercept == 0.0:
        return stored
    return stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)


def _placement(grid: Grid, volume: Volume, path: Path) -> Reorientation:
    if grid.matches(volume.placement.source, _TOLERANCE_MM):
        return volume.placement
    # Other programs store the same voxels with axes swapped or reversed: still exact.
    placement = canonicalise(grid)
    if placement.canonical.matches(volume.grid, _TOLERANCE_MM):
        return placement
    raise UnreadableInput(f"{path.name} does not belong to {volume.name}: {_difference(grid, volume)}.")


def _difference(grid: Grid, volume: Volume) -> str:
    source = volume.placement.source
    if sorted(grid.shape) != sorted(source.shape):
        sizes = [" x ".join(map(str, shape)) for shape in (grid.shape, source.shape)]
        return f"it has {sizes[0]} voxels, the CT {sizes[1]}"
    return "its voxels lie elsewhere in the patient"


def _check_one_label(inside: NDArray[Any], path: Path) -> None:
    if inside.size == 0:
        return
    if not np.isfinite(inside).all() or inside.min() != inside.max():
        raise UnreadableInput(f"{path.name} holds several labels: one was expected, or say which is meant.")
