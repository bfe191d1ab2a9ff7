"""The whole circle with the real parts: import, draft, correct, accept, export, learn, adopt, draft again."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from attunet_gui.cli.command_line import app
from attunet_gui.cli.model_commands import choose_model
from attunet_gui.core.mask_edit import edit_between
from attunet_gui.core.metrics import dice_coefficient
from attunet_gui.editing.edit_session import EditSession
from attunet_gui.io.ct_reading import read_ct_volume
from attunet_gui.io.journal.journal import identify_volume
from attunet_gui.io.mask_reading import read_mask
from attunet_gui.io.result_writing import write_mask
from attunet_gui.project.case_commands import MaskReview, accept_case, record_saved_mask
from attunet_gui.project.case_rows import CaseQuery, CaseRow
from attunet_gui.project.project_store import Project, open_project
from attunet_gui.project.shown_mask import begin_case
from attunet_gui.synthesis.phantom.abdomen_phantom import PhantomRequest, make_phantom, phantom_volume

pytestmark = pytest.mark.network

CASES, CORRECTED = 7, 5
STEPS = 50


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    return tmp_path


def attunet(*words: object) -> str:
    done = CliRunner().invoke(app, [*map(str, words)], env={"COLUMNS": "200"}, catch_exceptions=False)
    assert done.exit_code == 0, done.output[-2000:]
    return done.output


def write_ct(folder: Path) -> dict[str, NDArray[np.uint8]]:
    """CT of a scanner that the model never saw, its HU pulled together and down; file name -> truth."""
    folder.mkdir()
    truth = {}
    for number in range(CASES):
        phantom = make_phantom(PhantomRequest(700 + number, (20, 90, 100), (8.0, 4.0, 4.0)))
        volume = phantom_volume(phantom)
        noise = np.random.default_rng(number).normal(0, 15, volume.hu.shape)
        seen = np.where(volume.hu > -900, volume.hu * 0.6 - 110 + noise, volume.hu)
        image = np.clip(np.rint(seen), -1024, 3071).astype(np.int16)
        spacing = volume.grid.spacing_mm[::-1]
        # (x, y, z), x to the patient's left and y to the back, as `read_ct_volume` turns it back.
        affine = np.diag([-spacing[0], -spacing[1], spacing[2], 1])
        nib.save(nib.Nifti1Image(image.transpose(2, 1, 0), affine), folder / f"scan{number}.nii.gz")
        truth[f"scan{number}.nii.gz"] = phantom.pancreas_mask
    return truth


def correct(project: Project, case: CaseRow, truth: NDArray[np.uint8], journals: Path) -> None:
    """What a person does in the window: opens the draft, makes it right, saves, is done, accepts."""
    opening, volume = begin_case(project, case, actor="Ada"), read_ct_volume(case.path, series=case.series)
    assert opening.mask is not None
    live = read_mask(opening.mask, volume)
    work = EditSession.begin_session(identify_volume(volume), live, journals, "Ada")
    work.apply_edit(live, edit_between(live, truth), "brush", "brush", 10, by_hand=True)
    path = project.new_mask_path(case)
    write_mask(path, live, volume)
    work.record_saved(path, live)
    record_saved_mask(
        project,
        case,
        path,
        MaskReview.from_activity(work.case_activity, None, opening.model, finished=True),
        actor="Ada",
    )
    work.close_journal()
    accept_case(project, project.reload_case(case), actor="Ada")


def drafts(project: Project, truth: dict[str, NDArray[np.uint8]], names: list[str]) -> list[float]:
    scores = []
    for case in project.list_cases(CaseQuery(order="name")):
        if case.file_name in names:
            path = project.draft_mask_path(case)
            assert path is not None
            scores.append(dice_coefficient(read_mask(path, read_ct_volume(case.path)), truth[case.file_name]))
    return scores


def test_what_is_corrected_makes_the_next_drafts_better(home: Path) -> None:
    truth = write_ct(home / "ct")
    folder = home / "project"
    attunet("worklist", "new", folder)
    attunet("worklist", "add", folder, home / "ct")
    attunet("worklist", "draft", folder, "--model", "starter-2")
    names = sorted(truth)
    unseen = names[CORRECTED:]
    project = open_project(folder)
    before = drafts(project, truth, unseen)
    for case in project.list_cases(CaseQuery(order="name")):
        if case.file_name not in unseen:
            correct(project, case, truth[case.file_name], home / "journals")

    attunet("export", folder, "--format", "nnunet", "-o", home / "data")
    assert json.loads((home / "data" / "dataset.json").read_text())["numTraining"] == CORRECTED

    learnt = attunet(
        "finetune", home / "data", "--from", "starter-2", "-o", home / "run",
        "--steps", STEPS, "--phantoms", 3, "--name", "better", "--adopt",
    )  # fmt: skip
    assert "better is the default now" in learnt
    attunet("worklist", "draft", folder, "--again")
    after = drafts(project, truth, unseen)
    assert np.mean(after) > np.mean(before) + 0.05
    newest = [
        project.case_named(case.name) for case in project.list_cases(CaseQuery()) if case.file_name in unseen
    ]
    assert all(case.model is not None and case.model.name.startswith("better") for case in newest)
    project.close()

    attunet("models", "rollback")
    assert choose_model(None).card.name != "better"
