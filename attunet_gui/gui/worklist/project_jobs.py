"""Importing, drafting and exporting the open project as background jobs of the window."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from qtpy.QtCore import QObject

from attunet_gui.app.case_adding import AddCasesRequest, add_cases
from attunet_gui.app.case_session import CaseSession
from attunet_gui.app.dataset_exporting import ExportRequest, export_cases
from attunet_gui.app.worklist_drafting import (
    DrafterFactory,
    WorklistDraftRequest,
    draft_worklist,
    make_child_drafter,
)
from attunet_gui.gui.worklist.background_jobs import BackgroundJobs
from attunet_gui.gui.worklist.project_list import ProjectList
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.progress import ProgressCallback


class ProjectJobs(QObject):
    """Begins the background jobs of the open project, and refreshes the list while they run.

    Args:
        session: names the model and shows messages.
        projects: holds the project and its list.
        parent: owner of this object.

    Attributes:
        background_jobs: runs the jobs.
        make_drafter: makes the drafter of the list for a model.
    """

    def __init__(self, session: CaseSession, projects: ProjectList, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._projects = session, projects
        self.background_jobs = BackgroundJobs()
        self.make_drafter: DrafterFactory = make_child_drafter
        self.background_jobs.changed.connect(self._jobs_changed)
        self.background_jobs.ended.connect(self._job_ended)
        projects.project_released.connect(self._cancel_jobs)

    def import_folder(self, folder: Path, copy: bool) -> None:
        """Add every CT below `folder` to the list, in a background job."""
        if self._projects.project is not None:
            request = AddCasesRequest(self._projects.project, folder, self._projects.actor, copy)
            self.background_jobs.begin_job("import", partial(_add_cases, request))

    def draft_list(self) -> None:
        """Draft every case that has no draft and that nobody has begun, in a background job."""
        bundle = self._session.models.chosen
        if self._projects.project is not None and bundle is not None:
            request = WorklistDraftRequest(self._projects.project, bundle, make_drafter=self.make_drafter)
            self.background_jobs.begin_job("draft", partial(_draft_worklist, request))

    def export_list(self, request: ExportRequest) -> None:
        """Write the data set that `request` describes, in a background job."""
        self.background_jobs.begin_job("export", partial(_export_cases, request))

    def _cancel_jobs(self) -> None:
        for status in self.background_jobs.running_jobs:
            self.background_jobs.cancel_job(status.kind)

    def _jobs_changed(self) -> None:
        if self.background_jobs.running_jobs:
            self._projects.schedule_refresh()
        self._projects.changed.emit()

    def _job_ended(self, _kind: str, sentence: str, problem: bool) -> None:
        self._session.show_message(sentence, problem)
        self._projects.refresh_list()


def _add_cases(request: AddCasesRequest, progress: ProgressCallback) -> str:
    """Return what was added; `AttunetError` with the same text if files could not be added."""
    result = add_cases(request, progress)
    if result.failed:
        raise AttunetError(result.message)
    return result.message


def _draft_worklist(request: WorklistDraftRequest, progress: ProgressCallback) -> str:
    """Return what was drafted; `AttunetError` with the same text if cases could not be drafted."""
    result = draft_worklist(request, progress)
    if result.not_drafted:
        raise AttunetError(result.message)
    return result.message


def _export_cases(request: ExportRequest, progress: ProgressCallback) -> str:
    """Return what was exported; `AttunetError` with the same text if cases were refused."""
    result = export_cases(request, progress)
    if result.refused:
        raise AttunetError(result.message)
    return result.message
