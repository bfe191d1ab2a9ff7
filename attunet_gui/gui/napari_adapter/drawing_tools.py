"""What a click on the picture does: napari's modes of the mask, its brush, and points for our tools."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from napari.components import ViewerModel
from napari.layers import Layer
from psygnal import Signal

from attunet_gui.gui.napari_adapter.layer_factory import MASK
from attunet_gui.gui.napari_adapter.layer_set import LayerSet
from attunet_gui.gui.napari_adapter.mask_labels import MaskLabels
from attunet_gui.gui.napari_adapter.napari_key_settings import (
    Tool,
    brush_keys,
    drop_open_polygon,
    refused_mode_keys,
    reset_view_keys,
    tool_keys,
)
from attunet_gui.gui.napari_adapter.slice_view import SliceView


class DrawingTools:
    """Selects the tool and the brush by which the mask is drawn, and collects the points of a drag.

    Args:
        layer_set: the layers of the case.
        slice_view: knows which voxel is under the cursor.

    Signals:
        click_mode_changed(mode): what a click on the picture does has changed, see `click_mode`.
        points_drawn(points): a click or a scribble, as voxels (z, y, x), while points are asked for.
    """

    click_mode_changed = Signal(str)
    points_drawn = Signal(tuple)

    def __init__(self, layer_set: LayerSet, slice_view: SliceView) -> None:
        self._layers, self._viewer, self._slice_view = layer_set, layer_set.viewer, slice_view
        self._is_drawing_points = False
        self._click_mode = "pan_zoom"
        layer_set.layer_added.connect(self._watch_mask)
        layer_set.batch_ended.connect(self._update_click_mode)
        self._viewer.layers.selection.events.active.connect(self._update_click_mode)
        self._viewer.mouse_drag_callbacks.append(self._collect_dragged_points)
        dims = self._viewer.dims.events
        self._planes = (dims.order, dims.ndisplay)
        selection, grid = self._viewer.layers.selection, self._viewer.canvas.grid
        self._ends = (*self._planes, grid.events.enabled, selection.events.active)
        for event in self._planes:
            event.connect(self.drop_open_polygon)
        for event in self._ends:
            event.connect(self.end_stroke)

    def disconnect_viewer(self) -> None:
        """Disconnect from the viewer."""
        self._viewer.layers.selection.events.active.disconnect(self._update_click_mode)
        self._viewer.mouse_drag_callbacks.remove(self._collect_dragged_points)
        for event in self._planes:
            event.disconnect(self.drop_open_polygon)
        for event in self._ends:
            event.disconnect(self.end_stroke)

    def _watch_mask(self, layer: Layer) -> None:
        """Connect the events of a new mask layer that tell which tool it has."""
        if layer != self._layers.get_layer(MASK):
            return
        layer.events.mode.connect(self._update_click_mode)
        layer.events.visible.connect(self.end_stroke)
        # Our own labels layer refuses the modes that the dock has no button for.
        layer.refused.connect(self._emit_refused)
        for event in (layer.events.mode, layer.events.brush_size, layer.events.n_edit_dimensions):
            event.connect(self._layers.announce_layer_look)
        layer.events.contour.connect(self._layers.announce_layer_look)

    def _emit_refused(self, sentence: str) -> None:
        self._layers.refused.emit(sentence)

    def begin_case(self) -> None:
        """Select the mask of the case that was opened; a click gives no points."""
        self._is_drawing_points = False
        # napari's tools and keys work on the selected layer.
        self._viewer.layers.selection.active = self._layers[MASK]
        self._update_click_mode()

    # The tool

    @property
    def current_tool(self) -> str:
        """The mode of the mask layer, one of `mask_labels.MODES`; "pan_zoom" if no case is open."""
        return str(self._layers[MASK].mode) if MASK in self._layers else "pan_zoom"

    def select_tool(self, tool: Tool) -> None:
        """Select the mask layer, make it visible and set its mode to `tool`."""
        if MASK not in self._layers:
            return
        layer = self._layers[MASK]
        with self._layers.batch_changes():
            self.stop_drawing_points()
            self._viewer.layers.selection.active = layer
            layer.visible = True
            layer.mode = tool

    def set_drawing_points(self, wanted: bool) -> None:
        """Select the mask, and let a click or drag give points (`wanted`) or move the picture."""
        with self._layers.batch_changes():
            self.select_tool("pan_zoom")
            self._is_drawing_points = wanted
            if MASK in self._layers:
                layer = self._layers[MASK]
                layer.mouse_pan = not wanted
                layer.cursor = "cross" if wanted else "standard"

    def stop_drawing_points(self) -> None:
        """Let a click give no points any more; another tool that is selected stays selected."""
        if not self._is_drawing_points:
            return
        self._is_drawing_points = False
        layer = self._layers.get_layer(MASK)
        if layer is not None and layer.mode == "pan_zoom":
            layer.mouse_pan, layer.cursor = True, "standard"
        self._update_click_mode()

    @property
    def click_mode(self) -> str:
        """What a click on the picture does.

        A mode of the mask, or "points" while points are asked for. If another layer is selected: "pan_zoom"
        if it only moves the picture, and "" if it does something of its own.
        """
        mask, active = self._layers.get_layer(MASK), self._viewer.layers.selection.active
        if mask is not None and active is mask:
            return "points" if self._is_drawing_points else str(mask.mode)
        return "pan_zoom" if active is None or str(active.mode) == "pan_zoom" else ""

    def _update_click_mode(self) -> None:
        # Selecting a layer and setting its mode are two events; the state between them is not announced.
        if self._layers.is_batching or self.click_mode == self._click_mode:
            return
        self._click_mode = self.click_mode
        self.click_mode_changed.emit(self._click_mode)
        self._layers.look_changed.emit()

    def _collect_dragged_points(self, _viewer: ViewerModel, event: Any) -> Iterator[None]:
        """Collect the voxels of one drag with the left button.

        Napari resumes this generator at each mouse event.
        """
        if not self._is_drawing_points or event.button != 1:
            return
        # The generator runs up to the first `yield` when the button is pressed.
        points = [self._slice_view.cursor_voxel]
        yield
        while event.type == "mouse_move":
            points.append(self._slice_view.cursor_voxel)
            yield
        inside = tuple(dict.fromkeys(point for point in points if point is not None))
        if inside:
            self.points_drawn.emit(inside)

    def drop_open_polygon(self) -> None:
        """Drop the corners of a polygon that is not closed yet."""
        # They belong to the plane that was shown. In 3-D napari cannot draw them at all: vispy raises in
        # every paint.
        if MASK in self._layers:
            drop_open_polygon(self._layers[MASK])

    def end_stroke(self) -> None:
        """End the stroke that is being drawn, as when the mask is hidden or no longer selected."""
        layer = self._layers.get_layer(MASK)
        if isinstance(layer, MaskLabels):
            layer.end_stroke()

    # The brush

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


class CaseKeyBindings:
    """Binds our keys on the viewer and on each layer of the case, in place of napari's.

    Args:
        layer_set: the layers of the case.
        tools: the brush, whose size has keys.
        slice_view: the view, which a key fits to the window.

    Signals:
        undo_asked, redo_asked: napari's keys for them were pressed.
        tool_asked(tool): napari's key for a mode of the mask was pressed.
        deselect_asked: Esc was pressed.
    """

    undo_asked = Signal()
    redo_asked = Signal()
    tool_asked = Signal(str)
    deselect_asked = Signal()

    def __init__(self, layer_set: LayerSet, tools: DrawingTools, slice_view: SliceView) -> None:
        self._viewer, self._tools, self._slice_view = layer_set.viewer, tools, slice_view
        self.bind_keys(self._viewer)
        layer_set.layer_added.connect(self.bind_keys)

    def bind_keys(self, owner: Any) -> None:
        """Bind our keys on `owner`, the viewer or a layer."""
        # napari's own history knows only strokes, not tools and drafts, and ends with the window.
        owner.bind_key("Control-Z", lambda _owner: self.undo_asked.emit(), overwrite=True)
        owner.bind_key("Control-Shift-Z", lambda _owner: self.redo_asked.emit(), overwrite=True)
        owner.bind_key("Escape", self._on_escape_pressed, overwrite=True)
        for one in reset_view_keys():
            owner.bind_key(one, lambda _owner: self._slice_view.straighten(), overwrite=True)
        # napari's own keys for modes remember the mode before, and go back to it whenever the letter is
        # released again, also that of Ctrl+Z; and they work on the layer that happens to be selected.
        for tool, bound in tool_keys().items():
            for one in bound:
                owner.bind_key(one, self._make_tool_callback(tool), overwrite=True)
        for step, bound in brush_keys().items():
            for one in bound:
                owner.bind_key(one, self._make_brush_callback(step), overwrite=True)
        if isinstance(owner, MaskLabels):
            _bind_refused_modes(owner)

    def _make_tool_callback(self, tool: str) -> Callable[[Any], None]:
        def ask_for_tool(_owner: Any) -> None:
            self.tool_asked.emit(tool)

        return ask_for_tool

    def _make_brush_callback(self, step: int) -> Callable[[Any], None]:
        def grow_brush(_owner: Any) -> None:
            self._tools.grow_brush(step)

        return grow_brush

    def _on_escape_pressed(self, _owner: Any) -> None:
        self._tools.drop_open_polygon()
        self.deselect_asked.emit()

    def unbind_keys(self) -> None:
        """Give the viewer its own keys back."""
        for keys in _bound_key_names():
            self._viewer.bind_key(keys, None)


def _bind_refused_modes(layer: MaskLabels) -> None:
    """Let the keys of modes that a mask refuses say so, and nothing else."""
    # napari would keep the mode before, and go back to it at any later release of the letter, as in Shift+F.
    for mode, bound in refused_mode_keys().items():
        for one in bound:
            layer.bind_key(one, _make_refusal(mode), overwrite=True)


def _make_refusal(mode: str) -> Callable[[MaskLabels], None]:
    def refuse_mode(layer: MaskLabels) -> None:
        layer.refuse_mode(mode)

    return refuse_mode


def _bound_key_names() -> tuple[Any, ...]:
    """Return every key that is bound on the viewer, each once."""
    lists = [*tool_keys().values(), *brush_keys().values(), reset_view_keys()]
    return tuple(
        dict.fromkeys(["Control-Z", "Control-Shift-Z", "Escape", *(k for one in lists for k in one)])
    )
