"""Drafting a CT: one function for the open case, the worklist and `attunet predict`.

`draft_case` asks a `DraftNetwork` for the draft: the child process through `NetworkJobs`, or a model that a
command has loaded itself. The window goes on meanwhile and is told by handlers; a list of cases waits for
each draft through a `CaseDrafter`.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from attunet_gui.app.network_jobs import JobHandlers, NetworkJobs, ignore_report
from attunet_gui.core.mask_edit import MaskEdit
from attunet_gui.core.metrics import mask_volume_ml
from attunet_gui.core.provenance import ModelId
from attunet_gui.core.volume import Volume
from attunet_gui.prediction.network_prediction import NetworkPrediction
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.progress import ProgressCallback
from attunet_gui.system.safe_logging import raise_location
from attunet_gui.workers.inference_messages import NetworkRequest, PredictRequest
from attunet_gui.workers.inference_process import InferenceProcess

# Time between two looks at the progress of the child, which is also how long a cancel may go unnoticed.
_LISTEN_S = 0.2


@dataclass(frozen=True, eq=False)
class DraftRequest:
    """What is drafted.

    Attributes:
        volume: the CT.
        bundle: folder of the model.
        first: index of the slice that is computed first, then outwards from it; None is the middle one.
    """

    volume: Volume
    bundle: Path
    first: int | None = None


@dataclass(frozen=True, eq=False)
class CaseDraft:
    """The draft of a CT: the prediction, and its mask (z, y, x) uint8 0/1."""

    prediction: NetworkPrediction
    mask: NDArray[np.uint8]

    @property
    def volume_ml(self) -> float:
        """The volume of the mask in ml."""
        return mask_volume_ml(self.mask, self.prediction.frame.grid)


@dataclass(frozen=True)
class DraftHandlers:
    """What is called about a draft.

    Attributes:
        done: with the draft.
        failed: with the sentence that says why there is none.
        begun: with the prediction that is filled as slices arrive.
        slices_arrived: with the indices of slices, and what they add to an empty mask.
    """

    done: Callable[[CaseDraft], None]
    failed: Callable[[str], None] = ignore_report
    begun: Callable[[NetworkPrediction], None] = ignore_report
    slices_arrived: Callable[[NDArray[np.intp], MaskEdit], None] = ignore_report


class DraftNetwork(Protocol):
    """Computes requests: `NetworkJobs` in a child process, `attunet predict` before `submit` returns."""

    def submit(self, request: NetworkRequest, handlers: JobHandlers) -> None:
        """Start `request`, and call `handlers` about it."""


def draft_case(request: DraftRequest, network: DraftNetwork, handlers: DraftHandlers) -> None:
    """Have `network` draft a CT.

    Args:
        request: what is drafted.
        network: computes the draft; an unfinished request of it is dropped.
        handlers: are called as the draft is made, in the thread of `network`.
    """

    def drafted(prediction: NetworkPrediction, mask: NDArray[np.uint8]) -> None:
        handlers.done(CaseDraft(prediction, mask))

    network.submit(
        PredictRequest(volume=request.volume, bundle=request.bundle, first=request.first),
        JobHandlers(
            failed=handlers.failed,
            begun=handlers.begun,
            slices_arrived=handlers.slices_arrived,
            drafted=drafted,
        ),
    )


def draft_ready_message(draft: CaseDraft) -> str:
    """Return that the draft of the open case has arrived, in a sentence."""
    return f"The draft is ready: {draft.volume_ml:.1f} ml."


def not_drafted_message(error: Exception) -> str:
    """Return why one case of many was not opened and drafted, in a sentence; the others go on."""
    if isinstance(error, AttunetError):
        return str(error)
    if isinstance(error, MemoryError):
        return "There was not enough memory for this CT; close other programs."
    # Kind and place only: the message of an unexpected error may hold a patient's name.
    return f"An unexpected {type(error).__name__} at {raise_location(error)} stopped this case."


class CaseDrafter(Protocol):
    """A model that drafts one volume after the other, and waits for each.

    Attributes:
        draft_model: the model.
    """

    @property
    def draft_model(self) -> ModelId:
        """The model, whatever engine runs it."""

    def draft(self, volume: Volume, progress: ProgressCallback) -> CaseDraft:
        """Draft `volume`.

        Raises:
            AttunetError: if drafting fails.
            WorkCancelled: if `progress` raises it.
        """

    def close(self) -> None:
        """Release what the drafter holds, such as its child process."""


class ChildProcessDrafter:
    """A drafter that uses the child process of an `InferenceProcess`, which nothing else may use meanwhile.

    Attributes:
        draft_model: the model.
    """

    def __init__(self, process: InferenceProcess, bundle: Path, model: ModelId) -> None:
        self.draft_model = model
        self._process, self._bundle = process, bundle
        # What the process reports is called by `draft`, in the thread that waits there.
        self._reported: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._jobs = NetworkJobs(process, self._reported.put)

    def draft(self, volume: Volume, progress: ProgressCallback) -> CaseDraft:
        """See `CaseDrafter.draft`."""
        ended: list[CaseDraft | str] = []
        request = DraftRequest(volume, self._bundle)
        draft_case(request, self._jobs, DraftHandlers(done=ended.append, failed=ended.append))
        try:
            while not ended:
                status = self._process.status
                progress(status.done, status.total, status.stage or "loading")
                with suppress(queue.Empty):
                    self._reported.get(timeout=_LISTEN_S)()
        except BaseException:
            # `WorkCancelled`, or Ctrl+C: the child must not go on computing a draft that nobody waits for.
            self._jobs.cancel()
            raise
        return _draft_or_error(ended[0])

    def close(self) -> None:
        """Disconnect from the process and end it."""
        self._jobs.close()
        self._process.close()


def _draft_or_error(ended: CaseDraft | str) -> CaseDraft:
    if isinstance(ended, str):
        raise AttunetError(ended)
    return ended
