"""What the layers of a case look like: CT, masks and maps as napari draws them."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.utils.colormaps import Colormap, DirectLabelColormap, ensure_colormap
from numpy.typing import NDArray

from attunet_gui.core.overlay import Overlay
from attunet_gui.core.volume import Volume
from attunet_gui.gui import theme

CT = "CT"
METADATA = "attunet"
"""Key of a layer's metadata under which the plugin's writer finds the volume."""
MAP_OPACITY = 0.6
MM = ("mm", "mm", "mm")


def ct_settings(volume: Volume) -> dict[str, Any]:
    """How a CT looks as an image layer, its source geometry in the metadata."""
    low, high = theme.HU_PRESETS[0][1:]
    return {
        "scale": volume.grid.spacing_mm,
        "units": MM,
        "colormap": "gray",
        "contrast_limits": (low, high),
        "metadata": {METADATA: volume},
        "rgb": False,
        "multiscale": False,
    }


def ct_layer(volume: Volume) -> Image:
    """The CT."""
    layer = Image(volume.hu, name=CT, **ct_settings(volume))
    layer.contrast_limits_range = hu_bounds(volume)
    return layer


def hu_bounds(volume: Volume) -> tuple[float, float]:
    """The HU that the window's sliders span: what the CT has, within what CT can mean."""
    low, high = volume.hu_range
    return max(-1024.0, min(low, -200.0)), min(3071.0, max(high, 300.0))


def mask_layer(name: str, mask: NDArray[np.uint8], ct: Layer, colour: str) -> Labels:
    """A mask as a contour of `colour`, to be drawn on in one slice."""
    colours = DirectLabelColormap(color_dict={0: "transparent", 1: colour, None: colour})
    layer = labels_layer(name, mask, ct, colours)
    layer.contour = 1
    layer.n_edit_dimensions = 2
    layer.brush_size = 8
    return layer


def labels_layer(name: str, data: NDArray[np.uint8], ct: Layer, colours: DirectLabelColormap) -> Labels:
    """(z, y, x) `data` over the CT layer `ct`."""
    return Labels(
        data,
        name=name,
        scale=ct.scale,
        units=MM,
        colormap=colours,
        opacity=1.0,
        metadata={METADATA: ct.metadata[METADATA]},
        multiscale=False,
    )


def map_layer(overlay: Overlay, scale: Any) -> Image:
    """A map over the CT, hidden at first."""
    name = theme.PROBABILITY if overlay.key == "probability" else theme.GATES
    return Image(
        overlay.map,
        name=overlay.title,
        scale=scale,
        units=MM,
        colormap=_seen_through(name),
        contrast_limits=(0.0, 1.0),
        opacity=MAP_OPACITY,
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
