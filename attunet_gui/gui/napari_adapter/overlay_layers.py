"""What lies over the CT of a case: maps, a draft on its way, proposed changes, the ring around a place."""

from __future__ import annotations

import numpy as np
from napari.layers import Shapes
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray

from attunet_gui.core.mask_edit import NO_EDIT, MaskEdit, VoxelBox
from attunet_gui.gui import theme
from attunet_gui.gui.napari_adapter.layer_appearance import LayerAppearance
from attunet_gui.gui.napari_adapter.layer_factory import (
    ARRIVING,
    CHANGES,
    CT,
    MASK,
    MM,
    OTHER,
    RING,
    make_labels_layer,
    make_mask_layer,
    mask_colormap,
    reset_mask_layer,
)
from attunet_gui.gui.napari_adapter.layer_set import LayerSet
from attunet_gui.gui.napari_adapter.slice_view import SliceView

_RING_MM = 12.0
"""Distance in mm between the bounding box of a place to check and the ring drawn around it."""
_CLOSE_UP_MM = 130.0
"""Smallest field of view in mm when a place to check is shown, so that its surroundings stay visible."""


class DraftLayers:
    """Shows a draft slice by slice while it is made, and one that is not to replace the mask beside it.

    Args:
        layer_set: the layers of the case.
        appearance: has the maps, which fill together with the draft.
        slice_view: knows which slice is on screen.
    """

    def __init__(self, layer_set: LayerSet, appearance: LayerAppearance, slice_view: SliceView) -> None:
        self._layers, self._appearance, self._slice_view = layer_set, appearance, slice_view
        self._is_arriving = False

    def prepare_arriving_layer(self) -> None:
        """Add the hidden layer that a draft will arrive in.

        Adding a layer takes napari a noticeable time, so this is done before a draft is asked for.
        """
        if CT not in self._layers or ARRIVING in self._layers:
            return
        empty = np.zeros(self._layers[CT].data.shape, np.uint8)
        layer = make_mask_layer(ARRIVING, empty, self._layers[CT], theme.MASK)
        layer.visible = layer.editable = False
        self._layers.add_layer_beside(ARRIVING, layer)

    def begin_arrival(self) -> None:
        """Show slices of a draft from now on as soon as each is done; the mask is not changed."""
        self.prepare_arriving_layer()
        layer, mask = self._layers.get_layer(ARRIVING), self._layers.get_layer(MASK)
        if layer is None or mask is None:
            return
        # Beside an existing mask the new draft needs another colour to be told apart.
        colour = theme.OTHER_DRAFT if mask.data.any() else theme.MASK
        colours = mask_colormap(colour)
        if not np.array_equal(layer.colormap.color_dict[1], colours.color_dict[1]):
            layer.colormap = colours
        layer.visible = self._is_arriving = True

    def show_arrived_slices(self, slices: NDArray[np.intp], drafted: MaskEdit) -> None:
        """Show what the draft has in the slices that are done, and draw the maps there anew.

        Args:
            slices: indices of the slices that are done, ascending.
            drafted: what the draft adds to an empty mask in them.
        """
        layer = self._layers.get_layer(ARRIVING)
        if layer is None or not self._is_arriving:
            return
        if drafted.changed_voxels:
            drafted.apply_to(layer.data)
        # Drawing is the expensive part; slices that are not on screen are drawn when they are shown.
        if slices[0] <= self._slice_view.current_slice <= slices[-1]:
            layer.refresh()
            self._appearance.refresh_shown_maps()

    def end_arrival(self) -> None:
        """Empty and hide the arriving layer: the draft is complete and becomes the mask, or was cancelled."""
        if self._is_arriving:
            self.clear_arriving_layer()

    def clear_arriving_layer(self) -> None:
        """Empty and hide the arriving layer, on the grid of the CT that is open now, if there is one."""
        self._is_arriving = False
        if ARRIVING not in self._layers:
            return
        layer, ct = self._layers[ARRIVING], self._layers[CT]
        layer.visible = False
        # Renewing makes the layer visible again.
        reset_mask_layer(layer, ARRIVING, np.zeros(ct.data.shape, np.uint8), ct)
        layer.visible = layer.editable = False

    def show_other_draft(self, mask: NDArray[np.uint8]) -> None:
        """Show `mask`, uint8 (z, y, x), as a second, yellow contour.

        The annotator's own mask is not changed.
        """
        # A second draft beside the mask replaces the first one.
        self._layers.remove_layer(OTHER)
        layer = make_mask_layer(OTHER, mask.copy(), self._layers[CT], theme.OTHER_DRAFT)
        self._layers.add_layer_beside(OTHER, layer)


class MarkerLayers:
    """Marks what the annotator is to judge: proposed changes of the mask, and a place to check.

    Args:
        layer_set: the layers of the case.
        slice_view: is moved to the place.
    """

    def __init__(self, layer_set: LayerSet, slice_view: SliceView) -> None:
        self._layers, self._slice_view = layer_set, slice_view

    def show_changes(self, allowed: MaskEdit, conflicts: MaskEdit = NO_EDIT) -> None:
        """Show proposed changes of the mask by colour.

        Args:
            allowed: what would be added (green) and removed (red).
            conflicts: what contradicts locked decisions of the annotator (purple).
        """
        self.hide_changes()
        mask = self._layers.get_layer(MASK)
        if mask is None or not (allowed.changed_voxels or conflicts.changed_voxels):
            return
        colours = {0: "transparent", 1: theme.ADDED, 2: theme.REMOVED, 3: theme.CONFLICT, None: "transparent"}
        shown = _label_changes(mask.data, allowed, conflicts)
        layer = make_labels_layer(CHANGES, shown, self._layers[CT], DirectLabelColormap(color_dict=colours))
        # An area, since a contour hides single voxels; translucent, so that the CT below can be judged.
        layer.opacity, layer.contour = 0.55, 0
        layer.editable = False
        self._layers.add_layer_beside(CHANGES, layer)

    def hide_changes(self) -> None:
        """Remove the layer of proposed changes."""
        self._layers.remove_layer(CHANGES)

    def show_place(self, box: VoxelBox, index: int) -> None:
        """Go to slice `index`, zoom so that `box` fills a part of the view, and draw a ring around it."""
        self.hide_place()
        if CT not in self._layers:
            return
        scale = self._layers[CT].scale
        middle, half = _ring_ellipse(box, scale)
        ring = Shapes(
            [np.array([[index, *(middle + side * half)] for side in _CORNERS])],
            shape_type="ellipse", name=RING, scale=scale, units=MM,
            face_color="transparent", edge_color=theme.UNSURE, edge_width=1.2, opacity=0.9,
        )  # fmt: skip
        ring.editable = False
        self._layers.add_layer_beside(RING, ring)
        # The ring takes at most 1/2.2 of the view, so that its surroundings are judged with it.
        field_mm = max(_CLOSE_UP_MM, 2.2 * float((2 * half * scale[1:]).max()))
        self._slice_view.zoom_to(index, middle * scale[1:], field_mm)

    def hide_place(self) -> None:
        """Remove the ring around the place to check."""
        self._layers.remove_layer(RING)


_CORNERS = np.array([(-1, -1), (-1, 1), (1, 1), (1, -1)])


def _ring_ellipse(
    box: VoxelBox, scale: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return centre and half axes (y, x), in voxels, of the ring around `box`. `scale` is (z, y, x) in mm."""
    low = np.array([part.start for part in box[1:]], float)
    high = np.array([part.stop - 1 for part in box[1:]], float)
    return (low + high) / 2, (high - low) / 2 + _RING_MM / scale[1:]


def _label_changes(mask: NDArray[np.uint8], allowed: MaskEdit, conflicts: MaskEdit) -> NDArray[np.uint8]:
    """Return uint8 (z, y, x): 1 where voxels would be added, 2 removed, 3 in conflict with a decision."""
    shown = np.zeros(mask.shape, np.uint8)
    flips = allowed.flipped_voxels()
    shown[allowed.box][flips] = np.where(mask[allowed.box][flips] == 0, 1, 2)
    shown[conflicts.box][conflicts.flipped_voxels()] = 3
    return shown
