"""Fine-tuning in the window: begin, follow and stop a run, and adopt the model that came out.

Belongs to the window's thread. Files are read in a background thread; training runs in a child process.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QWidget

from attunet_gui.core.errors import AttunetError
from attunet_gui.core.progress import Progress
from attunet_gui.evaluation.guard import CaseChange
from attunet_gui.executor import SerialExecutor
from attunet_gui.gui.learning import tasks
from attunet_gui.gui.learning.curve import Curve, curve_of
from attunet_gui.gui.learning.dialog import LearningDialog
from attunet_gui.gui.learning.state import LearningFacts, compared_words, decide_learning
from attunet_gui.gui.learning.tasks import Child, Default, LearningWish, Lesson
from attunet_gui.gui.qt import Signal
from attunet_gui.gui.qt_executor import QtDelivery, failure_sentence
from attunet_gui.gui.worklist.chores import ChoreKind, ChoreStatus
from attunet_gui.gui.worklist.worklist import Worklist
from attunet_gui.jobs.errand import in_own_child
from attunet_gui.network.bundle import Bundle
from attunet_gui.network.engines import KERAS
from attunet_gui.network.history import LOG_FILE, read_log
from attunet_gui.project.project import Project
from attunet_gui.recipes.finetuning.answer import Learnt
from attunet_gui.recipes.finetuning.order import FinetuneOrder
from attunet_gui.session import Session

_FOLLOW_MS = 500
"""How often, in ms, the training log is read while a run goes on."""
_OURS: tuple[ChoreKind, ...] = ("learn", "compare")
"""The kinds of background jobs that belong to this dialog."""


class Host(Protocol):
    """What fine-tuning needs of the window."""

    window: QWidget
    session: Session
    worklist: Worklist


@dataclass(frozen=True, eq=False)
class _Lesson:
    """The last run, as far as it has come."""

    asked: Lesson | None = None
    order: FinetuneOrder | None = None
    curve: Curve = field(default_factory=Curve)
    learnt: Learnt | None = None
    differences: tuple[CaseChange, ...] | None = None
    left_out: int = 0
    problem: str = ""


class Learning(QObject):
    """Fine-tunes the model on accepted cases, and lets the annotator decide on the new model.

    Signals:
        changed: something that the dialog shows.
    """

    changed = Signal()

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host
        self._background = SerialExecutor("attunet-learning", QtDelivery(), self._failed)
        self.child: Child = in_own_child
        self.able = KERAS.installed
        self.wish = LearningWish()
        self.default = Default()
        self._found: int | None = None
        self._fault = ""
        self._lesson = _Lesson()
        self._project: Project | None = None
        self.dialog: LearningDialog | None = None
        self._following = QTimer(self)
        self._following.setInterval(_FOLLOW_MS)
        self._following.timeout.connect(self._follow)
        chores = host.worklist.chores
        chores.changed.connect(self._chores_changed)
        chores.ended.connect(self._chore_ended)
        host.worklist.changed.connect(self._look_at_project)
        host.session.changed.connect(self._session_changed)

    def _failed(self, error: Exception) -> None:
        self._host.session.say(failure_sentence(error, "working on the project"), problem=True)

    # What there is

    @property
    def facts(self) -> LearningFacts:
        """What is known, as plain values, for the dialog's view."""
        worklist, lesson = self._host.worklist, self._lesson
        bundle, project = self._host.session.bundle, worklist.project
        counts = worklist.facts.counts
        place = tasks.place_of(None if project is None else project.folder)
        return LearningFacts(
            able=self.able,
            model="" if bundle is None else bundle.card.title,
            project="" if project is None else project.folder.name,
            place=f"{place.parent.name}/{place.name}",
            accepted=sum(counts.get(status, 0) for status in tasks.ACCEPTED),
            wish=self.wish,
            found=self._found,
            fault=self._fault,
            chore=self._chore,
            curve=lesson.curve,
            learnt=lesson.learnt,
            differences=lesson.differences,
            left_out=lesson.left_out,
            default=self.default,
            problem=lesson.problem,
        )

    @property
    def _chore(self) -> ChoreStatus | None:
        running = self._host.worklist.chores.running
        return next((status for status in running if status.kind in _OURS), None)

    # What is asked

    def ask(self) -> None:
        """Show the dialog. It stays open beside the work, and a run goes on without it."""
        self.look_again()
        if self.dialog is None:
            self.dialog = self._joined()
        self._show()
        self.dialog.show()
        self.dialog.raise_()
        self.dialog.activateWindow()

    def _joined(self) -> LearningDialog:
        """Return a new dialog that is connected to this controller."""
        dialog = LearningDialog(self._host.window)
        dialog.wish_changed.connect(self.set_wish)
        dialog.learn_asked.connect(self.learn)
        dialog.stop_asked.connect(self.stop)
        dialog.compare_asked.connect(self.compare)
        dialog.adopt_asked.connect(self.adopt)
        dialog.back_asked.connect(self.go_back)
        dialog.case_asked.connect(self.open_case)
        self.changed.connect(self._show)
        dialog.destroyed.connect(self._dialog_gone)
        dialog.show_wish(self.wish)
        return dialog

    def _dialog_gone(self) -> None:
        self.dialog = None

    def _show(self) -> None:
        if self.dialog is not None:
            facts = self.facts
            self.dialog.show_view(decide_learning(facts))
            self.dialog.show_curve(facts.curve, 0 if facts.chore is None else _steps_of(facts.chore))

    def set_wish(self, wish: LearningWish) -> None:
        """Set the choices for the next run, and check that the chosen folders hold data sets."""
        self.wish, self._fault, self._found = wish, "", None
        try:
            for folder in filter(None, (wish.dataset, wish.validation, *wish.replay.folders)):
                count = tasks.cases_in(folder)
                self._found = count if folder == wish.dataset else self._found
        except AttunetError as error:
            self._fault = str(error)
        self.changed.emit()

    def learn(self) -> None:
        """Begin a run; after one that is finished, first clear its results."""
        if self._lesson.learnt is None:
            self.begin()
        else:
            self._lesson = _Lesson()
            self.changed.emit()

    def begin(self) -> None:
        """Begin a run, or go on where one with the same choices and cases was stopped."""
        bundle, project = self._host.session.bundle, self._host.worklist.project
        if bundle is None or self._chore is not None:
            return
        asked = Lesson(bundle, self.wish, project)
        self._project, self._lesson = project, _Lesson(asked)
        self._host.worklist.chores.begin("learn", partial(self._learn, asked, self.child))

    def _learn(self, asked: Lesson, child: Child, progress: Progress) -> str:
        """Export, train and judge, in the thread of a background job."""
        order = tasks.ordered(asked, progress)
        self._background.post(partial(self._began, asked, order))
        learnt: Learnt = child(tasks.LEARN, order, progress)
        self._background.post(partial(self._has_learnt, asked, learnt))
        return learnt.verdict.sentence

    def _began(self, asked: Lesson, order: FinetuneOrder) -> None:
        if self._lesson.asked is asked:
            self._lesson = replace(self._lesson, order=order)
            self._following.start()
            self._follow()

    def _follow(self) -> None:
        """Read the training log, which has one line a step, and show the curve."""
        if self._lesson.order is not None:
            curve = curve_of(read_log(self._lesson.order.output / LOG_FILE))
            self._lesson = replace(self._lesson, curve=curve)
            self.changed.emit()

    def _has_learnt(self, asked: Lesson, learnt: Learnt) -> None:
        if self._lesson.asked is asked:
            self._lesson = replace(self._lesson, learnt=learnt)
            self._follow()

    def stop(self) -> None:
        """Stop training or comparing; the checkpoint stays, so that the run can go on later."""
        for kind in _OURS:
            self._host.worklist.chores.cancel(kind)

    def compare(self) -> None:
        """Let the old and the new model draft accepted cases, in a child process."""
        lesson, project = self._lesson, self._host.worklist.project
        learnt, asked = lesson.learnt, lesson.asked
        # Another project may have been opened since the run; its cases say nothing about this model.
        if learnt is None or asked is None or project is None or project is not self._project:
            return
        # Trained on a foreign data set, no case of the project has a known role.
        division = learnt.division if asked.wish.dataset is None else None

        def work(progress: Progress) -> str:
            order = tasks.comparison(project, asked.parent.folder, learnt, division)
            found = self.child(tasks.COMPARE, order, progress) if order.cases else ()
            self._background.post(partial(self._has_compared, asked, found, order.left_out))
            return compared_words(found, order.left_out)

        # The problem of an earlier run does not belong to this comparison.
        self._lesson = replace(lesson, problem="")
        self._host.worklist.chores.begin("compare", work)

    def _has_compared(self, asked: Lesson, found: tuple[CaseChange, ...], left_out: int) -> None:
        if self._lesson.asked is asked:
            self._lesson = replace(self._lesson, differences=tuple(found), left_out=left_out)
            self.changed.emit()

    def _chores_changed(self) -> None:
        if self._chore is None or self._chore.kind != "learn":
            self._following.stop()
        self.changed.emit()

    def _chore_ended(self, kind: str, sentence: str, problem: bool) -> None:
        if problem and kind in _OURS:
            self._lesson = replace(self._lesson, problem=sentence)
        learnt = self._lesson.learnt
        if kind == "learn" and not problem and learnt is not None and learnt.verdict.passed:
            self.look_again()
            if self._lesson.differences is None and self.facts.accepted:
                self.compare()

    def _look_at_project(self) -> None:
        if self._host.worklist.project is not self._project and self._lesson.asked is not None:
            self._lesson, self._project = _Lesson(), self._host.worklist.project
        self.changed.emit()

    def _session_changed(self) -> None:
        self.changed.emit()

    # What becomes of it

    def adopt(self) -> None:
        """Make the new model the default, for the next draft on."""
        learnt = self._lesson.learnt
        if learnt is not None and decide_learning(self.facts).adopt_enabled:
            self._background.submit(partial(tasks.taken_over, learnt), self._adopted)

    def _adopted(self, bundle: Bundle) -> None:
        self._host.session.add_model(bundle)
        self._host.session.say(f"{bundle.card.title} drafts from now on.")
        self.look_again()

    def go_back(self) -> None:
        """Make the model before the default again."""
        self._background.submit(tasks.gone_back, self._gone_back)

    def _gone_back(self, bundle: Bundle) -> None:
        self._host.session.add_model(bundle)
        self._host.session.say(f"Back to {bundle.card.title}; the other one stays in the list of models.")
        self.look_again()

    def look_again(self) -> None:
        """Find out which model is the default and which one was before."""
        self._background.submit(tasks.default, self._know)

    def _know(self, default: Default) -> None:
        self.default = default
        self.changed.emit()

    def open_case(self, name: str) -> None:
        """Open the case `name` of the project, after asking about unsaved corrections."""
        worklist = self._host.worklist
        project = worklist.project
        if project is not None:
            self._background.submit(lambda: project.case(name), worklist.open_case)

    def end(self) -> None:
        """Stop following the run; the worklist ends the background jobs."""
        self._following.stop()
        self._background.close(finish=True)


def _steps_of(chore: ChoreStatus) -> int:
    return chore.total if chore.stage.startswith("training") else 0
