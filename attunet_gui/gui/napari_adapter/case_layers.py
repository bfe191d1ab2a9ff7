"""Shows a case as napari layers. Works on a `ViewerModel`, with or without a window.

A result that arrives changes only the layers that it owns: slice, zoom, selected layer and tool stay as the
annotator has them. The mask layer owns the voxels on screen; strokes and undo belong to
`attunet_gui.editing.edit_session`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer, Shapes
from napari.utils.camera_orientations import DEFAULT_ORIENTATION
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray
from psygnal import Signal

from attunet_gui.core.map_overlays import MapOverlay
from attunet_gui.core.mask_edit import NO_EDIT, MaskEdit, VoxelBox
from attunet_gui.core.volume import Volume
from attunet_gui.gui import theme
from attunet_gui.gui.napari_adapter.layer_factory import (
    CT,
    MAP_OPACITY,
    MM,
    clear_napari_history,
    is_on_voxel_grid,
    make_ct_layer,
    make_labels_layer,
    make_map_layer,
    make_mask_layer,
    mask_colormap,
    move_to_voxel_grid,
    reset_ct_layer,
    reset_mask_layer,
)
from attunet_gui.gui.napari_adapter.mask_labels import apply_atoms, atom_nbytes, bounding_box_of
from attunet_gui.gui.napari_adapter.napari_keys import (
    Tool,
    brush_keys,
    drop_open_polygon,
    reset_view_keys,
    tool_keys,
)
from attunet_gui.review.slice_visibility import RectangleMm, SliceVisibility, is_readable

MASK, OTHER, CHANGES, RING = "Pancreas", "New draft", "Proposed changes", "Place to check"
ARRIVING = "Draft on its way"

_HISTORY_BYTES = 32_000_000
"""Memory in bytes that napari's own stroke history may take before it is emptied; undo uses the journal."""
_RING_MM = 12.0
"""Distance in mm between the bounding box of a place to check and the ring drawn around it."""
_CLOSE_UP_MM = 130.0
"""Smallest field of view in mm when a place to check is shown, so that its surroundings stay visible."""


class CaseLayers:
    """The napari layers of one open case: CT, mask, maps, proposed changes and the ring around a place.

    Signals:
        stroke_ended(box, tool): the annotator changed voxels of the mask within `box`; the voxels are set
            already.
        undo_asked, redo_asked: napari's keys for them were pressed on the mask.
        sight_changed: another slice, plane or zoom is on screen, or a layer was shown or hidden.
        mask_drawn: the mask was drawn anew, as after an undo or on another slice. tool_asked(tool),
            away_asked: napari's keys for a tool, or Esc, were pressed.
        hand_changed(hand): what a click on the picture does has changed.
        refused(sentence): napari was asked for something that is not allowed on the layers of a case.
        look_changed: visibility or opacity of a layer, the HU window, or the tool has changed.
        points_drawn(points): a click or a scribble, as voxels (z, y, x), while points are asked for.
        stranger_came(layer): an image or labels layer was added that does not belong to the case.
        layer_lost(name): a layer of the case was deleted from outside, and can be restored.
        slice_changed: another slice is on screen.
    """

    stroke_ended = Signal(tuple, str)
    undo_asked = Signal()
    redo_asked = Signal()
    tool_asked = Signal(str)
    away_asked = Signal()
    click_mode_changed = Signal(str)
    refused = Signal(str)
    sight_changed = Signal()
    mask_drawn = Signal()
    look_changed = Signal()
    points_drawn = Signal(tuple)
    foreign_layer_added = Signal(object)
    layer_lost = Signal(str)
    slice_changed = Signal()

    def __init__(self, viewer: ViewerModel) -> None:
        self.viewer = viewer
        self._layers: dict[str, Layer] = {}
        self._offered: dict[str, MapOverlay] = {}
        self._map_opacity: dict[str, float] = {}
        self._history_bytes = 0
        self._arriving = False
        self._whole_zoom = 1.0
        self._drawing_points = False
        self._click_mode_batches = 0
        self._spacing = (1.0, 1.0, 1.0)
        self._is_moving_back = False
        self._voxels: NDArray[np.uint8] | None = None
        self._click_mode = "pan_zoom"
        viewer.layers.events.removed.connect(self._on_layer_removed)
        viewer.layers.events.inserted.connect(self._on_layer_inserted)
        viewer.layers.selection.events.active.connect(self._update_click_mode)
        viewer.dims.events.current_step.connect(self._emit_slice_changed)
        viewer.mouse_drag_callbacks.append(self._collect_dragged_points)
        self._bind_keys(viewer)
        camera, dims = viewer.scene.camera.events, viewer.dims.events
        # Whatever changes how much of the slice can be seen. Each restarts the time until it counts as seen.
        self._visibility_events = (
            camera.center, camera.zoom, camera.angles, camera.orientation, dims.order,
            dims.ndisplay, dims.current_step, viewer.canvas.events.size,
            viewer.canvas.grid.events.enabled, viewer.layers.events.reordered,
        )  # fmt: skip
        for event in self._visibility_events:
            event.connect(self._emit_sight_changed)
        self._planes = (dims.order, dims.ndisplay)
        for event in self._planes:
            event.connect(self._plane_changed)

    def _bind_keys(self, keys: Any) -> None:
        """Bind our keys on `keys`, the viewer or a layer, in place of napari's."""
        # napari's own history knows only strokes, not tools and drafts, and ends with the window.
        keys.bind_key("Control-Z", lambda _owner: self.undo_asked.emit(), overwrite=True)
        keys.bind_key("Control-Shift-Z", lambda _owner: self.redo_asked.emit(), overwrite=True)
        keys.bind_key("Escape", self._on_escape_pressed, overwrite=True)
        for one in reset_view_keys():
            keys.bind_key(one, lambda _owner: self.straighten(), overwrite=True)
        # napari's own keys for modes remember the mode before, and go back to it whenever the letter is
        # released again, also that of Ctrl+Z; and they work on the layer that happens to be selected.
        for tool, bound in tool_keys().items():
            for one in bound:
                keys.bind_key(one, self._make_tool_callback(tool), overwrite=True)
        for step, bound in brush_keys().items():
            for one in bound:
                keys.bind_key(one, self._make_brush_callback(step), overwrite=True)

    def _make_tool_callback(self, tool: str) -> Callable[[Any], None]:
        def take(_owner: Any) -> None:
            self.tool_asked.emit(tool)

        return take

    def _make_brush_callback(self, step: int) -> Callable[[Any], None]:
        def grow(_owner: Any) -> None:
            self.grow_brush(step)

        return grow

    def _on_escape_pressed(self, _owner: Any) -> None:
        if MASK in self._layers:
            drop_open_polygon(self._layers[MASK])
        self.away_asked.emit()

    def _plane_changed(self) -> None:
        # The corners of an unfinished polygon belong to the plane that was shown. In 3-D napari cannot draw
        # them at all: vispy raises in every paint.
        if MASK in self._layers:
            drop_open_polygon(self._layers[MASK])

    def disconnect_viewer(self) -> None:
        """Disconnect from the viewer, which may live longer than this object. A second call does nothing."""
        if self._collect_dragged_points not in self.viewer.mouse_drag_callbacks:
            return
        self.viewer.layers.events.removed.disconnect(self._on_layer_removed)
        self.viewer.layers.events.inserted.disconnect(self._on_layer_inserted)
        self.viewer.layers.selection.events.active.disconnect(self._update_click_mode)
        self.viewer.dims.events.current_step.disconnect(self._emit_slice_changed)
        self.viewer.mouse_drag_callbacks.remove(self._collect_dragged_points)
        for event in self._visibility_events:
            event.disconnect(self._emit_sight_changed)
        for event in self._planes:
            event.disconnect(self._plane_changed)
        for keys in _bound_key_names():
            self.viewer.bind_key(keys, None)

    def owns_layer(self, layer: Layer) -> bool:
        """Return whether `layer`, or the layer behind napari's proxy `layer`, belongs to the case."""
        return any(layer == own for own in self._layers.values())

    def _emit_slice_changed(self) -> None:
        self.slice_changed.emit()

    # The case

    def show_case(self, volume: Volume, mask: NDArray[np.uint8] | None) -> None:
        """Replace the layers of the last case by those of `volume`, and go to its middle slice.

        Args:
            volume: the CT; HU in (z, y, x).
            mask: uint8 (z, y, x) with 0 and 1, which the layer keeps and changes in place; None gives an
                empty mask.
        """
        if mask is None:
            mask = np.zeros(volume.grid.shape, np.uint8)
        self._spacing, self._voxels = volume.grid.spacing_mm, mask
        if self._can_reuse_layers(volume):
            self._reuse_layers(volume, mask)
        else:
            self.remove_layers()
            self._add_layer(CT, make_ct_layer(volume))
            self._add_layer(MASK, make_mask_layer(MASK, mask, self._layers[CT], theme.MASK))
            self._watch_mask()
        self._history_bytes = 0
        self._drawing_points = False
        # napari's tools and keys work on the selected layer.
        self.viewer.layers.selection.active = self._layers[MASK]
        self._update_click_mode()
        self.viewer.dims.axis_labels = ("Slice", "Row", "Column")
        self.viewer.dims.set_current_step(0, volume.grid.shape[0] // 2)
        self.straighten()
        # The zoom at which the whole slice fits is the base for zooming to a place.
        self._whole_zoom = self.viewer.scene.camera.zoom
        self.look_changed.emit()

    def _can_reuse_layers(self, volume: Volume) -> bool:
        """Return whether the layers of the last case can be filled with `volume` and its mask."""
        there = all(self._layers.get(key) in self.viewer.layers for key in (CT, MASK))
        return there and self._layers[CT].data.dtype == volume.hu.dtype

    def _reuse_layers(self, volume: Volume, mask: NDArray[np.uint8]) -> None:
        """Fill the CT and mask layers of the last case with the new one, and remove its other layers."""
        self._offered = {}
        for key in [key for key in self._layers if key not in (CT, MASK, ARRIVING)]:
            self._remove_layer(key)
        reset_ct_layer(self._layers[CT], volume)
        reset_mask_layer(self._layers[MASK], MASK, mask, self._layers[CT])
        if ARRIVING in self._layers:
            self._clear_arriving_layer()

    def remove_layers(self) -> None:
        """Remove the layers of the case; layers that the annotator added stay."""
        # Emptied first, so that layers which we remove ourselves are not reported as lost.
        layers, self._layers = self._layers, {}
        self._offered, self._arriving = {}, False
        for layer in layers.values():
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)

    def _watch_mask(self) -> None:
        """Connect the events of a new mask layer."""
        layer = self._layers[MASK]
        layer.events.paint.connect(self._on_mask_painted)
        layer.events.data.connect(self._keep_mask_array)
        layer.events.name.connect(self._keep_mask_name)
        layer.events.set_data.connect(self._emit_mask_drawn)
        layer.events.selected_label.connect(self._keep_one_label)
        layer.events.preserve_labels.connect(self._keep_one_label)
        layer.events.mode.connect(self._update_click_mode)
        # Our own labels layer refuses the modes that the dock has no button for.
        layer.refused.connect(self._emit_refused)
        for event in (layer.events.mode, layer.events.brush_size, layer.events.n_edit_dimensions):
            event.connect(self._emit_look_changed)
        layer.events.contour.connect(self._emit_look_changed)

    def _add_layer(self, key: str, layer: Layer) -> None:
        """Add a layer of the case, bind our keys on it and watch its look and position."""
        # Before it is added, so that it is known as ours when napari announces it.
        self._layers[key] = layer
        self.viewer.add_layer(layer)
        self._bind_keys(layer)
        for event in (layer.events.visible, layer.events.opacity):
            event.connect(self._emit_look_changed)
        if key == CT:
            layer.events.contrast_limits.connect(self._emit_look_changed)

        for event in (layer.events.scale, layer.events.translate, layer.events.rotate, layer.events.shear,
                      layer.events.affine):  # fmt: skip
            event.connect(self._undo_layer_move)

    def _emit_look_changed(self) -> None:
        self.look_changed.emit()
        self.sight_changed.emit()

    def _emit_sight_changed(self) -> None:
        self.sight_changed.emit()

    def _undo_layer_move(self, event: Any) -> None:
        """Undo a move of a layer of the case: whoever draws on a shifted mask marks the wrong voxels."""
        layer = event.source
        if (
            self._is_moving_back
            or layer not in self._layers.values()
            or is_on_voxel_grid(layer, self._spacing)
        ):
            return
        self._is_moving_back = True
        try:
            move_to_voxel_grid(layer, self._spacing)
        finally:
            self._is_moving_back = False
        if not self._click_mode_batches:
            self.refused.emit(f"{layer.name} lies where the CT was taken; it is not moved, turned or scaled.")

    def _on_layer_inserted(self, event: Any) -> None:
        layer = event.value
        if isinstance(layer, Image | Labels) and layer not in self._layers.values():
            self.foreign_layer_added.emit(layer)

    def _on_layer_removed(self, event: Any) -> None:
        if event.value in self._layers.values():
            self.layer_lost.emit(event.value.name)

    def restore_deleted_layers(self) -> None:
        """Add layers of the case that were deleted in napari's list again.

        Unsaved edits would go with them.
        """
        with self._preserve_view():
            for layer in self._layers.values():
                if layer not in self.viewer.layers:
                    self.viewer.layers.append(layer)
            self._raise_masks()

    # The mask

    @property
    def mask(self) -> NDArray[np.uint8] | None:
        """The voxels of the mask, uint8 (z, y, x), not a copy; None if no case is open."""
        layer = self._layers.get(MASK)
        return None if layer is None else layer.data

    def _on_mask_painted(self, event: Any) -> None:
        layer = self._layers[MASK]
        box = bounding_box_of(event.value)
        # napari announces a polygon, or what a script sets, before it is in the voxels.
        apply_atoms(event.value, layer.data)
        self._limit_napari_history(event.value)
        self.stroke_ended.emit(box, str(layer.mode))

    def _keep_mask_array(self) -> None:
        """Copy the voxels of a foreign array into ours, and put ours back into the layer.

        A script or a command of napari may set `layer.data` to any array. The mask stays uint8 with 0 and 1
        on the grid of the CT; an array of another shape is dropped.
        """
        layer, voxels = self._layers.get(MASK), self._voxels
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

    def _limit_napari_history(self, atoms: Any) -> None:
        self._history_bytes += sum(atom_nbytes(atom) for atom in atoms)
        if self._history_bytes > _HISTORY_BYTES:
            self._history_bytes = 0
            clear_napari_history(self._layers[MASK])

    def _emit_mask_drawn(self) -> None:
        self.mask_drawn.emit()

    def _emit_refused(self, sentence: str) -> None:
        self.refused.emit(sentence)

    def _keep_one_label(self) -> None:
        """Keep the brush on label 1.

        Label 0 would erase, and `preserve_labels` would make it draw nothing.
        """
        layer = self._layers[MASK]
        if layer.selected_label != 1:
            layer.selected_label = 1
        if layer.preserve_labels:
            layer.preserve_labels = False

    def redraw_mask(self) -> None:
        """Draw the mask again after its voxels were changed in place."""
        if MASK in self._layers:
            self._layers[MASK].refresh()

    def show_other_draft(self, mask: NDArray[np.uint8]) -> None:
        """Show `mask`, uint8 (z, y, x), as a second, yellow contour.

        The annotator's own mask is not changed.
        """
        # A second draft beside the mask replaces the first one.
        self._remove_layer(OTHER)
        with self._preserve_view():
            self._add_layer(OTHER, make_mask_layer(OTHER, mask.copy(), self._layers[CT], theme.OTHER_DRAFT))
            self._raise_masks()

    def _remove_layer(self, key: str) -> None:
        layer = self._layers.pop(key, None)
        if layer is not None and layer in self.viewer.layers:
            self.viewer.layers.remove(layer)

    # A draft that arrives

    def prepare_arriving_layer(self) -> None:
        """Add the hidden layer that a draft will arrive in.

        Adding a layer takes napari a noticeable time, so this is done before a draft is asked for.
        """
        if CT not in self._layers or ARRIVING in self._layers:
            return
        with self._preserve_view():
            empty = np.zeros(self._layers[CT].data.shape, np.uint8)
            layer = make_mask_layer(ARRIVING, empty, self._layers[CT], theme.MASK)
            layer.visible = layer.editable = False
            self._add_layer(ARRIVING, layer)
            self._raise_masks()

    def begin_arrival(self) -> None:
        """Show slices of a draft from now on as soon as each is done; the mask is not changed."""
        self.prepare_arriving_layer()
        layer, mask = self._layers.get(ARRIVING), self.mask
        if layer is None or mask is None:
            return
        # Beside an existing mask the new draft needs another colour to be told apart.
        colour = theme.OTHER_DRAFT if mask.any() else theme.MASK
        colours = mask_colormap(colour)
        if not np.array_equal(layer.colormap.color_dict[1], colours.color_dict[1]):
            layer.colormap = colours
        layer.visible = self._arriving = True

    def _clear_arriving_layer(self) -> None:
        layer = self._layers[ARRIVING]
        layer.visible = self._arriving = False
        # Renewing makes the layer visible again.
        reset_mask_layer(layer, ARRIVING, np.zeros(self._layers[CT].data.shape, np.uint8), self._layers[CT])
        layer.visible = layer.editable = False

    def show_arrived_slices(self, slices: NDArray[np.intp], drafted: MaskEdit) -> None:
        """Show what the draft has in the slices that are done, and draw the maps there anew.

        Args:
            slices: indices of the slices that are done, ascending.
            drafted: what the draft adds to an empty mask in them.
        """
        layer = self._layers.get(ARRIVING)
        if layer is None or not self._arriving:
            return
        if drafted.changed_voxels:
            drafted.apply_to(layer.data)
        # Drawing is the expensive part; slices that are not on screen are drawn when they are shown.
        if slices[0] <= self.current_slice <= slices[-1]:
            layer.refresh()
            for shown in self._map_layers().values():
                if shown.visible:
                    shown.refresh()

    def end_arrival(self) -> None:
        """Empty and hide the arriving layer: the draft is complete and becomes the mask, or was cancelled."""
        if self._arriving and ARRIVING in self._layers:
            self._clear_arriving_layer()

    # Proposals and places

    def show_changes(self, allowed: MaskEdit, conflicts: MaskEdit = NO_EDIT) -> None:
        """Show proposed changes of the mask by colour.

        Args:
            allowed: what would be added (green) and removed (red).
            conflicts: what contradicts locked decisions of the annotator (purple).
        """
        self.hide_changes()
        mask = self.mask
        if mask is None or not (allowed.changed_voxels or conflicts.changed_voxels):
            return
        colours = {0: "transparent", 1: theme.ADDED, 2: theme.REMOVED, 3: theme.CONFLICT, None: "transparent"}
        shown = _label_changes(mask, allowed, conflicts)
        with self._preserve_view():
            layer = make_labels_layer(
                CHANGES, shown, self._layers[CT], DirectLabelColormap(color_dict=colours)
            )
            # An area, since a contour hides single voxels; translucent, so that the CT below can be judged.
            layer.opacity, layer.contour = 0.55, 0
            layer.editable = False
            self._add_layer(CHANGES, layer)
            self._raise_masks()

    def hide_changes(self) -> None:
        """Remove the layer of proposed changes."""
        self._remove_layer(CHANGES)

    def show_place(self, box: VoxelBox, index: int) -> None:
        """Go to slice `index`, zoom so that `box` fills a part of the view, and draw a ring around it."""
        self.hide_place()
        if CT not in self._layers:
            return
        scale = self._layers[CT].scale
        middle, half = _ring_ellipse(box, scale)
        with self._preserve_view():
            ring = Shapes(
                [np.array([[index, *(middle + side * half)] for side in _CORNERS])],
                shape_type="ellipse", name=RING, scale=scale, units=MM,
                face_color="transparent", edge_color=theme.UNSURE, edge_width=1.2, opacity=0.9,
            )  # fmt: skip
            ring.editable = False
            self._add_layer(RING, ring)
            self._raise_masks()
        self.go_to_slice(index)
        camera = self.viewer.scene.camera
        camera.center = (index * scale[0], *(middle * scale[1:]))
        extent = self._layers[CT].extent.world
        whole = float((extent[1] - extent[0])[1:].max())
        # The ring takes at most 1/2.2 of the view, so that its surroundings are judged with it.
        wanted = max(_CLOSE_UP_MM, 2.2 * float((2 * half * scale[1:]).max()))
        camera.zoom = self._whole_zoom * max(1.0, whole / wanted)

    def hide_place(self) -> None:
        """Remove the ring around the place to check."""
        self._remove_layer(RING)

    # Maps

    def show_maps(self, overlays: tuple[MapOverlay, ...]) -> None:
        """Offer the probability and gate maps. A map becomes a layer when it is first shown.

        A hidden layer costs the window nearly as much as a visible one when it is added, and a draft has six
        maps, of which an annotator looks at one or two. A map that is a layer already gets the new values.
        """
        self._offered = {overlay.key: overlay for overlay in overlays}
        for key, layer in self._map_layers().items():
            if key not in self._offered:
                with self._preserve_view():
                    self._remove_layer(key)
            else:
                layer.data, layer.name = self._offered[key].map, self._offered[key].title
        self.look_changed.emit()

    def _add_map(self, overlay: MapOverlay) -> None:
        with self._preserve_view():
            layer = make_map_layer(overlay, self._layers[CT].scale)
            layer.opacity = self.opacity_of(overlay.key)
            self._add_layer(overlay.key, layer)
            self._raise_masks()

    def _map_layers(self) -> dict[str, Layer]:
        return {key: layer for key, layer in self._layers.items() if key == "probability" or "gate" in key}

    def _raise_masks(self) -> None:
        """Move the masks above the maps, in their order.

        Each move redraws, so a right order is left alone.
        """
        layers = self.viewer.layers
        wanted = [self._layers[key] for key in (OTHER, ARRIVING, CHANGES, RING, MASK) if key in self._layers]
        if list(layers)[-len(wanted) :] != wanted:
            for layer in wanted:
                layers.move(layers.index(layer), len(layers))

    # The look

    def is_shown(self, key: str) -> bool:
        """Return whether the layer `key` exists and is visible."""
        return key in self._layers and bool(self._layers[key].visible)

    def opacity_of(self, key: str) -> float:
        """Return the opacity, 0 to 1, that the layer `key` has or will have when it is first shown."""
        if key in self._layers:
            return float(self._layers[key].opacity)
        return self._map_opacity.get(key, MAP_OPACITY)

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

    def set_opacity(self, key: str, opacity: float) -> None:
        """Set the opacity, 0 to 1, of the layer `key`, also before it is shown for the first time."""
        if key in self._layers:
            self._layers[key].opacity = opacity
        elif key in self._offered:
            self._map_opacity[key] = opacity
            self.look_changed.emit()

    @property
    def window_hu(self) -> tuple[float, float] | None:
        """The HU window as (black, white); None if no case is open."""
        layer = self._layers.get(CT)
        return None if layer is None else (float(layer.contrast_limits[0]), float(layer.contrast_limits[1]))

    def set_hu_window(self, low: float, high: float) -> None:
        """Set the HU window: `low` HU is drawn black and `high` HU white."""
        if CT in self._layers and low < high:
            self._layers[CT].contrast_limits = (low, high)

    @property
    def is_filled(self) -> bool:
        """Whether the mask is drawn as an area; otherwise it is drawn as a contour."""
        return MASK in self._layers and self._layers[MASK].contour == 0

    def set_filled(self, filled: bool) -> None:
        """Draw the mask as an area or as a contour."""
        if MASK in self._layers:
            self._layers[MASK].contour = 0 if filled else 1

    # Tools and places

    @property
    def current_tool(self) -> str:
        """The mode of the mask layer, one of `contoured.MODES`; "pan_zoom" if no case is open."""
        return str(self._layers[MASK].mode) if MASK in self._layers else "pan_zoom"

    def select_tool(self, tool: Tool) -> None:
        """Select the mask layer, make it visible and set its mode to `current_tool`."""
        if MASK not in self._layers:
            return
        layer = self._layers[MASK]
        with self._batch_click_mode_changes():
            self.stop_drawing_points()
            self.viewer.layers.selection.active = layer
            layer.visible = True
            layer.mode = tool

    def set_drawing_points(self, wanted: bool) -> None:
        """Select the mask, and let a click or drag give points (`wanted`) or move the picture."""
        with self._batch_click_mode_changes():
            self.select_tool("pan_zoom")
            self._drawing_points = wanted
            if MASK in self._layers:
                layer = self._layers[MASK]
                layer.mouse_pan = not wanted
                layer.cursor = "cross" if wanted else "standard"

    def stop_drawing_points(self) -> None:
        """Let a click give no points any more; another tool that is selected stays selected."""
        if not self._drawing_points:
            return
        self._drawing_points = False
        layer = self._layers.get(MASK)
        if layer is not None and layer.mode == "pan_zoom":
            layer.mouse_pan, layer.cursor = True, "standard"
        self._update_click_mode()

    @property
    def click_mode(self) -> str:
        """What a click on the picture does.

        A mode of the mask, or "points" while points are asked for. If another layer is selected: "pan_zoom"
        if it only moves the picture, and "" if it does something of its own.
        """
        mask, active = self._layers.get(MASK), self.viewer.layers.selection.active
        if mask is not None and active is mask:
            return "points" if self._drawing_points else str(mask.mode)
        return "pan_zoom" if active is None or str(active.mode) == "pan_zoom" else ""

    @contextmanager
    def _batch_click_mode_changes(self) -> Iterator[None]:
        """Announce at most one change of what a click does for all changes within the block."""
        self._click_mode_batches += 1
        try:
            yield
        finally:
            self._click_mode_batches -= 1
            self._update_click_mode()

    def _update_click_mode(self) -> None:
        # Selecting a layer and setting its mode are two events; the state between them is not announced.
        if self._click_mode_batches or self.click_mode == self._click_mode:
            return
        self._click_mode = self.click_mode
        self.click_mode_changed.emit(self._click_mode)
        self.look_changed.emit()

    def _collect_dragged_points(self, _viewer: ViewerModel, event: Any) -> Iterator[None]:
        """Collect the voxels of one drag with the left button.

        Napari resumes this generator at each mouse event.
        """
        if not self._drawing_points or event.button != 1:
            return
        # The generator runs up to the first `yield` when the button is pressed.
        points = [self.cursor_voxel]
        yield
        while event.type == "mouse_move":
            points.append(self.cursor_voxel)
            yield
        inside = tuple(dict.fromkeys(point for point in points if point is not None))
        if inside:
            self.points_drawn.emit(inside)

    @property
    def brush_size(self) -> int:
        """Diameter of the brush in pixels of the slice."""
        return int(self._layers[MASK].brush_size) if MASK in self._layers else 10

    def set_brush_size(self, pixels: int) -> None:
        """Set the diameter of the brush in pixels of the slice."""
        if MASK in self._layers:
            self._layers[MASK].brush_size = pixels

    def grow_brush(self, pixels: int) -> None:
        """Make the brush larger by `pixels`, which may be negative, but never smaller than one pixel."""
        self.set_brush_size(max(1, self.brush_size + pixels))

    @property
    def edits_volume(self) -> bool:
        """Whether brush and eraser change neighbouring slices too: a ball instead of a disc."""
        return MASK in self._layers and self._layers[MASK].n_edit_dimensions == 3

    def set_edits_volume(self, wanted: bool) -> None:
        """Set whether brush and eraser change neighbouring slices too."""
        if MASK in self._layers:
            self._layers[MASK].n_edit_dimensions = 3 if wanted else 2

    @property
    def current_slice(self) -> int:
        """Index of the slice on screen, from 0 at the feet."""
        return int(self.viewer.dims.current_step[0])

    def straighten(self) -> None:
        """Show axial slices in radiological orientation and fit them to the window."""
        viewer = self.viewer
        viewer.dims.ndisplay = 2
        viewer.dims.order = tuple(range(viewer.dims.ndim))
        # In napari's grid CT and mask are drawn beside each other, which nobody can compare.
        viewer.canvas.grid.enabled = False
        viewer.scene.camera.orientation = DEFAULT_ORIENTATION
        viewer.reset_view()

    def slice_visibility(self, window_shown: bool, box: VoxelBox | None = None) -> SliceVisibility | None:
        """Describe how much of the slice can be seen, as the input of the rule for seen and verified slices.

        Args:
            window_shown: whether the picture can be on a screen at all.
            box: voxels that have to be visible; None means the mask of the slice.

        Returns:
            the description; None if no case is open or a layer of it is missing.
        """
        if not all(self._layers.get(key) in self.viewer.layers for key in (CT, MASK)):
            return None
        ct, mask = self._layers[CT], self._layers[MASK]
        viewer, camera = self.viewer, self.viewer.scene.camera
        if box is None:
            box = _mask_bounds(mask.data[min(self.current_slice, len(mask.data) - 1)])
        whole = (slice(0, 1), slice(0, ct.data.shape[1]), slice(0, ct.data.shape[2]))
        straight = is_on_voxel_grid(ct, self._spacing) and is_on_voxel_grid(mask, self._spacing)
        as_ever = tuple(map(str, camera.orientation)) == DEFAULT_ORIENTATION
        return SliceVisibility(
            window_shown=window_shown,
            dimensions=int(viewer.dims.ndisplay),
            order=tuple(int(axis) for axis in viewer.dims.order),
            straight=straight and as_ever and not viewer.canvas.grid.enabled,
            ct_drawn=_is_layer_visible(ct, viewer.layers),
            mask_drawn=_is_layer_visible(mask, viewer.layers),
            ct_readable=is_readable(
                ct.data[min(self.current_slice, len(ct.data) - 1)], *map(float, ct.contrast_limits)
            ),
            pixels_per_mm=float(camera.zoom),
            view=_visible_rectangle(viewer),
            judged=None if box is None else self._rectangle_mm(box),
            ct=self._rectangle_mm(whole),
        )

    def _rectangle_mm(self, box: VoxelBox) -> RectangleMm:
        """Return (top, left, bottom, right) of `box` in its slice, in mm, at the outer pixel edges."""
        _z, row, column = self._spacing
        _slices, rows, columns = box
        return ((rows.start - 0.5) * row, (columns.start - 0.5) * column, (rows.stop - 0.5) * row,
                (columns.stop - 0.5) * column)  # fmt: skip

    @property
    def cursor_voxel(self) -> tuple[int, int, int] | None:
        """The voxel (z, y, x) under the cursor; None outside the CT."""
        if CT not in self._layers:
            return None
        layer = self._layers[CT]
        # napari's data coordinates have voxel centres at whole numbers.
        z, y, x = (round(float(v)) for v in layer.world_to_data(self.viewer.cursor.position))
        inside = all(0 <= index < size for index, size in zip((z, y, x), layer.data.shape, strict=True))
        return (z, y, x) if inside else None

    def go_to_slice(self, index: int) -> None:
        """Show the slice with index `index`."""
        self.viewer.dims.set_current_step(0, index)

    def step_slice(self, by: int) -> None:
        """Go `by` slices towards the head; a negative number goes towards the feet."""
        if self._layers:
            self.go_to_slice(self.viewer.dims.current_step[0] + by)

    def cursor_values_text(self) -> str:
        """Return the HU and the values of visible maps at the cursor as text; "" outside the CT."""
        if CT not in self._layers:
            return ""
        value = _layer_value_at_cursor(self.viewer, self._layers[CT])
        if value is None:
            return ""
        shown = [key for key in self._map_layers() if self.is_shown(key)]
        words = [
            f"{_layer_value_at_cursor(self.viewer, self._layers[key]) or 0.0:.2f} {key}" for key in shown
        ]
        return ", ".join([f"{value:.0f} HU", *words])

    @contextmanager
    def _preserve_view(self) -> Iterator[None]:
        """Restore selected layer, mode, slice and camera after the block.

        Napari changes them with each new layer.
        """
        with self._batch_click_mode_changes():
            yield from self._restore_view_afterwards()

    def _restore_view_afterwards(self) -> Iterator[None]:
        """Yield, then restore selected layer, mode, slice, zoom and centre, also after an error."""
        viewer = self.viewer
        active, step = viewer.layers.selection.active, viewer.dims.current_step
        camera = (viewer.scene.camera.center, viewer.scene.camera.zoom)
        mode = None if active is None else active.mode
        try:
            yield
        finally:
            viewer.layers.selection.active = active
            if active is not None:
                active.mode = mode
            viewer.dims.current_step = step
            viewer.scene.camera.center, viewer.scene.camera.zoom = camera


def _bound_key_names() -> tuple[Any, ...]:
    """Return every key that is bound on the viewer, each once."""
    lists = [*tool_keys().values(), *brush_keys().values(), reset_view_keys()]
    return tuple(
        dict.fromkeys(["Control-Z", "Control-Shift-Z", "Escape", *(k for one in lists for k in one)])
    )


def _layer_value_at_cursor(viewer: ViewerModel, layer: Layer) -> float | None:
    """Return the value of `layer` under the cursor; None outside of it."""
    value = layer.get_value(viewer.cursor.position, world=True)
    return None if value is None else float(value)


def _visible_rectangle(viewer: ViewerModel) -> RectangleMm:
    """Return the part of the slice that the canvas shows, as (top, left, bottom, right) in mm."""
    height, width = viewer.canvas.size
    zoom, (row, column) = viewer.scene.camera.zoom, viewer.scene.camera.center[-2:]
    down, across = height / zoom / 2, width / zoom / 2
    return float(row - down), float(column - across), float(row + down), float(column + across)


def _mask_bounds(mask: NDArray[np.uint8]) -> VoxelBox | None:
    """Return the bounding box of one slice of the mask, (y, x), as (1, rows, columns).

    None if it is empty.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return slice(0, 1), slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _is_layer_visible(layer: Layer, layers: Any) -> bool:
    """Return whether `layer` is visible and no image other than one of our translucent maps covers it."""
    above = list(layers)[layers.index(layer) + 1 :]
    covered = any(
        isinstance(other, Image) and other.visible and other.opacity > MAP_OPACITY for other in above
    )
    transparent = isinstance(layer, Labels) and layer.get_color(1)[3] == 0
    # A mask that is painted in a transparent colour is visible to napari but not to an eye.
    return bool(layer.visible and layer.opacity > 0 and not transparent and not covered)


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
