"""The mask of a case as a napari layer: whatever napari does to it, its voxels stay ours.

Strokes and undo belong to `attunet_gui.editing.edit_session`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray
from psygnal import Signal

from attunet_gui.gui import theme
from attunet_gui.gui.napari_adapter.layer_factory import (
    CT,
    MASK,
    clear_napari_history,
    make_mask_layer,
    reset_mask_layer,
)
from attunet_gui.gui.napari_adapter.layer_set import LayerSet
from attunet_gui.gui.napari_adapter.mask_labels import apply_atoms, atom_nbytes, bounding_box_of

_HISTORY_BYTES = 32_000_000
"""Memory in bytes that napari's own stroke history may take before it is emptied; undo uses the journal."""


class MaskLayer:
    """Owns the voxels of the mask on screen, and announces each change that is made of them in napari.

    Args:
        layer_set: the layers of the case.

    Signals:
        stroke_ended(box, tool): the annotator changed voxels of the mask within `box`; the voxels are set
            already.
        mask_drawn: the mask was drawn anew, as after an undo or on another slice.
    """

    stroke_ended = Signal(tuple, str)
    mask_drawn = Signal()

    def __init__(self, layer_set: LayerSet) -> None:
        self._layers = layer_set
        self._history_bytes = 0
        self._voxels: NDArray[np.uint8] | None = None

    @property
    def voxels(self) -> NDArray[np.uint8] | None:
        """The voxels of the mask, uint8 (z, y, x), not a copy; None if no case is open."""
        layer = self._layers.get_layer(MASK)
        return None if layer is None else layer.data

    def add_to_viewer(self, mask: NDArray[np.uint8]) -> None:
        """Add the layer with `mask`, uint8 (z, y, x), above that of the CT."""
        self._begin_case(mask)
        layer = make_mask_layer(MASK, mask, self._layers[CT], theme.MASK)
        self._layers.add_layer(MASK, layer)
        self._connect_events(layer)

    def replace_voxels(self, mask: NDArray[np.uint8]) -> None:
        """Fill the layer of the last case with `mask`, uint8 (z, y, x), of another one."""
        self._begin_case(mask)
        reset_mask_layer(self._layers[MASK], MASK, mask, self._layers[CT])

    def _begin_case(self, mask: NDArray[np.uint8]) -> None:
        """Keep `mask`, which is changed in place, as the voxels of the case that is opened."""
        self._voxels, self._history_bytes = mask, 0

    def redraw(self) -> None:
        """Draw the mask again after its voxels were changed in place."""
        if MASK in self._layers:
            self._layers[MASK].refresh()

    def _connect_events(self, layer: Labels) -> None:
        """Connect the events of a new mask layer."""
        layer.events.paint.connect(self._on_mask_painted)
        layer.events.data.connect(self._keep_mask_array)
        layer.events.name.connect(self._keep_mask_name)
        layer.events.set_data.connect(self._emit_mask_drawn)
        layer.events.selected_label.connect(self._keep_one_label)
        layer.events.preserve_labels.connect(self._keep_one_label)

    def _on_mask_painted(self, event: Any) -> None:
        layer = self._layers[MASK]
        box = bounding_box_of(event.value)
        # napari announces a polygon, or what a script sets, before it is in the voxels.
        apply_atoms(event.value, layer.data)
        self._limit_napari_history(event.value)
        self.stroke_ended.emit(box, str(layer.mode))

    def _limit_napari_history(self, atoms: Any) -> None:
        self._history_bytes += sum(atom_nbytes(atom) for atom in atoms)
        if self._history_bytes > _HISTORY_BYTES:
            self._history_bytes = 0
            clear_napari_history(self._layers[MASK])

    def _keep_mask_array(self) -> None:
        """Copy the voxels of a foreign array into ours, and put ours back into the layer.

        A script or a command of napari may set `layer.data` to any array. The mask stays uint8 with 0 and 1
        on the grid of the CT; an array of another shape is dropped.
        """
        layer, voxels = self._layers.get_layer(MASK), self._voxels
        # Setting `layer.data` below emits the event again; then the array is ours and nothing is left to do.
        if layer is None or voxels is None or layer.data is voxels:
            return
        given = layer.data
        if given.shape == voxels.shape:
            np.not_equal(given, 0, out=voxels, casting="unsafe")
        layer.data = voxels
        self.stroke_ended.emit(tuple(slice(0, size) for size in voxels.shape), "replaced")

    def _keep_mask_name(self) -> None:
        """Set the name back: the mask is looked up in napari's list of layers by its name."""
        self._layers[MASK].name = MASK

    def _keep_one_label(self) -> None:
        """Keep the brush on label 1.

        Label 0 would erase, and `preserve_labels` would make it draw nothing.
        """
        layer = self._layers[MASK]
        if layer.selected_label != 1:
            layer.selected_label = 1
        if layer.preserve_labels:
            layer.preserve_labels = False

    def _emit_mask_drawn(self) -> None:
        self.mask_drawn.emit()
