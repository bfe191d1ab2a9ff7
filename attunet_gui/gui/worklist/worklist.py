"""The project in the window: its list, its open case, and what is recorded of that case.

Belongs to the window's thread. Database, project files and CT are read in background threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QWidget

from attunet_gui.core.counting import counted, noun_of
from attunet_gui.core.errors import AttunetError
from attunet_gui.core.progress import Progress
from attunet_gui.executor import SerialExecutor
from attunet_gui.gui import questions
from attunet_gui.gui.correcting import Correcting
from attunet_gui.gui.guide import Guide
from attunet_gui.gui.preferences import Preferences
from attunet_gui.gui.qt import Signal
from attunet_gui.gui.qt_executor import QtDelivery, failure_sentence
from attunet_gui.gui.state import Listing
from attunet_gui.gui.worklist import asking
from attunet_gui.gui.worklist.cases import CaseList
from attunet_gui.gui.worklist.chores import ChoreKind, Chores
from attunet_gui.gui.worklist.reading import Ahead, Listed, journal_folder, read_ct, read_listed
from attunet_gui.gui.worklist.recording import Recorded, Seen, carry_on, record, review_of, told
from attunet_gui.gui.worklist.state import ListFacts
from attunet_gui.gui.worklist.tasks import (
    Drafting,
    ExportWish,
    child_drafter,
    draft_list,
    export_list,
    import_folder,
)
from attunet_gui.gui.worklist.words import few
from attunet_gui.project.events import ProjectSettings
from attunet_gui.project.ordering import Choice, choose_next, ranked
from attunet_gui.project.project import Project, Review, create_project, holds_project, open_project
from attunet_gui.project.rows import CaseQuery, CaseRow, HistoryLine
from attunet_gui.project.second_reads import ask_second_reads
from attunet_gui.project.status import Status
from attunet_gui.review.progress import left_words
from attunet_gui.session import Case, Session
from attunet_gui.work import Pending, Work, pending

_REFRESH_MS = 700
"""Pace in ms at which the list follows a background job."""


_DOING = "working on the project"


class Host(Protocol):
    """What the worklist needs of the window."""

    window: QWidget
    session: Session
    preferences: Preferences
    guide: Guide
    correcting: Correcting
    journal: Path

    def when_safe(self, doing: str, act: Callable[[], None]) -> None:
        """Call `act` once no unsaved correction can be lost."""

    def save(self) -> None:
        """Save the mask of the open case."""


@dataclass(frozen=True)
class _Known:
    """Number of cases by status, and of those that the filter finds."""

    counts: dict[Status, int]
    found: int


class Worklist(QObject):
    """Opens a project, its cases and the next one, and records what the annotator decides of them.

    Attributes:
        drafting: makes the drafter of the list for a model.
        may_accept: asks whether a case is accepted; takes its name and two sentences, what is left to look at
            and how much was on screen.

    Signals:
        changed: something that the panel shows.
        kept(path, mask): a saved mask is recorded in the project.
        not_kept: a saved mask could not be recorded.
    """

    changed = Signal()
    kept = Signal(object, object)
    not_kept = Signal()

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host, self._session = host, host.session
        self._background = SerialExecutor("attunet-project", QtDelivery(), self._failed)
        self._ahead = Ahead()
        self.list, self.chores = CaseList(), Chores()
        self.drafting: Drafting = child_drafter
        self.may_accept: Callable[[str, str, str], bool] = self._ask_accept
        self.project: Project | None = None
        self.query = CaseQuery()
        self.choice: Choice | None = None
        self.listed: Listed | None = None
        self._known = _Known({}, 0)
        self._read: Listed | None = None
        self._accepting = self._recording = False
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(_REFRESH_MS)
        self._later.timeout.connect(self.refresh)
        self.list.filled.connect(self.changed)
        self.chores.changed.connect(self._chores_changed)
        self.chores.ended.connect(self._chore_ended)
        self._session.save_failed.connect(self._save_failed)

    def _problem(self, sentence: str) -> None:
        self._session.say(sentence, problem=True)

    def _failed(self, error: Exception) -> None:
        self._problem(failure_sentence(error, _DOING))

    # What there is

    @property
    def facts(self) -> ListFacts:
        """What is known, as plain values, for the panel's view."""
        project, listed = self.project, self.listed
        choice = self.choice
        return ListFacts(
            project="" if project is None else project.folder.name,
            counts=self._known.counts,
            found=self._known.found,
            open_case=None if listed is None else listed.row,
            busy=self._busy,
            choice="" if choice is None else f"{choice.case.name}: {choice.reason}",
            chores=self.chores.running,
            model=self._session.bundle is not None,
        )

    @property
    def listing(self) -> Listing:
        """The state of the worklist, as far as the next step depends on it."""
        status = "" if self.listed is None else str(self.listed.row.status)
        return Listing(self.project is not None, status, self.blind)

    @property
    def blind(self) -> bool:
        """Whether the open case has to be drawn without a draft."""
        return self.listed is not None and self.listed.opening.blind

    @property
    def next_by(self) -> str:
        """Key of the strategy by which the next case is chosen."""
        return self._host.preferences.next_by

    @property
    def _busy(self) -> bool:
        return self._session.file_job is not None or self._recording

    @property
    def journal(self) -> Path:
        """Folder in which the work on the open case is kept."""
        if self.listed is None:
            return self._host.journal
        return journal_folder(self._host.journal, self.listed.project)

    # The project

    def open_project(self) -> None:
        """Ask for the folder of a project, and open the project or make one."""
        last = self._host.preferences.project
        window = self._host.window
        folder = asking.choose_project(window, Path.home() if last is None else last.parent)
        if folder is None:
            return
        make = not holds_project(folder)
        if not make or asking.ask_make(window, folder):
            self.show_project(folder, make)

    def open_last(self) -> None:
        """Open the project that was open when the last window closed, if it is still there."""
        folder = self._host.preferences.project
        if folder is not None:
            self.show_project(folder)

    def show_project(self, folder: Path, make: bool = False) -> None:
        """Open the project in `folder`, or make one there if `make` is set."""
        who, opener = self._session.annotator, create_project if make else open_project
        self._background.submit(lambda: opener(folder, who=who), self._opened)

    def _opened(self, project: Project) -> None:
        """Show a project that was opened, and offer unsaved work of it."""
        self._let_go()
        self.project = project
        self._host.preferences.project = project.folder
        self.query = CaseQuery()
        self.list.show_query(project, self.query)
        self._count()
        self._session.say(f"The project {project.folder.name} is open.")
        # The journals of a project's cases are in a folder of their own, which the start does not search.
        self._offer_recovery(project)

    def close_project(self) -> None:
        """Close the project. The open case stays on screen, but belongs to no list any more."""
        self._host.when_safe("close the project", self._close_project)

    def _close_project(self) -> None:
        self._let_go()
        self._host.preferences.project = None
        self._session.say("The project is closed.")

    def _let_go(self) -> None:
        """Drop the project, stop its background jobs and empty the list."""
        project, self.project, self.listed, self.choice = self.project, None, None, None
        self._ahead.forget()
        for chore in self.chores.running:
            if project is not None:
                self.chores.cancel(chore.kind)
        self._known = _Known({}, 0)
        self.list.show_query(None, CaseQuery())
        self.list.mark_open("")
        if project is not None:
            self._background.submit(project.close, lambda _done: None)
        self.changed.emit()

    def _offer_recovery(self, project: Project) -> None:
        """After a crash: ask whether the case with unsaved work is to be opened again with it."""
        left = next(iter(pending(journal_folder(self._host.journal, project))), None)
        if left is None or self._session.case is not None:
            return
        if questions.ask_recovery(self._host.window, left) == "bring back":
            self._background.submit(lambda: project.case(left.identity.name), self._open)

    def carry_on(self, work: Work) -> None:
        """Restore in `work` what the project keeps of the mask that it begins with."""
        saved = None if self.listed is None else self.listed.opening.saved
        if saved is not None:
            carry_on(work, saved)

    @property
    def corrected_before(self) -> frozenset[int]:
        """Indices of slices that an annotator had corrected in the mask that the open case began with."""
        saved = None if self.listed is None else self.listed.opening.saved
        return frozenset(() if saved is None else saved.said.corrected or ())

    def left_behind(self, case: Case) -> Pending | None:
        """Return unsaved work on the open case; it is resumed without a question. None if there is none."""
        same = (left for left in pending(self.journal) if left.identity.digest == case.identity.digest)
        return next(same, None)

    # The list

    def show_query(self, query: CaseQuery) -> None:
        """Show the cases that `query` finds."""
        if query != self.query:
            self.query = query
            self.list.show_query(self.project, query)
            self._count()

    def refresh(self) -> None:
        """Fetch list and counts again."""
        self._later.stop()
        if self.project is not None:
            self.list.refresh()
            self._count()

    def _count(self) -> None:
        project, query = self.project, self.query
        if project is not None:
            self._background.submit(
                lambda: (project, _Known(project.counts(), project.count(query))),
                lambda got: self._counted(*got),
            )

    def _counted(self, project: Project, known: _Known) -> None:
        # Another project may have been opened while the database was read.
        if project is self.project:
            self._known = known
            self.changed.emit()

    # Opening

    def open_case(self, row: CaseRow) -> None:
        """Open `row`, after asking about unsaved corrections."""
        if self.project is not None and not self._recording:
            self._host.when_safe("open another case", partial(self._open, row))

    def next_case(self) -> None:
        """Open the case that the chosen strategy names; the choice is recorded with its score."""
        if self.project is None:
            self._session.say("Open a project first: F3.")
        elif not self._recording:
            self._host.when_safe("open the next case", self._choose)

    def _choose(self) -> None:
        project, key, without = self._mine(), self.next_by, self._without
        self._background.submit(lambda: choose_next(project, key, without), self._chosen)

    def _chosen(self, choice: Choice | None) -> None:
        self.choice = choice
        if choice is None:
            self._session.say("Nothing waits for you: every other case is reviewed, accepted or rejected.")
        else:
            self._open(choice.case)
        self.changed.emit()

    def set_next_by(self, key: str) -> None:
        """Choose the next case by the strategy `key` from now on."""
        # Another strategy may name another case, so the one that was read in advance may be wrong.
        self._host.preferences.next_by = key
        self._read_ahead()
        self.changed.emit()

    def _open(self, row: CaseRow) -> None:
        """Open `row` through the session, with the CT that was read in advance if it is that one."""
        if self.project is None:
            return
        project, ahead = self._mine(), self._ahead

        def make(progress: Progress) -> Case:
            ct = ahead.take(row) or read_ct(row, progress)
            # The opening is recorded only now, when the CT was read and can be shown.
            self._read = read_listed(project, row, ct)
            return self._read.case

        self._session.open_made(row.name, make)

    def _mine(self) -> Project:
        """Return the project, with the present annotator set as the one who acts."""
        assert self.project is not None
        # The name may have been changed since the project was opened.
        self.project.who = self._session.annotator
        return self.project

    @property
    def _without(self) -> frozenset[str]:
        return frozenset() if self.listed is None else frozenset({self.listed.row.name})

    def arrived(self, case: Case) -> None:
        """Note that `case` is on screen, from the list or from elsewhere."""
        read = self._read
        self.listed = (
            read if read is not None and read.case is case and read.project is self.project else None
        )
        self._read, self._accepting = None, False
        self.list.mark_open("" if self.listed is None else self.listed.row.name)
        self.refresh()
        self._read_ahead()
        self.changed.emit()

    def _read_ahead(self) -> None:
        """Read the case that the strategy would name next, while the annotator works on this one."""
        project = self.project
        if project is None or self.listed is None:
            return
        key, without = self.next_by, self._without

        def choose() -> CaseRow | None:
            best = ranked(project, key, 1, without)
            return best[0].case if best else None

        self._ahead.begin(choose)

    # Saving

    @property
    def target(self) -> Path | None:
        """The path for the mask of the open case; None if it does not belong to the project."""
        return None if self.listed is None else self.listed.project.mask_path(self.listed.row)

    def accept_case(self) -> None:
        """Save the mask, accept the case and open the next one; asks first if something was not looked at."""
        listed = self.listed
        if listed is None:
            self._session.say("This is for cases of the worklist: open one first.")
        elif not self._busy and self._may_accept(listed):
            self._accepting = True
            self._host.save()

    def _may_accept(self, listed: Listed) -> bool:
        """Return whether `listed` may be accepted; asks the annotator if something was not looked at."""
        guide, slices = self._host.guide, listed.case.volume.grid.shape[0]
        unseen = slices - len(guide.looked_at)
        left = _left_of(guide, unseen)
        if not left:
            return True
        words = f"{unseen} of {counted(slices, 'slice')} {noun_of(unseen, 'was', 'were')} not on screen."
        agreed = self.may_accept(listed.row.name, left, words)
        if not agreed:
            self._session.say(f"{listed.row.name} was not accepted.")
        # While the question was open something else may have been opened, or saved.
        return agreed and self.listed is listed and not self._busy

    def _ask_accept(self, name: str, left: str, unseen: str) -> bool:
        return asking.ask_accept(self._host.window, name, left, unseen)

    def record(self, path: Path, mask: NDArray[np.uint8]) -> None:
        """Record that the mask of the open case was saved to `path`.

        One of the two signals about it follows.
        """
        listed, work, guide = self.listed, self._host.correcting.work, self._host.guide
        if listed is None or work is None:
            return
        accept, self._accepting = self._accepting, False
        self._mine()
        review = review_of(self._session, work, _seen_of(guide), accept)
        # A second save or another case in between would be recorded with the wrong review.
        self._recording = True
        self._background.submit(
            lambda: record(listed.project, listed.row, path, review, accept),
            partial(self._recorded, listed, path, mask, review, accept),
            self._not_recorded,
        )
        self.changed.emit()

    def _recorded(
        self,
        listed: Listed,
        path: Path,
        mask: NDArray[np.uint8],
        review: Review,
        accept: bool,
        recorded: Recorded,
    ) -> None:
        """Take over the recorded case, say so, and open the next case or the one to be done again."""
        self._recording = False
        if self.listed is listed:
            self.listed = replace(listed, opening=replace(listed.opening, case=recorded.case))
            self.kept.emit(path, mask)
        self._session.say(told(recorded, review, len(mask)), problem=recorded.again)
        self.refresh()
        self.changed.emit()
        if recorded.again:
            self._open(recorded.case)
        # The question whether something is left was answered before the case was saved.
        elif accept:
            self.next_case()

    def _not_recorded(self, error: Exception) -> None:
        self._recording = False
        sentence = failure_sentence(error, _DOING)
        # The file is there, but the project does not know it: what was drawn is in no file yet.
        self._session.mask_touched()
        self._problem(f"{sentence} The mask was not recorded; save it again.")
        self.not_kept.emit()
        self.changed.emit()

    def _save_failed(self) -> None:
        self._accepting = False

    # What is decided of a case

    def assign(self, rows: Sequence[CaseRow], to: str) -> None:
        """Assign `rows` to the annotator `to`; "" is nobody."""
        names = few([row.name for row in rows])
        self._decide(
            lambda project: project.assign(rows, to),
            f"{names}: {f'assigned to {to}' if to else 'nobody has it'}.",
        )

    def note(self, row: CaseRow, text: str) -> None:
        """Set the note of `row` to `text`."""
        self._decide(lambda project: project.note(row, text), f"The note of {row.name} is kept.")

    def reject(self, row: CaseRow, reason: str) -> None:
        """Reject `row`, as it is of no use for the project, with a reason."""
        self._decide(lambda project: project.reject(row, reason), f"{row.name} is rejected: {reason}.")

    def reopen(self, row: CaseRow) -> None:
        """Set `row` back to being worked on."""
        self._decide(lambda project: project.reopen(row), f"{row.name} is to be worked on again.")

    def set_checks(self, settings: ProjectSettings) -> None:
        """Set which share of the cases measures how often wrong drafts are accepted; 0 stops it."""
        self._decide(lambda project: project.set_settings(settings), f"From now on {settings.words}.")

    def ask_second_reads(self, share: float, reader: str) -> None:
        """Have a share of the accepted cases drawn again.

        Args:
            share: of the accepted cases, 0 to 1.
            reader: who draws them; "" is anybody but the first annotator.
        """
        if self.project is None:
            return
        project = self._mine()

        def told(names: tuple[str, ...]) -> None:
            who = reader or "anybody but their first annotator"
            chosen = f"To be drawn again by {who}: {few(names)}."
            self._decided(chosen if names else "So many cases are read twice already: none was added.")

        self._background.submit(lambda: ask_second_reads(project, share, reader), told)

    def settings(self, then: Callable[[ProjectSettings], None]) -> None:
        """Read the settings of the project in the background and call `then` with them."""
        if self.project is not None:
            project = self.project
            self._background.submit(lambda: project.settings, then)

    def history(self, row: CaseRow, then: Callable[[CaseRow, tuple[HistoryLine, ...]], None]) -> None:
        """Read the history of `row` in the background and call `then` with it."""
        if self.project is not None:
            project = self.project
            self._background.submit(lambda: project.history(row), partial(then, row))

    def _decide(self, act: Callable[[Project], object], sentence: str) -> None:
        if self.project is None:
            return
        project = self._mine()
        self._background.submit(lambda: act(project), lambda _done: self._decided(sentence))

    def _decided(self, sentence: str) -> None:
        self._session.say(sentence)
        self._look_again_at_open()
        self.refresh()

    def _look_again_at_open(self) -> None:
        """Read the row of the open case again, as a decision may have changed it."""
        listed = self.listed
        if listed is None:
            return

        def show(row: CaseRow) -> None:
            if self.listed is listed:
                self.listed = replace(listed, opening=replace(listed.opening, case=row))
                self._session.changed.emit()
                self.changed.emit()

        self._background.submit(lambda: listed.project.again(listed.row), show)

    # What takes minutes

    def import_folder(self, folder: Path, copy: bool) -> None:
        """Add every CT below `folder` to the list, in a background job."""
        if self.project is not None:
            self.chores.begin("import", partial(import_folder, self._mine(), folder, copy))

    def draft_list(self) -> None:
        """Draft every case that has no draft and that nobody has begun, in a background job."""
        bundle = self._session.bundle
        if self.project is not None and bundle is not None:
            self.chores.begin("draft", partial(draft_list, self._mine(), bundle, self.drafting))

    def export(self, wish: ExportWish) -> None:
        """Write the data set that `wish` describes, in a background job."""
        if self.project is not None:
            self.chores.begin("export", partial(export_list, self._mine(), wish))

    def stop(self, kind: ChoreKind) -> None:
        """Stop the background job of `kind`; what it has done stays."""
        self.chores.cancel(kind)

    def _chores_changed(self) -> None:
        if not self._later.isActive() and self.chores.running:
            self._later.start()
        self.changed.emit()

    def _chore_ended(self, _kind: str, sentence: str, problem: bool) -> None:
        self._session.say(sentence, problem)
        self.refresh()

    def end(self) -> None:
        """Stop all background work and close the project. The window is closed already."""
        self._later.stop()
        self.chores.end()
        self._ahead.end()
        self._background.close(finish=True)
        self.list.end()
        if self.project is not None:
            with suppress(AttunetError):
                self.project.close()


def _seen_of(guide: Guide) -> Seen:
    if not guide.known:
        return Seen(guide.state, reviewed=False)
    return Seen(guide.state, guide.reviewed, len(guide.unseen), len(guide.places))


def _left_of(guide: Guide, unseen: int) -> str:
    """Return what is left to look at in the open case, as a sentence; "" if that is nothing.

    Args:
        guide: the review of the case.
        unseen: number of slices that were not on screen, with mask or without.
    """
    if not guide.known:
        return "The places to check are not known yet."
    if not guide.has_mask and unseen:
        return "There is no mask in it."
    left = left_words(len(guide.unseen), len(guide.places))
    return f"{left}." if left else ""
