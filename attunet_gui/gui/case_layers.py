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
from attunet_gui.gui.contoured import Contoured

CT = "CT"
METADATA = "attunet"
"""Key of a layer's metadata under which the plugin's writer finds the volume."""
MAP_OPACITY = 0.6
MM = ("mm", "mm", "mm")


_CT_LOOK = {"colormap": "gray", "gamma": 1.0, "opacity": 1.0, "blending": "translucent", "visible": True,
            "interpolation2d": "nearest"}  # fmt: skip
_MASK_LOOK = {"opacity": 1.0, "blending": "translucent", "visible": True}
_MASK_TOOLS = {"contour": 1, "n_edit_dimensions": 2, "brush_size": 8, "selected_label": 1, "mode": "pan_zoom",
               "mouse_pan": True, "cursor": "standard"}  # fmt: skip


def ct_settings(volume: Volume) -> dict[str, Any]:
    """How a CT looks as an image layer, its source geometry in the metadata."""
    fixed = {"metadata": {METADATA: volume}, "units": MM, "rgb": False, "multiscale": False}
    return {**_CT_LOOK, **_ct_values(volume), **fixed}


def _ct_values(volume: Volume) -> dict[str, Any]:
    low, high = theme.HU_PRESETS[0][1:]
    return {"scale": volume.grid.spacing_mm, "contrast_limits": (float(low), float(high))}


def ct_layer(volume: Volume) -> Image:
    """The CT."""
    layer = Image(volume.hu, name=CT, **ct_settings(volume))
    layer.contrast_limits_range = hu_bounds(volume)
    return layer


def hu_bounds(volume: Volume) -> tuple[float, float]:
    """The HU that the window's sliders span: what the CT has, within what CT can mean."""
    low, high = volume.hu_range
    return max(-1024.0, min(low, -200.0)), min(3071.0, max(high, 300.0))


def renew_ct(layer: Image, volume: Volume) -> None:
    """Make of `layer` what `ct_layer` would make of `volume`.

    napari takes a tenth of the time for that which it takes for one layer to go and another to come.
    """
    layer.data, layer.metadata = volume.hu, {METADATA: volume}
    layer.contrast_limits_range = hu_bounds(volume)
    _set(layer, {"name": CT, **_CT_LOOK, **_ct_values(volume)})


def mask_layer(name: str, mask: NDArray[np.uint8], ct: Layer, colour: str) -> Labels:
    """A mask as a contour of `colour`, to be drawn on in one slice."""
    layer = labels_layer(name, mask, ct, mask_colours(colour))
    _set(layer, _MASK_TOOLS)
    return layer


def renew_mask(layer: Labels, name: str, mask: NDArray[np.uint8], ct: Layer) -> None:
    """Make of `layer` what `mask_layer` would make of `mask`, but for its colour."""
    layer.data, layer.metadata = mask, {METADATA: ct.metadata[METADATA]}
    _set(layer, {"name": name, "scale": ct.scale, **_MASK_LOOK, **_MASK_TOOLS})
    forget_strokes(layer)


def forget_strokes(layer: Labels) -> None:
    """Empty napari's own history of strokes: a layer that may not be edited has none."""
    mode, editable = layer.mode, layer.editable
    layer.editable = False
    layer.editable = editable
    layer.mode = mode


def _set(layer: Layer, values: dict[str, Any]) -> None:
    """Set what differs: napari draws anew for each value that is set."""
    for name, value in values.items():
        if not np.array_equal(getattr(layer, name), value):
            setattr(layer, name, value)


def is_straight(layer: Layer, spacing_mm: tuple[float, float, float]) -> bool:
    """Whether `layer` lies in voxels of `spacing_mm` (z, y, x) from the origin, neither turned nor moved."""
    if layer.ndim != 3:
        return False
    placed = np.allclose(layer.scale, spacing_mm) and not np.any(layer.translate)
    turned = not np.allclose(layer.rotate, np.eye(3)) or bool(np.any(layer.shear))
    return bool(placed and not turned and np.allclose(layer.affine.affine_matrix, np.eye(4)))


def straighten(layer: Layer, spacing_mm: tuple[float, float, float]) -> None:
    """Put `layer` where `is_straight` wants it."""
    layer.affine, layer.rotate, layer.shear = np.eye(4), np.eye(3), np.zeros(3)
    layer.translate, layer.scale = np.zeros(3), spacing_mm


def mask_colours(colour: str) -> DirectLabelColormap:
    """A mask in `colour`, nothing elsewhere."""
    return DirectLabelColormap(color_dict={0: "transparent", 1: colour, None: colour})


def labels_layer(name: str, data: NDArray[np.uint8], ct: Layer, colours: DirectLabelColormap) -> Labels:
    """(z, y, x) `data` over the CT layer `ct`."""
    return Contoured(
        data,
        name=name,
        scale=ct.scale,
        units=MM,
        colormap=colours,
        metadata={METADATA: ct.metadata[METADATA]},
        multiscale=False,
        **_MASK_LOOK,
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
