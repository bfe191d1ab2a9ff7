"""Reading the case that is to be opened, in the background."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from psygnal import Signal

from attunet_gui.app.case_opening import (
    CtFiles,
    CtSource,
    OpenCase,
    OpenRequest,
    not_opened_message,
    open_case,
)
from attunet_gui.app.status_message import FileTask, StatusMessage
from attunet_gui.system.background_executor import Handlers, SerialExecutor, Task
from attunet_gui.system.errors import SeriesChoiceNeeded


class CaseReader:
    """Has one case at a time read; a new one takes the place of the one before.

    Args:
        files: reads.

    Attributes:
        task: the reading in progress; None if there is none.

    Signals:
        changed, progressed: the reading began or ended, or came further.
        said(message): what the annotator should know of it.
        case_read(case): the case has been read, and nobody has it yet.
        series_needed(path, choices): a folder holds several series, and one of them has to be chosen.
    """

    changed = Signal()
    progressed = Signal()
    said = Signal(StatusMessage)
    case_read = Signal(OpenCase)
    series_needed = Signal(Path, tuple)

    def __init__(self, files: SerialExecutor) -> None:
        self._files = files
        self._reading: Task[OpenCase] | None = None
        self.task: FileTask | None = None

    def begin_reading(self, ct: CtSource) -> None:
        """Read `ct` with the mask that belongs to it, as `app.case_opening.open_case` does."""
        self.cancel_reading()
        request = OpenRequest(ct)
        self.task = FileTask("reading", ct.name)
        self._reading = self._files.submit_long(
            partial(open_case, request),
            Handlers(
                done=self._case_read,
                failed=partial(self._not_opened, request),
                progressed=self._update_progress,
            ),
        )
        self.changed.emit()

    def stop_reading(self) -> None:
        """Stop reading; the open case stays as it is."""
        if self.task is not None:
            self.cancel_reading()
            self.said.emit(StatusMessage("Opening was stopped."))
            self.changed.emit()

    def cancel_reading(self) -> None:
        """Drop what is being read, without a word."""
        if self._reading is not None:
            self._reading.cancel()
        self._reading = self.task = None

    def _update_progress(self, done: int, total: int, stage: str) -> None:
        if self.task is not None:
            self.task = replace(self.task, done=done, total=total, stage=stage)
            self.progressed.emit()

    def _case_read(self, case: OpenCase) -> None:
        self._reading = self.task = None
        self.case_read.emit(case)

    def _not_opened(self, request: OpenRequest, error: Exception) -> None:
        self._reading = self.task = None
        if isinstance(error, SeriesChoiceNeeded) and isinstance(request.ct, CtFiles):
            self.series_needed.emit(request.ct.location, error.choices)
        else:
            self.said.emit(StatusMessage(not_opened_message(request, error), problem=True))
        self.changed.emit()
