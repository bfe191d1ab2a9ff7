"""A volume through a network: neighbours, scale, place, cancel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from attunet_gui.core.metrics import dice_coefficient
from attunet_gui.core.provenance import ModelId
from attunet_gui.core.slice_scheduler import SliceScheduler
from attunet_gui.core.volume import Volume
from attunet_gui.network.inference import (
    LoadedModel,
    average_models,
    build_input_cache,
    load_model,
    predict_volume,
    with_test_time_transforms,
)
from attunet_gui.network.input_cache import GridInputCache
from attunet_gui.network.model_bundle import ModelBundle, read_bundle
from attunet_gui.prediction.model_card import ModelCard
from attunet_gui.prediction.network_prediction import draft_mask
from attunet_gui.prediction.probability_calibration import ProbabilityCalibration
from attunet_gui.synthesis.phantom.abdomen_phantom import (
    Phantom,
    PhantomRequest,
    make_phantom,
    phantom_volume,
)
from attunet_gui.system.errors import WorkCancelled
from tests.support.model_cards import card_fields

pytestmark = pytest.mark.network


class _BrightIsPancreas:
    """An engine whose answer is known: probability 1 where the middle channel is bright."""

    def __init__(self) -> None:
        self.seen: list[NDArray[np.float32]] = []
        self.batch = 2

    def run(self, batch: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        self.seen.append(batch)
        middle = batch[:, 1]
        gates = {f"gate{level}": middle[:, :: 2**level, :: 2**level] for level in range(1, 5)}
        return {"probability": (middle > 0.9).astype(np.float32), **gates}


class _SaysEverywhere(_BrightIsPancreas):
    """An engine that gives one probability everywhere."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self._probability = probability

    def run(self, batch: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        return {**super().run(batch), "probability": np.full_like(batch[:, 1], self._probability)}


def _model(spacing_mm: float) -> tuple[LoadedModel, _BrightIsPancreas]:
    fields = card_fields(config={}, preprocessing={"size": [224, 224], "spacing_mm": spacing_mm})
    card = ModelCard.model_validate(fields | {"weights": {"sha256": "0" * 64, "bytes": 1}})
    engine = _BrightIsPancreas()
    return LoadedModel(ModelBundle(Path(), card), engine, ModelId("bright", "0" * 64, "test")), engine


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return make_phantom(PhantomRequest(5, (12, 150, 170), (9.0, 2.4, 2.4)))


@pytest.fixture(scope="module")
def volume(phantom: Phantom) -> Volume:
    return phantom_volume(phantom)


def test_the_draft_lies_where_the_network_saw_it(volume: Volume) -> None:
    model, _engine = _model(spacing_mm=2.4)
    mask = draft_mask(predict_volume(volume, model))
    assert dice_coefficient(mask, volume.hu > -160 + 0.9 * 400) > 0.9


def test_channels_are_the_slice_and_its_neighbours(volume: Volume) -> None:
    model, engine = _model(spacing_mm=3.0)
    predict_volume(volume, model, order=SliceScheduler(12, start=0))
    seen = _in_order(np.concatenate(engine.seen), build_input_cache(volume, model).plain_input)
    assert seen.shape == (12, 3, 224, 224)
    assert np.array_equal(seen[1:, 0], seen[:-1, 1])
    assert np.array_equal(seen[:-1, 2], seen[1:, 1])
    assert np.array_equal(seen[0, 0], seen[0, 1])
    assert np.array_equal(seen[-1, 2], seen[-1, 1])


def _in_order(seen: NDArray[np.float32], plain: GridInputCache) -> NDArray[np.float32]:
    """Batches are computed side by side; here from the first slice to the last."""
    middles = plain.input_images(np.arange(len(seen)))[:, 1]
    numbers = [int(np.flatnonzero((middles == image[1]).all(axis=(1, 2)))[0]) for image in seen]
    assert sorted(numbers) == list(range(len(seen)))
    return seen[np.argsort(numbers)]


@pytest.mark.parametrize("made_ahead", [0, 2, 99])
def test_what_was_made_ready_before_changes_nothing(
    volume: Volume, tiny_bundle: Path, made_ahead: int
) -> None:
    model = with_test_time_transforms(load_model(read_bundle(tiny_bundle)))
    sight = build_input_cache(volume, model)
    steps = [sight.prefetch_slices() for _ in range(made_ahead)]
    assert all(steps) is (made_ahead < 99), "it comes to an end"
    found, plain = predict_volume(volume, model, sight=sight), predict_volume(volume, model)
    np.testing.assert_array_equal(found.probability, plain.probability)
    np.testing.assert_array_equal(found.body, plain.body)


def test_the_probability_is_calibrated_as_the_card_says(volume: Volume, tiny_bundle: Path) -> None:
    bundle = read_bundle(tiny_bundle)
    plain = predict_volume(volume, load_model(bundle))
    bend = ProbabilityCalibration(slope=0.5, offset=1.0)
    card = bundle.card.model_copy(update={"calibration": bend})
    bent = predict_volume(volume, load_model(replace(bundle, card=card)))
    meant = bend.apply(plain.probability.astype(np.float32))
    assert np.abs(bent.probability - meant).max() < 2e-3
    assert np.abs(bent.probability - plain.probability).max() > 0.1
    assert np.array_equal(bent.gates[0].values, plain.gates[0].values)


def test_several_looks_are_averaged_where_they_belong(volume: Volume) -> None:
    model, engine = _model(spacing_mm=3.0)
    seen: list[tuple[int, int]] = []
    plain = predict_volume(volume, model)
    averaged = predict_volume(
        volume, with_test_time_transforms(model), lambda done, total, stage: seen.append((done, total))
    )
    assert len(engine.seen) == 7 * 6, "the slice in view goes by itself"
    assert seen[-1] == (12, 12)
    assert [done for done, _total in seen] == sorted(done for done, _total in seen)
    assert len({frame.tobytes() for frame in engine.seen[7:12]}) == 5, "no look is like another"
    assert dice_coefficient(draft_mask(averaged), draft_mask(plain)) > 0.9
    assert 0 < np.abs(averaged.probability - plain.probability).max() <= 1
    assert averaged.probability.max() <= 1
    assert np.array_equal(averaged.gates[0].values, plain.gates[0].values)


def test_cancelling_stops_between_batches(volume: Volume) -> None:
    model, engine = _model(spacing_mm=3.0)

    def stop(done: int, total: int, stage: str) -> None:
        raise WorkCancelled

    with pytest.raises(WorkCancelled):
        predict_volume(volume, model, stop)
    assert len(engine.seen) <= 2, "the next batch may be under way"


def test_a_real_network_gives_probability_and_gates_of_every_slice(volume: Volume, tiny_bundle: Path) -> None:
    prediction = predict_volume(volume, load_model(read_bundle(tiny_bundle)))
    assert prediction.probability.shape == (12, 64, 64)
    assert [gate.values.shape for gate in prediction.gates] == [(12, 32, 32), (12, 16, 16)]
    assert prediction.model.sha256 == read_bundle(tiny_bundle).card.weights_sha256
    for gate in prediction.gates:
        assert 0 <= gate.values.min() < gate.values.max() <= 1
        assert prediction.on_ct_grid(gate.values).shape == volume.grid.shape


def test_a_single_slice_is_enough(tiny_bundle: Path) -> None:
    one = phantom_volume(make_phantom(PhantomRequest(5, (1, 60, 70), (5.0, 5.0, 5.0))))
    assert predict_volume(one, load_model(read_bundle(tiny_bundle))).probability.shape[0] == 1


def test_channels_at_a_distance_in_mm_are_the_slices_nearest_to_it(volume: Volume) -> None:
    model, engine = _model(spacing_mm=3.0)
    wanted = model.card.preprocessing.model_copy(update={"neighbour_distance_mm": 17.0})
    apart = replace(
        model, bundle=replace(model.bundle, card=model.card.model_copy(update={"preprocessing": wanted}))
    )
    predict_volume(volume, apart, order=SliceScheduler(12, start=0))
    seen = _in_order(np.concatenate(engine.seen), build_input_cache(volume, apart).plain_input)
    assert volume.grid.spacing_mm[0] == 9.0
    assert np.array_equal(seen[2:, 0], seen[:-2, 1])
    assert np.array_equal(seen[:-2, 2], seen[2:, 1])


def test_models_on_other_grids_are_averaged_where_they_reach(volume: Volume) -> None:
    (wide, _), (near, _) = _model(spacing_mm=3.0), _model(spacing_mm=0.8)
    card = near.card.model_copy(update={"threshold": 0.2, "name": "near"})
    near = replace(near, bundle=replace(near.bundle, card=card), engine=_SaysEverywhere(0.3))
    both = average_models(with_test_time_transforms(wide), with_test_time_transforms(near))
    alone = predict_volume(volume, with_test_time_transforms(wide))
    found = predict_volume(volume, both)
    assert found.frame.size == alone.frame.size
    assert found.frame.step == alone.frame.step
    # 0.3 is as far above 0.2 as 0.632 is above 0.5, on the logit; the smaller grid is 60 pixels wide.
    inside, outside = np.s_[:, 100:124, 100:124], np.ones(alone.probability.shape[1:], bool)
    outside[80:144, 80:144] = False
    expected = (alone.probability[inside].astype(np.float32) + 0.6316) / 2
    assert np.abs(found.probability[inside] - expected).max() < 2e-3
    assert np.array_equal(found.probability[:, outside], alone.probability[:, outside])
    assert np.array_equal(found.gates[0].values, alone.gates[0].values)
    assert found.model.name == "bright+bright"
    assert found.model.sha256 not in {wide.id.sha256, near.id.sha256}


def test_models_of_one_grid_are_averaged_whatever_was_made_ready(volume: Volume) -> None:
    one, other = _model(spacing_mm=3.0)[0], _model(spacing_mm=3.0)[0]
    both = average_models(one, replace(other, engine=_SaysEverywhere(0.25)))
    sight = build_input_cache(volume, both)
    while sight.prefetch_slices():
        pass
    plain = predict_volume(volume, one).probability.astype(np.float32)
    found = predict_volume(volume, both, sight=sight).probability
    assert np.abs(found - (plain + 0.25) / 2).max() < 1e-3
