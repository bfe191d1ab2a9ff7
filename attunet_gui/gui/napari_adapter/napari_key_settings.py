"""Reads napari's own keyboard shortcuts from its settings, where the user may have changed them."""

from __future__ import annotations

import re
from typing import Any, Literal

from napari.layers import Labels
from napari.settings import get_settings

Tool = Literal["pan_zoom", "paint", "erase", "polygon"]
"""The modes of napari that a mask may be in, see `mask_labels.MODES`."""
_TOOLS: dict[str, Tool] = {
    "napari:activate_labels_pan_zoom_mode": "pan_zoom",
    "napari:activate_labels_paint_mode": "paint",
    "napari:activate_labels_erase_mode": "erase",
    "napari:activate_labels_polygon_mode": "polygon",
}
"""napari's action for a mode, and the mode."""
_BRUSH = {"napari:decrease_brush_size": -1, "napari:increase_brush_size": 1}
"""napari's action for the size of the brush, and the pixels it adds."""


def napari_shortcuts() -> dict[str, tuple[Any, ...]]:
    """Return every action of napari that can have keys, with its keys."""
    return {name: tuple(keys) for name, keys in get_settings().shortcuts.shortcuts.items()}


def tool_keys() -> dict[Tool, tuple[Any, ...]]:
    """Return each mode of a mask with the keys that napari has for it."""
    bound = napari_shortcuts()
    return {tool: bound.get(name, ()) for name, tool in _TOOLS.items()}


def refused_mode_keys() -> dict[str, tuple[Any, ...]]:
    """Return napari's other modes of a labels layer, which a mask refuses, with their keys."""
    parts = re.compile(r"napari:activate_labels_(\w+)_mode")
    found = {name: parts.fullmatch(name) for name in napari_shortcuts() if name not in _TOOLS}
    return {match[1]: napari_shortcuts()[name] for name, match in found.items() if match}


def brush_keys() -> dict[int, tuple[Any, ...]]:
    """Return by how many pixels the brush grows, with the keys that napari has for that."""
    bound = napari_shortcuts()
    return {step: bound.get(name, ()) for name, step in _BRUSH.items()}


def reset_view_keys() -> tuple[Any, ...]:
    """Return the keys by which napari fits the picture to the window."""
    return napari_shortcuts().get("napari:reset_view", ())


def drop_open_polygon(layer: Labels) -> None:
    """Drop the corners of a polygon that is not closed yet. They are in napari's private overlay."""
    layer._overlays["polygon"].points = []
