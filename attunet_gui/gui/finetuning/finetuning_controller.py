"""Fine-tuning in the window: begin, follow and stop a run, and adopt the model that came out.

Belongs to the window's thread. Files are read in a background thread; training runs in a child process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QWidget

from attunet_gui.app import model_finetuning
from attunet_gui.app.case_session import CaseSession
from attunet_gui.app.model_finetuning import ChildProcessCall, FinetuneRequest, FinetuningOptions
from attunet_gui.evaluation.model_guard import CaseScoreChange
from attunet_gui.gui.finetuning.default_model_controller import DefaultModelController
from attunet_gui.gui.finetuning.finetuning_dialog import FinetuningDialog
from attunet_gui.gui.finetuning.finetuning_view_state import (
    FinetuningFacts,
    comparison_text,
    decide_finetuning_view,
)
from attunet_gui.gui.finetuning.learning_curve import LearningCurve, curve_from_log
from attunet_gui.gui.qt_executor import QtDelivery
from attunet_gui.gui.qt_helpers import Signal
from attunet_gui.gui.worklist.background_jobs import BackgroundJobStatus, JobKind
from attunet_gui.gui.worklist.worklist_controller import WorklistController
from attunet_gui.network.engines.engine_registry import KERAS
from attunet_gui.network.training_log import LOG_FILE, read_log
from attunet_gui.project.project_store import Project
from attunet_gui.system.background_executor import SerialExecutor
from attunet_gui.system.errors import AttunetError, failure_sentence
from attunet_gui.system.progress import ProgressCallback
from attunet_gui.training.finetuning.finetune_config import FinetuneConfig
from attunet_gui.training.finetuning.finetuned_model import FinetunedModel
from attunet_gui.workers.one_shot_process import run_in_process

_FOLLOW_MS = 500
"""How often, in ms, the training log is read while a run goes on."""
_OURS: tuple[JobKind, ...] = ("learn", "compare")
"""The kinds of background jobs that belong to this dialog."""


@dataclass(frozen=True, eq=False)
class _FinetuningProgress:
    """The last run, as far as it has come."""

    asked: FinetuneRequest | None = None
    order: FinetuneConfig | None = None
    curve: LearningCurve = field(default_factory=LearningCurve)
    learnt: FinetunedModel | None = None
    differences: tuple[CaseScoreChange, ...] | None = None
    left_out: int = 0
    problem: str = ""


class FinetuningController(QObject):
    """Fine-tunes the model on accepted cases, and lets the annotator decide on the new model.

    Signals:
        changed: something that the dialog shows.
    """

    changed = Signal()

    def __init__(
        self, session: CaseSession, worklist: WorklistController, window: Callable[[], QWidget]
    ) -> None:
        super().__init__()
        self._session, self._worklist, self._window = session, worklist, window
        self._background = SerialExecutor("attunet-learning", QtDelivery(), self._report_failure)
        self.run_in_child: ChildProcessCall = run_in_process
        self.can_finetune = KERAS.is_installed
        self.options = FinetuningOptions()
        self.models = DefaultModelController(session, self._background, self)
        self.models.changed.connect(self.changed.emit)
        self._found: int | None = None
        self._fault = ""
        self._progress = _FinetuningProgress()
        self._project: Project | None = None
        self.dialog: FinetuningDialog | None = None
        self._following = QTimer(self)
        self._following.setInterval(_FOLLOW_MS)
        self._following.timeout.connect(self._read_training_log)
        chores = worklist.background_jobs
        chores.changed.connect(self._jobs_changed)
        chores.ended.connect(self._job_ended)
        worklist.changed.connect(self._reset_on_other_project)
        session.changed.connect(self._session_changed)

    def _report_failure(self, error: Exception) -> None:
        self._session.show_message(failure_sentence(error, "working on the project"), problem=True)

    # What there is

    @property
    def current_facts(self) -> FinetuningFacts:
        """What is known, as plain values, for the dialog's view."""
        worklist, progress = self._worklist, self._progress
        bundle, project = self._session.models.chosen, worklist.project
        counts = worklist.current_facts.counts
        place = model_finetuning.finetuning_folder(None if project is None else project.folder)
        return FinetuningFacts(
            able=self.can_finetune,
            model="" if bundle is None else bundle.card.title,
            project="" if project is None else project.folder.name,
            place=f"{place.parent.name}/{place.name}",
            accepted=sum(counts.get(status, 0) for status in model_finetuning.ACCEPTED),
            options=self.options,
            found=self._found,
            fault=self._fault,
            job=self._running_job,
            curve=progress.curve,
            learnt=progress.learnt,
            differences=progress.differences,
            left_out=progress.left_out,
            default=self.models.default,
            problem=progress.problem,
        )

    @property
    def _running_job(self) -> BackgroundJobStatus | None:
        running = self._worklist.background_jobs.running_jobs
        return next((status for status in running if status.kind in _OURS), None)

    # What is asked

    def ask(self) -> None:
        """Show the dialog. It stays open beside the work, and a run goes on without it."""
        self.models.find_default_model()
        if self.dialog is None:
            self.dialog = self._make_dialog()
        self._update_dialog()
        self.dialog.show()
        self.dialog.raise_()
        self.dialog.activateWindow()

    def _make_dialog(self) -> FinetuningDialog:
        """Return a new dialog that is connected to this controller."""
        dialog = FinetuningDialog(self._window())
        dialog.options_changed.connect(self.set_options)
        dialog.learn_asked.connect(self.start_or_reset)
        dialog.stop_asked.connect(self.stop_running_job)
        dialog.compare_asked.connect(self.compare_models)
        dialog.adopt_asked.connect(self.adopt_model)
        dialog.back_asked.connect(self.models.return_to_previous_model)
        dialog.case_asked.connect(self.open_case)
        self.changed.connect(self._update_dialog)
        dialog.destroyed.connect(self._forget_dialog)
        dialog.show_options(self.options)
        return dialog

    def _forget_dialog(self) -> None:
        self.dialog = None

    def _update_dialog(self) -> None:
        if self.dialog is not None:
            facts = self.current_facts
            self.dialog.show_view(decide_finetuning_view(facts))
            self.dialog.show_curve(facts.curve, 0 if facts.job is None else _total_training_steps(facts.job))

    def set_options(self, options: FinetuningOptions) -> None:
        """Set the choices for the next run, and check that the chosen folders hold data sets."""
        self.options, self._fault, self._found = options, "", None
        try:
            for folder in filter(None, (options.dataset, options.validation, *options.replay.folders)):
                count = model_finetuning.count_dataset_cases(folder)
                self._found = count if folder == options.dataset else self._found
        except AttunetError as error:
            self._fault = str(error)
        self.changed.emit()

    def start_or_reset(self) -> None:
        """Begin a run; after one that is finished, first clear its results."""
        if self._progress.learnt is None:
            self.begin_finetuning()
        else:
            self._progress = _FinetuningProgress()
            self.changed.emit()

    def begin_finetuning(self) -> None:
        """Begin a run, or go on where one with the same choices and cases was stopped."""
        bundle, project = self._session.models.chosen, self._worklist.project
        if bundle is None or self._running_job is not None:
            return
        try:
            asked = model_finetuning.request_finetuning(bundle, self.options, project)
        except AttunetError as error:
            self._report_failure(error)
            return
        self._project, self._progress = project, _FinetuningProgress(asked)
        self._worklist.background_jobs.begin_job(
            "learn", partial(self._run_finetuning, asked, self.run_in_child)
        )

    def _run_finetuning(
        self, asked: FinetuneRequest, child: ChildProcessCall, progress: ProgressCallback
    ) -> str:
        """Export, train and judge, in the thread of a background job."""
        learnt = model_finetuning.finetune_model(
            asked,
            partial(child, model_finetuning.LEARN),
            progress,
            lambda order: self._background.post(partial(self._config_ready, asked, order)),
        )
        self._background.post(partial(self._finetuning_done, asked, learnt))
        return learnt.verdict.sentence

    def _config_ready(self, asked: FinetuneRequest, order: FinetuneConfig) -> None:
        if self._progress.asked is asked:
            self._progress = replace(self._progress, order=order)
            self._following.start()
            self._read_training_log()

    def _read_training_log(self) -> None:
        """Read the training log, which has one line a step, and show the curve."""
        if self._progress.order is not None:
            curve = curve_from_log(read_log(self._progress.order.output / LOG_FILE))
            self._progress = replace(self._progress, curve=curve)
            self.changed.emit()

    def _finetuning_done(self, asked: FinetuneRequest, learnt: FinetunedModel) -> None:
        if self._progress.asked is asked:
            self._progress = replace(self._progress, learnt=learnt)
            self._read_training_log()

    def stop_running_job(self) -> None:
        """Stop training or comparing; the checkpoint stays, so that the run can go on later."""
        for kind in _OURS:
            self._worklist.background_jobs.cancel_job(kind)

    def compare_models(self) -> None:
        """Let the old and the new model draft accepted cases, in a child process."""
        progress, project = self._progress, self._worklist.project
        learnt, asked = progress.learnt, progress.asked
        # Another project may have been opened since the run; its cases say nothing about this model.
        if learnt is None or asked is None or project is None or project is not self._project:
            return
        # Trained on a foreign data set, no case of the project has a known role.
        division = learnt.division if asked.project is not None else None

        def work(progress: ProgressCallback) -> str:
            order = model_finetuning.make_model_comparison(project, asked.config.parent, learnt, division)
            found = self.run_in_child(model_finetuning.COMPARE, order, progress) if order.cases else ()
            self._background.post(partial(self._comparison_done, asked, found, order.left_out))
            return comparison_text(found, order.left_out)

        # The problem of an earlier run does not belong to this comparison.
        self._progress = replace(progress, problem="")
        self._worklist.background_jobs.begin_job("compare", work)

    def _comparison_done(
        self, asked: FinetuneRequest, found: tuple[CaseScoreChange, ...], left_out: int
    ) -> None:
        if self._progress.asked is asked:
            self._progress = replace(self._progress, differences=tuple(found), left_out=left_out)
            self.changed.emit()

    def _jobs_changed(self) -> None:
        if self._running_job is None or self._running_job.kind != "learn":
            self._following.stop()
        self.changed.emit()

    def _job_ended(self, kind: str, sentence: str, problem: bool) -> None:
        if problem and kind in _OURS:
            self._progress = replace(self._progress, problem=sentence)
        learnt = self._progress.learnt
        if kind == "learn" and not problem and learnt is not None and learnt.verdict.passed:
            self.models.find_default_model()
            if self._progress.differences is None and self.current_facts.accepted:
                self.compare_models()

    def _reset_on_other_project(self) -> None:
        if self._worklist.project is not self._project and self._progress.asked is not None:
            self._progress, self._project = _FinetuningProgress(), self._worklist.project
        self.changed.emit()

    def _session_changed(self) -> None:
        self.changed.emit()

    # What becomes of it

    def adopt_model(self) -> None:
        """Make the new model the default, for the next draft on."""
        learnt = self._progress.learnt
        if learnt is not None and decide_finetuning_view(self.current_facts).adopt_enabled:
            self.models.adopt_model(learnt)

    def open_case(self, name: str) -> None:
        """Open the case `name` of the project, after asking about unsaved corrections."""
        worklist = self._worklist
        project = worklist.project
        if project is not None:
            self._background.submit(lambda: project.case_named(name), worklist.open_case)

    def end_finetuning(self) -> None:
        """Stop following the run; the worklist ends the background jobs."""
        self._following.stop()
        self._background.close(finish=True)


def _total_training_steps(chore: BackgroundJobStatus) -> int:
    return chore.total if chore.stage.startswith("training") else 0
