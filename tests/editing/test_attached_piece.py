"""A false piece goes in all slices with one click, also where it touches the gland."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from attunet_gui.core.mask_locks import MaskLocks
from attunet_gui.core.metrics import dice_coefficient
from attunet_gui.editing.tools.attached_piece import RemovePieceTool
from attunet_gui.editing.tools.tool_scene import ToolScene
from attunet_gui.system.errors import AttunetError
from tests.support.tool_scenes import ellipsoid, scene_of

SHAPE = (24, 60, 80)
GLAND = ellipsoid(SHAPE, (12, 30, 25), (8, 14, 20))
LOOP = ellipsoid(SHAPE, (12, 30, 60), (6, 10, 12))
IN_LOOP, IN_GLAND = (12, 30, 60), (12, 30, 20)


def touching(neck: int) -> np.ndarray:
    """The gland and the loop, joined by a bridge `neck` voxels high."""
    mask = GLAND | LOOP
    mask[12, 30 - neck // 2 : 31 + neck // 2, 25:60] = 1
    return mask


def after(scene: ToolScene, *points: tuple[int, int, int]) -> np.ndarray:
    mask = scene.mask.copy()
    RemovePieceTool(points).compute_edit(scene).apply_to(mask)
    return mask


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (2.5, 0.8, 0.8)])
def test_what_is_attached_is_cut_off_at_its_neck(spacing_mm: tuple[float, float, float]) -> None:
    scene = scene_of(touching(5), 12, spacing_mm)
    left = after(scene, IN_LOOP)
    assert dice_coefficient(left, GLAND) > 0.98
    assert np.count_nonzero(left & LOOP) == 0


def test_an_island_goes_as_a_whole_and_only_that() -> None:
    assert np.array_equal(after(scene_of(GLAND | LOOP, 3), (0, 0, 0), IN_LOOP), GLAND)


def test_the_slice_in_view_does_not_matter() -> None:
    scene = scene_of(touching(5), 12)
    assert np.array_equal(after(scene, IN_LOOP), after(replace(scene, slice=2), IN_LOOP))


def test_what_was_drawn_by_hand_stays() -> None:
    hand = np.zeros(SHAPE[1:], bool)
    hand[28:33, 58:63] = True
    scene = scene_of(GLAND | LOOP, 12, locks=MaskLocks({12: hand}))
    left = after(scene, IN_LOOP)
    assert left[12][hand].all()
    assert np.count_nonzero(left) == np.count_nonzero(GLAND) + np.count_nonzero(hand)


def test_the_gland_itself_is_never_taken() -> None:
    for mask in (touching(5), GLAND, np.ones_like(GLAND)):
        with pytest.raises(AttunetError, match="No neck parts"):
            after(scene_of(mask, 12), IN_GLAND)
    with pytest.raises(AttunetError, match="no mask at that place"):
        after(scene_of(GLAND, 12), IN_LOOP)
