"""A model adapts to a patient: it forgets again, knows when to be silent, and helps where it speaks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.core.metrics import dice_coefficient
from attunet_gui.core.volume import Volume
from attunet_gui.network.inference import LoadedModel, load_model, predict_volume
from attunet_gui.network.model_bundle import read_bundle
from attunet_gui.network.online_adapter import AdaptationExamples, MaskedSlices, OnlineAdapter
from attunet_gui.network.patient_adaptation import AdaptationBudget, CorrectedSlices, propagate_corrections
from attunet_gui.prediction.network_prediction import draft_mask
from attunet_gui.synthesis.phantom.abdomen_phantom import (
    Phantom,
    PhantomRequest,
    make_phantom,
    phantom_volume,
)
from attunet_gui.system.errors import WorkCancelled

pytestmark = pytest.mark.network

ENOUGH = AdaptationBudget(seconds=1e6)
"""However slow the machine, no step is left out."""
_STARTER = Path(__file__).parents[2] / "models" / "phantom-starter"


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return make_phantom(PhantomRequest(5, (24, 90, 100), (6.0, 4.0, 4.0)))


@pytest.fixture(scope="module")
def volume(phantom: Phantom) -> Volume:
    return phantom_volume(phantom)


@pytest.fixture(scope="module")
def truth(phantom: Phantom) -> NDArray[np.uint8]:
    return phantom.pancreas_mask


@pytest.fixture(scope="module")
def model(tiny_bundle: Path) -> LoadedModel:
    return load_model(read_bundle(tiny_bundle))


@pytest.fixture(scope="module")
def learner(model: LoadedModel) -> OnlineAdapter:
    return OnlineAdapter(model)


def _lesson(learner: OnlineAdapter, seed: int = 0) -> AdaptationExamples:
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (3, *learner.size, 3), np.uint8)
    slices = MaskedSlices(images, (images[..., 1] > 200).astype(np.uint8))
    return AdaptationExamples(slices, slices)


def test_what_was_learnt_is_forgotten_to_the_last_bit(learner: OnlineAdapter) -> None:
    images = _lesson(learner, 1).corrected.images
    fresh = learner.predict_logits(images)
    learner.learn_examples(_lesson(learner), steps=3, seed=1)
    assert not np.array_equal(learner.predict_logits(images), fresh), "nothing was learnt"
    learner.reset_weights()
    assert np.array_equal(learner.predict_logits(images), fresh)


def test_a_lesson_follows_from_its_seed(learner: OnlineAdapter) -> None:
    lesson = _lesson(learner)
    found = []
    for seed in (1, 1, 2):
        learner.learn_examples(lesson, steps=3, seed=seed)
        found.append(learner.predict_logits(lesson.corrected.images))
    learner.reset_weights()
    assert np.allclose(found[0], found[1], atol=1e-4)
    assert np.abs(found[0] - found[2]).max() > 1e-3


def test_zero_is_where_the_draft_is_cut(model: LoadedModel, learner: OnlineAdapter) -> None:
    card = model.card.model_copy(update={"threshold": 0.8})
    images = _lesson(learner).corrected.images
    other = replace(model, bundle=replace(model.bundle, card=card))
    moved = OnlineAdapter(other).predict_logits(images) - learner.predict_logits(images)
    assert np.allclose(moved, -np.log(0.8 / 0.2), atol=0.05)


def test_the_loaded_model_stays_as_it_is(
    model: LoadedModel, learner: OnlineAdapter, volume: Volume, truth: NDArray[np.uint8]
) -> None:
    before = predict_volume(volume, model)
    propagate_corrections(volume, learner, CorrectedSlices(truth, (9, 12), None), ENOUGH)
    after = predict_volume(volume, model)
    assert np.array_equal(before.probability, after.probability)
    assert np.array_equal(before.gates[0].values, after.gates[0].values)


@pytest.mark.parametrize("slices", [(), (12,)])
def test_one_slice_is_too_little(
    slices: tuple[int, ...], learner: OnlineAdapter, volume: Volume, truth: NDArray[np.uint8]
) -> None:
    proposal = propagate_corrections(volume, learner, CorrectedSlices(truth, slices), ENOUGH)
    assert not proposal.kept
    assert "at least two" in proposal.reason
    assert np.array_equal(proposal.mask, truth)


def test_from_empty_slices_nothing_is_learnt(
    learner: OnlineAdapter, volume: Volume, truth: NDArray[np.uint8]
) -> None:
    proposal = propagate_corrections(volume, learner, CorrectedSlices(0 * truth, (9, 12)), ENOUGH)
    assert not proposal.kept
    assert "empty" in proposal.reason


def test_corrections_without_sense_are_not_carried_on(
    learner: OnlineAdapter, volume: Volume, truth: NDArray[np.uint8]
) -> None:
    noise = np.random.default_rng(1).integers(0, 2, truth.shape, np.uint8)
    mask = truth.copy()
    mask[[9, 11, 13]] = noise[[9, 11, 13]]
    proposal = propagate_corrections(volume, learner, CorrectedSlices(mask, (9, 11, 13), truth), ENOUGH)
    assert not proposal.kept
    assert "slices 9, 11 and 13 held out" in proposal.reason
    assert np.array_equal(proposal.mask, mask)
    assert proposal.slices == ()


def test_a_slice_that_is_not_there_is_refused(
    learner: OnlineAdapter, volume: Volume, truth: NDArray[np.uint8]
) -> None:
    with pytest.raises(ValueError, match="24"):
        propagate_corrections(volume, learner, CorrectedSlices(truth, (9, 24)), ENOUGH)
    with pytest.raises(ValueError, match="does not fit"):
        propagate_corrections(volume, learner, CorrectedSlices(truth[1:], (9, 12)), ENOUGH)


def test_cancelling_leaves_nothing_half_learnt(
    learner: OnlineAdapter, volume: Volume, truth: NDArray[np.uint8]
) -> None:
    told = CorrectedSlices(truth, (9, 12), 0 * truth)
    whole = propagate_corrections(volume, learner, told, ENOUGH)
    seen: list[int] = []

    def stop(done: int, total: int, stage: str) -> None:
        seen.append(done)
        if done == 5:
            raise WorkCancelled

    with pytest.raises(WorkCancelled):
        propagate_corrections(volume, learner, told, ENOUGH, stop)
    assert seen == [0, 1, 2, 3, 4, 5]
    again = propagate_corrections(volume, learner, told, ENOUGH)
    assert (again.dsc_before, again.kept) == (whole.dsc_before, whole.kept)
    assert again.dsc_after == pytest.approx(whole.dsc_after, abs=1e-3)


def test_what_is_corrected_alike_in_three_slices_gets_better_in_the_others(
    volume: Volume, truth: NDArray[np.uint8]
) -> None:
    # This person draws the outline two voxels farther out than those the network has learnt from.
    wider = ndimage.binary_dilation(truth, np.ones((1, 5, 5))).astype(np.uint8)
    starter = load_model(read_bundle(_STARTER))
    draft = draft_mask(predict_volume(volume, starter))
    corrected = (9, 12, 15)
    mask = draft.copy()
    mask[list(corrected)] = wider[list(corrected)]
    seen: list[int] = []
    proposal = propagate_corrections(
        volume,
        OnlineAdapter(starter),
        CorrectedSlices(mask, corrected, draft),
        ENOUGH,
        lambda *at: seen.append(at[0]),
    )
    assert proposal.kept, proposal.reason
    assert "Learnt from slices" in proposal.reason
    others = [z for z in range(len(truth)) if z not in corrected]
    assert dice_coefficient(proposal.mask[others], wider[others]) > dice_coefficient(
        draft[others], wider[others]
    )
    assert np.array_equal(proposal.mask[list(corrected)], wider[list(corrected)])
    assert set(proposal.slices).isdisjoint(corrected)
    assert seen == sorted(seen)
