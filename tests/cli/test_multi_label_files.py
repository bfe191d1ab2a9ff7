"""Labels of any numbers, as a user meets them: one value is the mask, of several one is named."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from attunet_gui.cli.command_line import app
from attunet_gui.cli.predict_command import _find_cases
from attunet_gui.io.datasets.dataset_layouts import read_labelled_ct
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.progress import no_progress
from attunet_gui.training.finetuning.finetune_config import FinetuneConfig, ReplayConfig
from attunet_gui.training.finetuning.finetune_data import gather_finetune_data
from attunet_gui.training.recipe_sources import has_organ, load_sources
from attunet_gui.training.training_run import TrainingOptions
from tests.support.evaluation_cases import bright_model, write_slice
from tests.support.training_data import OWN, write_recipe

AFFINE = np.diag([-4.0, -4.0, 4.0, 1.0])


def _save(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values, AFFINE), path)


def _labels(organ: int, other: int = 0) -> np.ndarray:
    """(i, j, k) uint8."""
    values = np.zeros((40, 36, 6), np.uint8)
    values[12:20, 10:18, 1:5], values[28:32, 20:26, 1:5] = organ, other
    return values


def _pairs(folder: Path, *labels: np.ndarray) -> Path:
    hu = np.full((40, 36, 6), -1000, np.int16)
    hu[4:36, 4:32], hu[12:20, 10:18, 1:5] = 40, 230
    for name, values in zip("abcdef", labels, strict=False):
        _save(folder / "images" / f"{name}.nii.gz", hu + np.int16(len(folder.name) + ord(name) - 100))
        _save(folder / "labels" / f"{name}.nii.gz", values)
    return folder


def attunet(*words: object) -> str:
    """What the command prints; `AttunetError` where it would end with one."""
    done = CliRunner().invoke(app, list(map(str, words)))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0
    return done.output


def one_after_the_other(work: Callable[[object], object], items: Sequence[object], *_told: object) -> object:
    return tuple(map(work, items))


@pytest.fixture
def compared(tmp_path: Path) -> tuple[object, ...]:
    """Drafts of 0 and 1 beside truths: one of 0 and 255, one empty."""
    for name, truth in (("a", _labels(255)), ("b", _labels(0))):
        _save(tmp_path / "pred" / f"{name}.nii.gz", _labels(1))
        _save(tmp_path / "truth" / f"{name}.nii.gz", truth)
    return ("evaluate", "--pred", tmp_path / "pred", "--truth", tmp_path / "truth", "-o", tmp_path / "out")


def test_an_empty_truth_is_said_in_the_terminal_and_in_the_report(
    tmp_path: Path, compared: tuple[object, ...]
) -> None:
    said = "1 of 2 truths is empty (b): no pancreas is marked there."
    assert said in attunet(*compared)
    assert said in (tmp_path / "out" / "report.html").read_text()
    found = json.loads((tmp_path / "out" / "pairs.json").read_text())
    assert found["empty_truths"] == ["b"]
    assert [case["dsc"] for case in found["cases"]] == [1.0, 0.0]


def test_the_pancreas_of_an_organ_map_is_named_on_the_command_line(
    tmp_path: Path, compared: tuple[object, ...]
) -> None:
    _save(tmp_path / "truth" / "b.nii.gz", _labels(10, 5))
    says = r"b.nii.gz holds several labels \(5, 10\): name the pancreas with --label VALUE"
    with pytest.raises(AttunetError, match=says):
        attunet(*compared)
    _save(tmp_path / "truth" / "a.nii.gz", _labels(10, 5))
    assert "empty" not in attunet(*compared, "--label", 10, "--pred-label", 1)
    found = json.loads((tmp_path / "out" / "pairs.json").read_text())
    assert [case["dsc"] for case in found["cases"]] == [1.0, 1.0]


def test_a_model_is_measured_on_labels_of_any_number(
    tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attunet_gui.cli.evaluate_command.load_model", lambda *_: bright_model())
    scores = []
    for number, labels in enumerate((_labels(1), _labels(255), _labels(0), _labels(10, 5))):
        pairs, out = _pairs(tmp_path / str(number), labels), tmp_path / f"out{number}"
        more = ("--label", 10) if number == 3 else ()
        said = attunet("evaluate", tiny_bundle, "--pairs", pairs, "-o", out, *more)
        scores.append(json.loads((out / "scores.json").read_text())["scores"]["cases"][0])
        assert ("1 of 1 truths is empty (a)" in said) == (number == 2)
        assert ("choose no calibration" in said) == (number == 2)
    assert scores[1] == scores[0] == scores[3]
    assert [score["empty"] for score in scores] == [False, False, True, False]
    assert scores[0]["dsc"] > 0.5


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ((10, 5), r"holds several labels \(5, 10\): name the pancreas with --label VALUE"),
        ((0, 0), "No pancreas is marked in any of 1 case to learn from"),
    ],
)
def test_nothing_is_learnt_from_labels_that_are_not_understood(
    tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, labels: tuple[int, int], says: str
) -> None:
    monkeypatch.setattr("attunet_gui.training.finetuning.finetune_data.map_in_processes", one_after_the_other)
    data = _pairs(tmp_path / "data", *[_labels(*labels)] * 2)
    with pytest.raises(AttunetError, match=says):
        attunet(
            "finetune", data, "-o", tmp_path / "run", "--from", tiny_bundle, "--phantoms", 0, "--steps", 1
        )


def test_the_value_that_is_named_is_learnt_and_other_data_sets_say_their_own(tmp_path: Path) -> None:
    new, earlier = (
        _pairs(tmp_path / "new", *[_labels(10, 5)] * 3),
        _pairs(tmp_path / "old", *[_labels(3, 7)] * 3),
    )
    (earlier / "dataset.json").write_text(json.dumps({"labels": {"liver": 7, "pancreas": 3}}))
    order = FinetuneConfig(new, Path(), tmp_path, replay=ReplayConfig((earlier,)), label=10)
    model = bright_model().bundle
    found = gather_finetune_data(order, model)
    masks = [read_labelled_ct(case).mask.sum() for case in (*found.cases, *found.earlier[0].cases)]
    assert masks == [8 * 8 * 4] * 6


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ((10, 5), r"holds several labels \(5, 10\): name the pancreas with --label VALUE"),
        ((0, 0), "No pancreas is marked in any of 4 cases of the data 'own'"),
    ],
)
def test_nothing_is_trained_on_labels_that_are_not_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labels: tuple[int, int], says: str
) -> None:
    monkeypatch.setattr("attunet_gui.training.recipe_sources.map_in_processes", one_after_the_other)
    data, recipe = _pairs(tmp_path / "data", *[_labels(*labels)] * 4), write_recipe(tmp_path, OWN)
    for command in ("train", "crossvalidate"):
        with pytest.raises(AttunetError, match=says):
            attunet(command, recipe, "-o", tmp_path / command, "--data", f"own={data}")
    named = TrainingOptions(recipe, tmp_path / "run", label=5).read_recipe()
    if labels == (10, 5):
        (source,) = load_sources(named, {"own": data})
        assert all(has_organ(case) for case in source.cases)


def test_slices_whose_masks_are_not_white_say_so(tmp_path: Path, tiny_bundle: Path) -> None:
    write_slice(tmp_path, "PANCREAS_0001-1001")
    mask = tmp_path / "masks" / "PANCREAS_0001-1001.jpg"
    Image.fromarray(np.asarray(Image.open(mask)) // 255).save(mask, quality=95)
    with pytest.raises(AttunetError, match="neither black nor white"):
        attunet("evaluate", tiny_bundle, "--slices", tmp_path)


@pytest.mark.parametrize(("labels", "found"), [(1, "1 label map was"), (3, "3 label maps were")])
def test_predict_says_what_to_do_with_label_maps_beside_the_ct(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], labels: int, found: str
) -> None:
    pairs = _pairs(tmp_path / "all", *[_labels(5, 10)] * labels)
    cases = _find_cases(pairs, tmp_path / "out", no_progress)
    assert len(cases) == labels
    assert (
        f"{found} found and not opened: to go on with one, save the pancreas in it alone beside its CT as "
        "NAME_pancreas.nii.gz, then open that CT."
    ) in " ".join(capsys.readouterr().out.split())
