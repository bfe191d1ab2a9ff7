"""Status as a fold over events, and the list's columns as the same fold kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from attunet_gui.project.events import (
    PAYLOADS,
    Accepted,
    Added,
    Assigned,
    Checked,
    Drafted,
    DraftFailed,
    Event,
    Moved,
    Noted,
    Opened,
    Payload,
    ProjectSettings,
    Rejected,
    Reopened,
    Saved,
    SecondReadAsked,
    Suggested,
)
from attunet_gui.project.project import Project
from attunet_gui.project.rows import cached
from attunet_gui.project.schema import CaseRecord, EventRecord, UtcTime
from attunet_gui.project.status import CaseState, Status, fold
from tests.project.material import new_project

_SHA = "0" * 64
_WHEN = datetime(2026, 3, 1, 12, tzinfo=UTC)
_words = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20)
_said = _words.filter(bool)
_shares = st.floats(0, 1)
_amounts = st.floats(0, 1e6)
_counts = st.integers(0, 1000)

_drafted = st.builds(
    Drafted,
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
    Saved,
    mask=_said,
    sha256=st.just(_SHA),
    verified=st.none() | st.lists(_counts, max_size=5).map(tuple),
    active_seconds=_amounts,
    edits=st.dictionaries(_said, _counts, max_size=3),
    finished=st.booleans(),
    read=st.sampled_from((1, 2)),
)
_payloads: st.SearchStrategy[Payload] = st.one_of(
    st.builds(Added, copied=st.booleans()),
    st.just(Moved()),
    _drafted,
    st.builds(DraftFailed, reason=_said),
    st.builds(Suggested, strategy=_said, score=st.none() | _amounts, reason=_words),
    st.builds(Opened, shown=st.sampled_from(("draft", "saved", "nothing", "seeded error"))),
    _saved,
    st.just(Accepted()),
    st.builds(Rejected, reason=_said),
    st.just(Reopened()),
    st.builds(Assigned, to=_words),
    st.builds(Noted, text=_words),
    st.builds(SecondReadAsked, reader=_words, share=_shares, seed=_counts),
    st.builds(Checked, kept=_shares, accepted=st.booleans()),
    st.builds(ProjectSettings, without_draft=_shares, seeded_errors=_shares),
)


def _event(payload: Payload, who: str = "anna", model: str = "") -> Event:
    return Event(who, _WHEN, model, payload)


def _draft() -> Drafted:
    return Drafted(
        mask="d.nii.gz", sha256=_SHA, slices=9, volume_ml=70, uncertainty=0.1, effort=5, places=3, visible=1
    )  # fmt: skip


def _save(**changes: object) -> Saved:
    return Saved.model_validate(
        {"mask": "m.nii.gz", "sha256": _SHA, "verified": None, "active_seconds": 60.0} | changes
    )


def _status(*payloads: Payload) -> Status:
    return fold(map(_event, payloads)).status


def test_a_case_goes_from_new_to_accepted() -> None:
    so_far: list[Payload] = []
    for payload, status in (
        (Added(), Status.NEW),
        (_draft(), Status.DRAFTED),
        (Opened(shown="draft"), Status.IN_PROGRESS),
        (_save(finished=False, verified=(3, 4)), Status.IN_PROGRESS),
        (_save(), Status.REVIEWED),
        (Accepted(), Status.ACCEPTED),
        (SecondReadAsked(reader="", share=0.1, seed=1), Status.SECOND_READ),
        (Opened(shown="nothing"), Status.SECOND_READ),
        (_save(read=2, finished=False), Status.SECOND_READ),
        (_save(read=2), Status.ACCEPTED),
    ):
        so_far.append(payload)
        assert _status(*so_far) == status, payload


@pytest.mark.parametrize(
    ("before", "status"),
    [
        ((Added(),), Status.NEW),
        ((Added(), _draft()), Status.DRAFTED),
        ((Added(), _draft(), _save(), Accepted()), Status.IN_PROGRESS),
    ],
)
def test_what_was_rejected_is_reopened_as_far_as_it_had_come(
    before: Sequence[Payload], status: Status
) -> None:
    rejected = fold(map(_event, (*before, Rejected(reason="blurred"))))
    assert (rejected.status, rejected.reason) == (Status.REJECTED, "blurred")
    reopened = fold(map(_event, (*before, Rejected(reason="blurred"), Reopened())))
    assert (reopened.status, reopened.reason) == (status, "")


def test_a_failed_draft_changes_no_status_and_is_forgotten_with_the_next_draft() -> None:
    failed = fold(map(_event, (Added(), DraftFailed(reason="No room."))))
    assert (failed.status, failed.failure) == (Status.NEW, "No room.")
    assert failed.after(_event(_draft())).failure == ""


def test_a_draft_that_comes_late_takes_nothing_from_a_person() -> None:
    state = fold(map(_event, (Added(), _draft(), _save())))
    later = state.after(_event(_draft(), "attunet", "other"))
    assert (later.status, later.first, later.model) == (Status.REVIEWED, state.first, "other")


def test_who_accepts_a_seeded_error_begins_again() -> None:
    opened = Opened(shown="seeded error", mask="w.nii.gz", error="shifted by 5 mm")
    state = fold(map(_event, (Added(), _draft(), opened, _save(), Checked(kept=0.9, accepted=True))))
    assert (state.status, state.first) == (Status.IN_PROGRESS, None)
    found = fold(map(_event, (Added(), _draft(), opened, _save(), Checked(kept=0.1, accepted=False))))
    assert found.status == Status.REVIEWED
    assert found.first is not None


def test_history_does_not_give_a_seeded_error_away() -> None:
    assert Opened(shown="seeded error", error="shifted by 5 mm").words == Opened(shown="draft").words


@given(st.lists(_payloads, max_size=12))
def test_a_fold_can_be_cut_anywhere(payloads: list[Payload]) -> None:
    events = [_event(payload) for payload in payloads]
    for cut in range(len(events) + 1):
        state = fold(events[:cut])
        for event in events[cut:]:
            state = state.after(event)
        assert state == fold(events)


@given(_payloads)
def test_payloads_come_back_from_json(payload: Payload) -> None:
    assert PAYLOADS.validate_json(payload.model_dump_json()) == payload
    assert payload.words


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
def test_the_columns_of_the_list_are_the_fold(one_case: Project, payloads: list[Payload]) -> None:
    case = one_case.cases()[0]
    one_case.decide(case, lambda _state: payloads, "model")
    with one_case.database.reading() as session:
        events = session.scalars(select(EventRecord).where(EventRecord.case_id == case.id)).all()
        record = session.get_one(CaseRecord, case.id)
        kept = {name: getattr(record, name) for name in cached(CaseState())}
    assert [PAYLOADS.validate_python(event.payload) for event in events][-len(payloads) :] == payloads
    assert kept == cached(one_case.state(case))
    assert one_case.rebuild() == 0


def test_columns_that_went_wrong_are_corrected(tmp_path: Path) -> None:
    project = new_project(tmp_path, 2)
    with project.database.writing() as session:
        session.get_one(CaseRecord, 2).status = "accepted"
    assert project.rebuild() == 1
    assert [case.status for case in project.cases()] == [Status.NEW, Status.NEW]
