"""Scenes for the tools: boxes and ellipsoids, phantoms, and what is unkind to a tool."""

from __future__ import annotations

from functools import cache

import numpy as np
from hypothesis import strategies as st

from attunet_gui.core.edit_stroke import NEIGHBOURS_TOOL, EditStroke
from attunet_gui.core.mask_edit import edit_between
from attunet_gui.core.mask_locks import MaskLocks
from attunet_gui.editing.tools import ToolScene
from attunet_gui.synthesis.phantom.abdomen_phantom import Phantom, PhantomRequest, make_phantom

SPACINGS = ((1.0, 1.0, 1.0), (2.5, 0.8, 0.7), (5.0, 0.6, 0.6), (1.0, 3.0, 1.5))


def ellipsoid(shape: tuple[int, int, int], middle: tuple, radii: tuple) -> np.ndarray:
    """(z, y, x) uint8; middle and radii in voxels."""
    z, y, x = (
        (places - at) / radius
        for places, at, radius in zip(np.ogrid[tuple(slice(n) for n in shape)], middle, radii, strict=True)
    )
    return (z**2 + y**2 + x**2 <= 1).astype(np.uint8)


def scene_of(
    mask: np.ndarray, z: int, spacing_mm: tuple = (1.0, 1.0, 1.0), locks: MaskLocks | None = None
) -> ToolScene:
    """A scene whose CT and network know nothing but the mask."""
    hu = np.where(mask, 90, -80).astype(np.int16)
    sure = np.where(mask, 0.9, 0.02).astype(np.float32)
    return ToolScene(mask, hu, spacing_mm, z, sure, mask.copy(), locks or MaskLocks())


@cache
def phantom() -> Phantom:
    """A thick-sliced phantom, fine in the plane."""
    return make_phantom(PhantomRequest(seed=3, shape=(10, 144, 176), spacing_mm=(10.0, 1.8, 1.8)))


@st.composite
def masks(draw: st.DrawFn) -> np.ndarray:
    """Noise, blobs with islands and holes, empty, full, at the edge, and single slices."""
    shape = (draw(st.sampled_from([1, 2, 5, 9])), draw(st.integers(1, 18)), draw(st.integers(1, 18)))
    kind = draw(st.sampled_from(["empty", "full", "noise", "blob", "edge"]))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    if kind == "full":
        return np.ones(shape, np.uint8)
    if kind == "noise":
        return (rng.random(shape) < draw(st.sampled_from([0.05, 0.4, 0.9]))).astype(np.uint8)
    if kind == "empty":
        return np.zeros(shape, np.uint8)
    middle = [0 if kind == "edge" else n / 2 for n in shape]
    blob = ellipsoid(shape, tuple(middle), tuple(max(1.0, n / 3) for n in shape))
    return blob ^ (rng.random(shape) < 0.03).astype(np.uint8)


@st.composite
def scenes(draw: st.DrawFn) -> ToolScene:
    """A scene with another draft, a noisy CT, and some slices drawn by hand or verified."""
    mask = draw(masks())
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    slices = st.integers(0, len(mask) - 1)
    hand = {z: rng.random(mask.shape[1:]) < 0.3 for z in draw(st.sets(slices, max_size=3))}
    return ToolScene(
        mask=mask,
        hu=(rng.normal(0, 20, mask.shape) + 90 * mask).astype(np.int16),
        spacing_mm=draw(st.sampled_from(SPACINGS)),
        slice=draw(slices),
        probability=draw(st.sampled_from([None, rng.random(mask.shape, np.float32)])),
        draft=draw(st.sampled_from([None, np.roll(mask, 1, axis=2)])),
        locks=MaskLocks(hand, frozenset(draw(st.sets(slices, max_size=2)))),
        strokes=_strokes(mask, rng) if draw(st.booleans()) else (),
    )


def _strokes(mask: np.ndarray, rng: np.random.Generator) -> tuple[EditStroke, ...]:
    """A stroke by hand in each slice, and what was carried from one to all."""
    parts = [slice(z, z + 1) for z in range(len(mask))] + [slice(0, len(mask))]
    edits = [
        edit_between(mask[part], mask[part] ^ (rng.random(mask[part].shape) < 0.2), (part.start, 0, 0))
        for part in parts
    ]
    tools = ["brush"] * len(mask) + [NEIGHBOURS_TOOL]
    return tuple(
        EditStroke(edit, tool, tool, "Ada", 0.0, 0, tool == "brush")
        for edit, tool in zip(edits, tools, strict=True)
    )
