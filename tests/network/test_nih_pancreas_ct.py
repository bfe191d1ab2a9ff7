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


_SMALL_3D = (
    ("filters = 16", "filters = 2"),
    ("levels = 5", "levels = 2"),
    ("size = [160, 208]", "size = [48, 48]"),
    ("patch_size = [64, 96, 96]", "patch_size = [8, 32, 32]"),
    ("spacing_mm = 2.0", "spacing_mm = 9.0"),
    ("size = [160, 208]", "size = [48, 48]"),
    ("steps = 12000", "steps = 2"),
    ("batch = 4", "batch = 1"),
)


def _small_3d(folder: Path, name: str, *changes: tuple[str, str]) -> Path:
    folder.mkdir()
    return write_recipe(folder, shipped_recipe_path(name).read_text("utf-8"), *_SMALL_3D, *changes)


def _attunet(*words: str | Path) -> str:
    done = CliRunner().invoke(
        app, [str(word) for word in words], env={"COLUMNS": "200"}, catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    return done.output


def test_the_article_s_network_in_3d_is_trained_fine_tuned_and_cross_validated(
    collection: Path, tmp_path: Path
) -> None:
    """The recipes of "In 3-D", docs/nih-pancreas-ct.md, on the clone: from scratch, in folds from a start."""
    start, scratch, folds = (tmp_path / name for name in ("start", "scratch", "folds"))
    phantoms = _small_3d(tmp_path / "a", "phantom-3d", ("cases = 64", "cases = 1"))
    _attunet("train", phantoms, "-o", start)
    recipe = _small_3d(tmp_path / "b", "nih-pancreas-ct-3d")
    said = _attunet("train", recipe, "--dataset", "nih-pancreas-ct", collection, "-o", scratch)
    assert "trained on 3 and tested on 1 of 4 scans" in said
    card = read_bundle(scratch / "bundle").card
    assert card.family == "attention_unet_3d"
    assert card.training.settings["started_from"] is None
    assert card.results[0].data == "NIH Pancreas-CT, patients put aside"
    divided = _small_3d(tmp_path / "c", "nih-pancreas-ct-3d-folds", ("folds = 4", "folds = 2"))
    words = ("--from", start / "bundle", "--data", f"nih-pancreas-ct={collection}")
    _attunet("crossvalidate", divided, *words, "-o", folds)
    scored = json.loads((folds / "scores.json").read_text("utf-8"))
    assert sorted(row["case"] for row in scored["cases"]) == [f"PANCREAS_{n:04d}" for n in _NUMBERS]
    for number in (0, 1):
        fold = read_bundle(folds / f"fold-{number}" / "bundle").card
        assert fold.training.settings["started_from"]["name"] == "phantom-3d"
        # Two patients, and the phantom that the start had learnt from.
        assert [source.cases for source in fold.training.data] == [2, 1]
    with pytest.raises(AttunetError, match="does not learn from NIH Pancreas-CT"):
        _attunet("train", divided, "--dataset", "nih-pancreas-ct", collection, "-o", tmp_path / "none")


@pytest.mark.parametrize("name", ["nih-pancreas-ct-3d", "nih-pancreas-ct-3d-folds", "phantom-3d"])
def test_the_shipped_recipes_in_3d_are_one_network(name: str) -> None:
    shipped = read_recipe(shipped_recipe_path(name))
    assert shipped.config == read_recipe(shipped_recipe_path("nih-pancreas-ct-3d")).config
    assert (shipped.config["filters"], shipped.config["levels"]) == (16, 5)
    assert shipped.preprocessing.spacing_mm == 2.0
    assert shipped.training.loss == "class_dice"
