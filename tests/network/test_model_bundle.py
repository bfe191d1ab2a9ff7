"""Bundles: whole ones load, changed or contradictory ones are refused in one sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from attunet_gui.network.model_bundle import (
    ModelBundle,
    find_bundles,
    load_network,
    read_bundle,
    set_calibration,
    verify_weights,
)
from attunet_gui.prediction.probability_calibration import ProbabilityCalibration
from attunet_gui.system.errors import InvalidModelBundle

pytestmark = pytest.mark.network


@pytest.fixture
def folder(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "copy"))


def _change_card(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "card.json"
    card = json.loads(path.read_text())
    change(card)
    path.write_text(json.dumps(card))


def _replace_weights(folder: Path, arrays: dict[str, np.ndarray]) -> ModelBundle:
    import hashlib

    path = folder / "weights.safetensors"
    save_file(arrays, path)
    found = {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size}
    _change_card(folder, lambda card: card["weights"].update(found))
    return read_bundle(folder)


def test_a_whole_bundle_loads(folder: Path) -> None:
    bundle = read_bundle(folder)
    verify_weights(bundle)
    assert load_network(bundle).count_params() > 0
    assert "Not a medical device" in bundle.card.warning


@pytest.mark.parametrize("where", [0.01, 0.5, 0.999])
def test_a_changed_byte_is_refused(folder: Path, where: float) -> None:
    path = folder / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[int(where * len(data))] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(InvalidModelBundle, match="sha256"):
        load_network(read_bundle(folder))


def test_truncated_weights_are_refused_before_they_are_read(folder: Path) -> None:
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InvalidModelBundle, match="bytes"):
        read_bundle(folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda card: card.update(family="other"), "attention_unet_2d"),
        (lambda card: card["config"].update(filters=-1), "filters"),
        (lambda card: card["config"].update(layer="Lambda"), "layer"),
        (lambda card: card["preprocessing"].update(neighbours=2), "contradicts itself"),
        (lambda card: card["preprocessing"].update(window_hu=[float("-inf"), 240]), "finite"),
        (lambda card: card["weights"].update(file="../other.safetensors"), "weights.file"),
        (lambda card: card["weights"].update(sha256="x"), "sha256"),
        (lambda card: card.pop("intended_use"), "intended_use"),
        (lambda card: card.update(card_version=2), "card_version"),
    ],
)
def test_a_card_that_cannot_be_right_is_refused(
    folder: Path, change: Callable[[dict[str, Any]], object], says: str
) -> None:
    _change_card(folder, change)
    with pytest.raises(InvalidModelBundle, match=says):
        read_bundle(folder)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 50_000, "\udcff"])
def test_a_card_that_is_no_card_is_refused(folder: Path, text: str) -> None:
    (folder / "card.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InvalidModelBundle, match=r"card\.json"):
        read_bundle(folder)


def test_a_folder_without_a_card_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelBundle, match=r"no card\.json"):
        read_bundle(tmp_path)


def test_arrays_of_another_network_are_refused(folder: Path) -> None:
    arrays = load_file(folder / "weights.safetensors")
    name = "encoder1_1_conv/kernel"
    with pytest.raises(InvalidModelBundle, match="do not fit"):
        load_network(_replace_weights(folder, arrays | {name: arrays[name][..., :1]}))
    with pytest.raises(InvalidModelBundle, match="do not fit"):
        load_network(_replace_weights(folder, arrays | {"extra": np.zeros(3, np.float32)}))


def test_weights_that_are_not_numbers_are_refused(folder: Path) -> None:
    arrays = load_file(folder / "weights.safetensors")
    arrays["head_conv/bias"][0] = np.nan
    with pytest.raises(InvalidModelBundle, match="not finite"):
        load_network(_replace_weights(folder, arrays))


def test_a_bundle_can_be_recalibrated(folder: Path) -> None:
    bend = ProbabilityCalibration(slope=1.3, offset=-0.2)
    before = read_bundle(folder)
    after = set_calibration(before, bend, 0.42)
    assert (after.card.calibration, after.card.threshold) == (bend, 0.42)
    assert read_bundle(folder).card == after.card
    assert after.card.weights == before.card.weights
    with pytest.raises(ValueError, match="threshold"):
        set_calibration(before, bend, 1.5)
    assert read_bundle(folder).card == after.card


def test_bundles_are_found_and_broken_ones_passed_over(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "card.json").write_text("{}")
    assert [bundle.folder for bundle in find_bundles((tmp_path / "absent", tmp_path))] == [folder]


def test_a_recommended_bundle_is_offered_first(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    _change_card(other, lambda card: card.update(name="zebra"))
    assert find_bundles((tmp_path,))[-1].card.name == "zebra"
    _change_card(other, lambda card: card.update(recommended=True))
    assert find_bundles((tmp_path,))[0].card.name == "zebra"


def test_a_network_far_larger_than_its_weights_is_refused_before_it_is_built(folder: Path) -> None:
    _change_card(folder, lambda card: card["config"].update(filters=256, gate_filters=1024))
    with pytest.raises(InvalidModelBundle, match="do not fit"):
        load_network(read_bundle(folder))
