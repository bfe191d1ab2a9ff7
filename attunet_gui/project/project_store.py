"""A project: a folder with a database, drafts and saved masks.

Nearly everything here takes milliseconds. Adding a folder, drafting, opening a case and comparing readers
take longer; they are in the other modules of this package.
"""

from __future__ import annotations

import getpass
import os
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from pydantic import ValidationError
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from attunet_gui.core.case_activity import CaseActivity
from attunet_gui.io.result_writing import make_private_folder
from attunet_gui.project.case_rows import (
    CaseQuery,
    CaseRow,
    HistoryLine,
    SavedMask,
    case_row,
    count_statement,
    folded_columns,
    list_statement,
)
from attunet_gui.project.case_state import (
    CaseState,
    CaseStatus,
    SavedMaskState,
    fold_events,
    remaining_before_acceptance,
    with_earlier_corrections,
)
from attunet_gui.project.database import (
    ProjectDatabase,
    check_schema_version,
    connect_database,
    create_tables,
    is_missing_sqlite_file,
    make_private_file,
    sqlite_url,
    stored_project_folder,
    use_write_ahead_log,
)
from attunet_gui.project.database_tables import CaseRecord, EventRecord
from attunet_gui.project.mask_files import mask_file_sha256, read_mask_without_ct
from attunet_gui.project.project_events import (
    PAYLOAD_ADAPTER,
    CaseAccepted,
    CaseAssigned,
    CaseRejected,
    CaseReopened,
    EventPayload,
    NoteChanged,
    ProjectEvent,
    ProjectSettings,
    SeededErrorChecked,
)
from attunet_gui.project.project_events import MaskSaved as SavedEvent
from attunet_gui.project.seeded_errors import ACCEPTED_FROM_SHARE, kept_error_share
from attunet_gui.system.errors import AttunetError, ProjectError, UnwritableOutput

PROGRAM_ACTOR = "attunet"
"""The name in the log for what the program did by itself."""

DATABASE_FILE, URL_FILE = "project.db", "database.url"
# A case in one of these keeps its status if its mask is saved again without a change.
_DECIDED = frozenset({CaseStatus.REVIEWED, CaseStatus.ACCEPTED, CaseStatus.REJECTED})
_DRAFTS, _MASKS, _THUMBNAILS, _COPIES = "drafts", "masks", "thumbnails", "cases"

CaseRule = Callable[[CaseState], Sequence[EventPayload]]
"""Maps the state of a case to the events to append; raises `ProjectError` if the state does not allow it."""


@dataclass(frozen=True)
class MaskReview:
    """What is recorded about a mask when an annotator saves it.

    Attributes:
        verified: slices (z of the canonical grid) that the annotator has seen; None means every slice.
        model: the model whose draft it came from, as `events.model_words` formats it; "" if all was drawn by
            hand.
        active_seconds: time at work, without pauses.
        edits_by_tool: number of strokes by tool.
        finished: whether the annotator is done with the case; otherwise they will go on later.
        declared: slices that the annotator declared right.
        places: keys of the places to check that the annotator closed.
        corrected: slices in which the annotator changed the mask, or that they declared right; None if that
            is not known.
        unseen: number of slices with mask that nobody had looked at; None if that is not known.
        open_places: number of places to check that are open; None if that is not known.
        accepted: whether the annotator says that the mask is right, whatever is left to look at.
    """

    verified: frozenset[int] | None = None
    model: str = ""
    active_seconds: float = 0.0
    edits_by_tool: Mapping[str, int] = field(default_factory=dict, hash=False)
    finished: bool = True
    declared: frozenset[int] = frozenset()
    places: frozenset[str] = frozenset()
    corrected: frozenset[int] | None = None
    unseen: int | None = None
    open_places: int | None = None
    accepted: bool = False

    @classmethod
    def from_activity(
        cls, activity: CaseActivity, verified: frozenset[int] | None, model: str, finished: bool
    ) -> MaskReview:
        """Make a review that takes the time and the strokes from `activity`."""
        edits = {tool: use.strokes for tool, use in activity.tools.items()}
        return cls(verified, model, activity.seconds, edits, finished)


class Project:
    """An open project, made by `open_project` or `create_project`. It may be used from several threads.

    Attributes:
        folder: absolute path of the folder with the project's files.
        who: name of the annotator; it may be set when that changes.
        database: used by the modules of this package.
    """

    def __init__(
        self, folder: Path, database: ProjectDatabase, who: str, clock: Callable[[], datetime] | None = None
    ) -> None:
        self.folder = folder.absolute()
        self.database = database
        self.who = who
        self._clock = clock or (lambda: datetime.now(UTC))

    def close(self) -> None:
        """Close the connections to the database."""
        self.database.close()

    # What there is

    def list_cases(self, query: CaseQuery | None = None) -> tuple[CaseRow, ...]:
        """Return the cases that match `query`; without one, all cases as they were added."""
        with self.database.read_session() as session:
            return tuple(
                case_row(row, self.folder) for row in session.execute(list_statement(query or CaseQuery()))
            )

    def count_cases(self, query: CaseQuery | None = None) -> int:
        """Return how many cases match `query` on all its pages together."""
        with self.database.read_session() as session:
            return session.execute(count_statement(query or CaseQuery())).scalar_one()

    def count_by_status(self) -> dict[CaseStatus, int]:
        """Return the number of cases of each status; a status without cases has 0."""
        with self.database.read_session() as session:
            grouped = select(CaseRecord.status, func.count()).group_by(CaseRecord.status)
            found = {row[0]: int(row[1]) for row in session.execute(grouped)}
        return {status: found.get(status.value, 0) for status in CaseStatus}

    def case_named(self, name: str) -> CaseRow:
        """Return the case called `name`; `ProjectError` if there is none."""
        wanted = list_statement(CaseQuery()).where(CaseRecord.name == name)
        with self.database.read_session() as session:
            found = session.execute(wanted).one_or_none()
            if found is None:
                raise ProjectError(f"There is no case called {name}: see attunet worklist list.")
            return case_row(found, self.folder)

    def reload_case(self, case: CaseRow) -> CaseRow:
        """Read the row of `case_named` from the database again."""
        return self.case_named(case.name)

    def case_state(self, case: CaseRow) -> CaseState:
        """Return the state of a case, folded from its events."""
        return fold_events(self.case_events(case))

    def case_events(self, case: CaseRow) -> tuple[ProjectEvent, ...]:
        """Return the events of a case, oldest first."""
        with self.database.read_session() as session:
            return read_events(session, case.id)

    def case_history(self, case: CaseRow) -> tuple[HistoryLine, ...]:
        """Return the events of a case in words; they do not disclose a seeded error that is not settled."""
        return tuple(
            HistoryLine(event.when, event.who, event.payload.history_text, event.model)
            for event in self.case_events(case)
        )

    def stored_fingerprint(self, case: CaseRow) -> str:
        """Return the fingerprint of the CT of `case` as it was when the case was added."""
        with self.database.read_session() as session:
            return session.execute(
                select(CaseRecord.fingerprint).where(CaseRecord.id == case.id)
            ).scalar_one()

    def draft_mask_path(self, case: CaseRow) -> Path | None:
        """Return the file of the last draft, on the source grid; None if there is none."""
        draft = self.case_state(case).draft
        return None if draft is None else self.folder / draft.mask

    def saved_mask(self, case: CaseRow) -> SavedMask | None:
        """Return the last mask of the first reader; None if nothing is saved."""
        first = self.case_state(case).first
        return None if first is None else self._to_saved_mask(first)

    def second_saved_mask(self, case: CaseRow) -> SavedMask | None:
        """Return the last mask of the second, blind reader; None if there is none."""
        second = self.case_state(case).second
        return None if second is None else self._to_saved_mask(second)

    def _to_saved_mask(self, state: SavedMaskState) -> SavedMask:
        """Return a saved mask with the absolute path of its file."""
        said = state.said
        return SavedMask(
            mask=self.folder / said.mask,
            verified=None if said.verified is None else frozenset(said.verified),
            annotator=state.who,
            model=state.model,
            active_seconds=said.active_seconds,
            edits_by_tool=said.edits,
            time=state.when,
            sha256=said.sha256,
            declared=frozenset(said.declared),
            corrected=None if said.corrected is None else frozenset(said.corrected),
        )

    @property
    def settings(self) -> ProjectSettings:
        """The settings as they were set last; the defaults if they never were."""
        last = select(EventRecord).where(EventRecord.kind == "settings").order_by(EventRecord.id.desc())
        with self.database.read_session() as session:
            found = session.scalars(last.limit(1)).one_or_none()
            payload = ProjectSettings() if found is None else event_from_record(found).payload
        return payload if isinstance(payload, ProjectSettings) else ProjectSettings()

    def set_settings(self, settings: ProjectSettings) -> None:
        """Record `settings` as valid from now on; `ProjectError` if the two shares together exceed 1."""
        if settings.without_draft + settings.seeded_errors > 1:
            raise ProjectError("The shares without draft and with a seeded error are more than all cases.")
        with self.database.write_session() as session:
            session.add(event_record(None, ProjectEvent(self.who, self.now(), "", settings)))

    # Where files go

    def new_draft_path(self, case: CaseRow, mark: str) -> Path:
        """Return the path for a draft of `case_named`; `mark` distinguishes several drafts. Its folder is
        made.
        """
        return self._output_path(_DRAFTS, f"{case.name}_{mark}.nii.gz")

    def new_mask_path(self, case: CaseRow) -> Path:
        """Return a new path for a mask to be saved, so that no mask that was saved before is overwritten."""
        stamp = self.now().strftime("%Y%m%d-%H%M%S")
        return self._output_path(f"{_MASKS}/{case.name}", f"{stamp}-{secrets.token_hex(2)}.nii.gz")

    def thumbnail_path(self, case: CaseRow) -> Path:
        """Return the path of the thumbnail of a case, whether the file exists or not."""
        return self._output_path(_THUMBNAILS, f"{case.name}.png")

    def copies_folder(self) -> Path:
        """Return the folder for copies of CT."""
        return self._output_path(_COPIES, "")

    def _output_path(self, folder: str, name: str) -> Path:
        path = self.folder / folder
        if not holds_project(self.folder):
            # Otherwise a new folder would be made in the place of one whose disk is away, and would receive a
            # mask that the project knows nothing of once its disk is back.
            raise UnwritableOutput(
                f"The project is not in {self.folder} any more: bring its disk or its folder back, then save "
                "again; what you draw is kept meanwhile."
            )
        if not path.is_dir():
            make_private_folder(path)
        return path / name

    def relative_path(self, path: Path) -> str:
        """Return `path` as events name it: relative if it lies in the project, because that may be moved."""
        path = path.absolute()
        return (path.relative_to(self.folder) if path.is_relative_to(self.folder) else path).as_posix()

    # What is done

    def assign_cases(self, cases: Iterable[CaseRow], to: str) -> None:
        """Assign `list_cases` to the person named `to`; "" is nobody."""
        with self.database.write_session() as session:
            for case in cases:
                self._append_events(session, case.id, lambda _state: (CaseAssigned(to=to.strip()),))

    def set_note(self, case: CaseRow, text: str) -> CaseRow:
        """Set the note of `case_named` to `text`, without spaces around it; "" removes the note."""
        return self.apply_rule(case, lambda _state: (NoteChanged(text=text.strip()),))

    def accept_case(self, case: CaseRow, anyway: bool = False) -> CaseRow:
        """Accept the saved mask of `case_named` as right.

        If the draft was shown with a seeded error that is not settled yet, it is settled here.

        Args:
            case: a case with a saved mask.
            anyway: accept it although slices with mask were not looked at, or places are open; see
                `remaining_review`.

        Raises:
            ProjectError: if no mask is saved, something is left to look at and `anyway` is false, or the
                mask still holds a seeded error.
            UnreadableInput: if a mask file is missing or damaged.
        """
        check = self._saved_error_outcome(self.case_state(case))

        def rule(state: CaseState) -> Sequence[EventPayload]:
            left = remaining_before_acceptance(case.name, state)
            if left and not anyway:
                raise ProjectError(
                    f"{case.name} is {state.status} and not reviewed: {left}; look at them, or accept it all "
                    "the same."
                )
            # A mask that still holds the seeded error is not accepted: its check returns the case to work.
            settled = () if check is None or state.check is not None else (check,)
            return settled if check is not None and check.accepted else (*settled, CaseAccepted())

        accepted = self.apply_rule(case, rule)
        if accepted.status != CaseStatus.ACCEPTED:
            raise ProjectError(
                f"The draft of {case.name} held a known error, and it is still there: the case is to be done "
                "again."
            )
        return accepted

    def remaining_review(self, case: CaseRow) -> str:
        """Describe what nobody has looked at in the saved mask of `case_named`; "" if nothing is left.

        Raises:
            ProjectError: if the case cannot be accepted at all.
        """
        return remaining_before_acceptance(case.name, self.case_state(case))

    def reject_case(self, case: CaseRow, reason: str) -> CaseRow:
        """Reject `case_named` as unusable.

        Raises:
            ProjectError: if `reason` is empty.
        """
        if not reason.strip():
            raise ProjectError(f"Say why {case.name} is rejected: the reason is kept with it.")
        return self.apply_rule(case, lambda _state: (CaseRejected(reason=reason.strip()),))

    def reopen_case(self, case: CaseRow) -> CaseRow:
        """Reopen `case_named` for work, whether it is rejected, accepted or reviewed."""
        return self.apply_rule(case, lambda _state: (CaseReopened(),))

    def record_saved_mask(self, case: CaseRow, mask: Path, review: MaskReview) -> SavedMask:
        """Record that the annotator's mask is in the file `mask`, written by `io.writing.write_mask`.

        In a second read it is recorded as the second reader's mask. If the annotator was shown a seeded error
        and is done with the case, the error is settled here: `state(case).check` says how, and a case whose
        error was accepted is in progress again and continues from the draft as the model made it. A case that
        is reviewed, accepted or rejected keeps its status if the mask has not changed and the review does not
        accept it.

        One mask file is read, and three more where an error was seeded: call this from the thread that wrote
        the mask.

        Args:
            case: the case.
            mask: the file.
            review: what is recorded about the mask.

        Returns:
            What was recorded.

        Raises:
            ProjectError: if the first reader saves in a second read.
            UnreadableInput: if the file is missing or damaged.
        """
        sha256, model = mask_file_sha256(mask), review.model
        before = self.case_state(case)
        same = self._is_same_mask(before, mask, sha256)
        kept = same and not review.accepted and before.status in _DECIDED
        check = self._seeded_error_outcome(before, mask) if review.finished and not kept else None

        def rule(state: CaseState) -> Sequence[EventPayload]:
            said = self._saved_event(state, mask, review, sha256)
            if same and state.first is not None and state.first == before.first:
                said = with_earlier_corrections(said, state.first.said)
                if kept and state.status == before.status:
                    return (said.model_copy(update={"keeps_status": True}),)
            return (said, check) if check is not None and state.check is None and said.read == 1 else (said,)

        self.apply_rule(case, rule, model=model)
        return self._to_saved_mask(
            SavedMaskState(self._saved_event(CaseState(), mask, review, sha256), self.who, self.now(), model)
        )

    def _saved_event(self, state: CaseState, mask: Path, review: MaskReview, sha256: str) -> SavedEvent:
        """Return the event for a saved mask; `ProjectError` if this person may not be its second reader."""
        second = state.status == CaseStatus.SECOND_READ
        if second:
            check_second_reader(state, self.who)
        return SavedEvent(
            mask=self.relative_path(mask),
            sha256=sha256,
            verified=None if review.verified is None else tuple(sorted(review.verified)),
            active_seconds=review.active_seconds,
            edits=dict(review.edits_by_tool),
            finished=review.finished,
            read=2 if second else 1,
            declared=tuple(sorted(review.declared)),
            places=tuple(sorted(review.places)),
            corrected=None if review.corrected is None else tuple(sorted(review.corrected)),
            unseen=review.unseen,
            open_places=review.open_places,
        )

    def _is_same_mask(self, state: CaseState, mask: Path, sha256: str) -> bool:
        """Whether `mask` equals, voxel by voxel, the mask that the first reader saved last."""
        if state.first is None or state.status == CaseStatus.SECOND_READ:
            return False
        if state.first.said.sha256 == sha256:
            return True
        # Voxels are compared because two files of the same mask need not have the same bytes.
        try:
            old = read_mask_without_ct(self.folder / state.first.said.mask).hu
        except AttunetError:
            return False
        return np.array_equal(old != 0, read_mask_without_ct(mask).hu != 0)

    def _saved_error_outcome(self, state: CaseState) -> SeededErrorChecked | None:
        """Return the check of the mask that was saved last; None if there is no seeded error to settle.

        An error is not settled when an annotator saves to go on later, so it is settled at acceptance.
        """
        return (
            None
            if state.first is None
            else self._seeded_error_outcome(state, self.folder / state.first.said.mask)
        )

    def _seeded_error_outcome(self, state: CaseState, mask: Path) -> SeededErrorChecked | None:
        shown, draft = state.shown, state.draft
        if shown is None or draft is None or shown.shown != "seeded error" or state.check is not None:
            return None
        planes = (read_mask_without_ct(self.folder / name).hu for name in (draft.mask, shown.mask, mask))
        kept = kept_error_share(*planes)  # type: ignore[arg-type]
        return SeededErrorChecked(kept=kept, accepted=kept >= ACCEPTED_FROM_SHARE)

    # How it is kept

    def apply_rule(self, case: CaseRow, rule: CaseRule, model: str = "", who: str | None = None) -> CaseRow:
        """Append the events that `rule` returns for the state of `case_named`.

        The state is read and the events are appended in one transaction, so no other process can change the
        case in between.

        Args:
            case: the case.
            rule: returns the payloads; it raises `ProjectError` to refuse, and then nothing is appended.
            model: the model that was involved, as `events.model_words` formats it; "" for none.
            who: name for the log; None for the annotator.

        Returns:
            The row of the case after the events.
        """
        with self.database.write_session() as session:
            self._append_events(session, case.id, rule, model, who)
        return self.reload_case(case)

    def _append_events(
        self, session: Session, case_id: int, rule: CaseRule, model: str = "", who: str | None = None
    ) -> None:
        before = read_events(session, case_id)
        payloads = rule(fold_events(before))
        if payloads:
            new = [ProjectEvent(who or self.who, self.now(), model, payload) for payload in payloads]
            session.add_all([event_record(case_id, event) for event in new])
            update_columns(session, case_id, fold_events((*before, *new)))

    def now(self) -> datetime:
        """Return the time in UTC."""
        return self._clock()

    def rebuild_columns(self) -> int:
        """Fold the events of every case again, correct the columns of the list, and count what was wrong.

        Returns:
            The number of cases whose columns differed from their events.
        """
        with self.database.write_session() as session:
            states = _fold_all_cases(session)
            names = list(folded_columns(CaseState()))
            found = session.execute(select(CaseRecord.id, *(getattr(CaseRecord, name) for name in names)))
            wrong = [
                number
                for number, *values in found
                if dict(zip(names, values, strict=True)) != folded_columns(states[number])
            ]
            for number in wrong:
                update_columns(session, number, states[number])
        return len(wrong)


def _fold_all_cases(session: Session) -> dict[int, CaseState]:
    """Return the state of every case by its id, folded in one pass over the log."""
    states = dict.fromkeys(session.scalars(select(CaseRecord.id)), CaseState())
    log = select(EventRecord).where(EventRecord.case_id.is_not(None)).order_by(EventRecord.id)
    for record in session.scalars(log.execution_options(yield_per=1000)):
        if record.case_id is not None:
            states[record.case_id] = states[record.case_id].after_event(event_from_record(record))
    return states


def check_second_reader(state: CaseState, who: str) -> None:
    """Raise `ProjectError` if `who` may not be the second reader of a case in `case_state`."""
    if state.first is not None and state.first.who == who:
        raise ProjectError("You annotated this case yourself: its second reader must be somebody else.")
    if state.reader not in ("", who):
        raise ProjectError(f"The second read of this case was given to {state.reader}: choose another case.")


def update_columns(session: Session, case_id: int, state: CaseState) -> None:
    """Write the state of a case to the columns by which the list is filtered and sorted."""
    # Without synchronising: that would look through every record the session knows.
    statement = update(CaseRecord).where(CaseRecord.id == case_id).values(**folded_columns(state))
    session.execute(statement, execution_options={"synchronize_session": False})


def event_record(case_id: int | None, event: ProjectEvent) -> EventRecord:
    """Return `event` as a row of the database; `case_id` is None for an event of the whole project."""
    return EventRecord(
        case_id=case_id,
        who=event.who,
        when=event.when,
        kind=event.payload.kind,
        model=event.model,
        payload=event.payload.model_dump(mode="json"),
    )


def read_events(session: Session, case_id: int) -> tuple[ProjectEvent, ...]:
    """Read the events of a case, oldest first."""
    found = select(EventRecord).where(EventRecord.case_id == case_id).order_by(EventRecord.id)
    return tuple(event_from_record(record) for record in session.scalars(found))


def event_from_record(record: EventRecord) -> ProjectEvent:
    """Return the event in a row of the database; `ProjectError` if this version does not know its kind."""
    try:
        payload = PAYLOAD_ADAPTER.validate_python(record.payload)
    except ValidationError as error:
        raise ProjectError(
            f"The project holds an entry ({record.kind}) that this version does not know: update attunet-gui "
            "to work on it."
        ) from error
    return ProjectEvent(record.who, record.when, record.model, payload)


def create_project(folder: Path, url: str | None = None, who: str = "") -> Project:
    """Create a project in `folder`, which only its owner can read if it has to be made.

    Args:
        folder: a folder without a project; it is made if it does not exist.
        url: SQLAlchemy URL of the database; None for a SQLite file in the folder.
        who: name of the annotator; "" for the user of this computer.

    Raises:
        ProjectError: if there is a project already, or the database cannot be opened.
        UnwritableOutput: if the folder cannot be made.
    """
    if holds_project(folder):
        raise ProjectError(f"{folder} holds a project already: open it, or name another folder.")
    if not folder.is_dir():
        make_private_folder(folder)
    if url is None:
        make_private_file(folder / DATABASE_FILE)
    else:
        # Refuses a URL that cannot be opened before a file is written that names it.
        connect_database(url).close()
        make_private_file(folder / URL_FILE)
        (folder / URL_FILE).write_text(url + "\n", "utf-8")
    return open_project(folder, who)


def open_project(where: Path | str, who: str = "") -> Project:
    """Open the project at `where`.

    Args:
        where: its folder, or the SQLAlchemy URL of its database.
        who: name of the annotator; "" for the user of this computer.

    Raises:
        ProjectError: if there is none, it was made by a newer program, or its database cannot be read.
    """
    folder = Path(where) if isinstance(where, Path) or "://" not in where else None
    url = str(where) if folder is None else _database_url(folder)
    name = "The project" if folder is None else folder.name
    _check_folder_writable(folder)
    database = connect_database(url)
    if folder is None and is_missing_sqlite_file(database):
        raise ProjectError("There is no project at this address: make one with attunet worklist new.")
    if not check_schema_version(database, name):
        if folder is None:
            raise ProjectError("There is no project in this database: make one with attunet worklist new.")
        # A folder without tables is a new project, or one whose making was cut off.
        use_write_ahead_log(database)
        create_tables(database, folder)
    return Project(
        stored_project_folder(database) if folder is None else folder, database, who or user_name()
    )


def _check_folder_writable(folder: Path | None) -> None:
    # SQLite would say only that it cannot open the file; other databases would go on until the first mask is
    # to be saved.
    if folder is not None and not os.access(folder, os.W_OK):
        raise ProjectError(
            f"{folder.name} can only be read here: ask for the right to write, or copy the folder to where "
            "you have it."
        )


def holds_project(folder: Path) -> bool:
    """Whether there is a project in `folder`."""
    return (folder / DATABASE_FILE).exists() or (folder / URL_FILE).exists()


def _database_url(folder: Path) -> str:
    if (folder / URL_FILE).is_file():
        try:
            return (folder / URL_FILE).read_text("utf-8").strip()
        except OSError as error:
            raise UnwritableOutput(f"{folder / URL_FILE} cannot be read ({error.strerror}).") from error
    if (folder / DATABASE_FILE).is_file():
        return sqlite_url(folder / DATABASE_FILE)
    raise ProjectError(f"There is no project in {folder}: make one with attunet worklist new.")


def user_name() -> str:
    """Return the name of the user of this computer; "unknown" if the system does not say."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a user id that has no name; Python raises one or the other by its version.
        return "unknown"
