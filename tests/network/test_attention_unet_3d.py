"""The article's own network: its numbers beside the published ones, its parts, and how it sees a volume."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from attunet_gui.core.slice_scheduler import SliceScheduler
from attunet_gui.core.volume import Volume
from attunet_gui.network.batch_sampling import TrainingCase, TrainingData, TrainingSource
from attunet_gui.network.families.attention_unet_3d.attention_unet_3d_config import (
    AttentionUNet3DConfig,
    count_parameters,
    list_gates,
    receptive_field,
)
from attunet_gui.network.families.attention_unet_3d.attention_unet_3d_keras import build_network
from attunet_gui.network.families.attention_unet_3d.volume_layers import TrilinearDoubling
from attunet_gui.network.families.family_registry import family_by_name
from attunet_gui.network.families.model_family import PROBABILITY
from attunet_gui.network.inference import LoadedModel, load_model, predict_volume, with_test_time_transforms
from attunet_gui.network.model_bundle import write_bundle
from attunet_gui.network.online_adapter import AdaptationExamples, OnlineAdapter
from attunet_gui.network.patch_blending import PatchLayout
from attunet_gui.network.patient_adaptation import AdaptationBudget, CorrectedSlices, propagate_corrections
from attunet_gui.network.training_config import TrainingConfig
from attunet_gui.network.training_loop import TrainingJob, train_network
from attunet_gui.network.training_losses import LOSSES
from attunet_gui.network.validation_scores import validate_cases
from attunet_gui.prediction.preprocess import PreprocessingConfig
from attunet_gui.synthesis.phantom.abdomen_phantom import PhantomRequest, make_phantom, phantom_volume
from attunet_gui.system.errors import AttunetError, InvalidModelBundle, WorkCancelled
from tests.support.model_cards import card_fields

pytestmark = pytest.mark.network
_FAMILY = family_by_name("attention_unet_3d")
_TINY = _FAMILY.parse_config(_FAMILY.tiny_config)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    keras.utils.set_random_seed(3)
    network = build_network(_TINY)
    random = np.random.default_rng(3)
    # More above 0 than below it, so that no gate is dead; and both answers occur.
    network.set_weights([w + random.uniform(-0.1, 0.2, w.shape) for w in network.get_weights()])
    images, score = random.random((2, *_TINY.input_shape)), network.get_layer("gate1_score")
    scores = np.asarray(keras.Model(network.input, score.output)(images))
    score.kernel.assign(score.kernel / scores.std())
    score.bias.assign((score.bias - np.median(scores)) / scores.std())
    logits = np.asarray(_FAMILY.build_logits(network)(images))
    _FAMILY.shift_logits(network, 0.5 / logits.std(), -0.5 * np.median(logits) / logits.std())
    fields = card_fields(
        family=_FAMILY.name,
        config=_TINY.model_dump(mode="json"),
        preprocessing={"size": [64, 64], "spacing_mm": 5.0, "neighbours": 0},
    )
    folder: Path = tmp_path_factory.mktemp("models") / "tiny"
    return load_model(write_bundle(folder, network, fields))


@pytest.fixture(scope="module")
def volume() -> Volume:
    return phantom_volume(make_phantom(PhantomRequest(5, (41, 60, 70), (3.0, 5.0, 5.0))))


# The numbers of the article


def _trainable(config: AttentionUNet3DConfig) -> int:
    return sum(int(np.prod(v.shape)) for v in build_network(config).trainable_variables)


def test_the_parameters_are_the_article_s_but_for_what_is_explained() -> None:
    """The article (table 1) has 5.88 M for its U-Net and 6.40 M with gates; docs/attention-unet-3d.md.

    The figures of its own code, by which the differences are counted: a second gate at each scale, kernels of
    2 x 2 x 2 for the skip, and a 1x1x1 convolution with normalisation behind each gate and behind each pair.
    """
    config = AttentionUNet3DConfig()
    assert [config.filters << level for level in range(config.levels)] == [16, 32, 64, 128, 256]
    assert len(list_gates(config)) == 3
    sides_and_head = sum(2 * width + 2 for width in (16, 32, 64, 128)) + 2 * 4 + 1
    gates, theirs = 0, 0
    for skip in (32, 64, 128):
        gating = 2 * skip
        gates += skip * skip + gating * skip + skip + skip + 1
        one = 8 * skip * skip + gating * skip + skip + skip + 1
        behind = skip * skip + skip + 2 * skip
        theirs += 2 * (one + behind) + 2 * skip * skip + skip + 2 * skip
    unet = _trainable(config) - gates - sides_and_head
    assert unet == 5_886_960, "the article's 5.88 M, to the last weight"
    assert unet + theirs == 6_405_974, "the article's 6.40 M"
    assert _trainable(config) == 5_952_420
    moving = count_parameters(config) - _trainable(config)
    assert moving == 2 * 2 * (2 * (16 + 32 + 64 + 128) + 256), "mean and variance of each normalised channel"


@pytest.mark.parametrize("levels", [2, 3])
def test_a_voxel_depends_on_the_cube_that_is_stated_and_not_on_less_by_much(levels: int) -> None:
    step = 1 << (levels - 1)
    side = 8 * step * (2 if levels == 2 else 3)
    config = AttentionUNet3DConfig(
        size=(side, side), patch_size=(2 * step, side, side), filters=1, levels=levels
    )
    network = build_network(config)
    for variable in network.weights:
        # All positive and nothing saturates, so each voxel that is seen moves the answer.
        if variable.path.endswith("kernel"):
            variable.assign(np.full(variable.shape, 1 / np.prod(variable.shape[:-1])))
    middle, reach = side // 2, receptive_field(config) // 2
    assert reach + 1 < middle, "the patch is wider than what is seen"
    near = np.arange(reach - 2 * step, reach + 2)
    columns = np.concatenate([middle - near[::-1], middle + near])
    images = np.full((len(columns) + 1, *config.input_shape), 0.5, np.float32)
    for image, column in zip(images, columns, strict=False):
        image[:, column] += 10.0
    logits = np.asarray(_FAMILY.build_logits(network)(images))[:, middle, middle, 0]
    seen = columns[np.abs(logits[:-1] - logits[-1]) > 0]
    assert seen[0] >= middle - reach
    assert seen[-1] <= middle + reach
    assert seen[-1] - seen[0] + 1 >= receptive_field(config) - 2 * step


def test_the_answer_of_the_article_s_network_depends_on_more_than_a_patch() -> None:
    config = AttentionUNet3DConfig()
    assert receptive_field(config) > max(config.patch_size)


# Its parts


def test_enlarging_is_linear_between_the_centres_of_voxels() -> None:
    ramp = np.zeros((1, 4, 3, 2, 1), np.float32) + np.arange(4, dtype=np.float32)[None, :, None, None, None]
    larger = np.asarray(TrilinearDoubling()(ramp))
    assert larger.shape == (1, 8, 6, 4, 1)
    expected = np.clip((np.arange(8) - 0.5) / 2, 0, 3)
    assert np.allclose(larger[0, :, 2, 1, 0], expected)


def test_a_fresh_network_lets_nearly_everything_pass_and_says_hardly_any_organ() -> None:
    keras.utils.set_random_seed(1)
    outputs = build_network(_TINY)(np.random.default_rng(1).random((1, *_TINY.input_shape)))
    assert np.asarray(outputs["gate1"]).mean() > 0.85
    assert np.asarray(outputs[PROBABILITY]).mean() < 0.2


def test_dice_counts_both_classes_alike() -> None:
    truth = np.zeros((1, 2, 2, 2), np.float32)
    truth[0, 0, 0, 0] = 1
    loss = LOSSES["class_dice"]
    assert float(loss(truth, truth)[0]) == pytest.approx(0)
    # Organ: (0 + 1) / (1 + 0 + 1); background: (2 * 7 + 1) / (7 + 8 + 1).
    assert float(loss(truth, 0 * truth)[0]) == pytest.approx(0.5 * ((1 - 1 / 2) + (1 - 15 / 16)))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            {"patch_size": [4, 32, 32]},
            "patches overlap: they are a multiple of 4 high, at least 8; got 4",
        ),
        ({"patch_size": [8, 32, 30]}, "must be a multiple of 4"),
        ({"patch_size": [8, 96, 32]}, "must lie within size"),
        ({"size": [2048, 2048], "patch_size": [256, 2048, 2048]}, "too much memory"),
        ({"channels": 3}, "channels"),
    ],
)
def test_a_patch_that_cannot_be_is_refused_in_a_sentence(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidModelBundle, match=said):
        _FAMILY.parse_config({**_FAMILY.tiny_config, **wrong})


# A volume


def _order(volume: Volume, first: int) -> SliceScheduler:
    return SliceScheduler(volume.grid.shape[0], first)


def test_slices_arrive_from_the_one_in_view_outwards_each_once_and_as_they_stay(
    model: LoadedModel, volume: Volume
) -> None:
    arrived: list[list[int]] = []
    early: dict[int, NDArray[np.float16]] = {}

    def note(prediction: object, slices: NDArray[np.intp]) -> None:
        arrived.append(slices.tolist())
        early.update({int(z): prediction.probability[z].copy() for z in slices})  # type: ignore[attr-defined]

    found = predict_volume(volume, model, order=_order(volume, 33), arrived=note)
    assert 33 in arrived[0]
    assert len(arrived[0]) < 30, "the rest comes later"
    assert sorted(z for run in arrived for z in run) == list(range(41))
    assert all(np.array_equal(np.diff(run), np.ones(len(run) - 1)) for run in arrived)
    for z, probability in early.items():
        assert np.array_equal(probability, found.probability[z])


def test_the_draft_does_not_depend_on_the_slice_in_view(model: LoadedModel, volume: Volume) -> None:
    one, other = (predict_volume(volume, model, order=_order(volume, z)) for z in (2, 39))
    assert np.array_equal(one.probability, other.probability)
    for gate, same in zip(one.gates, other.gates, strict=True):
        assert gate.values.shape == (41, 16, 16)
        assert np.array_equal(gate.values, same.values)
    assert np.ptp(one.gates[0].values.astype(float), axis=0).max() > 0, "gates differ from slice to slice"


def test_thinner_slices_of_the_same_patient_give_the_same_draft(model: LoadedModel) -> None:
    """The network sees voxels of one size, whatever the distance of the slices is."""
    thin = phantom_volume(make_phantom(PhantomRequest(5, (61, 60, 70), (2.5, 5.0, 5.0))))
    thick_hu = thin.hu[::2]
    placed = phantom_volume(make_phantom(PhantomRequest(5, (31, 60, 70), (5.0, 5.0, 5.0))))
    thick = replace(placed, hu=thick_hu.copy())
    fine, coarse = predict_volume(thin, model).probability[::2], predict_volume(thick, model).probability
    inner = slice(3, -3)
    apart = np.abs(fine[inner].astype(float) - coarse[inner].astype(float))
    spread = coarse[inner].astype(float).std()
    assert apart.mean() < 0.5 * spread


def test_several_looks_are_averaged(model: LoadedModel, volume: Volume) -> None:
    plain, several = (predict_volume(volume, each) for each in (model, with_test_time_transforms(model)))
    assert not np.array_equal(plain.probability, several.probability)
    assert np.abs(plain.probability.astype(float) - several.probability.astype(float)).mean() < 0.2
    assert np.array_equal(plain.gates[0].values, several.gates[0].values)


def test_a_draft_is_cancelled_between_patches(model: LoadedModel, volume: Volume) -> None:
    calls = 0

    def progress(_done: int, _total: int, _stage: str) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise WorkCancelled

    with pytest.raises(WorkCancelled):
        predict_volume(volume, model, progress)
    assert calls == 2


def test_a_single_slice_is_drafted(model: LoadedModel) -> None:
    lone = phantom_volume(make_phantom(PhantomRequest(5, (1, 60, 70), (5.0, 5.0, 5.0))))
    assert predict_volume(lone, model).probability.shape == (1, 64, 64)


# Training


def _case(slices: int, slice_mm: float | None) -> TrainingCase:
    random = np.random.default_rng(slices)
    truth = np.zeros((slices, 64, 64), np.uint8)
    truth[slices // 3 : -slices // 3, 20:40, 24:44] = 1
    images = (60 + 120 * truth + random.integers(0, 20, truth.shape)).astype(np.uint8)
    return TrainingCase(images, truth, "patient 7", ("7",), slice_mm=slice_mm)


def test_whole_volumes_are_validated_on_the_slices_of_their_ct() -> None:
    """A network that says how bright a voxel is draws the box, whatever the distance of the slices is."""

    def bright(patches: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert patches.shape[1:] == (32, 32, 8)
        return np.moveaxis(patches.astype(np.float32) / 255, -1, 1)

    layout = PatchLayout((8, 32, 32), 4, 5.0)
    same, thin, thick = (
        validate_cases((_case(slices, mm),), 0, 0.5, bright, layout)
        for slices, mm in ((12, 5.0), (30, 2.5), (12, 8.0))
    )
    assert (same.slices, same.volumes) == (1.0, 1.0)
    assert thin.volumes > 0.9
    assert thick.volumes > 0.8


def test_single_slices_are_refused_before_anything_is_learnt() -> None:
    data = TrainingData((TrainingSource("some", 1.0, (_case(12, None),)),))
    wanted = PreprocessingConfig(size=(64, 64), spacing_mm=5.0, neighbours=0)
    job = TrainingJob(_FAMILY.name, dict(_FAMILY.tiny_config), wanted, TrainingConfig())
    with pytest.raises(AttunetError, match="learns from whole volumes, but patient 7 has single slices"):
        train_network(job, data)


def test_a_stack_has_the_distance_of_the_network_and_its_truth() -> None:
    case = _case(24, 2.5)
    images, truth = case.slab_around(12.0, 8, 5.0)
    assert images.shape == truth.shape == (8, 64, 64)
    assert np.array_equal(truth[4], case.truth[12])
    assert np.abs(images[4].astype(int) - case.images[11:14].mean(axis=0)).max() <= 10
    beyond, _truth = case.slab_around(0.0, 8, 5.0)
    assert np.array_equal(beyond[0], beyond[3])


# Adaptation


def test_propagation_learns_the_middle_of_stacks_around_the_corrected_slices(
    model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    phantom = make_phantom(PhantomRequest(5, (24, 60, 70), (5.0, 5.0, 5.0)))
    learner, taught = OnlineAdapter(model), list[AdaptationExamples]()
    learner.step_seconds = 1.0
    monkeypatch.setattr(learner, "learn_examples", lambda examples, *_rest: taught.append(examples))
    z = int(phantom.pancreas_mask.any(axis=(1, 2)).nonzero()[0].mean())
    told = CorrectedSlices(phantom.pancreas_mask, (z, z + 1))
    proposal = propagate_corrections(phantom_volume(phantom), learner, told, AdaptationBudget())
    assert not proposal.kept, "a network that learns nothing proposes nothing"
    assert proposal.dsc_after is not None
    upper, lower = (examples.corrected for examples in taught[:2])
    middle = upper.images.shape[-1] // 2
    assert upper.images.shape == (1, *learner.size, 8)
    # The slices are as far apart as the network's, so each stack holds them as they are.
    assert np.array_equal(upper.images[..., middle - 1], lower.images[..., middle])
    assert np.array_equal(upper.images[..., middle], lower.images[..., middle + 1])
    assert not np.array_equal(upper.images[..., middle], lower.images[..., middle])
    for slices in (upper, lower):
        organ = slices.images[..., middle][slices.mask == 1].mean()
        assert organ > slices.images[..., middle].mean(), "the mask lies on the gland of the middle slice"
