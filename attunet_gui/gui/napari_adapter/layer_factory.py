"""Makes the napari layers of a case: CT, masks and maps with their colours, scale and tools."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.utils.colormaps import Colormap, DirectLabelColormap, ensure_colormap
from numpy.typing import NDArray

from attunet_gui.core.volume import Volume
from attunet_gui.gui import theme
from attunet_gui.gui.napari_adapter.mask_labels import MaskLabels
from attunet_gui.prediction.map_overlays import MapOverlay

CT, MASK, OTHER, CHANGES, RING = "CT", "Pancreas", "New draft", "Proposed changes", "Place to check"
ARRIVING = "Draft on its way"
METADATA = "attunet"
"""Key in a layer's metadata that holds the `Volume`; the plugin's writer takes the source grid from it."""
MAP_OPACITY = 0.6
MM = ("mm", "mm", "mm")


_CT_LOOK = {"colormap": "gray", "gamma": 1.0, "opacity": 1.0, "blending": "translucent", "visible": True,
            "interpolation2d": "nearest"}  # fmt: skip
"""Attributes of the CT layer that do not depend on the volume."""
_MASK_LOOK = {"opacity": 1.0, "blending": "translucent", "visible": True}
_MASK_TOOLS = {"contour": 1, "n_edit_dimensions": 2, "brush_size": 8, "selected_label": 1, "mode": "pan_zoom",
               "mouse_pan": True, "cursor": "standard"}  # fmt: skip
"""Tools of a mask layer at the start: contour, brush of 8 pixels in one slice, moving the picture."""


def ct_layer_settings(volume: Volume) -> dict[str, Any]:
    """Return keyword arguments for an image layer of `volume`, which also goes into the metadata."""
    fixed = {"metadata": {METADATA: volume}, "units": MM, "rgb": False, "multiscale": False}
    return {**_CT_LOOK, **_ct_volume_settings(volume), **fixed}


def _ct_volume_settings(volume: Volume) -> dict[str, Any]:
    low, high = theme.HU_PRESETS[0][1:]
    return {"scale": volume.grid.spacing_mm, "contrast_limits": (float(low), float(high))}


def make_ct_layer(volume: Volume) -> Image:
    """Return a new image layer of the CT, in the first HU preset."""
    layer = Image(volume.hu, name=CT, **ct_layer_settings(volume))
    layer.contrast_limits_range = hu_bounds(volume)
    return layer


def hu_bounds(volume: Volume) -> tuple[float, float]:
    """Return the (low, high) HU that the sliders of the HU window span.

    This is the range of the CT, at least -200 to 300 HU, and at most -1024 to 3071 HU, the range of 12-bit
    CT.
    """
    low, high = volume.hu_range
    return max(-1024.0, min(low, -200.0)), min(3071.0, max(high, 300.0))


def reset_ct_layer(layer: Image, volume: Volume) -> None:
    """Fill the layer of another CT with `volume`, so that it equals a new layer of it.

    napari needs a tenth of the time for this compared with removing one layer and adding another.
    """
    layer.data, layer.metadata = volume.hu, {METADATA: volume}
    layer.contrast_limits_range = hu_bounds(volume)
    _set_changed_attributes(layer, {"name": CT, **_CT_LOOK, **_ct_volume_settings(volume)})


def make_mask_layer(name: str, mask: NDArray[np.uint8], ct: Layer, colour: str) -> Labels:
    """Return a new labels layer with a mask as a contour, to be painted on in one slice.

    Args:
        name: of the layer.
        mask: uint8 (z, y, x), 0 and 1; kept and changed in place.
        ct: layer of the CT; gives scale and metadata.
        colour: as "#rrggbb".
    """
    layer = make_labels_layer(name, mask, ct, mask_colormap(colour))
    _set_changed_attributes(layer, _MASK_TOOLS)
    return layer


def reset_mask_layer(layer: Labels, name: str, mask: NDArray[np.uint8], ct: Layer) -> None:
    """Fill `layer` with another mask, so that it equals a new mask layer, but for its colour."""
    layer.data, layer.metadata = mask, {METADATA: ct.metadata[METADATA]}
    _set_changed_attributes(layer, {"name": name, "scale": ct.scale, **_MASK_LOOK, **_MASK_TOOLS})
    clear_napari_history(layer)


def clear_napari_history(layer: Labels) -> None:
    """Empty napari's own history of strokes.

    napari has no public call for this; setting a layer to not editable does it.
    """
    mode, editable = layer.mode, layer.editable
    layer.editable = False
    layer.editable = editable
    layer.mode = mode


def _set_changed_attributes(layer: Layer, values: dict[str, Any]) -> None:
    """Set only attributes that differ: napari draws the layer anew for each one that is set."""
    for name, value in values.items():
        if not np.array_equal(getattr(layer, name), value):
            setattr(layer, name, value)


def is_on_voxel_grid(layer: Layer, spacing_mm: tuple[float, float, float]) -> bool:
    """Return whether `layer` has the scale `spacing_mm` (z, y, x), no offset, rotation, shear or affine."""
    if layer.ndim != 3:
        return False
    placed = np.allclose(layer.scale, spacing_mm) and not np.any(layer.translate)
    turned = not np.allclose(layer.rotate, np.eye(3)) or bool(np.any(layer.shear))
    return bool(placed and not turned and np.allclose(layer.affine.affine_matrix, np.eye(4)))


def move_to_voxel_grid(layer: Layer, spacing_mm: tuple[float, float, float]) -> None:
    """Give `layer` the scale `spacing_mm` (z, y, x) in mm, and no offset, rotation, shear or affine."""
    # Any of these five attributes moves voxels.
    layer.affine, layer.rotate, layer.shear = np.eye(4), np.eye(3), np.zeros(3)
    layer.translate, layer.scale = np.zeros(3), spacing_mm


def mask_colormap(colour: str) -> DirectLabelColormap:
    """Return a colour map that draws every label but 0 in `colour`, and 0 transparent."""
    return DirectLabelColormap(color_dict={0: "transparent", 1: colour, None: colour})


def make_labels_layer(name: str, data: NDArray[np.uint8], ct: Layer, colours: DirectLabelColormap) -> Labels:
    """Return a labels layer of `data`, uint8 (z, y, x), on the grid of the CT layer `ct`."""
    return MaskLabels(
        data,
        name=name,
        scale=ct.scale,
        units=MM,
        colormap=colours,
        metadata={METADATA: ct.metadata[METADATA]},
        multiscale=False,
        **_MASK_LOOK,
    )


def make_map_layer(overlay: MapOverlay, scale: Any) -> Image:
    """Return a hidden image layer of a map with values from 0 to 1; `scale` is (z, y, x) in mm."""
    name = theme.PROBABILITY if overlay.key == "probability" else theme.GATES
    return Image(
        overlay.map,
        name=overlay.title,
        scale=scale,
        units=MM,
        colormap=_transparent_colormap(name),
        contrast_limits=(0.0, 1.0),
        opacity=MAP_OPACITY,
        blending="translucent_no_depth",
        visible=False,
        rgb=False,
        multiscale=False,
    )


def _transparent_colormap(name: str) -> Colormap:
    """Return the colour map `name`, transparent at 0 and opaque from 0.2, to keep the CT visible."""
    colours = np.array(ensure_colormap(name).colors, np.float32)
    # The first fifth of the range fades in, since most of a map is near 0 and would veil the CT.
    colours[:, 3] = np.clip(np.linspace(0, 1, len(colours)) / 0.2, 0, 1)
    return Colormap(colours, name=f"{name} over CT")
