"""What lies over the CT of a case: maps, a draft on its way, proposed changes, the ring around a place."""

from __future__ import annotations

import numpy as np
from napari.layers import Layer, Shapes
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray

from attunet_gui.core.mask_edit import NO_EDIT, MaskEdit, VoxelBox
from attunet_gui.gui import theme
from attunet_gui.gui.napari_adapter.layer_factory import (
    ARRIVING,
    CHANGES,
    CT,
    MAP_OPACITY,
    MASK,
    MM,
    OTHER,
    RING,
    make_labels_layer,
    make_map_layer,
    make_mask_layer,
    mask_colormap,
    reset_mask_layer,
)
from attunet_gui.gui.napari_adapter.layer_set import LayerSet
from attunet_gui.gui.napari_adapter.slice_view import SliceView
from attunet_gui.prediction.map_overlays import MapOverlay

_RING_MM = 12.0
"""Distance in mm between the bounding box of a place to check and the ring drawn around it."""
_CLOSE_UP_MM = 130.0
"""Smallest field of view in mm when a place to check is shown, so that its surroundings stay visible."""


class LayerAppearance:
    """Which layers are visible and how: opacity, HU window, contour; and the maps that can be shown.

    Args:
        layer_set: the layers of the case.
    """

    def __init__(self, layer_set: LayerSet) -> None:
        self._layers = layer_set
        self._offered: dict[str, MapOverlay] = {}
        self._map_opacity: dict[str, float] = {}

    # Maps

    def show_maps(self, overlays: tuple[MapOverlay, ...]) -> None:
        """Offer the probability and gate maps. A map becomes a layer when it is first shown.

        A hidden layer costs the window nearly as much as a visible one when it is added, and a draft has six
        maps, of which an annotator looks at one or two. A map that is a layer already gets the new values.
        """
        self._offered = {overlay.key: overlay for overlay in overlays}
        for key, layer in self._map_layers().items():
            if key not in self._offered:
                with self._layers.preserve_view():
                    self._layers.remove_layer(key)
            else:
                layer.data, layer.name = self._offered[key].map, self._offered[key].title
        self._layers.look_changed.emit()

    def forget_maps(self) -> None:
        """Offer no maps any more, as those of the last case."""
        self._offered = {}

    def refresh_shown_maps(self) -> None:
        """Draw the visible maps again after values in them have arrived."""
        for shown in self._map_layers().values():
            if shown.visible:
                shown.refresh()

    def _add_map(self, overlay: MapOverlay) -> None:
        layer = make_map_layer(overlay, self._layers[CT].scale)
        layer.opacity = self.opacity_of(overlay.key)
        self._layers.add_layer_beside(overlay.key, layer)

    def _map_layers(self) -> dict[str, Layer]:
        layers = self._layers.layers_by_key
        return {key: layer for key, layer in layers.items() if key == "probability" or "gate" in key}

    # Every layer

    def is_shown(self, key: str) -> bool:
        """Return whether the layer `key` exists and is visible."""
        return key in self._layers and bool(self._layers[key].visible)

    def show_layer(self, key: str, shown: bool, alone: bool = True) -> None:
        """Show or hide the layer `key`.

        Args:
            key: name of the layer, or key of an offered map.
            shown: whether it is to be visible.
            alone: whether showing one map hides the others; two maps over each other cannot be read.
        """
        if shown and key in self._offered and key not in self._layers:
            self._add_map(self._offered[key])
        if key not in self._layers:
            return
        if shown and alone and key in self._map_layers():
            for other in self._map_layers().values():
                other.visible = False
        self._layers[key].visible = shown

    def toggle_layer(self, key: str) -> None:
        """Show the layer `key` if it is hidden, else hide it."""
        self.show_layer(key, not self.is_shown(key))

    def toggle_mask(self) -> None:
        """Show or hide the mask."""
        self.toggle_layer(MASK)

    def toggle_probability(self) -> None:
        """Show or hide the probability."""
        self.toggle_layer("probability")

    def toggle_gates(self) -> None:
        """Show or hide the merged gates."""
        self.toggle_layer("gates")

    def next_gate(self) -> None:
        """Show the gate map after the visible one; after the last one, show none."""
        keys = [key for key in self._offered if key.startswith("gate ")]
        shown = [key for key in keys if self.is_shown(key)]
        for key in shown:
            self.show_layer(key, False)
        after = keys.index(shown[-1]) + 1 if shown else 0
        if after < len(keys):
            self.show_layer(keys[after], True)

    def opacity_of(self, key: str) -> float:
        """Return the opacity, 0 to 1, that the layer `key` has or will have when it is first shown."""
        if key in self._layers:
            return float(self._layers[key].opacity)
        return self._map_opacity.get(key, MAP_OPACITY)

    def set_opacity(self, key: str, opacity: float) -> None:
        """Set the opacity, 0 to 1, of the layer `key`, also before it is shown for the first time."""
        if key in self._layers:
            self._layers[key].opacity = opacity
        elif key in self._offered:
            self._map_opacity[key] = opacity
            self._layers.look_changed.emit()

    @property
    def window_hu(self) -> tuple[float, float] | None:
        """The HU window as (black, white); None if no case is open."""
        layer = self._layers.get_layer(CT)
        return None if layer is None else (float(layer.contrast_limits[0]), float(layer.contrast_limits[1]))

    def set_hu_window(self, low: float, high: float) -> None:
        """Set the HU window: `low` HU is drawn black and `high` HU white."""
        if CT in self._layers and low < high:
            self._layers[CT].contrast_limits = (low, high)

    def next_hu_window(self) -> None:
        """Set the next preset of the HU window."""
        windows = [(float(low), float(high)) for _name, low, high in theme.HU_PRESETS]
        now = self.window_hu
        index = windows.index(now) + 1 if now in windows else 0
        self.set_hu_window(*windows[index % len(windows)])

    @property
    def is_filled(self) -> bool:
        """Whether the mask is drawn as an area; otherwise it is drawn as a contour."""
        return MASK in self._layers and self._layers[MASK].contour == 0

    def set_filled(self, filled: bool) -> None:
        """Draw the mask as an area or as a contour."""
        if MASK in self._layers:
            self._layers[MASK].contour = 0 if filled else 1

    def toggle_filled(self) -> None:
        """Switch the mask between area and contour."""
        self.set_filled(not self.is_filled)
        self._layers.look_changed.emit()

    def cursor_values_text(self) -> str:
        """Return the HU and the values of visible maps at the cursor as text; "" outside the CT."""
        if CT not in self._layers:
            return ""
        value = self._value_at_cursor(CT)
        if value is None:
            return ""
        shown = [key for key in self._map_layers() if self.is_shown(key)]
        words = [f"{self._value_at_cursor(key) or 0.0:.2f} {key}" for key in shown]
        return ", ".join([f"{value:.0f} HU", *words])

    def _value_at_cursor(self, key: str) -> float | None:
        """Return the value of the layer `key` under the cursor; None outside of it."""
        value = self._layers[key].get_value(self._layers.viewer.cursor.position, world=True)
        return None if value is None else float(value)


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
