"""Requests to the process that runs the network, each with handlers of its own for what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from attunet_gui.core.mask_edit import MaskEdit
from attunet_gui.core.propagation import PropagationResult
from attunet_gui.core.volume import Volume
from attunet_gui.prediction.network_prediction import NetworkPrediction
from attunet_gui.system.background_executor import Deliver
from attunet_gui.workers.inference_messages import JobStatus, NetworkRequest


class InferenceClient(Protocol):
    """What the window needs of the process that runs the network; `InferenceProcess` is the implementation.

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


def ignore_report(*_said: object) -> None:
    """Ignore what nobody asked for; the default of handlers."""


@dataclass(frozen=True)
class JobHandlers:
    """What is called about one request.

    Attributes:
        failed: with the sentence that says why there is no result.
        begun: with the prediction that is filled as slices arrive.
        slices_arrived: with the indices of slices, and what they add to an empty mask.
        drafted: with the prediction and the draft, (z, y, x) uint8 0/1.
        propagated: with the propagated corrections.
    """

    failed: Callable[[str], None] = ignore_report
    begun: Callable[[NetworkPrediction], None] = ignore_report
    slices_arrived: Callable[[NDArray[np.intp], MaskEdit], None] = ignore_report
    drafted: Callable[[NetworkPrediction, NDArray[np.uint8]], None] = ignore_report
    propagated: Callable[[PropagationResult], None] = ignore_report


class NetworkJobs:
    """Has one request at a time computed; whatever arrives for an older one is dropped.

    All methods belong to one thread, and handlers and signals are called there.

    Args:
        process: runs the network.
        deliver: calls in that thread what the process reports.

    Attributes:
        status: state of the running request.

    Signals:
        changed: the state is another one.
        progressed: the same state has come further.
        load_failed(sentence): a model could not be loaded ahead of any request.
    """

    changed = Signal()
    progressed = Signal()
    load_failed = Signal(str)

    def __init__(self, process: InferenceClient, deliver: Deliver) -> None:
        self._process, self._deliver = process, deliver
        self.status = JobStatus()
        self._job, self._handlers = 0, JobHandlers()
        self._closed = False
        self._connections = [
            (process.status_changed, self._hand_over(self._status_changed)),
            (process.draft_begun, self._hand_over(self._begun)),
            (process.slices_drafted, self._hand_over(self._slices_drafted)),
            (process.draft_finished, self._hand_over(self._draft_finished)),
            (process.propagation_finished, self._hand_over(self._propagation_finished)),
            (process.job_failed, self._hand_over(self._job_failed)),
        ]
        for signal, slot in self._connections:
            signal.connect(slot)

    def _hand_over(self, receive: Callable[..., None]) -> Callable[..., None]:
        """Return a slot that has `receive` called in the owner's thread, unless this is closed by then."""

        def slot(*said: object) -> None:
            self._deliver(partial(self._receive, receive, said))

        return slot

    def _receive(self, receive: Callable[..., None], said: tuple[object, ...]) -> None:
        if not self._closed:
            receive(*said)

    @property
    def is_running(self) -> bool:
        """Whether a request is being computed."""
        return self._job != 0

    def submit(self, request: NetworkRequest, handlers: JobHandlers) -> None:
        """Start `request`; an unfinished one is dropped."""
        self._handlers = handlers
        self._job = self._process.submit(request)
        # What the network said while it took the request was said before its number was known.
        if self.status.job != self._job:
            self.status = JobStatus("loading", self._job)
        self.changed.emit()

    def cancel(self) -> None:
        """Stop the running request; nothing more is reported of it."""
        self._process.cancel_request()
        self._end_job()

    def close(self) -> None:
        """Disconnect from the process."""
        self._closed = True
        for signal, slot in self._connections:
            signal.disconnect(slot)
        self._connections = []

    def _end_job(self) -> JobHandlers:
        """Note that the request has ended, and return its handlers."""
        handlers = self._handlers
        self._job, self._handlers, self.status = 0, JobHandlers(), JobStatus()
        return handlers

    def _status_changed(self, status: JobStatus) -> None:
        if status.job == self._job or status.state == "idle":
            goes_on = (status.job, status.state) == (self.status.job, self.status.state)
            self.status = status
            (self.progressed if goes_on else self.changed).emit()

    def _begun(self, job: int, prediction: NetworkPrediction) -> None:
        if job == self._job:
            self._handlers.begun(prediction)

    def _slices_drafted(self, job: int, slices: NDArray[np.intp], drafted: MaskEdit) -> None:
        if job == self._job:
            self._handlers.slices_arrived(slices, drafted)

    def _draft_finished(self, job: int, prediction: NetworkPrediction, mask: NDArray[np.uint8]) -> None:
        if job == self._job:
            self._end_job().drafted(prediction, mask)

    def _propagation_finished(self, job: int, proposal: PropagationResult) -> None:
        if job == self._job:
            self._end_job().propagated(proposal)

    def _job_failed(self, job: int, sentence: str) -> None:
        if self.is_running and job == self._job:
            self._end_job().failed(sentence)
        elif job == 0:
            # A model that was loaded ahead; a request that needs it will fail with the same sentence.
            self.load_failed.emit(sentence)
