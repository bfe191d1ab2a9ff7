"""The session: the open case, what the network made of it, and the work in progress.

A session belongs to the thread that made it. Reading, writing and counting run in background threads
(`executor`), and the network runs in a child process. Their results are delivered through psygnal's queue in
the thread of the session, which has to drain it (`psygnal.qt.start_emitting_from_queue` in the window,
`psygnal.emit_queued` in a script). Cancelled work delivers nothing; a result of the network carries the
number of its request, and a stale one is dropped.

The voxels of the mask belong to the viewer; they are handed over to be counted and saved.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from attunet_gui.app.case_opening import (
    CtFiles,
    CtSource,
    OpenCase,
    OpenRequest,
    mask_path_beside,
    not_opened_message,
    open_case,
    opening_message,
)
from attunet_gui.app.case_saving import MaskNotRecorded, ProjectRecord, SaveRequest, SaveResult, save_case
from attunet_gui.core.draft_correction import MaskTally, tally_mask
from attunet_gui.core.mask_edit import MaskEdit
from attunet_gui.core.propagation import PropagationResult
from attunet_gui.core.provenance import ModelId
from attunet_gui.core.volume import Volume
from attunet_gui.network.model_bundle import ModelBundle
from attunet_gui.prediction.map_overlays import MapOverlay, make_overlays
from attunet_gui.prediction.network_prediction import NetworkPrediction
from attunet_gui.system.background_executor import Handlers, PsygnalDelivery, SerialExecutor, Task
from attunet_gui.system.errors import SeriesChoiceNeeded, failure_sentence
from attunet_gui.system.paths import user_name
from attunet_gui.workers.inference_messages import JobStatus, NetworkRequest, PredictRequest, PropagateRequest

MaskArray = NDArray[np.uint8]

_PROGRESS_INTERVAL_S = 0.1


class InferenceClient(Protocol):
    """What a session needs of the process that runs the network; `InferenceProcess` is the implementation.

    The attributes are signals of the process.
    """

    status_changed: Any
    draft_begun: Any
    slices_drafted: Any
    draft_finished: Any
    propagation_finished: Any
    job_failed: Any

    def load_bundle(self, bundle: Path) -> None:
        """Load the model bundle in the folder `bundle` in advance."""

    def load_volume(self, volume: Volume) -> None:
        """Hand `volume` to the process in advance, so that a later request starts at once."""

    def prepare_adaptation(self, bundle: Path) -> None:
        """Make the process ready to adapt the model in the folder `bundle`."""

    def prioritise_slice(self, index: int) -> None:
        """Continue with slice `index`, if a draft is being made."""

    def submit(self, request: NetworkRequest) -> int:
        """Start `request` and return the number that its results will carry."""

    def cancel_request(self) -> None:
        """Stop the running request and drop its results."""


@dataclass(frozen=True)
class FileTask:
    """The progress of reading or saving a file: `done` of `total` steps of `stage`."""

    kind: Literal["reading", "saving"]
    name: str
    done: int = 0
    total: int = 0
    stage: str = ""


@dataclass(frozen=True)
class StatusMessage:
    """The sentence about the last action that the window shows; `problem` says that it needs attention."""

    text: str
    problem: bool = False


@dataclass(frozen=True, eq=False)
class CaseDraft:
    """The draft of the open case: the prediction, and its mask (z, y, x) uint8 0/1."""

    prediction: NetworkPrediction
    mask: MaskArray


CountedSource = Literal["screen", "draft", "file"]
"""The origin of a mask that is counted: the screen, a fresh draft, or a file."""


@dataclass(frozen=True, eq=False)
class _CountRequest:
    number: int
    touches: int
    case: OpenCase | None
    what: CountedSource


class CaseSession:
    """Signals are past facts; all arrive in the thread that made the session.

    `tally` is what was counted last; while `recounting`, the mask has been replaced since.

    `changed` follows every other one, for whoever only wants to look again.
    """

    changed = Signal()
    case_opened = Signal(OpenCase)
    series_needed = Signal(Path, tuple)
    draft_begun = Signal(NetworkPrediction)
    slices_arrived = Signal(np.ndarray, MaskEdit)
    draft_arrived = Signal(CaseDraft)
    draft_dropped = Signal()
    evidence_arrived = Signal(CaseDraft)
    propagation_arrived = Signal(PropagationResult)
    overlays_arrived = Signal(tuple)
    mask_saved = Signal(SaveResult)
    save_failed = Signal(str)

    def __init__(self, network: InferenceClient, bundles: tuple[ModelBundle, ...]) -> None:
        self._network = network
        delivery = PsygnalDelivery()
        self._files = SerialExecutor("attunet-files", delivery)
        self._counter = SerialExecutor("attunet-count", delivery)
        self._reading: Task[OpenCase] | None = None
        self._screen_count: Task[MaskTally] | None = None
        self._job = 0
        self._told = float("-inf")
        self._count = 0
        self._clean = 0
        self._touches = self._touches_at_opening = 0
        self._edited_at_opening = False
        self.bundles = bundles
        self.bundle: ModelBundle | None = bundles[0] if bundles else None
        self.annotator = user_name()
        self.message = StatusMessage("")
        self.job = JobStatus()
        self.file_job: FileTask | None = None
        self._forget_case()
        self._closed = False
        network.status_changed.connect(self._request_status_changed, thread="current")
        network.draft_begun.connect(self._prediction_begun, thread="current")
        network.slices_drafted.connect(self._slices_predicted, thread="current")
        network.draft_finished.connect(self._prediction_finished, thread="current")
        network.propagation_finished.connect(self._propagation_finished, thread="current")
        network.job_failed.connect(self._request_failed, thread="current")

    def _forget_case(self) -> None:
        self.case: OpenCase | None = None
        self.draft: CaseDraft | None = None
        self.overlays: tuple[MapOverlay, ...] = ()
        self.tally: MaskTally | None = None
        self.recounting = False
        self.edited = False
        self.saved_to: Path | None = None
        self._saved_crc: int | None = None
        self._model: ModelId | None = None
        self._placed: CaseDraft | None = None
        self._arriving = self._for_evidence = False

    @property
    def is_mapping_evidence(self) -> bool:
        """Whether the network computes maps only, for a case that was opened with a mask."""
        return self._for_evidence and self._job != 0

    @property
    def is_saved_to_disk(self) -> bool:
        """Whether the mask on screen is known to equal the one in the file `saved_to`."""
        known = self._saved_crc is not None and not self.edited and not self.recounting
        return known and (self.tally is None or self.tally.crc == self._saved_crc)

    @property
    def draft_model(self) -> ModelId | None:
        """The model of the draft that the mask came from; None if it was drawn without a draft."""
        return self._model

    def show_message(self, text: str, problem: bool = False) -> None:
        """Show `text` as the last message."""
        self.message = StatusMessage(text, problem)
        self.changed.emit()

    # Opening

    def open_path(self, path: Path, series: str | None = None) -> None:
        """Open the CT at `path`; `case_opened`, `series_needed` or a message follows."""
        self.open_case(CtFiles((path,), series))

    def open_case(self, ct: CtSource) -> None:
        """Open `ct` in the background; `case_opened`, `series_needed` or a message follows."""
        # Choosing a series goes on with an opening to which the annotator agreed before.
        if not isinstance(ct, CtFiles) or ct.series is None:
            self._remember_edits()
        self._start_reading(OpenRequest(ct))

    def stop_reading(self) -> None:
        """Stop reading a file; the open case stays as it is."""
        if self.file_job is not None and self.file_job.kind == "reading":
            self._cancel_reading()
            self.file_job = None
            self.show_message("Opening was stopped.")

    def _cancel_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _start_reading(self, request: OpenRequest) -> None:
        self._cancel_reading()
        self.file_job = FileTask("reading", request.ct.name)
        self._reading = self._files.submit_long(
            partial(open_case, request),
            Handlers(
                done=self._case_read,
                failed=partial(self._not_opened, request),
                progressed=partial(self._update_file_progress, "reading"),
            ),
        )
        self.changed.emit()

    def _remember_edits(self) -> None:
        """Remember the edits at this moment. The annotator agreed to discard these, but no later ones."""
        self._touches_at_opening, self._edited_at_opening = self._touches, self.edited

    def _update_file_progress(self, kind: str, done: int, total: int, stage: str) -> None:
        if self.file_job is not None and self.file_job.kind == kind:
            self.file_job = replace(self.file_job, done=done, total=total, stage=stage)
            self._emit_changed_throttled()

    def _case_read(self, case: OpenCase) -> None:
        if self.edited and not (self._edited_at_opening and self._touches == self._touches_at_opening):
            name = case.volume.name
            self._reading_failed(f"{name} was not opened: you went on correcting. Save, then open it.")
            return
        self.cancel_request()
        self._forget_case()
        self.case, self.file_job, self._reading = case, None, None
        self._network.load_volume(case.volume)
        self._clean = 0
        self.message = StatusMessage(opening_message(case), problem=bool(case.unusable))
        if case.found is not None:
            self._model = case.found.model
            self.saved_to = case.found.path if case.found.saved else None
            self._submit_count(case.found.mask, "file" if case.found.saved else "draft")
        self.case_opened.emit(case)
        self.changed.emit()

    def _not_opened(self, request: OpenRequest, error: Exception) -> None:
        if isinstance(error, SeriesChoiceNeeded) and isinstance(request.ct, CtFiles):
            self.file_job = self._reading = None
            self.series_needed.emit(request.ct.location, error.choices)
            self.changed.emit()
        else:
            self._reading_failed(not_opened_message(request, error))

    def _reading_failed(self, sentence: str) -> None:
        self.file_job = self._reading = None
        self.show_message(sentence, problem=True)

    # Drafting

    def choose_model(self, name: str) -> None:
        """Use the model called `name` for the next draft, and load it in advance."""
        self.bundle = next((b for b in self.bundles if b.card.name == name), self.bundle)
        self.load_chosen_model()
        self.changed.emit()

    def add_model(self, bundle: ModelBundle) -> None:
        """Add a model bundle to those that are offered, and choose it."""
        self.bundles = (*(b for b in self.bundles if b.card.name != bundle.card.name), bundle)
        self.choose_model(bundle.card.name)

    def load_chosen_model(self) -> None:
        """Load the chosen model in advance."""
        if self.bundle is not None:
            self._network.load_bundle(self.bundle.folder)

    def request_draft(self, first: int | None = None) -> None:
        """Run the network on the open case, beginning with slice `first` and its neighbours.

        The signal `draft_begun` follows, then `slices_arrived` several times and `draft_arrived`; or
        `draft_dropped`.
        """
        if self.case is None or self.bundle is None:
            return
        self._submit_request(PredictRequest(volume=self.case.volume, bundle=self.bundle.folder, first=first))

    def request_evidence(self, first: int | None = None) -> None:
        """Compute the network's maps for a case that was opened with a mask; `evidence_arrived` follows.

        The mask stays as it is. If it was a draft that was made in advance, it counts as the draft from then
        on.
        """
        if self.case is None or self.case.found is None or self.bundle is None:
            return
        said = self.message
        self._submit_request(PredictRequest(volume=self.case.volume, bundle=self.bundle.folder, first=first))
        self._for_evidence, self.message = True, said
        self.changed.emit()

    def _submit_request(self, request: NetworkRequest) -> None:
        self.message, self._for_evidence = StatusMessage(""), False
        self._job = self._network.submit(request)
        # What the network said while it took the request was said before its number was known.
        if self.job.job != self._job:
            self.job = JobStatus("loading", self._job)
        self.changed.emit()

    def prioritise_slice(self, index: int) -> None:
        """Let a draft in progress continue at slice `index`, to which the annotator has moved."""
        if self._job:
            self._network.prioritise_slice(index)

    def request_propagation(
        self, mask: MaskArray, slices: tuple[int, ...], before: MaskArray | None = None
    ) -> None:
        """Adapt the network to corrected slices and apply it to the others.

        The signal `propagation_arrived` or a message follows.

        Args:
            mask: (z, y, x), the mask on screen, which is right in `slices`.
            slices: indices of the slices that the annotator corrected.
            before: (z, y, x), the mask before the corrections; None for the draft that was placed last.
        """
        if self.case is None or self.bundle is None:
            return
        if before is None and self._placed is not None:
            before = self._placed.mask
        self._submit_request(
            PropagateRequest(
                volume=self.case.volume,
                bundle=self.bundle.folder,
                mask=_binary_copy(mask),
                before=None if before is None else _binary_copy(before),
                slices=tuple(sorted(set(slices))),
            )
        )

    def cancel_request(self) -> None:
        """Stop the network; the mask stays as it is."""
        if self._job:
            self._network.cancel_request()
            self._drop_request()
            self.show_message("The run was cancelled; your mask is as it was.")

    def _drop_request(self) -> None:
        self._job = 0
        self.job = JobStatus()
        if self._arriving:
            self._arriving = False
            self.overlays = () if self.draft is None else make_overlays(self.draft.prediction)
            self.draft_dropped.emit()
            self.overlays_arrived.emit(self.overlays)

    def _request_status_changed(self, status: JobStatus) -> None:
        if not self._closed and (status.job == self._job or status.state == "idle"):
            goes_on = (status.job, status.state) == (self.job.job, self.job.state)
            self.job = status
            if goes_on:
                self._emit_changed_throttled()
            else:
                self.changed.emit()

    def _emit_changed_throttled(self) -> None:
        """Emit `changed` for progress at most every `_PROGRESS_INTERVAL_S` seconds.

        Redrawing takes as long as the network takes for a slice, and slices arrive by the hundred.
        """
        if monotonic() - self._told > _PROGRESS_INTERVAL_S:
            self._told = monotonic()
            self.changed.emit()

    def _request_failed(self, job: int, sentence: str) -> None:
        if not self._closed and job in (self._job, 0):
            self._drop_request()
            self.show_message(sentence, problem=True)

    def _prediction_begun(self, job: int, prediction: NetworkPrediction) -> None:
        if job == self._job and self.case is not None:
            self._arriving = True
            self.overlays = make_overlays(prediction, measured=False)
            if not self._for_evidence:
                self.draft_begun.emit(prediction)
            self.overlays_arrived.emit(self.overlays)

    def _slices_predicted(self, job: int, slices: NDArray[np.intp], drafted: MaskEdit) -> None:
        if job == self._job and self._arriving and not self._for_evidence:
            self.slices_arrived.emit(slices, drafted)

    def _prediction_finished(self, job: int, prediction: NetworkPrediction, mask: MaskArray) -> None:
        if job != self._job or self.case is None:
            return
        self._job, self._arriving = 0, False
        self.job = JobStatus()
        if self._for_evidence:
            self._take_evidence(self.case, CaseDraft(prediction, mask))
            return
        # What was counted was there before this draft, which takes its place or lies beside it.
        self.draft, self.recounting = CaseDraft(prediction, mask), True
        ml = int(np.count_nonzero(mask)) * self.case.volume.grid.voxel_volume_ml
        # What is wrong with the mask beside the CT must not go by with a draft that began by itself.
        unusable = self.case.unusable
        self.message = StatusMessage(
            f"The draft is ready: {ml:.1f} ml. {unusable}".strip(), problem=bool(unusable)
        )
        self.draft_arrived.emit(self.draft)
        self._make_overlays(self.draft)
        self.changed.emit()

    def _take_evidence(self, case: OpenCase, made: CaseDraft) -> None:
        self._for_evidence, self.draft = False, made
        if case.found is not None and not case.found.saved:
            self.draft = self._placed = replace(made, mask=case.found.mask)
        self.evidence_arrived.emit(self.draft)
        self._make_overlays(self.draft)
        self.changed.emit()

    def _propagation_finished(self, job: int, proposal: PropagationResult) -> None:
        if job != self._job or self.case is None:
            return
        self._job = 0
        self.job = JobStatus()
        self.message = StatusMessage(proposal.reason)
        if proposal.kept:
            self.propagation_arrived.emit(proposal)
        self.changed.emit()

    def _make_overlays(self, draft: CaseDraft) -> None:
        self._files.submit(partial(make_overlays, draft.prediction), partial(self._overlays_made, draft))

    def _overlays_made(self, draft: CaseDraft, made: tuple[MapOverlay, ...]) -> None:
        if draft is self.draft:
            self.overlays = made
            self.overlays_arrived.emit(made)
            self.changed.emit()

    # The mask

    def mask_touched(self) -> None:
        """Note that the mask was changed; `count_mask` finds out whether it is still the saved one."""
        self._touches += 1
        if self.bundle is not None and self.draft is not None:
            self._network.prepare_adaptation(self.bundle.folder)
        if not self.edited:
            self.edited = True
            self.changed.emit()

    def draft_placed(self, draft: CaseDraft) -> None:
        """Note that `draft` replaced the mask: the record will name its model, and nothing is unsaved."""
        self._placed, self._model, self.recounting = draft, draft.prediction.model, True
        self._submit_count(draft.mask, "draft")

    def count_mask(self, mask: MaskArray) -> None:
        """Count `mask` in the background: its volume, and whether it holds unsaved edits."""
        self._submit_count(mask, "screen")

    def _submit_count(self, mask: MaskArray, what: CountedSource) -> None:
        # An older count of the screen is of no use; that of a draft or file tells edits apart.
        if self._screen_count is not None:
            self._screen_count.cancel()
        self._count += 1
        ask = _CountRequest(self._count, self._touches, self.case, what)
        counting = self._counter.submit(partial(tally_mask, mask), partial(self._mask_counted, ask))
        self._screen_count = counting if what == "screen" else None

    def _mask_counted(self, ask: _CountRequest, counted: MaskTally) -> None:
        if ask.case is not self.case:
            return
        if ask.what != "screen":
            self._clean = counted.crc
        if ask.what == "file":
            self._saved_crc = counted.crc
        if ask.number == self._count:
            self.tally, self.recounting = counted, False
            if ask.touches == self._touches:
                self.edited = counted.crc != self._clean
            self.changed.emit()

    # Saving

    def default_mask_path(self) -> Path | None:
        """Return where the mask of the open case is saved by default; None if the annotator must be asked."""
        return None if self.case is None else _writable_or_none(mask_path_beside(self.case.volume))

    def save_mask(self, mask: MaskArray, path: Path | None, record: ProjectRecord | None = None) -> None:
        """Save `mask` as `app.case_saving.save_case` does; `mask_saved` or `save_failed` follows.

        Args:
            mask: (z, y, x), the mask on screen.
            path: the file to write; None for a new file in the project of `record`.
            record: what the project of the case records; None for a case that belongs to no project.
        """
        if self.case is None:
            return
        request = SaveRequest(
            volume=self.case.volume,
            mask=mask.copy(),
            path=path,
            annotator=self.annotator,
            model=self._model,
            draft=None if self._placed is None else self._placed.mask,
            record=record,
        )
        self.file_job = FileTask("saving", self.case.volume.name if path is None else path.name)
        self._files.submit_long(
            partial(save_case, request),
            Handlers(
                done=partial(self._save_finished, self.case, self._touches),
                failed=self._not_saved,
                progressed=partial(self._update_file_progress, "saving"),
            ),
        )
        self.changed.emit()

    def _save_finished(self, case: OpenCase, touches: int, saved: SaveResult) -> None:
        self.file_job = None
        self.message = StatusMessage(saved.message, saved.problem)
        if case is self.case:
            self.saved_to = saved.path
            self._clean = self._saved_crc = saved.crc
            self.edited = touches != self._touches
            self.mask_saved.emit(saved)
        self.changed.emit()

    def _not_saved(self, error: Exception) -> None:
        sentence = failure_sentence(error, "saving the mask")
        self.file_job = None
        if isinstance(error, MaskNotRecorded):
            # The file is there, but the project does not know it: what was drawn counts as saved nowhere.
            self.mask_touched()
        self.show_message(sentence, problem=True)
        self.save_failed.emit(sentence)

    def close_session(self) -> None:
        """Disconnect the network and end the background threads; a save in progress is finished first."""
        self.cancel_request()
        self._closed = True
        self._cancel_reading()
        self._network.status_changed.disconnect(self._request_status_changed)
        self._network.draft_begun.disconnect(self._prediction_begun)
        self._network.slices_drafted.disconnect(self._slices_predicted)
        self._network.draft_finished.disconnect(self._prediction_finished)
        self._network.propagation_finished.disconnect(self._propagation_finished)
        self._network.job_failed.disconnect(self._request_failed)
        self._counter.close(wait=False)
        self._files.close(finish=True)


def _binary_copy(mask: MaskArray) -> MaskArray:
    """Return a copy of the mask as uint8 0/1."""
    copied: MaskArray = (mask != 0).astype(np.uint8)
    return copied


def _writable_or_none(path: Path | None) -> Path | None:
    return path if path is not None and os.access(path.parent, os.W_OK) else None
