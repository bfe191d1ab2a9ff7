"""What the network computes for the open case: its draft, its maps, and corrections that are propagated.

A result carries the number of its request; a stale one is dropped (`app.network_jobs`).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from attunet_gui.app.case_drafting import (
    CaseDraft,
    DraftHandlers,
    DraftRequest,
    draft_case,
    draft_ready_message,
)
from attunet_gui.app.case_opening import OpenCase
from attunet_gui.app.model_choice import ModelChoice
from attunet_gui.app.network_jobs import InferenceClient, JobHandlers, NetworkJobs
from attunet_gui.app.status_message import StatusMessage
from attunet_gui.core.mask_edit import MaskEdit
from attunet_gui.core.propagation import PropagationResult
from attunet_gui.core.provenance import ModelId
from attunet_gui.prediction.map_overlays import MapOverlay, make_overlays
from attunet_gui.prediction.network_prediction import NetworkPrediction
from attunet_gui.system.background_executor import PsygnalDelivery, SerialExecutor
from attunet_gui.workers.inference_messages import JobStatus, PropagateRequest

MaskArray = NDArray[np.uint8]


class CaseInference:
    """Asks the network about the open case, and keeps what it answered.

    Args:
        process: runs the network.
        models: names the model that is asked.
        background: makes maps that are complete.

    Attributes:
        draft: the draft that arrived last; None if there is none.
        placed: the draft that the mask began with; None if it is not known.
        placed_model: the model of the draft that the mask came from; None if it was drawn without a draft.
        overlays: the maps of the network on the grid of the CT.

    Signals:
        changed, progressed: the state of the request, or one of the attributes; or the request came further.
        said(message): what the annotator should know of it.
        draft_begun(prediction), slices_arrived(slices, drafted): a draft is being made.
        draft_arrived(draft), draft_dropped: how that ended.
        evidence_arrived(draft): the maps for a mask that was opened with its case.
        propagation_arrived(result): corrections that were propagated, and help.
        overlays_arrived(overlays): other maps.
    """

    changed = Signal()
    progressed = Signal()
    said = Signal(StatusMessage)
    draft_begun = Signal(NetworkPrediction)
    slices_arrived = Signal(np.ndarray, MaskEdit)
    draft_arrived = Signal(CaseDraft)
    draft_dropped = Signal()
    evidence_arrived = Signal(CaseDraft)
    propagation_arrived = Signal(PropagationResult)
    overlays_arrived = Signal(tuple)

    def __init__(self, process: InferenceClient, models: ModelChoice, background: SerialExecutor) -> None:
        self._process, self._models, self._background = process, models, background
        self._jobs = NetworkJobs(process, PsygnalDelivery())
        # Not `emit` itself, which psygnal calls once more to count its arguments.
        self._jobs.changed.connect(lambda: self.changed.emit())
        self._jobs.progressed.connect(lambda: self.progressed.emit())
        self._jobs.load_failed.connect(self._failed)
        self._forget(None)

    def _forget(self, case: OpenCase | None) -> None:
        self._case = case
        self.draft: CaseDraft | None = None
        self.placed: CaseDraft | None = None
        self.placed_model: ModelId | None = None
        self.overlays: tuple[MapOverlay, ...] = ()
        self._arriving = self._for_evidence = False

    def begin_case(self, case: OpenCase) -> None:
        """Drop what was computed, and hand `case` to the network, so that a request starts at once."""
        self._forget(case)
        self._process.load_volume(case.volume)
        if case.found is not None:
            self.placed_model = case.found.model

    @property
    def job(self) -> JobStatus:
        """The state of the running request."""
        return self._jobs.status

    @property
    def is_mapping_evidence(self) -> bool:
        """Whether the network computes maps only, for a case that was opened with a mask."""
        return self._for_evidence and self._jobs.is_running

    def close(self) -> None:
        """Drop the running request, and listen to the network no more."""
        self.cancel_request()
        self._jobs.close()

    # Requests

    def request_draft(self, first: int | None = None) -> None:
        """Run the network on the open case, beginning with slice `first` and its neighbours.

        The signal `draft_begun` follows, then `slices_arrived` several times and `draft_arrived`; or
        `draft_dropped`.
        """
        request = self._draft_request(first)
        if request is not None:
            self._for_evidence = False
            self.said.emit(StatusMessage(""))
            draft_case(
                request,
                self._jobs,
                DraftHandlers(self._draft_finished, self._failed, self._draft_begun, self._slices_predicted),
            )

    def request_evidence(self, first: int | None = None) -> None:
        """Compute the network's maps for a case that was opened with a mask; `evidence_arrived` follows.

        The mask stays as it is. If it was a draft that was made in advance, it counts as the draft from then
        on.
        """
        request, case = self._draft_request(first), self._case
        if request is not None and case is not None and case.found is not None:
            self._for_evidence = True
            handlers = DraftHandlers(self._evidence_finished, self._failed, self._evidence_begun)
            draft_case(request, self._jobs, handlers)

    def _draft_request(self, first: int | None) -> DraftRequest | None:
        if self._case is None or self._models.chosen is None:
            return None
        return DraftRequest(self._case.volume, self._models.chosen.folder, first)

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
        if self._case is None or self._models.chosen is None:
            return
        if before is None and self.placed is not None:
            before = self.placed.mask
        request = PropagateRequest(
            volume=self._case.volume,
            bundle=self._models.chosen.folder,
            mask=_binary_copy(mask),
            before=None if before is None else _binary_copy(before),
            slices=tuple(sorted(set(slices))),
        )
        self._for_evidence = False
        self.said.emit(StatusMessage(""))
        self._jobs.submit(request, JobHandlers(failed=self._failed, propagated=self._propagation_finished))

    def prioritise_slice(self, index: int) -> None:
        """Let a draft in progress continue at slice `index`, to which the annotator has moved."""
        if self._jobs.is_running:
            self._process.prioritise_slice(index)

    def prepare_adaptation(self) -> None:
        """Make the network ready to learn from a correction of the draft, if there is one."""
        if self._models.chosen is not None and self.draft is not None:
            self._process.prepare_adaptation(self._models.chosen.folder)

    def cancel_request(self) -> None:
        """Stop the network; the mask stays as it is."""
        if self._jobs.is_running:
            self._jobs.cancel()
            self._drop_arriving()
            self.said.emit(StatusMessage("The run was cancelled; your mask is as it was."))
            self.changed.emit()

    def place_draft(self, draft: CaseDraft) -> None:
        """Note that `draft` replaced the mask: the record of the mask will name its model."""
        self.placed, self.placed_model = draft, draft.prediction.model

    # What arrives

    def _drop_arriving(self) -> None:
        if self._arriving:
            self._arriving = False
            self.overlays = () if self.draft is None else make_overlays(self.draft.prediction)
            self.draft_dropped.emit()
            self.overlays_arrived.emit(self.overlays)

    def _failed(self, sentence: str) -> None:
        # While a request runs, it was a model loaded ahead that failed, and the draft goes on.
        if not self._jobs.is_running:
            self._drop_arriving()
        self.said.emit(StatusMessage(sentence, problem=True))
        self.changed.emit()

    def _begin_arriving(self, prediction: NetworkPrediction) -> None:
        self._arriving = True
        self.overlays = make_overlays(prediction, measured=False)

    def _evidence_begun(self, prediction: NetworkPrediction) -> None:
        self._begin_arriving(prediction)
        self.overlays_arrived.emit(self.overlays)

    def _draft_begun(self, prediction: NetworkPrediction) -> None:
        self._begin_arriving(prediction)
        self.draft_begun.emit(prediction)
        self.overlays_arrived.emit(self.overlays)

    def _slices_predicted(self, slices: NDArray[np.intp], drafted: MaskEdit) -> None:
        if self._arriving:
            self.slices_arrived.emit(slices, drafted)

    def _draft_finished(self, draft: CaseDraft) -> None:
        self._arriving, self.draft = False, draft
        # What is wrong with the mask beside the CT must not go by with a draft that began by itself.
        unusable = "" if self._case is None else self._case.unusable
        words = f"{draft_ready_message(draft)} {unusable}".strip()
        self.said.emit(StatusMessage(words, problem=bool(unusable)))
        self.draft_arrived.emit(draft)
        self._make_overlays(draft)
        self.changed.emit()

    def _evidence_finished(self, draft: CaseDraft) -> None:
        self._arriving = self._for_evidence = False
        self.draft = draft
        found = None if self._case is None else self._case.found
        if found is not None and not found.saved:
            self.draft = self.placed = replace(draft, mask=found.mask)
        self.evidence_arrived.emit(self.draft)
        self._make_overlays(self.draft)
        self.changed.emit()

    def _propagation_finished(self, proposal: PropagationResult) -> None:
        self.said.emit(StatusMessage(proposal.reason))
        if proposal.kept:
            self.propagation_arrived.emit(proposal)
        self.changed.emit()

    def _make_overlays(self, draft: CaseDraft) -> None:
        self._background.submit(partial(make_overlays, draft.prediction), partial(self._overlays_made, draft))

    def _overlays_made(self, draft: CaseDraft, made: tuple[MapOverlay, ...]) -> None:
        if draft is self.draft:
            self.overlays = made
            self.overlays_arrived.emit(made)
            self.changed.emit()


def _binary_copy(mask: MaskArray) -> MaskArray:
    """Return a copy of the mask as uint8 0/1."""
    copied: MaskArray = (mask != 0).astype(np.uint8)
    return copied
