"""The session: the open case, and the parts that read it, draft it, follow its mask and save it.

A session belongs to the thread that made it. Reading, writing and counting run in background threads
(`system.background_executor`), and the network runs in a child process. Their results are delivered through
psygnal's queue in the thread of the session, which has to drain it (`psygnal.qt.start_emitting_from_queue`
in the window, `psygnal.emit_queued` in a script). Cancelled work delivers nothing.

Each part owns its state and knows nothing of the session or of parts above it; whoever needs a part takes it
from the session. The session decides what concerns several of them: whether a case that was read takes the
place of the open one, and what a save is made of.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from attunet_gui.app.case_drafting import CaseDraft
from attunet_gui.app.case_inference import CaseInference
from attunet_gui.app.case_opening import CtFiles, CtSource, OpenCase, mask_path_beside, opening_message
from attunet_gui.app.case_reader import CaseReader
from attunet_gui.app.case_saving import MaskNotRecorded, ProjectRecord, SaveRequest, SaveResult, save_case
from attunet_gui.app.mask_status import MaskStatus
from attunet_gui.app.model_choice import ModelChoice
from attunet_gui.app.network_jobs import InferenceClient
from attunet_gui.app.status_message import FileTask, StatusMessage
from attunet_gui.network.model_bundle import ModelBundle
from attunet_gui.system.background_executor import Handlers, PsygnalDelivery, SerialExecutor
from attunet_gui.system.errors import failure_sentence
from attunet_gui.system.paths import user_name
from attunet_gui.system.progress import ProgressThrottle

MaskArray = NDArray[np.uint8]


class CaseSession:
    """The open case. Signals are past facts; all arrive in the thread that made the session.

    Args:
        network: runs the network.
        bundles: the models on offer, the default first.

    Attributes:
        case: the open case; None before the first.
        annotator: name of the person at work.
        message: the last message to the annotator.
        models: the models on offer, and the chosen one.
        reader: reads the case that is to be opened.
        inference: what the network computes for the open case.
        mask: whether the mask on screen is saved, and how large it is.

    Signals:
        changed: follows every other one of the session and its parts, for whoever only wants to look again.
        case_opened(case): another case took the place of the open one.
        mask_saved(saved), save_failed(sentence): how a save ended.
    """

    changed = Signal()
    case_opened = Signal(OpenCase)
    mask_saved = Signal(SaveResult)
    save_failed = Signal(str)

    def __init__(self, network: InferenceClient, bundles: tuple[ModelBundle, ...]) -> None:
        delivery = PsygnalDelivery()
        self._files = SerialExecutor("attunet-files", delivery)
        self._counter = SerialExecutor("attunet-count", delivery)
        self._saving: FileTask | None = None
        self._throttle = ProgressThrottle(self.changed.emit)
        self.case: OpenCase | None = None
        self.annotator = user_name()
        self.message = StatusMessage("")
        self.models = ModelChoice(network, bundles)
        self.reader = CaseReader(self._files)
        self.inference = CaseInference(network, self.models, self._files)
        self.mask = MaskStatus(self._counter)
        self._connect_parts()

    def _connect_parts(self) -> None:
        for part in (self.models, self.reader, self.inference, self.mask):
            # Not `emit` itself, which psygnal calls once more to count its arguments.
            part.changed.connect(lambda: self.changed.emit())
        for talking in (self.reader, self.inference):
            talking.said.connect(self._note_message)
            talking.progressed.connect(self._throttle.progressed)
        self.reader.case_read.connect(self._case_read)
        # Connected before anybody else is: whoever hears of a draft finds the old count outdated.
        self.inference.draft_arrived.connect(self.mask.note_draft)

    @property
    def file_job(self) -> FileTask | None:
        """The file that is being saved or read; None if there is none."""
        return self._saving or self.reader.task

    def show_message(self, text: str, problem: bool = False) -> None:
        """Show `text` as the last message."""
        self._note_message(StatusMessage(text, problem))
        self.changed.emit()

    def _note_message(self, message: StatusMessage) -> None:
        self.message = message

    # Opening

    def open_path(self, path: Path, series: str | None = None) -> None:
        """Open the CT at `path`; see `open_case`."""
        self.open_case(CtFiles((path,), series))

    def open_case(self, ct: CtSource) -> None:
        """Open `ct` in the background; `case_opened`, the reader's `series_needed` or a message follows."""
        # Choosing a series goes on with an opening to which the annotator agreed before.
        if not isinstance(ct, CtFiles) or ct.series is None:
            self.mask.agree_to_discard()
        self.reader.begin_reading(ct)

    def _case_read(self, case: OpenCase) -> None:
        """Let `case` take the place of the open one, unless edits would be lost to which nobody agreed."""
        if not self.mask.may_be_replaced:
            name = case.volume.name
            self.show_message(
                f"{name} was not opened: you went on correcting. Save, then open it.", problem=True
            )
            return
        self.inference.cancel_request()
        self.case = case
        self.inference.begin_case(case)
        self.mask.begin_case(case)
        self._note_message(StatusMessage(opening_message(case), problem=bool(case.unusable)))
        self.case_opened.emit(case)
        self.changed.emit()

    # The mask

    def mask_touched(self) -> None:
        """Note that the mask was changed by the annotator."""
        self.inference.prepare_adaptation()
        self.mask.note_change()

    def draft_placed(self, draft: CaseDraft) -> None:
        """Note that `draft` replaced the mask: the record will name its model, and nothing is unsaved."""
        self.inference.place_draft(draft)
        self.mask.count_draft(draft.mask)

    # Saving

    def default_mask_path(self) -> Path | None:
        """Return where the mask of the open case is saved by default; None if the annotator must be asked."""
        path = None if self.case is None else mask_path_beside(self.case.volume)
        return path if path is not None and os.access(path.parent, os.W_OK) else None

    def save_mask(self, mask: MaskArray, path: Path | None, record: ProjectRecord | None = None) -> None:
        """Save `mask` as `app.case_saving.save_case` does; `mask_saved` or `save_failed` follows.

        Args:
            mask: (z, y, x), the mask on screen.
            path: the file to write; None for a new file in the project of `record`.
            record: what the project of the case records; None for a case that belongs to no project.
        """
        if self.case is None:
            return
        placed = self.inference.placed
        request = SaveRequest(
            volume=self.case.volume,
            mask=mask.copy(),
            path=path,
            annotator=self.annotator,
            model=self.inference.placed_model,
            draft=None if placed is None else placed.mask,
            record=record,
        )
        self._saving = FileTask("saving", self.case.volume.name if path is None else path.name)
        self._files.submit_long(
            partial(save_case, request),
            Handlers(
                done=partial(self._save_finished, self.case, self.mask.touches),
                failed=self._not_saved,
                progressed=self._update_saving,
            ),
        )
        self.changed.emit()

    def _update_saving(self, done: int, total: int, stage: str) -> None:
        if self._saving is not None:
            self._saving = replace(self._saving, done=done, total=total, stage=stage)
            self._throttle.progressed()

    def _save_finished(self, case: OpenCase, touches: int, saved: SaveResult) -> None:
        self._saving = None
        self._note_message(StatusMessage(saved.message, saved.problem))
        if case is self.case:
            self.mask.note_saved(saved.path, saved.crc, touches)
            self.mask_saved.emit(saved)
        self.changed.emit()

    def _not_saved(self, error: Exception) -> None:
        sentence = failure_sentence(error, "saving the mask")
        self._saving = None
        if isinstance(error, MaskNotRecorded):
            # The file is there, but the project does not know it: what was drawn counts as saved nowhere.
            self.mask_touched()
        self.show_message(sentence, problem=True)
        self.save_failed.emit(sentence)

    def close_session(self) -> None:
        """Disconnect the network and end the background threads; a save in progress is finished first."""
        self.inference.close()
        self.reader.cancel_reading()
        self._counter.close(wait=False)
        self._files.close(finish=True)
