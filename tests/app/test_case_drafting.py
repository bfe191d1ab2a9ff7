"""Drafting a CT: one function for the open case, the worklist and predict, and what it says."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

import attunet_gui.app
from attunet_gui.app import case_drafting, case_inference
from attunet_gui.app.case_drafting import (
    CaseDraft,
    ChildProcessDrafter,
    DraftHandlers,
    DraftNetwork,
    DraftRequest,
    draft_case,
    draft_ready_message,
    not_drafted_message,
)
from attunet_gui.app.case_session import CaseSession
from attunet_gui.app.network_jobs import JobHandlers, NetworkJobs
from attunet_gui.app.worklist_drafting import WorklistDraftRequest, draft_worklist
from attunet_gui.cli import predict_command
from attunet_gui.core.provenance import ModelId
from attunet_gui.io.ct_reading import read_ct_volume
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.progress import no_progress
from attunet_gui.workers.inference_messages import PredictRequest
from tests.support.project_cases import Ball, Refuses, new_project
from tests.support.scripted_network import NamedCard, ScriptedNetwork, bundle_of, prediction_of
from tests.support.session_events import wait_until


class _Drafted(Exception):
    """Raised by the test in place of a draft."""


def test_window_worklist_and_predict_draft_through_the_same_function(
    ct: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[DraftRequest] = []

    def note(request: DraftRequest, network: DraftNetwork, _handlers: DraftHandlers) -> None:
        asked.append(request)
        if not isinstance(network, NetworkJobs) or len(asked) == 2:
            raise _Drafted

    for module in (case_drafting, case_inference, predict_command):
        assert module.draft_case is draft_case
        monkeypatch.setattr(module, "draft_case", note)
    session = CaseSession(ScriptedNetwork(), (bundle_of(NamedCard()),))
    session.open_path(ct)
    wait_until(lambda: session.case is not None)
    session.inference.request_draft(first=4)
    session.close_session()
    volume, model = read_ct_volume(ct), ModelId("m", "0" * 64)
    with pytest.raises(_Drafted):
        ChildProcessDrafter(ScriptedNetwork(), Path("somewhere"), model).draft(volume, no_progress)  # type: ignore[arg-type]
    loaded = type("Loaded", (), {"bundle": bundle_of(NamedCard())})
    with pytest.raises(_Drafted):
        predict_command._draft_here(volume, loaded, no_progress)  # type: ignore[arg-type]
    assert [(each.bundle, each.first) for each in asked] == [
        (Path("somewhere"), 4),
        (Path("somewhere"), None),
        (Path("somewhere"), None),
    ]


class _AtOnce:
    """A network that answers before `submit` returns."""

    def __init__(self, mask: np.ndarray) -> None:
        self.mask, self.request = mask, None

    def submit(self, request: PredictRequest, handlers: JobHandlers) -> None:
        self.request = request
        handlers.begun(prediction_of(request.volume))
        handlers.drafted(prediction_of(request.volume), self.mask)


def test_the_request_reaches_the_network_and_the_result_holds_the_draft(ct: Path) -> None:
    volume = read_ct_volume(ct)
    mask = np.zeros(volume.grid.shape, np.uint8)
    mask[4, 4:9, 4:8] = 1
    drafts: list[CaseDraft] = []
    network = _AtOnce(mask)
    draft_case(DraftRequest(volume, Path("m"), 3), network, DraftHandlers(drafts.append))  # type: ignore[arg-type]
    assert (network.request.volume, network.request.bundle, network.request.first) == (volume, Path("m"), 3)  # type: ignore[attr-defined]
    assert drafts[0].mask is mask
    ml = 20 * 8.0 * 8.0 * 9.0 / 1000
    assert drafts[0].volume_ml == pytest.approx(ml)
    assert draft_ready_message(drafts[0]) == f"The draft is ready: {ml:.1f} ml."


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (AttunetError("It is cut."), "It is cut."),
        (MemoryError(), "There was not enough memory for this CT; close other programs."),
    ],
)
def test_why_a_case_was_not_drafted(error: Exception, says: str) -> None:
    assert not_drafted_message(error) == says


def test_an_unexpected_failure_is_told_without_its_words() -> None:
    try:
        raise KeyError("Meier")
    except KeyError as error:
        said = not_drafted_message(error)
    assert said.startswith("An unexpected KeyError at test_case_drafting.py:")
    assert said.endswith(" stopped this case.")


def test_a_list_is_drafted_and_says_what_was_and_what_was_not(tmp_path: Path) -> None:
    project = new_project(tmp_path, 2)
    bundle = bundle_of(NamedCard())
    result = draft_worklist(WorklistDraftRequest(project, bundle, make_drafter=lambda _bundle: Refuses(0)))
    assert result.sentences == ("1 case drafted by m.",)
    assert result.not_drafted == ("case-0001 was not drafted: The network failed.",)
    assert result.message == "1 case drafted by m. case-0001 was not drafted: The network failed."
    again = draft_worklist(WorklistDraftRequest(project, bundle, make_drafter=lambda _bundle: Ball()))
    assert (again.sentences, again.not_drafted) == (("1 case drafted by m.",), ())


def test_no_class_of_the_layer_has_more_than_25_methods() -> None:
    for path in Path(attunet_gui.app.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                methods = sum(isinstance(each, ast.FunctionDef) for each in node.body)
                assert methods <= 25, f"{path.name}: {node.name} has {methods}"
