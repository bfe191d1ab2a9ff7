"""Who did it is said with every command; two annotators at once are never mistaken for each other."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest

from attunet_gui.project.case_commands import (
    MaskReview,
    accept_case,
    assign_cases,
    record_saved_mask,
    reject_case,
    reopen_case,
    set_note,
    set_settings,
)
from attunet_gui.project.case_import import add_ct_folder
from attunet_gui.project.case_ordering import choose_next_case
from attunet_gui.project.database_tables import EventRecord
from attunet_gui.project.project_events import ProjectSettings
from attunet_gui.project.project_store import Project, create_project
from attunet_gui.project.second_reads import ask_second_reads
from attunet_gui.project.shown_mask import begin_case
from tests.support.project_cases import ball, drafted_project, save, write_ct

_ROUNDS = 4


def _do_everything(
    project: Project, name: str, actor: str, mask: Path, in_step: Callable[[], object]
) -> None:
    """Give every command of a case as `actor`, each at the same time as the other annotator gives theirs."""
    commands: tuple[Callable[[], object], ...] = (
        lambda: set_note(project, project.case_named(name), f"by {actor}", actor=actor),
        lambda: assign_cases(project, [project.case_named(name)], actor, actor=actor),
        lambda: begin_case(project, project.case_named(name), actor=actor),
        lambda: record_saved_mask(project, project.case_named(name), mask, MaskReview(), actor=actor),
        lambda: accept_case(project, project.case_named(name), actor=actor),
        lambda: reopen_case(project, project.case_named(name), actor=actor),
        lambda: choose_next_case(project, actor=actor),
        lambda: reject_case(project, project.case_named(name), f"by {actor}", actor=actor),
        lambda: reopen_case(project, project.case_named(name), actor=actor),
    )
    for command in commands:
        in_step()
        command()


def test_two_annotators_at_once_through_one_project_each_have_their_own_events(tmp_path: Path) -> None:
    project = drafted_project(tmp_path, 2, who="carla")
    cases = dict(zip(("anna", "bert"), project.list_cases(), strict=True))
    masks = {}
    for actor, case in cases.items():
        masks[actor] = project.new_mask_path(case)
        draft = project.draft_mask_path(case)
        assert draft is not None
        masks[actor].write_bytes(draft.read_bytes())
    before = {actor: len(project.case_events(case)) for actor, case in cases.items()}
    barrier = Barrier(2, timeout=60)
    with ThreadPoolExecutor(2) as pool:
        for _ in range(_ROUNDS):
            done = [
                pool.submit(_do_everything, project, case.name, actor, masks[actor], barrier.wait)
                for actor, case in cases.items()
            ]
            for each in done:
                each.result(120)
    kinds = ("noted", "assigned", "opened", "saved", "accepted", "reopened", "suggested", "rejected")
    for actor, case in cases.items():
        events = project.case_events(case)[before[actor] :]
        assert {event.who for event in events} == {actor}
        assert {event.payload.kind for event in events} == set(kinds)
        saved = project.saved_mask(case)
        assert saved is not None
        assert saved.annotator == actor


def test_every_command_of_the_project_records_the_name_it_is_given(tmp_path: Path) -> None:
    write_ct(tmp_path / "ct" / "a.nii.gz", 1)
    project = create_project(tmp_path / "project")
    add_ct_folder(project, tmp_path / "ct", actor="anna")
    set_settings(project, ProjectSettings(seed=4), actor="bert")
    (case,) = project.list_cases()
    save(project, case, ball(), who="carla")
    accept_case(project, case, actor="dora")
    ask_second_reads(project, 1.0, actor="emil")
    with project.database.read_session() as session:
        found = [(record.kind, record.who) for record in session.query(EventRecord).order_by(EventRecord.id)]
    assert found == [
        ("added", "anna"),
        ("settings", "bert"),
        ("saved", "carla"),
        ("accepted", "dora"),
        ("second read asked", "emil"),
    ]


def test_a_project_keeps_nobodys_name(tmp_path: Path) -> None:
    project = drafted_project(tmp_path, 1, who="anna")
    assert "anna" not in vars(project).values()
    case = project.list_cases()[0]
    with pytest.raises(TypeError, match="actor"):
        set_note(project, case, "by nobody")  # type: ignore[call-arg]
    assert np.array_equal([event.who for event in project.case_events(case)], ["anna", "attunet"])
