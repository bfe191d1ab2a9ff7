"""The case as napari layers. Works on a `ViewerModel`, with or without a window.

A result that arrives changes only the layers it owns: slice, zoom, selection and tool stay with the
person. The mask layer owns the voxels on screen; strokes and undo belong to `attunet_gui.work`.
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

from attunet_gui.core.edit import NOTHING, Box, Edit
from attunet_gui.core.overlay import Overlay
from attunet_gui.core.volume import Volume
from attunet_gui.gui import theme
from attunet_gui.gui.case_layers import (
    CT,
    MAP_OPACITY,
    MM,
    ct_layer,
    forget_strokes,
    is_straight,
    labels_layer,
    map_layer,
    mask_colours,
    mask_layer,
    renew_ct,
    renew_mask,
    straighten,
)
from attunet_gui.gui.napari_keys import Tool, brush_keys, reset_keys, reset_polygon, tool_keys
from attunet_gui.gui.napari_strokes import box_of, bytes_of, finish
from attunet_gui.review.sight import Rectangle, Sight

MASK, OTHER, CHANGES, RING = "Pancreas", "New draft", "Proposed changes", "Place to check"
ARRIVING = "Draft on its way"

_HISTORY_BYTES = 32_000_000
"""What napari's own history of strokes may hold before it is emptied; ours is the one that counts."""
_RING_MM = 12.0
"""Room between a place and the ring around it."""
_CLOSE_UP_MM = 130.0
"""No place is shown larger than this, so that what lies around it stays in sight."""


class CaseLayers:
    """Layers of one open case.

    Signals:
        stroke_ended(box, tool): the person changed voxels of the mask within `box`, which are there already.
        undo_asked, redo_asked: napari's keys for them were pressed on the mask.
        sight_changed: another slice, plane or zoom is on screen, or a layer is shown or hidden.
        mask_drawn: the mask was drawn anew, as after an undo or on another slice.
        tool_asked(tool), away_asked: napari's keys for a tool, or Esc, were pressed.
        hand_changed(hand): what a click on the picture does has changed, see `hand`.
        refused(sentence): napari was to do with the case what is not done here.
        look_changed: visibility or opacity of a layer, the HU window, or the tool.
        points_drawn(points): a click or a scribble, as voxels (z, y, x), while points are asked for.
        stranger_came(layer): an image or labels layer was added that is not of the case.
        layer_lost(name): a layer of the case was deleted from outside; `put_back` undoes that.
        slice_changed: another slice is on screen.
    """

    stroke_ended = Signal(tuple, str)
    undo_asked = Signal()
    redo_asked = Signal()
    tool_asked = Signal(str)
    away_asked = Signal()
    hand_changed = Signal(str)
    refused = Signal(str)
    sight_changed = Signal()
    mask_drawn = Signal()
    look_changed = Signal()
    points_drawn = Signal(tuple)
    stranger_came = Signal(object)
    layer_lost = Signal(str)
    slice_changed = Signal()

    def __init__(self, viewer: ViewerModel) -> None:
        self.viewer = viewer
        self._layers: dict[str, Layer] = {}
        self._offered: dict[str, Overlay] = {}
        self._map_opacity: dict[str, float] = {}
        self._history_bytes = 0
        self._arriving = False
        self._whole_zoom = 1.0
        self._drawing_points = False
        self._settling = 0
        self._spacing = (1.0, 1.0, 1.0)
        self._straightening = False
        self._voxels: NDArray[np.uint8] | None = None
        self._hand = "pan_zoom"
        viewer.layers.events.removed.connect(self._removed)
        viewer.layers.events.inserted.connect(self._inserted)
        viewer.layers.selection.events.active.connect(self._hand_may_have_changed)
        viewer.dims.events.current_step.connect(self._stepped)
        viewer.mouse_drag_callbacks.append(self._dragged)
        self._take_keys(viewer)
        camera, dims = viewer.scene.camera.events, viewer.dims.events
        self._sights = (
            camera.center, camera.zoom, camera.angles, camera.orientation, dims.order,
            dims.ndisplay, dims.current_step, viewer.canvas.events.size,
            viewer.canvas.grid.events.enabled, viewer.layers.events.reordered,
        )  # fmt: skip
        for event in self._sights:
            event.connect(self._sight_changed)

    def _take_keys(self, keys: Any) -> None:
        # napari's own history knows strokes only and forgets them with the window.
        keys.bind_key("Control-Z", lambda _owner: self.undo_asked.emit(), overwrite=True)
        keys.bind_key("Control-Shift-Z", lambda _owner: self.redo_asked.emit(), overwrite=True)
        keys.bind_key("Escape", self._escaped, overwrite=True)
        for one in reset_keys():
            keys.bind_key(one, lambda _owner: self.straighten(), overwrite=True)
        # napari's own keys for modes remember the mode before, and go back to it whenever the letter is
        # released again, also that of Ctrl+Z; and they work on the layer that happens to be selected.
        for tool, bound in tool_keys().items():
            for one in bound:
                keys.bind_key(one, self._tool_key(tool), overwrite=True)
        for step, bound in brush_keys().items():
            for one in bound:
                keys.bind_key(one, self._brush_key(step), overwrite=True)

    def _tool_key(self, tool: str) -> Callable[[Any], None]:
        def take(_owner: Any) -> None:
            self.tool_asked.emit(tool)

        return take

    def _brush_key(self, step: int) -> Callable[[Any], None]:
        def grow(_owner: Any) -> None:
            self.grow_brush(step)

        return grow

    def _escaped(self, _owner: Any) -> None:
        if MASK in self._layers:
            reset_polygon(self._layers[MASK])
        self.away_asked.emit()

    def disconnect(self) -> None:
        """Let go of the viewer, which may go on without this; does nothing the second time."""
        if self._dragged not in self.viewer.mouse_drag_callbacks:
            return
        self.viewer.layers.events.removed.disconnect(self._removed)
        self.viewer.layers.events.inserted.disconnect(self._inserted)
        self.viewer.layers.selection.events.active.disconnect(self._hand_may_have_changed)
        self.viewer.dims.events.current_step.disconnect(self._stepped)
        self.viewer.mouse_drag_callbacks.remove(self._dragged)
        for event in self._sights:
            event.disconnect(self._sight_changed)
        for keys in _taken_keys():
            self.viewer.bind_key(keys, None)

    def owns(self, layer: Layer) -> bool:
        """Whether `layer`, or what napari's proxy of it stands for, is one of the case's."""
        return any(layer == own for own in self._layers.values())

    def _stepped(self) -> None:
        self.slice_changed.emit()

    # The case

    def show_case(self, volume: Volume, mask: NDArray[np.uint8] | None) -> None:
        """Replace the layers of the last case by `volume` and a mask to draw on."""
        if mask is None:
            mask = np.zeros(volume.grid.shape, np.uint8)
        self._spacing, self._voxels = volume.grid.spacing_mm, mask
        if self._can_renew(volume):
            self._renew(volume, mask)
        else:
            self.clear()
            self._add(CT, ct_layer(volume))
            self._add(MASK, mask_layer(MASK, mask, self._layers[CT], theme.MASK))
            self._watch_mask()
        self._history_bytes = 0
        self._drawing_points = False
        self.viewer.layers.selection.active = self._layers[MASK]
        self._hand_may_have_changed()
        self.viewer.dims.axis_labels = ("Slice", "Row", "Column")
        self.viewer.dims.set_current_step(0, volume.grid.shape[0] // 2)
        self.straighten()
        self._whole_zoom = self.viewer.scene.camera.zoom
        self.look_changed.emit()

    def _can_renew(self, volume: Volume) -> bool:
        """Whether the layers of the last case can become those of the next."""
        there = all(self._layers.get(key) in self.viewer.layers for key in (CT, MASK))
        return there and self._layers[CT].data.dtype == volume.hu.dtype

    def _renew(self, volume: Volume, mask: NDArray[np.uint8]) -> None:
        self._offered = {}
        for key in [key for key in self._layers if key not in (CT, MASK, ARRIVING)]:
            self._drop(key)
        renew_ct(self._layers[CT], volume)
        renew_mask(self._layers[MASK], MASK, mask, self._layers[CT])
        if ARRIVING in self._layers:
            self._empty_arriving()

    def clear(self) -> None:
        """Remove the layers of the case; layers of the person's own stay."""
        layers, self._layers = self._layers, {}
        self._offered, self._arriving = {}, False
        for layer in layers.values():
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)

    def _watch_mask(self) -> None:
        layer = self._layers[MASK]
        layer.events.paint.connect(self._painted)
        layer.events.data.connect(self._data_set)
        layer.events.name.connect(self._named)
        layer.events.set_data.connect(self._drawn)
        layer.events.selected_label.connect(self._keep_one_label)
        layer.events.preserve_labels.connect(self._keep_one_label)
        layer.events.mode.connect(self._hand_may_have_changed)
        layer.refused.connect(self._refuse)
        for event in (layer.events.mode, layer.events.brush_size, layer.events.n_edit_dimensions):
            event.connect(self._look_changed)
        layer.events.contour.connect(self._look_changed)

    def _add(self, key: str, layer: Layer) -> None:
        self._layers[key] = layer
        self.viewer.add_layer(layer)
        self._take_keys(layer)
        for event in (layer.events.visible, layer.events.opacity):
            event.connect(self._look_changed)
        if key == CT:
            layer.events.contrast_limits.connect(self._look_changed)

        for event in (layer.events.scale, layer.events.translate, layer.events.rotate, layer.events.shear,
                      layer.events.affine):  # fmt: skip
            event.connect(self._moved)

    def _look_changed(self) -> None:
        self.look_changed.emit()
        self.sight_changed.emit()

    def _sight_changed(self) -> None:
        self.sight_changed.emit()

    def _moved(self, event: Any) -> None:
        """A layer of the case lies where its voxels are: on one that was moved, people draw wrongly."""
        layer = event.source
        if self._straightening or layer not in self._layers.values() or is_straight(layer, self._spacing):
            return
        self._straightening = True
        try:
            straighten(layer, self._spacing)
        finally:
            self._straightening = False
        if not self._settling:
            self.refused.emit(f"{layer.name} lies where the CT was taken; it is not moved, turned or scaled.")

    def _inserted(self, event: Any) -> None:
        layer = event.value
        if isinstance(layer, Image | Labels) and layer not in self._layers.values():
            self.stranger_came.emit(layer)

    def _removed(self, event: Any) -> None:
        if event.value in self._layers.values():
            self.layer_lost.emit(event.value.name)

    def put_back(self) -> None:
        """Put back what was deleted in napari's list: it would take unsaved edits along."""
        with self._undisturbed():
            for layer in self._layers.values():
                if layer not in self.viewer.layers:
                    self.viewer.layers.append(layer)
            self._raise_masks()

    # The mask

    @property
    def mask(self) -> NDArray[np.uint8] | None:
        """The voxels of the mask, live; None if nothing is open."""
        layer = self._layers.get(MASK)
        return None if layer is None else layer.data

    def _painted(self, event: Any) -> None:
        layer = self._layers[MASK]
        box = box_of(event.value)
        # napari announces a polygon, or what a script sets, before it is in the voxels.
        finish(event.value, layer.data)
        self._bound_history(event.value)
        self.stroke_ended.emit(box, str(layer.mode))

    def _data_set(self) -> None:
        """A script, or a command, put another array in place: its voxels go into ours."""
        layer, voxels = self._layers.get(MASK), self._voxels
        if layer is None or voxels is None or layer.data is voxels:
            return
        given = layer.data
        if given.shape == voxels.shape:
            np.not_equal(given, 0, out=voxels, casting="unsafe")
        layer.data = voxels
        self.stroke_ended.emit(tuple(slice(0, size) for size in voxels.shape), "replaced")

    def _named(self) -> None:
        """A mask by another name would be looked for in vain."""
        self._layers[MASK].name = MASK

    def _bound_history(self, atoms: Any) -> None:
        self._history_bytes += sum(bytes_of(atom) for atom in atoms)
        if self._history_bytes > _HISTORY_BYTES:
            self._history_bytes = 0
            forget_strokes(self._layers[MASK])

    def _drawn(self) -> None:
        self.mask_drawn.emit()

    def _refuse(self, sentence: str) -> None:
        self.refused.emit(sentence)

    def _keep_one_label(self) -> None:
        """A brush with label 0 would erase, and one that preserves labels would draw nothing."""
        layer = self._layers[MASK]
        if layer.selected_label != 1:
            layer.selected_label = 1
        if layer.preserve_labels:
            layer.preserve_labels = False

    def redraw(self) -> None:
        """Draw the mask again after its voxels were changed in place."""
        if MASK in self._layers:
            self._layers[MASK].refresh()

    def show_beside(self, mask: NDArray[np.uint8]) -> None:
        """Show `mask` as a second, yellow contour and leave the person's own alone."""
        self._drop(OTHER)
        with self._undisturbed():
            self._add(OTHER, mask_layer(OTHER, mask.copy(), self._layers[CT], theme.OTHER_DRAFT))
            self._raise_masks()

    def _drop(self, key: str) -> None:
        layer = self._layers.pop(key, None)
        if layer is not None and layer in self.viewer.layers:
            self.viewer.layers.remove(layer)

    # A draft that arrives

    def make_ready(self) -> None:
        """Add the layer that a draft will arrive in: what takes a while is done while nobody waits for it."""
        if CT not in self._layers or ARRIVING in self._layers:
            return
        with self._undisturbed():
            empty = np.zeros(self._layers[CT].data.shape, np.uint8)
            layer = mask_layer(ARRIVING, empty, self._layers[CT], theme.MASK)
            layer.visible = layer.editable = False
            self._add(ARRIVING, layer)
            self._raise_masks()

    def begin_arrival(self) -> None:
        """Show slices of a draft from now on as they are done; the mask stays as it is."""
        self.make_ready()
        layer, mask = self._layers.get(ARRIVING), self.mask
        if layer is None or mask is None:
            return
        colour = theme.OTHER_DRAFT if mask.any() else theme.MASK
        colours = mask_colours(colour)
        if not np.array_equal(layer.colormap.color_dict[1], colours.color_dict[1]):
            layer.colormap = colours
        layer.visible = self._arriving = True

    def _empty_arriving(self) -> None:
        layer = self._layers[ARRIVING]
        layer.visible = self._arriving = False
        renew_mask(layer, ARRIVING, np.zeros(self._layers[CT].data.shape, np.uint8), self._layers[CT])
        layer.visible = layer.editable = False

    def arrive(self, slices: NDArray[np.intp], drafted: Edit) -> None:
        """Show `drafted`, what the draft adds to an empty mask in `slices`, and the maps there."""
        layer = self._layers.get(ARRIVING)
        if layer is None or not self._arriving:
            return
        if drafted.changes:
            drafted.apply(layer.data)
        if slices[0] <= self.slice <= slices[-1]:
            layer.refresh()
            for shown in self._maps().values():
                if shown.visible:
                    shown.refresh()

    def end_arrival(self) -> None:
        """The draft is complete and becomes the mask, or nothing more of it will come."""
        if self._arriving and ARRIVING in self._layers:
            self._empty_arriving()

    # Proposals and places

    def show_changes(self, allowed: Edit, conflicts: Edit = NOTHING) -> None:
        """Show what `allowed` would add and remove, and `conflicts` with what the person decided."""
        self.hide_changes()
        mask = self.mask
        if mask is None or not (allowed.changes or conflicts.changes):
            return
        colours = {0: "transparent", 1: theme.ADDED, 2: theme.REMOVED, 3: theme.CONFLICT, None: "transparent"}
        shown = _coloured(mask, allowed, conflicts)
        with self._undisturbed():
            layer = labels_layer(CHANGES, shown, self._layers[CT], DirectLabelColormap(color_dict=colours))
            layer.opacity, layer.contour = 0.55, 0
            layer.editable = False
            self._add(CHANGES, layer)
            self._raise_masks()

    def hide_changes(self) -> None:
        """Show no changes any more."""
        self._drop(CHANGES)

    def show_place(self, box: Box, index: int) -> None:
        """Go to slice `index`, bring `box` close and draw a ring around it."""
        self.hide_place()
        if CT not in self._layers:
            return
        scale = self._layers[CT].scale
        middle, half = _ellipse(box, scale)
        with self._undisturbed():
            ring = Shapes(
                [np.array([[index, *(middle + side * half)] for side in _CORNERS])],
                shape_type="ellipse", name=RING, scale=scale, units=MM,
                face_color="transparent", edge_color=theme.UNSURE, edge_width=1.2, opacity=0.9,
            )  # fmt: skip
            ring.editable = False
            self._add(RING, ring)
            self._raise_masks()
        self.go_to_slice(index)
        camera = self.viewer.scene.camera
        camera.center = (index * scale[0], *(middle * scale[1:]))
        extent = self._layers[CT].extent.world
        whole = float((extent[1] - extent[0])[1:].max())
        wanted = max(_CLOSE_UP_MM, 2.2 * float((2 * half * scale[1:]).max()))
        camera.zoom = self._whole_zoom * max(1.0, whole / wanted)

    def hide_place(self) -> None:
        """Take the ring away."""
        self._drop(RING)

    # Maps

    def show_maps(self, overlays: tuple[Overlay, ...]) -> None:
        """Offer the maps: one becomes a layer when it is first shown, and one that is a layer goes on.

        A hidden layer costs the window nearly as much as a visible one when it is added, and a draft
        has six maps, of which a person looks at one or two.
        """
        self._offered = {overlay.key: overlay for overlay in overlays}
        for key, layer in self._maps().items():
            if key not in self._offered:
                with self._undisturbed():
                    self._drop(key)
            else:
                layer.data, layer.name = self._offered[key].map, self._offered[key].title
        self.look_changed.emit()

    def _add_map(self, overlay: Overlay) -> None:
        with self._undisturbed():
            layer = map_layer(overlay, self._layers[CT].scale)
            layer.opacity = self.opacity(overlay.key)
            self._add(overlay.key, layer)
            self._raise_masks()

    def _maps(self) -> dict[str, Layer]:
        return {key: layer for key, layer in self._layers.items() if key == "probability" or "gate" in key}

    def _raise_masks(self) -> None:
        """Masks above maps, in their order. A move costs a drawing, so what lies right is left."""
        layers = self.viewer.layers
        wanted = [self._layers[key] for key in (OTHER, ARRIVING, CHANGES, RING, MASK) if key in self._layers]
        if list(layers)[-len(wanted) :] != wanted:
            for layer in wanted:
                layers.move(layers.index(layer), len(layers))

    # The look

    def is_shown(self, key: str) -> bool:
        """Whether the layer `key` is there and visible."""
        return key in self._layers and bool(self._layers[key].visible)

    def opacity(self, key: str) -> float:
        """Opacity of the layer `key`."""
        if key in self._layers:
            return float(self._layers[key].opacity)
        return self._map_opacity.get(key, MAP_OPACITY)

    def show(self, key: str, shown: bool, alone: bool = True) -> None:
        """Show or hide `key`. Maps hide one another unless `alone` is False: two at once cannot be read."""
        if shown and key in self._offered and key not in self._layers:
            self._add_map(self._offered[key])
        if key not in self._layers:
            return
        if shown and alone and key in self._maps():
            for other in self._maps().values():
                other.visible = False
        self._layers[key].visible = shown

    def set_opacity(self, key: str, opacity: float) -> None:
        """Set the opacity of the layer `key`, also before it is shown for the first time."""
        if key in self._layers:
            self._layers[key].opacity = opacity
        elif key in self._offered:
            self._map_opacity[key] = opacity
            self.look_changed.emit()

    @property
    def window_hu(self) -> tuple[float, float] | None:
        """The HU drawn black and white; None if nothing is open."""
        layer = self._layers.get(CT)
        return None if layer is None else (float(layer.contrast_limits[0]), float(layer.contrast_limits[1]))

    def set_window(self, low: float, high: float) -> None:
        """Draw `low` HU black and `high` HU white."""
        if CT in self._layers and low < high:
            self._layers[CT].contrast_limits = (low, high)

    @property
    def filled(self) -> bool:
        """Whether the mask is drawn as an area; else as a contour."""
        return MASK in self._layers and self._layers[MASK].contour == 0

    def set_filled(self, filled: bool) -> None:
        """Draw the mask as an area or as a contour."""
        if MASK in self._layers:
            self._layers[MASK].contour = 0 if filled else 1

    # Tools and places

    @property
    def tool(self) -> str:
        """The mask's tool in hand."""
        return str(self._layers[MASK].mode) if MASK in self._layers else "pan_zoom"

    def take_tool(self, tool: Tool) -> None:
        """Select the mask, make it visible, and take `tool`."""
        if MASK not in self._layers:
            return
        layer = self._layers[MASK]
        with self._one_change_of_hand():
            self.stop_drawing_points()
            self.viewer.layers.selection.active = layer
            layer.visible = True
            layer.mode = tool

    def set_drawing_points(self, wanted: bool) -> None:
        """Select the mask; whether a click or a drag on the picture gives points instead of moving it."""
        with self._one_change_of_hand():
            self.take_tool("pan_zoom")
            self._drawing_points = wanted
            if MASK in self._layers:
                layer = self._layers[MASK]
                layer.mouse_pan = not wanted
                layer.cursor = "cross" if wanted else "standard"

    def stop_drawing_points(self) -> None:
        """A click gives points no more; whatever else is in hand stays."""
        if not self._drawing_points:
            return
        self._drawing_points = False
        layer = self._layers.get(MASK)
        if layer is not None and layer.mode == "pan_zoom":
            layer.mouse_pan, layer.cursor = True, "standard"
        self._hand_may_have_changed()

    @property
    def hand(self) -> str:
        """What a click on the picture does: a mode of the mask, "points", or "" if another layer decides."""
        mask, active = self._layers.get(MASK), self.viewer.layers.selection.active
        if mask is not None and active is mask:
            return "points" if self._drawing_points else str(mask.mode)
        return "pan_zoom" if active is None or str(active.mode) == "pan_zoom" else ""

    @contextmanager
    def _one_change_of_hand(self) -> Iterator[None]:
        self._settling += 1
        try:
            yield
        finally:
            self._settling -= 1
            self._hand_may_have_changed()

    def _hand_may_have_changed(self) -> None:
        if self._settling or self.hand == self._hand:
            return
        self._hand = self.hand
        self.hand_changed.emit(self._hand)
        self.look_changed.emit()

    def _dragged(self, _viewer: ViewerModel, event: Any) -> Iterator[None]:
        if not self._drawing_points or event.button != 1:
            return
        points = [self.cursor]
        yield
        while event.type == "mouse_move":
            points.append(self.cursor)
            yield
        inside = tuple(dict.fromkeys(point for point in points if point is not None))
        if inside:
            self.points_drawn.emit(inside)

    @property
    def brush_size(self) -> int:
        """Diameter of the brush in pixels."""
        return int(self._layers[MASK].brush_size) if MASK in self._layers else 10

    def set_brush_size(self, pixels: int) -> None:
        """Set the diameter of the brush."""
        if MASK in self._layers:
            self._layers[MASK].brush_size = pixels

    def grow_brush(self, pixels: int) -> None:
        """Make the brush larger by `pixels`, but never smaller than one."""
        self.set_brush_size(max(1, self.brush_size + pixels))

    @property
    def edits_volume(self) -> bool:
        """Whether brush and eraser reach through slices: a ball instead of a disc."""
        return MASK in self._layers and self._layers[MASK].n_edit_dimensions == 3

    def set_edits_volume(self, wanted: bool) -> None:
        """Let brush and eraser reach through slices, or not."""
        if MASK in self._layers:
            self._layers[MASK].n_edit_dimensions = 3 if wanted else 2

    @property
    def slice(self) -> int:
        """The slice on screen."""
        return int(self.viewer.dims.current_step[0])

    def straighten(self) -> None:
        """Show axial slices, as the radiologist sees them, and fit them to the window."""
        viewer = self.viewer
        viewer.dims.ndisplay = 2
        viewer.dims.order = tuple(range(viewer.dims.ndim))
        viewer.canvas.grid.enabled = False
        viewer.scene.camera.orientation = DEFAULT_ORIENTATION
        viewer.reset_view()

    def sight(self, window_shown: bool, box: Box | None = None) -> Sight | None:
        """What is on screen of the slice; None if nothing is open.

        Args:
            window_shown: whether the picture can be seen at all.
            box: voxels that are to be judged; None is the mask of the slice.
        """
        if not all(self._layers.get(key) in self.viewer.layers for key in (CT, MASK)):
            return None
        ct, mask = self._layers[CT], self._layers[MASK]
        viewer, camera = self.viewer, self.viewer.scene.camera
        if box is None:
            box = _box_of_slice(mask.data[min(self.slice, len(mask.data) - 1)])
        whole = (slice(0, 1), slice(0, ct.data.shape[1]), slice(0, ct.data.shape[2]))
        straight = is_straight(ct, self._spacing) and is_straight(mask, self._spacing)
        as_ever = tuple(map(str, camera.orientation)) == DEFAULT_ORIENTATION
        return Sight(
            window_shown=window_shown,
            dimensions=int(viewer.dims.ndisplay),
            order=tuple(int(axis) for axis in viewer.dims.order),
            straight=straight and as_ever and not viewer.canvas.grid.enabled,
            ct_drawn=_is_drawn(ct, viewer.layers),
            mask_drawn=_is_drawn(mask, viewer.layers),
            pixels_per_mm=float(camera.zoom),
            view=_view_of(viewer),
            judged=None if box is None else self._rectangle(box),
            ct=self._rectangle(whole),
        )

    def _rectangle(self, box: Box) -> Rectangle:
        _z, row, column = self._spacing
        _slices, rows, columns = box
        return ((rows.start - 0.5) * row, (columns.start - 0.5) * column, (rows.stop - 0.5) * row,
                (columns.stop - 0.5) * column)  # fmt: skip

    @property
    def cursor(self) -> tuple[int, int, int] | None:
        """The voxel (z, y, x) under the cursor; None outside the CT."""
        if CT not in self._layers:
            return None
        layer = self._layers[CT]
        z, y, x = (round(float(v)) for v in layer.world_to_data(self.viewer.cursor.position))
        inside = all(0 <= index < size for index, size in zip((z, y, x), layer.data.shape, strict=True))
        return (z, y, x) if inside else None

    def go_to_slice(self, index: int) -> None:
        """Show the slice `index`."""
        self.viewer.dims.set_current_step(0, index)

    def step_slice(self, by: int) -> None:
        """Go `by` slices towards the head."""
        if self._layers:
            self.go_to_slice(self.viewer.dims.current_step[0] + by)

    def under_cursor(self) -> str:
        """Values at the cursor, for people; "" outside the CT."""
        if CT not in self._layers:
            return ""
        value = _value_at(self.viewer, self._layers[CT])
        if value is None:
            return ""
        shown = [key for key in self._maps() if self.is_shown(key)]
        words = [f"{_value_at(self.viewer, self._layers[key]) or 0.0:.2f} {key}" for key in shown]
        return ", ".join([f"{value:.0f} HU", *words])

    @contextmanager
    def _undisturbed(self) -> Iterator[None]:
        with self._one_change_of_hand():
            yield from self._put_back_afterwards()

    def _put_back_afterwards(self) -> Iterator[None]:
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


def _taken_keys() -> tuple[Any, ...]:
    """Every key that is bound on the viewer, once."""
    lists = [*tool_keys().values(), *brush_keys().values(), reset_keys()]
    return tuple(
        dict.fromkeys(["Control-Z", "Control-Shift-Z", "Escape", *(k for one in lists for k in one)])
    )


def _value_at(viewer: ViewerModel, layer: Layer) -> float | None:
    value = layer.get_value(viewer.cursor.position, world=True)
    return None if value is None else float(value)


def _view_of(viewer: ViewerModel) -> Rectangle:
    height, width = viewer.canvas.size
    zoom, (row, column) = viewer.scene.camera.zoom, viewer.scene.camera.center[-2:]
    down, across = height / zoom / 2, width / zoom / 2
    return float(row - down), float(column - across), float(row + down), float(column + across)


def _box_of_slice(mask: NDArray[np.uint8]) -> Box | None:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return slice(0, 1), slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _is_drawn(layer: Layer, layers: Any) -> bool:
    """Whether `layer` is visible, and no picture that is not a map of ours lies over it."""
    above = list(layers)[layers.index(layer) + 1 :]
    covered = any(
        isinstance(other, Image) and other.visible and other.opacity > MAP_OPACITY for other in above
    )
    transparent = isinstance(layer, Labels) and layer.get_color(1)[3] == 0
    return bool(layer.visible and layer.opacity > 0 and not transparent and not covered)


_CORNERS = np.array([(-1, -1), (-1, 1), (1, 1), (1, -1)])


def _ellipse(box: Box, scale: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Middle and half axes (y, x), in voxels, of a ring that leaves room around `box`."""
    low = np.array([part.start for part in box[1:]], float)
    high = np.array([part.stop - 1 for part in box[1:]], float)
    return (low + high) / 2, (high - low) / 2 + _RING_MM / scale[1:]


def _coloured(mask: NDArray[np.uint8], allowed: Edit, conflicts: Edit) -> NDArray[np.uint8]:
    """(z, y, x) uint8: 1 is added, 2 removed, 3 a conflict."""
    shown = np.zeros(mask.shape, np.uint8)
    flips = allowed.flipped()
    shown[allowed.box][flips] = np.where(mask[allowed.box][flips] == 0, 1, 2)
    shown[conflicts.box][conflicts.flipped()] = 3
    return shown
