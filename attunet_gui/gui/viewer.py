"""The case as napari layers. Works on a `ViewerModel`, with or without a window.

A result that arrives changes only the layers it owns: slice, zoom, selection and tool stay with the
person. The mask layer owns the voxels and their undo history.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from napari.utils.colormaps import Colormap, DirectLabelColormap, ensure_colormap
from numpy.typing import NDArray
from psygnal import Signal

from attunet_gui.core.overlay import Overlay
from attunet_gui.core.volume import Volume
from attunet_gui.gui import theme

CT, MASK, OTHER, BEFORE = "CT", "Pancreas", "New draft", "Pancreas before the draft"
METADATA = "attunet"
"""Key of a layer's metadata under which the plugin's writer finds the volume."""

Tool = Literal["pan_zoom", "paint", "erase", "fill"]

_UNDOABLE_VOXELS = 4_000_000
_MAP_OPACITY = 0.6
_MM = ("mm", "mm", "mm")


class CaseLayers:
    """Layers of one open case.

    Signals:
        mask_touched: a stroke, a fill or a polygon ended.
        mask_drawn: the mask was drawn anew, as after an undo or on another slice.
        look_changed: visibility or opacity of a layer, the HU window, or the tool.
        layer_lost(name): a layer of the case was deleted from outside; `put_back` undoes that.
    """

    mask_touched = Signal()
    mask_drawn = Signal()
    look_changed = Signal()
    layer_lost = Signal(str)

    def __init__(self, viewer: ViewerModel) -> None:
        self.viewer = viewer
        self._layers: dict[str, Layer] = {}
        self._applying = False
        viewer.layers.events.removed.connect(self._removed)

    def disconnect(self) -> None:
        """Let go of the viewer."""
        self.viewer.layers.events.removed.disconnect(self._removed)

    # The case

    def show_case(self, volume: Volume, mask: NDArray[np.uint8] | None) -> None:
        """Replace the layers of the last case by `volume` and a mask to draw on."""
        self.clear()
        if mask is None:
            mask = np.zeros(volume.grid.shape, np.uint8)
        self._add(CT, _ct_layer(volume))
        self._add(MASK, _mask_layer(MASK, mask, volume, theme.MASK))
        self._watch_mask()
        self.viewer.layers.selection.active = self._layers[MASK]
        self.viewer.dims.axis_labels = ("Slice", "Row", "Column")
        self.viewer.dims.set_current_step(0, volume.grid.shape[0] // 2)
        self.viewer.reset_view()
        self.look_changed.emit()

    def clear(self) -> None:
        """Remove the layers of the case; layers of the person's own stay."""
        layers, self._layers = self._layers, {}
        for layer in layers.values():
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)

    def _watch_mask(self) -> None:
        events = self._layers[MASK].events
        events.paint.connect(self._painted)
        events.set_data.connect(self._drawn)
        events.selected_label.connect(self._keep_one_label)
        for event in (events.mode, events.brush_size, events.contour):
            event.connect(self._look_changed)

    def _add(self, key: str, layer: Layer) -> None:
        self.viewer.add_layer(layer)
        self._layers[key] = layer
        for event in (layer.events.visible, layer.events.opacity):
            event.connect(self._look_changed)
        if key == CT:
            layer.events.contrast_limits.connect(self._look_changed)

    def _look_changed(self) -> None:
        self.look_changed.emit()

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

    def _painted(self) -> None:
        if not self._applying:
            self.mask_touched.emit()

    def _drawn(self) -> None:
        self.mask_drawn.emit()

    def _keep_one_label(self) -> None:
        layer = self._layers[MASK]
        if layer.selected_label not in (0, 1):
            layer.selected_label = 1

    def replace_mask(self, mask: NDArray[np.uint8]) -> bool:
        """Put `mask` in place of the current one; False if the old one became a hidden layer.

        That is so for a change too large for the undo history; else one undo leads back.
        """
        layer = self._layers[MASK]
        changed = np.nonzero(layer.data != mask)
        with self._applied():
            if len(changed[0]) <= _UNDOABLE_VOXELS:
                layer.data_setitem(changed, mask[changed])
                layer.refresh()
                return True
            kept = bool(layer.data.any())
            if kept:
                self._show_other(BEFORE, layer.data, visible=False)
            layer.data = mask.copy()
            return not kept

    def show_beside(self, mask: NDArray[np.uint8]) -> None:
        """Show `mask` as a second, yellow contour and leave the person's own alone."""
        self._show_other(OTHER, mask.copy(), visible=True)

    def _show_other(self, name: str, mask: NDArray[np.uint8], visible: bool) -> None:
        self._drop(name)
        volume = self._layers[CT].metadata[METADATA]
        with self._undisturbed():
            self._add(name, _mask_layer(name, mask, volume, theme.OTHER_DRAFT))
            self._layers[name].visible = visible

    def _drop(self, key: str) -> None:
        layer = self._layers.pop(key, None)
        if layer is not None and layer in self.viewer.layers:
            self.viewer.layers.remove(layer)

    @contextmanager
    def _applied(self) -> Iterator[None]:
        self._applying = True
        try:
            yield
        finally:
            self._applying = False

    def undo(self) -> None:
        """Take back the last stroke."""
        if MASK in self._layers:
            self._layers[MASK].undo()
            self.mask_touched.emit()

    def redo(self) -> None:
        """Do again what was taken back."""
        if MASK in self._layers:
            self._layers[MASK].redo()
            self.mask_touched.emit()

    # Maps

    def show_maps(self, overlays: tuple[Overlay, ...]) -> None:
        """Add the maps, hidden; a map that was on before stays on, with its opacity."""
        before = {key: (layer.visible, layer.opacity) for key, layer in self._maps().items()}
        with self._undisturbed():
            for key in list(before):
                self._drop(key)
            for overlay in overlays:
                self._add(overlay.key, _map_layer(overlay, self._layers[CT].scale))
                visible, opacity = before.get(overlay.key, (False, _MAP_OPACITY))
                self._layers[overlay.key].visible = visible
                self._layers[overlay.key].opacity = opacity
            self._raise_masks()
        self.look_changed.emit()

    def _maps(self) -> dict[str, Layer]:
        return {key: layer for key, layer in self._layers.items() if key == "probability" or "gate" in key}

    def _raise_masks(self) -> None:
        layers = self.viewer.layers
        for key in (OTHER, MASK):
            if key in self._layers:
                layers.move(layers.index(self._layers[key]), len(layers))

    # The look

    def is_shown(self, key: str) -> bool:
        """Whether the layer `key` is there and visible."""
        return key in self._layers and bool(self._layers[key].visible)

    def opacity(self, key: str) -> float:
        """Opacity of the layer `key`."""
        return float(self._layers[key].opacity) if key in self._layers else _MAP_OPACITY

    def show(self, key: str, shown: bool, alone: bool = True) -> None:
        """Show or hide `key`. Maps hide one another unless `alone` is False: two at once cannot be read."""
        if key not in self._layers:
            return
        if shown and alone and key in self._maps():
            for other in self._maps().values():
                other.visible = False
        self._layers[key].visible = shown

    def set_opacity(self, key: str, opacity: float) -> None:
        """Set the opacity of the layer `key`."""
        if key in self._layers:
            self._layers[key].opacity = opacity

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
        self.viewer.layers.selection.active = layer
        layer.visible = True
        layer.mode = tool

    @property
    def brush_size(self) -> int:
        """Diameter of the brush in pixels."""
        return int(self._layers[MASK].brush_size) if MASK in self._layers else 10

    def set_brush_size(self, pixels: int) -> None:
        """Set the diameter of the brush."""
        if MASK in self._layers:
            self._layers[MASK].brush_size = pixels

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


def ct_settings(volume: Volume) -> dict[str, Any]:
    """How a CT looks as an image layer, its source geometry in the metadata."""
    low, high = theme.HU_PRESETS[0][1:]
    return {
        "scale": volume.grid.spacing_mm,
        "units": _MM,
        "colormap": "gray",
        "contrast_limits": (low, high),
        "metadata": {METADATA: volume},
        "rgb": False,
        "multiscale": False,
    }


def _ct_layer(volume: Volume) -> Image:
    layer = Image(volume.hu, name=CT, **ct_settings(volume))
    layer.contrast_limits_range = hu_bounds(volume)
    return layer


def hu_bounds(volume: Volume) -> tuple[float, float]:
    """The HU that the window's sliders span: what the CT has, within what CT can mean."""
    low, high = volume.hu_range
    return max(-1024.0, min(low, -200.0)), min(3071.0, max(high, 300.0))


def _mask_layer(name: str, mask: NDArray[np.uint8], volume: Volume, colour: str) -> Labels:
    colours = DirectLabelColormap(color_dict={0: "transparent", 1: colour, None: colour})
    layer = Labels(
        mask,
        name=name,
        scale=volume.grid.spacing_mm,
        units=_MM,
        colormap=colours,
        opacity=1.0,
        metadata={METADATA: volume},
        multiscale=False,
    )
    layer.contour = 1
    layer.n_edit_dimensions = 2
    layer.brush_size = 8
    return layer


def _map_layer(overlay: Overlay, scale: Any) -> Image:
    name = theme.PROBABILITY if overlay.key == "probability" else theme.GATES
    return Image(
        overlay.map,
        name=overlay.title,
        scale=scale,
        units=_MM,
        colormap=_seen_through(name),
        contrast_limits=(0.0, 1.0),
        opacity=_MAP_OPACITY,
        blending="translucent_no_depth",
        visible=False,
        rgb=False,
        multiscale=False,
    )


def _seen_through(name: str) -> Colormap:
    """The colour map `name`, clear at 0 and full from 0.2: the CT stays visible where a map is silent."""
    colours = np.array(ensure_colormap(name).colors, np.float32)
    colours[:, 3] = np.clip(np.linspace(0, 1, len(colours)) / 0.2, 0, 1)
    return Colormap(colours, name=f"{name} over CT")


def _value_at(viewer: ViewerModel, layer: Layer) -> float | None:
    value = layer.get_value(viewer.cursor.position, world=True)
    return None if value is None else float(value)
