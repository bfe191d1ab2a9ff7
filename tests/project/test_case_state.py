"""Status as a fold over events, and the list's columns as the same fold kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from attunet_gui.core.provenance import ModelId
from attunet_gui.project.case_rows import folded_columns
from attunet_gui.project.case_state import CaseState, CaseStatus, fold_events
from attunet_gui.project.database_tables import CaseRecord, EventRecord, UtcTime
from attunet_gui.project.event_log import rebuild_columns
from attunet_gui.project.project_events import (
    PAYLOAD_ADAPTER,
    CaseAccepted,
    CaseAdded,
    CaseAssigned,
    CaseDrafted,
    CaseMoved,
    CaseOpened,
    CaseRejected,
    CaseReopened,
    CaseSuggested,
    DraftFailed,
    EventPayload,
    MaskSaved,
    NoteChanged,
    ProjectEvent,
    ProjectSettings,
    SecondReadAsked,
    SeededErrorChecked,
)
from attunet_gui.project.project_store import Project
from tests.support.project_cases import new_project

_SHA = "0" * 64
_WHEN = datetime(2026, 3, 1, 12, tzinfo=UTC)
_words = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20)
_said = _words.filter(bool)
_shares = st.floats(0, 1)
_amounts = st.floats(0, 1e6)
_counts = st.integers(0, 1000)

_drafted = st.builds(
    CaseDrafted,
    mask=_said,
    sha256=st.just(_SHA),
    slices=st.integers(1, 500),
    volume_ml=_amounts,
    uncertainty=_shares,
    effort=_amounts,
    places=_counts,
    visible=_shares,
    seconds=_amounts,
)
_saved = st.builds(
    MaskSaved,
    mask=_said,
    sha256=st.just(_SHA),
    verified=st.none() | st.lists(_counts, max_size=5).map(tuple),
    active_seconds=_amounts,
    edits=st.dictionaries(_said, _counts, max_size=3),
    finished=st.booleans(),
    read=st.sampled_from((1, 2)),
)
_payloads: st.SearchStrategy[EventPayload] = st.one_of(
    st.builds(CaseAdded, copied=st.booleans()),
    st.just(CaseMoved()),
    _drafted,
    st.builds(DraftFailed, reason=_said),
    st.builds(CaseSuggested, strategy=_said, score=st.none() | _amounts, reason=_words),
    st.builds(CaseOpened, shown=st.sampled_from(("draft", "saved", "nothing", "seeded error"))),
    _saved,
    st.just(CaseAccepted()),
    st.builds(CaseRejected, reason=_said),
    st.just(CaseReopened()),
    st.builds(CaseAssigned, to=_words),
    st.builds(NoteChanged, text=_words),
    st.builds(SecondReadAsked, reader=_words, share=_shares, seed=_counts),
    st.builds(SeededErrorChecked, kept=_shares, accepted=st.booleans()),
    st.builds(ProjectSettings, without_draft=_shares, seeded_errors=_shares),
)


def _event(payload: EventPayload, who: str = "anna", model: ModelId | None = None) -> ProjectEvent:
    return ProjectEvent(who, _WHEN, model, payload)


def _draft() -> CaseDrafted:
    return CaseDrafted(
        mask="d.nii.gz", sha256=_SHA, slices=9, volume_ml=70, uncertainty=0.1, effort=5, places=3, visible=1
    )  # fmt: skip


def _save(**changes: object) -> MaskSaved:
    return MaskSaved.model_validate(
        {"mask": "m.nii.gz", "sha256": _SHA, "verified": None, "active_seconds": 60.0} | changes
    )


def _status(*payloads: EventPayload) -> CaseStatus:
    return fold_events(map(_event, payloads)).status


def test_a_case_goes_from_new_to_accepted() -> None:
    so_far: list[EventPayload] = []
    for payload, status in (
        (CaseAdded(), CaseStatus.NEW),
        (_draft(), CaseStatus.DRAFTED),
        (CaseOpened(shown="draft"), CaseStatus.IN_PROGRESS),
        (_save(finished=False, verified=(3, 4)), CaseStatus.IN_PROGRESS),
        (_save(), CaseStatus.REVIEWED),
        (CaseAccepted(), CaseStatus.ACCEPTED),
        (SecondReadAsked(reader="", share=0.1, seed=1), CaseStatus.SECOND_READ),
        (CaseOpened(shown="nothing"), CaseStatus.SECOND_READ),
        (_save(read=2, finished=False), CaseStatus.SECOND_READ),
        (_save(read=2), CaseStatus.ACCEPTED),
    ):
        so_far.append(payload)
        assert _status(*so_far) == status, payload


@pytest.mark.parametrize(
    ("before", "status"),
    [
        ((CaseAdded(),), CaseStatus.NEW),
        ((CaseAdded(), _draft()), CaseStatus.DRAFTED),
        ((CaseAdded(), _draft(), _save(), CaseAccepted()), CaseStatus.IN_PROGRESS),
    ],
)
def test_what_was_rejected_is_reopened_as_far_as_it_had_come(
    before: Sequence[EventPayload], status: CaseStatus
) -> None:
    rejected = fold_events(map(_event, (*before, CaseRejected(reason="blurred"))))
    assert (rejected.status, rejected.reason) == (CaseStatus.REJECTED, "blurred")
    reopened = fold_events(map(_event, (*before, CaseRejected(reason="blurred"), CaseReopened())))
    assert (reopened.status, reopened.reason) == (status, "")


def test_a_failed_draft_changes_no_status_and_is_forgotten_with_the_next_draft() -> None:
    failed = fold_events(map(_event, (CaseAdded(), DraftFailed(reason="No room."))))
    assert (failed.status, failed.failure) == (CaseStatus.NEW, "No room.")
    assert failed.after_event(_event(_draft())).failure == ""


def test_a_draft_that_comes_late_takes_nothing_from_a_person() -> None:
    state = fold_events(map(_event, (CaseAdded(), _draft(), _save())))
    later = state.after_event(_event(_draft(), "attunet", ModelId("other", "cd" * 32)))
    assert (later.status, later.first, later.draft_model) == (
        CaseStatus.REVIEWED,
        state.first,
        ModelId("other", "cd" * 32),
    )


def test_who_accepts_a_seeded_error_begins_again() -> None:
    opened = CaseOpened(shown="seeded error", mask="w.nii.gz", error="shifted by 5 mm")
    state = fold_events(
        map(_event, (CaseAdded(), _draft(), opened, _save(), SeededErrorChecked(kept=0.9, accepted=True)))
    )
    assert (state.status, state.first) == (CaseStatus.IN_PROGRESS, None)
    found = fold_events(
        map(_event, (CaseAdded(), _draft(), opened, _save(), SeededErrorChecked(kept=0.1, accepted=False)))
    )
    assert found.status == CaseStatus.REVIEWED
    assert found.first is not None


def test_history_does_not_give_a_seeded_error_away() -> None:
    assert (
        CaseOpened(shown="seeded error", error="shifted by 5 mm").history_text
        == CaseOpened(shown="draft").history_text
    )


@given(st.lists(_payloads, max_size=12))
def test_a_fold_can_be_cut_anywhere(payloads: list[EventPayload]) -> None:
    events = [_event(payload) for payload in payloads]
    for cut in range(len(events) + 1):
        state = fold_events(events[:cut])
        for event in events[cut:]:
            state = state.after_event(event)
        assert state == fold_events(events)


@given(_payloads)
def test_payloads_come_back_from_json(payload: EventPayload) -> None:
    assert PAYLOAD_ADAPTER.validate_json(payload.model_dump_json()) == payload
    assert payload.history_text


@given(st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)), st.integers(-12, 14))
def test_times_come_back_and_sort_as_text(time: datetime, hours: int) -> None:
    kind, aware = UtcTime(), time.replace(tzinfo=timezone(timedelta(hours=hours)))
    text = kind.process_bind_param(aware, None)  # type: ignore[arg-type]
    assert kind.process_result_value(text, None) == aware  # type: ignore[arg-type]
    later = kind.process_bind_param(aware + timedelta(microseconds=1), None)  # type: ignore[arg-type]
    assert text is not None
    assert later is not None
    assert text < later


@pytest.fixture(scope="module")
def one_case(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return new_project(tmp_path_factory.mktemp("fold"), 1)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payloads=st.lists(_payloads, min_size=1, max_size=4))
def test_the_columns_of_the_list_are_the_fold(one_case: Project, payloads: list[EventPayload]) -> None:
    case = one_case.list_cases()[0]
    one_case.apply_rule(case, lambda _state: payloads, actor="anna", model=ModelId("model", "ab" * 32))
    with one_case.database.read_session() as session:
        events = session.scalars(select(EventRecord).where(EventRecord.case_id == case.id)).all()
        record = session.get_one(CaseRecord, case.id)
        kept = {name: getattr(record, name) for name in folded_columns(CaseState())}
    assert [PAYLOAD_ADAPTER.validate_python(event.payload) for event in events][-len(payloads) :] == payloads
    assert kept == folded_columns(one_case.case_state(case))
    assert rebuild_columns(one_case.database) == 0


def test_columns_that_went_wrong_are_corrected(tmp_path: Path) -> None:
    project = new_project(tmp_path, 2)
    with project.database.write_session() as session:
        session.get_one(CaseRecord, 2).status = "accepted"
    assert rebuild_columns(project.database) == 1
    assert [case.status for case in project.list_cases()] == [CaseStatus.NEW, CaseStatus.NEW]
