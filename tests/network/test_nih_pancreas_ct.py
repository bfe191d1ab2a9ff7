"""CT-82 end to end on a small clone: from DICOM and labels to the table beside the article's figures."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from attunet_gui.cli.command_line import app
from attunet_gui.io.datasets.tcia_pancreas_ct import CollectionPatient, find_collection_patients
from attunet_gui.network.model_bundle import read_bundle, verify_weights
from attunet_gui.synthesis.phantom.abdomen_phantom import Phantom
from attunet_gui.system.errors import AttunetError, UnreadableInput
from attunet_gui.system.paths import shipped_recipe_path
from attunet_gui.training.nih_pancreas_split import split_patients
from attunet_gui.training.recipe_schema import read_recipe
from attunet_gui.training.training_run import TrainingOptions, run_recipe
from tests.support.nih_pancreas_clone import phantom_of, stored, write_label, write_patient
from tests.support.training_data import write_recipe

pytestmark = pytest.mark.network
_NUMBERS = (1, 4, 5, 7)
_SMALL = (
    ("filters = 32", "filters = 2\nlevels = 2\nsize = [64, 64]"),
    ("gate_filters = 64", "gate_filters = 2"),
    ("spacing_mm = 2.0", "spacing_mm = 7.0"),
    ("size = [224, 224]", "size = [64, 64]"),
    ("steps = 12000", "steps = 2"),
    ("batch = 12", "batch = 2"),
)


@pytest.fixture(scope="module")
def phantoms() -> dict[int, Phantom]:
    return {number: phantom_of(number) for number in _NUMBERS}


@pytest.fixture(scope="module")
def collection(phantoms: dict[int, Phantom], tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("collection")
    for number, phantom in phantoms.items():
        write_patient(root, number, phantom)
    return root


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """The shipped recipe, small."""
    return write_recipe(tmp_path, shipped_recipe_path("nih-pancreas-ct").read_text("utf-8"), *_SMALL)


def test_the_command_trains_tests_and_prints_the_table(
    collection: Path, recipe: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    words = ["train", str(recipe), "--dataset", "nih-pancreas-ct", str(collection), "-o", str(run)]
    done = CliRunner().invoke(app, words, env={"COLUMNS": "200"}, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "Attention U-Net, the article" in done.output
    assert "0.821 ± 0.057" in done.output
    assert "trained on 3 and tested on 1 of 4 scans" in done.output
    split = json.loads((run / "split.json").read_text("utf-8"))
    assert sorted(split["trained"] + split["tested"]) == [f"PANCREAS_{number:04d}" for number in _NUMBERS]
    table = json.loads((run / "table.json").read_text("utf-8"))
    assert [volume["case"] for volume in table["volumes"]] == split["tested"]
    assert (run / "table.md").read_text("utf-8").startswith("| method | patients | DSC |")
    bundle = read_bundle(run / "bundle")
    verify_weights(bundle)
    (source,) = bundle.card.training.data
    assert source.cases == 3
    assert "10.7937/K9/TCIA.2016.tNB1kqBU" in source.attribution
    printed = {result.measure: result for result in bundle.card.results}
    assert printed["DSC, whole volume"].value == pytest.approx(table["rows"][-1]["dsc"]["mean"], abs=1e-4)
    assert "--dataset nih-pancreas-ct DIR" in printed["DSC, whole volume"].command


def test_nothing_is_learnt_from_labels_that_are_upside_down(
    collection: Path, phantoms: dict[int, Phantom], recipe: Path, tmp_path: Path
) -> None:
    spoiled = tmp_path / "spoiled"
    shutil.copytree(collection, spoiled)
    for number, phantom in phantoms.items():
        write_label(spoiled, number, stored(phantom.pancreas_mask)[:, ::-1])
    with pytest.raises(UnreadableInput, match="fit their CT better with their rows in reverse order"):
        run_recipe(TrainingOptions(recipe, tmp_path / "run", {"nih-pancreas-ct": spoiled}))
    assert not (tmp_path / "run" / "bundle").exists()


def test_the_shipped_recipe_is_the_article_s_network() -> None:
    shipped = read_recipe(shipped_recipe_path("nih-pancreas-ct"))
    assert (shipped.config["filters"], shipped.preprocessing.size) == (32, (224, 224))
    assert shipped.validation is None
    assert shipped.training.keep == "last"


@pytest.mark.parametrize(
    ("numbers", "trained", "tested"),
    [(range(1, 83), 61, 21), ([n for n in range(1, 83) if n not in (25, 70)], 59, 21), (range(1, 9), 6, 2)],
)
def test_the_split_has_the_article_s_sizes(numbers: range, trained: int, tested: int) -> None:
    everyone = tuple(CollectionPatient(f"{n:04d}", Path(f"PANCREAS_{n:04d}"), Path()) for n in numbers)
    parts = split_patients(everyone, seed=1)
    assert (len(parts.trained), len(parts.tested)) == (trained, tested)
    assert not {one.person for one in parts.trained} & {one.person for one in parts.tested}
    assert split_patients(everyone[::-1], seed=1).tested[::-1] == parts.tested
    assert split_patients(everyone, seed=2).tested != parts.tested


def test_one_patient_cannot_be_split() -> None:
    scans = tuple(CollectionPatient(number, Path(), Path()) for number in ("0002", "0025", "0070"))
    with pytest.raises(AttunetError, match="at least 2 patients to be split, this one has 1"):
        split_patients(scans, seed=1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--dataset", "other", "here"], "--dataset knows nih-pancreas-ct"),
        ([], "Name a recipe, or a collection"),
    ],
)
def test_what_cannot_be_trained_is_one_sentence(words: list[str], said: str, tmp_path: Path) -> None:
    with pytest.raises(AttunetError, match=said):
        CliRunner().invoke(app, ["train", *words, "-o", str(tmp_path)], catch_exceptions=False)


def test_the_clone_has_patients_to_train_and_to_test_on(collection: Path) -> None:
    parts = split_patients(find_collection_patients(collection), seed=1)
    assert (len(parts.trained), len(parts.tested)) == (3, 1)
