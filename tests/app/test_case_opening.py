"""Opening a case: one function for the window and the commands, and what it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from attunet_gui.app import case_opening
from attunet_gui.app.case_opening import (
    CtFiles,
    LoadedCt,
    OpenRequest,
    ProjectCt,
    not_opened_message,
    open_case,
    opening_message,
)
from attunet_gui.app.case_session import CaseSession
from attunet_gui.cli.predict_command import PredictCommandOptions, predict_all
from attunet_gui.io.ct_reading import read_ct_volume
from attunet_gui.io.journal.journal import identify_volume
from attunet_gui.io.result_writing import write_mask
from attunet_gui.system.errors import AttunetError, UnreadableInput
from tests.support.project_cases import ball, drafted_project
from tests.support.scripted_network import NamedCard, ScriptedNetwork, bundle_of
from tests.support.session_events import wait_until


def test_the_window_and_the_command_open_through_the_same_function(
    ct: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, **_options: object) -> None:
        raise UnreadableInput(f"{path.name} is refused by the test.")

    monkeypatch.setattr(case_opening, "read_ct_volume", refuse)
    session = CaseSession(ScriptedNetwork(), (bundle_of(NamedCard()),))
    session.open_path(ct)
    wait_until(lambda: session.message.problem)
    session.close_session()
    monkeypatch.setattr("attunet_gui.cli.predict_command.choose_model", lambda _name: None)
    monkeypatch.setattr("attunet_gui.cli.predict_command._load_model_for", lambda *_: None)
    with pytest.raises(AttunetError) as failed:
        predict_all(ct, tmp_path / "out", None, PredictCommandOptions())
    assert session.message.text == "case.nii.gz is refused by the test."
    assert str(failed.value) == session.message.text


def test_a_ct_opens_with_the_mask_beside_it_unless_only_the_ct_is_wanted(ct: Path) -> None:
    volume = read_ct_volume(ct)
    mask = np.zeros(volume.grid.shape, np.uint8)
    mask[4, 4:9, 4:9] = 1
    write_mask(ct.with_name("case_pancreas.nii.gz"), mask, volume)
    case = open_case(OpenRequest(CtFiles((ct,))))
    assert case.identity == identify_volume(volume)
    assert case.found is not None
    np.testing.assert_array_equal(case.found.mask, mask)
    assert opening_message(case) == ("case is open. Its saved mask case_pancreas.nii.gz was opened with it.")
    assert open_case(OpenRequest(CtFiles((ct,)), with_mask=False)).found is None
    assert open_case(OpenRequest(LoadedCt(volume))).volume is volume


def test_a_caution_of_the_search_is_among_the_notes_once(ct: Path) -> None:
    files = CtFiles((ct,), caution="Make sure that it is whole.")
    opened = open_case(OpenRequest(files, with_mask=False)).volume
    assert opened.notes[-1] == "Make sure that it is whole."
    assert opened.notes.count("Make sure that it is whole.") == 1


def test_a_case_of_a_project_opens_with_what_the_project_shows(tmp_path: Path) -> None:
    project = drafted_project(tmp_path, 1)
    row = project.list_cases()[0]
    case = open_case(OpenRequest(ProjectCt(project, row, "ada")))
    assert case.volume.name == row.name
    assert case.found is not None
    np.testing.assert_array_equal(case.found.mask, ball())
    assert not case.found.saved
    assert case.listed is not None
    assert (case.listed.project, case.listed.annotator) == (project, "ada")
    assert project.case_history(row)[-1].who == "ada"
    assert opening_message(case).startswith(
        "case-0001 is open. Its draft was opened with it. Values run from"
    )


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            MemoryError(),
            "There was not enough memory while opening case.nii.gz; close other programs and try again.",
        ),
        (KeyError("Meier"), "An unexpected KeyError came up while opening case.nii.gz; try again."),
        (UnreadableInput("It is empty."), "It is empty."),
    ],
)
def test_why_a_case_was_not_opened(error: Exception, says: str) -> None:
    assert not_opened_message(OpenRequest(CtFiles((Path("x") / "case.nii.gz",))), error) == says
