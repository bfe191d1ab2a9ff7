"""How the layers of the case look: opacity, HU window, contour, and the values under the cursor."""

from __future__ import annotations

from napari.layers import Layer

from attunet_gui.gui import theme
from attunet_gui.gui.napari_adapter.layer_factory import (
    CT,
    MAP_OPACITY,
    MASK,
    make_map_layer,
)
from attunet_gui.gui.napari_adapter.layer_set import LayerSet
from attunet_gui.prediction.map_overlays import MapOverlay


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
