"""A labels layer for masks: faster contours, and only the painting modes that the dock shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any, ClassVar

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray
from psygnal import Signal

from attunet_gui.core.mask_edit import VoxelBox


def bounding_box_of(atoms: Any) -> VoxelBox:
    """Return the (z, y, x) box that holds all voxels that the items `atoms` of napari's history name."""
    parts = [_atom_bounds(atom) for atom in atoms]
    z, y, x = (
        slice(min(part[axis].start for part in parts), max(part[axis].stop for part in parts))
        for axis in range(3)
    )
    return z, y, x


def _atom_bounds(atom: Any) -> tuple[slice, ...]:
    if hasattr(atom, "slice_key"):
        return tuple(atom.slice_key)
    return tuple(slice(int(index.min()), int(index.max()) + 1) for index in atom[0])


def apply_atoms(atoms: Any, data: NDArray[np.uint8]) -> None:
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


def atom_nbytes(atom: Any) -> int:
    """Return the memory in bytes that napari's history keeps for `atom`: its arrays and tuples of arrays."""
    return sum(
        getattr(part, "nbytes", 0) or sum(getattr(index, "nbytes", 0) for index in part)
        for part in atom
        if isinstance(part, np.ndarray | tuple)
    )


MODES = ("pan_zoom", "paint", "erase", "polygon")
"""The modes of napari that a mask may be in. The dock has no button for the others."""
RIGHT_BUTTON = "The right button draws nothing; to fill an outline, take the polygon (3)."

_Mode = Labels._modeclass


def _drag_with_left_button(layer: MaskLabels, event: Any) -> Iterator[None]:
    """Run napari's brush or eraser for the left button, and refuse the other buttons."""
    if event.button != 1:
        layer.refused.emit(RIGHT_BUTTON)
        return
    # napari records a stroke when it is told of the release. It is not told if another layer is selected or
    # the release is outside its views by then, and would go on drawing without a button.
    try:
        with closing(Labels._drag_modes[_Mode.PAINT](layer, event)) as stroke:
            for _ in stroke:
                yield
                if event.type == "mouse_move" and not event.is_dragging:
                    break
    finally:
        layer._commit_staged_history()


class MaskLabels(Labels):  # type: ignore[misc]  # napari has no types
    """Draws what napari's `Labels` draws, but computes contours only within the bounding box of the mask.

    napari searches the whole slice for the contour. At 512 x 512 that takes a tenth of the time of a step to
    the next slice, also where the slice has no mask.

    Signals:
        refused(sentence): napari was asked for a mode that is not used on a mask.
    """

    refused = Signal(str)

    _drag_modes: ClassVar[dict[Any, Any]] = {
        **Labels._drag_modes, _Mode.PAINT: _drag_with_left_button, _Mode.ERASE: _drag_with_left_button,
    }  # fmt: skip

    @property
    def mode(self) -> str:
        """The mode of the mouse, one of `MODES`. Setting another one changes nothing and emits `refused`."""
        return str(super().mode)

    @mode.setter
    def mode(self, mode: Any) -> None:
        wanted = str(_Mode(mode))
        if wanted not in MODES:
            self.refuse_mode(wanted)
            return
        Labels.mode.fset(self, wanted)
        # napari's brush would draw around a part once the right button is pressed, and ignore the left one
        # until that ends; what it has drawn by then is in no history.
        if "brush_stroke" in self._overlays:
            self._overlays["brush_stroke"].enabled = False

    def end_stroke(self) -> None:
        """End and record the stroke that is being drawn; further moves of the mouse draw nothing."""
        for drag in self._mouse_drag_gen.values():
            drag.close()
        self._mouse_drag_gen.clear()
        self._persisted_mouse_event.clear()

    def refuse_mode(self, mode: str) -> None:
        """Emit `refused` with the sentence for napari's `mode`, which a mask is not used in."""
        self.refused.emit(
            f"napari's mode {mode} is not used on a mask; take the brush (P), the eraser (E) or the "
            "polygon (3)."
        )

    @property
    def _type_string(self) -> str:
        return "labels"  # napari goes by the name of the class

    def _calculate_contour(
        self, labels: NDArray[np.uint8], data_slice: tuple[slice, ...]
    ) -> NDArray[np.uint8] | None:
        """Return the contour as napari's method does, which is called for the box of the mask only."""
        # Filled masks, and 3-D rendering, which has no slice, are left to napari.
        if self.contour < 1 or labels.ndim != 2:
            found: NDArray[np.uint8] | None = super()._calculate_contour(labels, data_slice)
            return found
        shown = labels[data_slice]
        contour = np.zeros_like(shown)
        labelled = _labelled_bounds(shown)
        if labelled is not None:
            within = tuple(
                slice(part.start + side.start, part.start + side.stop)
                for part, side in zip(data_slice, labelled, strict=True)
            )
            contour[labelled] = super()._calculate_contour(labels, within)
        return contour


def _labelled_bounds(labels: NDArray[np.uint8]) -> tuple[slice, slice] | None:
    """Return the bounding box (rows, columns) of the labels other than 0 in a slice (y, x).

    None if there are none.
    """
    rows = np.flatnonzero(labels.any(axis=1))
    if not len(rows):
        return None
    columns = np.flatnonzero(labels[rows[0] : rows[-1] + 1].any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
