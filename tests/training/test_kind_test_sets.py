"""Test sets of kinds: the same every time, kept when made again, and refused by every training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from attunet_gui.cli.command_line import app
from attunet_gui.io.datasets.pair_dataset import find_labelled_pairs, read_labelled_pair
from attunet_gui.io.label_maps import LabelMapSource
from attunet_gui.io.label_values import LabelValues
from attunet_gui.synthesis.label_map_ct.ct_kinds import TEST_SEEDS, find_kind
from attunet_gui.synthesis.label_map_ct.phantom_tissue_map import phantom_anatomy
from attunet_gui.system.errors import AttunetError
from attunet_gui.training import kind_test_sets
from attunet_gui.training.finetuning.finetune_config import FinetuneConfig
from attunet_gui.training.finetuning.finetune_data import gather_finetune_data
from attunet_gui.training.kind_test_sets import find_kind_test_sets, refuse_test_set, write_kind_test_sets
from attunet_gui.training.phantom_cases import phantom_of_kinds
from attunet_gui.training.recipe_schema import PhantomData
from attunet_gui.training.recipe_sources import labelled_cases, load_sources
from attunet_gui.training.synthetic_dataset import write_synthetic_pairs
from tests.support.body_label_maps import small_abdomen, whole, write_label_map
from tests.support.training_data import small_recipe

_PHANTOMS: dict[str, Any] = {"name": "p", "kind": "phantoms", "cases": 2}


@pytest.fixture(scope="module")
def body(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_label_map(whole(), tmp_path_factory.mktemp("maps") / "a")


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory, body: Path) -> Path:
    folder = tmp_path_factory.mktemp("sets")
    done = CliRunner().invoke(
        app,
        [
            "kinds",
            "make",
            str(body),
            "-o",
            str(folder),
            "-n",
            "2",
            "--kind",
            "clipped",
            "--kind",
            "no-contrast",
        ],
    )
    assert done.exit_code == 0, done.output
    assert "2 test sets of 2" in done.output
    return folder


def test_a_set_lies_in_a_folder_of_pairs_and_says_what_it_is(sets: Path) -> None:
    assert [each.kind for each in find_kind_test_sets(sets)] == ["no-contrast", "clipped"]
    for each in find_kind_test_sets(sets):
        manifest = json.loads((each.folder / "manifest.json").read_text())
        assert manifest["test_set_of"] == each.kind
        assert [case["kinds"] for case in manifest["cases"]] == [[each.kind]] * 2
        pairs = find_labelled_pairs(each.folder)
        assert [pair.people for pair in pairs] == [("whole",)] * 2
        for pair in pairs:
            volume, mask = read_labelled_pair(pair, LabelValues((1,)))
            assert mask.any()
            if each.kind == "clipped":
                assert volume.hu.min() >= -1000
                assert volume.hu.max() <= 400
    native = json.loads((sets / "no-contrast" / "manifest.json").read_text())
    assert {case["uptake"] for case in native["cases"]} == {"native"}


def test_the_same_command_gives_the_same_voxels_and_keeps_what_is_there(
    sets: Path, body: Path, tmp_path: Path
) -> None:
    again = write_kind_test_sets((LabelMapSource(body),), tmp_path, (find_kind("clipped"),), 1)
    (pair,) = find_labelled_pairs(again[0].folder)
    first = find_labelled_pairs(sets / "clipped")[0]
    assert pair.name == first.name
    pancreas = LabelValues((1,))
    for made, kept in zip(
        read_labelled_pair(pair, pancreas), read_labelled_pair(first, pancreas), strict=True
    ):
        assert np.array_equal(getattr(made, "hu", made), getattr(kept, "hu", kept))
    before = pair.image.stat().st_mtime_ns
    write_kind_test_sets((LabelMapSource(body),), tmp_path, (find_kind("clipped"),), 1)
    assert pair.image.stat().st_mtime_ns == before


def test_no_training_reads_a_test_set(sets: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    folder = sets / "clipped"
    with pytest.raises(AttunetError, match="no training may see"):
        load_sources(small_recipe(), {"synthetic": folder})
    with pytest.raises(AttunetError, match="no training may see"):
        gather_finetune_data(FinetuneConfig(folder, tiny_bundle, tmp_path / "run"), None)  # type: ignore[arg-type]


def test_a_set_is_known_by_its_seeds_too(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.json"
    refuse_test_set(tmp_path)
    for cases in ([{"name": "a", "seed": 5}], [], "none", [1]):
        manifest.write_text(json.dumps({"cases": cases}))
        refuse_test_set(tmp_path)
    manifest.write_text(json.dumps({"cases": [{"name": "a", "seed": TEST_SEEDS.start + 3}]}))
    with pytest.raises(AttunetError, match="test set"):
        refuse_test_set(tmp_path)


def test_seeds_of_test_sets_make_nothing_to_train_on(body: Path, tmp_path: Path) -> None:
    with pytest.raises(AttunetError, match="kept for test sets"):
        write_synthetic_pairs((LabelMapSource(body),), tmp_path, 1, TEST_SEEDS.start)
    for first in (TEST_SEEDS.start - 1, TEST_SEEDS.stop - 1, TEST_SEEDS.start + 7):
        with pytest.raises(ValueError, match="kept for test sets"):
            PhantomData(**_PHANTOMS, first_seed=first)
    PhantomData(**_PHANTOMS, first_seed=TEST_SEEDS.start - 2)


def test_a_folder_without_sets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AttunetError, match="no test set"):
        find_kind_test_sets(tmp_path)


def test_synthesize_draws_kinds_by_weight_and_another_weight_is_another_plan(
    body: Path, tmp_path: Path
) -> None:
    run = ["synthesize", str(body), "-o", str(tmp_path), "-n", "1", "--kinds"]
    for told, wanted in (("clipped", "clipped"), ("no-contrast=2", "no-contrast")):
        done = CliRunner().invoke(app, [*run, told])
        assert done.exit_code == 0, done.output
        (case,) = json.loads((tmp_path / "manifest.json").read_text())["cases"]
        assert case["kinds"] == [wanted]
        assert f"1 {wanted}" in done.output


def test_a_recipe_draws_phantoms_of_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    data = PhantomData(**_PHANTOMS, first_seed=3, kinds={"clipped": 1.0, "all": 0.1})
    assert data.kinds["clipped"] == 1.0
    assert data.kinds["prone"] == 0.1
    with pytest.raises(ValueError, match="no kind of CT called"):
        PhantomData(**_PHANTOMS, first_seed=3, kinds={"guesses": 1.0})
    monkeypatch.setattr("attunet_gui.training.phantom_cases.phantom_anatomy", lambda _seed: small_abdomen())
    plain = PhantomData(**_PHANTOMS, first_seed=3, kinds={"clipped": 1.0})
    first, second = labelled_cases(plain, None)
    volume, mask = first.load()
    assert mask.any()
    assert (volume.hu.min(), volume.hu.max()) in {(-200, 250), (-100, 200), (-1000, 400), (-79, 304)}
    assert volume.hu.shape != second.load()[0].hu.shape
    assert np.array_equal(phantom_of_kinds(3, (("clipped", 1.0),))[0].hu, volume.hu)


def test_without_label_maps_the_anatomy_is_that_of_phantoms(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen = []

    def here(work: Any, items: Any, _stage: str, _progress: Any) -> tuple[Any, ...]:
        return tuple(work(item) for item in items)

    monkeypatch.setattr(kind_test_sets, "map_in_processes", here)
    monkeypatch.setattr(kind_test_sets, "phantom_anatomy", lambda seed: seen.append(seed) or small_abdomen())
    write_kind_test_sets((), tmp_path, (find_kind("clipped"), find_kind("prone")), 2)
    assert seen == list(TEST_SEEDS[:2])
    assert len(find_kind_test_sets(tmp_path)) == 2


def test_the_anatomy_of_a_phantom_is_whole() -> None:
    found = phantom_anatomy(11)
    litres = {
        int(code): n * 8e-6 for code, n in zip(*np.unique(found.tissue, return_counts=True), strict=True)
    }
    from attunet_gui.synthesis.label_map_ct.tissue_map import TissueCode

    assert 0.04 < litres[TissueCode.PANCREAS] < 0.15
    assert litres[TissueCode.LIVER] > 0.7
    assert litres[TissueCode.SUBCUTANEOUS_FAT] > 0.5
    assert litres[TissueCode.VISCERAL_FAT] > 0.5
    middle = found.tissue[57]
    rows, columns = np.nonzero(middle == TissueCode.SUBCUTANEOUS_FAT)
    inner = np.argwhere(middle == TissueCode.VISCERAL_FAT)
    assert rows.min() < inner[:, 0].min()
    assert columns.max() > inner[:, 1].max()
