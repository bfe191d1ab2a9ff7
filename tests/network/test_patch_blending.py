"""Patches cover a volume, whatever its size; their blended answers are those of the places they stand for."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from attunet_gui.network.patch_blending import (
    LayerBlender,
    PatchGrid,
    answer_layer,
    blend_volume,
    unbroken_runs,
)

Volume = NDArray[np.float32]
_ANY = st.integers(2, 5)


def _grid(
    slices: int, size: tuple[int, int] = (16, 24), patch: tuple[int, int, int] = (8, 8, 12)
) -> PatchGrid:
    return PatchGrid(slices, size, patch, 4)


def _read(volume: Volume, slices: NDArray[np.intp]) -> Volume:
    return volume[np.clip(slices, 0, len(volume) - 1)]


def _answers(patches: Volume) -> Mapping[str, Volume]:
    """The patches themselves, and their means over cubes of 4 voxels."""
    n, s, r, c = patches.shape
    coarse = patches.reshape(n, s // 4, 4, r // 4, 4, c // 4, 4).mean(axis=(2, 4, 6))
    return {"same": patches, "coarse": coarse}


@given(st.integers(1, 60), _ANY, _ANY, st.integers(2, 6), _ANY, _ANY)
@settings(max_examples=60)
def test_every_voxel_lies_in_a_patch_and_in_two_layers_at_most(
    slices: int, down: int, across: int, deep: int, high: int, wide: int
) -> None:
    patch = (4 * deep, 4 * min(high, down), 4 * min(wide, across))
    grid = PatchGrid(slices, (4 * down, 4 * across), patch, 4)
    layers = np.zeros(slices, int)
    for layer in range(len(grid.layers)):
        at = grid.layer_slices(layer)
        layers[at[(at >= 0) & (at < slices)]] += 1
    assert 1 <= layers.min() <= layers.max() <= 2
    plane = np.zeros(grid.size, int)
    for row, column in grid.corners:
        assert row % 4 == column % 4 == 0
        plane[row : row + patch[1], column : column + patch[2]] += 1
    assert plane.min() >= 1
    assert plane[:, -1].min() >= 1


@pytest.mark.parametrize("slices", [2, 5, 8, 21, 40])
def test_a_network_that_says_what_it_sees_gives_back_the_volume(slices: int) -> None:
    volume = np.random.default_rng(slices).random((slices, 16, 24)).astype(np.float32)
    blended = blend_volume(lambda at: _read(volume, at), _grid(slices), _answers, batch=3)
    assert np.allclose(blended.take_answers("same", np.arange(slices)), volume, atol=1e-6)
    between = blended.take_answers("same", np.arange(slices - 1) + 0.25)
    assert np.allclose(between, 0.75 * volume[:-1] + 0.25 * volume[1:], atol=1e-6)


def test_a_coarse_answer_lies_where_its_voxels_lie() -> None:
    ramp = np.broadcast_to(np.arange(40, dtype=np.float32)[:, None, None], (40, 16, 24)).copy()
    coarse = blend_volume(lambda at: _read(ramp, at), _grid(40), _answers, 2).take_answers(
        "coarse", np.arange(8, 32)
    )
    assert coarse.shape == (24, 4, 6)
    assert np.allclose(coarse, np.arange(8, 32)[:, None, None], atol=1e-4)


def test_the_edge_of_a_patch_counts_least_and_no_seam_is_seen() -> None:
    """A network answers with the number of the patch: that changes smoothly from one patch to the next."""
    numbers = iter(range(99))

    def run(patches: Volume) -> Mapping[str, Volume]:
        return {"number": np.stack([np.full_like(each, next(numbers)) for each in patches])}

    grid = PatchGrid(8, (16, 40), (8, 16, 16), 4)
    row = answer_layer(np.zeros((8, 16, 40), np.float32), grid, run, batch=1)["number"][0, 0]
    assert (row[0], row[-1]) == (0, len(grid.corners) - 1)
    assert np.all(np.diff(row) >= 0)
    assert np.diff(row).max() < 0.5


def test_the_order_of_the_layers_changes_no_bit_and_its_own_layers_are_enough() -> None:
    random = np.random.default_rng(3)
    volume, grid = random.random((40, 16, 24)).astype(np.float32), _grid(40)
    answers = [
        answer_layer(_read(volume, grid.layer_slices(n)), grid, _answers, 2) for n in range(len(grid.layers))
    ]
    assert len(answers) > 3
    forward, backward = LayerBlender(grid), LayerBlender(grid)
    for n, answer in enumerate(answers):
        forward.add_layer(n, answer)
    for n, answer in reversed(list(enumerate(answers))):
        backward.add_layer(n, answer)
    at = np.linspace(0, 39, 55)
    behind = grid.layers_behind(at, (1, 4))
    for name in ("same", "coarse"):
        assert np.array_equal(forward.take_answers(name, at), backward.take_answers(name, at))
        for k, position in enumerate(at):
            alone = LayerBlender(grid)
            for n in np.flatnonzero(behind[k]):
                alone.add_layer(int(n), answers[n])
            one = np.array([position])
            assert np.array_equal(alone.take_answers(name, one), forward.take_answers(name, one))
    assert behind.sum(axis=1).max() <= 3


def test_runs_have_no_gaps() -> None:
    assert [run.tolist() for run in unbroken_runs(np.array([1, 2, 5, 6, 9]))] == [[1, 2], [5, 6], [9]]
    assert list(unbroken_runs(np.array([], int))) == []
