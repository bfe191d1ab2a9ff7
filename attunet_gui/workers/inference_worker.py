"""The inference process: holds the network, and answers one request at a time."""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from attunet_gui.core.slice_scheduler import SliceScheduler
from attunet_gui.prediction.network_prediction import draft_edit, draft_edit_of_slices, outline_of_prediction
from attunet_gui.system.errors import AttunetError, WorkCancelled
from attunet_gui.system.safe_logging import install_redaction
from attunet_gui.workers import child_process
from attunet_gui.workers.inference_messages import (
    CancelJob,
    DraftBegun,
    DraftFinished,
    FromWorker,
    JobCancelled,
    JobFailed,
    JobProgressed,
    LoadBundle,
    LoadVolume,
    PredictRequest,
    PrepareAdaptation,
    PrioritiseSlice,
    PropagateRequest,
    PropagationFinished,
    QuitWorker,
    RunJob,
    SlicesDrafted,
    ToWorker,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from attunet_gui.core.volume import Volume
    from attunet_gui.network.inference import LoadedModel
    from attunet_gui.network.input_cache import InputCache
    from attunet_gui.network.online_adapter import OnlineAdapter
    from attunet_gui.prediction.network_prediction import NetworkPrediction
    from attunet_gui.system.progress import ProgressCallback

# The window has priority over the network, which would otherwise take all cores.
_NICENESS = 15

JobFunction = Callable[[], DraftFinished | PropagationFinished | None]


def serve_inference(pipe: Connection) -> None:
    """Entry point of the process: handle messages until it is told to quit or the parent is gone."""
    install_redaction()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    try:
        _InferenceWorker(pipe).serve_messages()
    except (EOFError, BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        return
    except Exception as error:
        # Raised further, the exception would be printed in full by multiprocessing, and its text may name a
        # patient.
        logging.getLogger(__name__).exception("the child ends")
        raise SystemExit(1) from error


class _InferenceWorker:
    """Handles the messages; the state of the process is here."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._waiting: deque[ToWorker] = deque()
        self._cancelled: set[int] = set()
        self._models: dict[tuple[Path, str], LoadedModel] = {}
        self._pupil = _AdapterLoader()
        self._volume: Volume | None = None
        self._ahead = _InputPrefetcher()
        self._order = SliceScheduler(0)

    def serve_messages(self) -> None:
        """Take messages in their order until `QuitWorker`."""
        while True:
            match self._waiting.popleft() if self._waiting else self._receive_message():
                case QuitWorker():
                    return
                case LoadBundle(bundle):
                    self._answer_job(0, partial(self._load_bundle, bundle))
                case PrepareAdaptation(bundle):
                    self._answer_job(0, partial(self._prepare_adaptation, bundle))
                case LoadVolume(volume):
                    self._volume = volume
                    # Cached by the volume; computed now, while nobody waits for it.
                    _ = volume.hu_range
                    self._ahead.start_volume(volume)
                case RunJob(job) as run:
                    self._answer_job(job, partial(self._run_job, run))
                case CancelJob(job):
                    self._cancelled.add(job)

    def _receive_message(self) -> ToWorker:
        """Wait for the next message, and prepare input of the network until it comes."""
        while not self._pipe.poll() and self._ahead.prefetch_more(self._models.values()):
            pass
        message: ToWorker = child_process.receive_message(self._pipe)
        return message

    def _send_message(self, message: FromWorker) -> None:
        child_process.send_message(self._pipe, message)

    def _answer_job(self, job: int, work: JobFunction) -> None:
        """Do `work` and send its result, or say why there is none."""
        try:
            self._check_cancelled(job)
            finished = work()
        except WorkCancelled:
            self._send_message(JobCancelled(job))
        except (EOFError, ConnectionError):
            raise  # the parent is gone
        except AttunetError as error:
            self._send_message(JobFailed(job, str(error)))
        except MemoryError:
            self._send_message(
                JobFailed(job, "There is not enough memory for this CT; close other programs.")
            )
        except Exception as error:
            logging.getLogger(__name__).exception("job %d", job)
            self._send_message(JobFailed(job, f"The network failed ({type(error).__name__}); try again."))
        else:
            if finished is not None:
                self._send_message(finished)

    def _load_bundle(self, folder: Path) -> None:
        """Load the model in `folder`."""
        self._loaded_model(folder)

    def _prepare_adaptation(self, folder: Path) -> None:
        """Load the adaptable copy of the model in `folder`, in a thread."""
        self._pupil.start_loading(self._loaded_model(folder))

    def _run_job(self, run: RunJob) -> DraftFinished | PropagationFinished:
        """Do the request of `run` and return the message with its result."""

        def progress(done: int, total: int, stage: str) -> None:
            self._check_cancelled(run.job)
            self._send_message(JobProgressed(run.job, done, total, stage))

        progress(0, 1, "loading")
        model, volume = self._loaded_model(run.request.bundle), run.request.volume or self._volume
        # The parent sends the volume before the first request that refers to it.
        assert volume is not None, "a request before its volume"
        match run.request:
            case PredictRequest(first=first):
                self._order = SliceScheduler(volume.grid.shape[0], first)
                return self._draft_volume(run.job, volume, model, progress)
            case PropagateRequest():
                return self._propagate_corrections(run.job, run.request, (model, volume), progress)

    def _draft_volume(
        self, job: int, volume: Volume, model: LoadedModel, progress: ProgressCallback
    ) -> DraftFinished:
        """Draft `volume`; slices are sent as they are completed."""
        from attunet_gui.network.inference import predict_volume

        begun = False

        def arrived(prediction: NetworkPrediction, slices: NDArray[np.intp]) -> None:
            nonlocal begun
            if not begun:
                self._send_message(DraftBegun(job, outline_of_prediction(prediction)))
            begun = True
            self._send_message(
                SlicesDrafted(job, prediction.select_slices(slices), draft_edit_of_slices(prediction, slices))
            )

        seen = self._ahead.take_cache(volume, model)
        prediction = predict_volume(volume, model, progress, self._order, arrived, seen)
        self._check_cancelled(job)
        return DraftFinished(job, draft_edit(prediction), prediction.seconds)

    def _propagate_corrections(
        self,
        job: int,
        request: PropagateRequest,
        about: tuple[LoadedModel, Volume],
        progress: ProgressCallback,
    ) -> PropagationFinished:
        """Adapt the model to the corrections in `request`; `about` is the model and the CT."""
        from attunet_gui.network.patient_adaptation import (
            AdaptationBudget,
            CorrectedSlices,
            propagate_corrections,
        )

        model, volume = about
        told = CorrectedSlices(request.mask, request.slices, request.before)
        effort = AdaptationBudget(request.budget_seconds, request.seed)
        return PropagationFinished(
            job, propagate_corrections(volume, self._pupil.wait_for_adapter(model), told, effort, progress)
        )

    def _loaded_model(self, folder: Path) -> LoadedModel:
        """Return the loaded model in `folder`."""
        from attunet_gui.network.inference import load_model
        from attunet_gui.network.model_bundle import read_bundle

        bundle = read_bundle(folder)
        # With the sha256, because the model in a folder may be replaced while the process runs. Only the last
        # model is kept, as each takes much memory.
        key = (folder, bundle.card.weights_sha256)
        if key not in self._models:
            self._models = {key: load_model(bundle)}
        return self._models[key]

    def _check_cancelled(self, job: int) -> None:
        """Read what has arrived meanwhile; raise `WorkCancelled` if it cancels this job.

        Other messages wait until the job is done. Only the displayed slice takes effect at once.
        """
        while self._pipe.poll():
            match self._receive_message():
                case CancelJob(other):
                    self._cancelled.add(other)
                case PrioritiseSlice(index):
                    self._order.move_to_slice(index)
                case message:
                    self._waiting.append(message)
        if job in self._cancelled:
            raise WorkCancelled


class _InputPrefetcher:
    """Prepares the input of the network for a CT while no request is waiting."""

    def __init__(self) -> None:
        self._volume: Volume | None = None
        self._made: tuple[LoadedModel, InputCache] | None = None

    def start_volume(self, volume: Volume) -> None:
        """Set the CT that may be drafted next; input that was prepared for another one is dropped."""
        self._volume, self._made = volume, None

    def prefetch_more(self, models: Iterable[LoadedModel]) -> bool:
        """Prepare a few slices for the model that is loaded; return whether there may be more to prepare."""
        from attunet_gui.network.inference import build_input_cache

        model = next(iter(models), None)
        if self._volume is None or model is None:
            return False
        try:
            if self._made is None or self._made[0] is not model:
                self._made = model, build_input_cache(self._volume, model)
            return self._made[1].prefetch_slices()
        except Exception:
            # The request for a draft will meet the same fault and report it.
            self._volume = self._made = None
            return False

    def take_cache(self, volume: Volume, model: LoadedModel) -> InputCache | None:
        """Return the input prepared for `volume` and `model`, or None; it is not kept any longer."""
        made, same = self._made, volume is self._volume
        self._volume = self._made = None
        return made[1] if made is not None and same and made[0] is model else None


class _AdapterLoader:
    """Loads the copy of a model that can be adapted. This takes seconds because it imports TensorFlow, so it
    is done in a thread beside drafting.
    """

    def __init__(self) -> None:
        self._model: LoadedModel | None = None
        self._ready: OnlineAdapter | None = None
        self._problem: Exception | None = None
        self._making: threading.Thread | None = None

    def start_loading(self, model: LoadedModel) -> None:
        """Begin to load the copy of `model`, unless that is done or under way; returns at once."""
        if model is not self._model:
            self._join_thread()
            self._model, self._ready, self._problem = model, None, None
            self._making = threading.Thread(target=self._load_adapter, args=(model,), daemon=True)
            self._making.start()

    def wait_for_adapter(self, model: LoadedModel) -> OnlineAdapter:
        """Return the copy of `model`, and wait for it if necessary; an exception of loading it is raised
        here.
        """
        self.start_loading(model)
        self._join_thread()
        if self._ready is None:
            self._model = None
            raise self._problem or RuntimeError("the copy was not made")
        return self._ready

    def _join_thread(self) -> None:
        """Wait until the thread has ended."""
        if self._making is not None:
            self._making.join()

    def _load_adapter(self, model: LoadedModel) -> None:
        """Load the copy and compile its step, in the thread."""
        from attunet_gui.network.online_adapter import OnlineAdapter

        try:
            learner = OnlineAdapter(model)
            learner.compile_step()
            self._ready = learner
        except Exception as error:
            self._problem = error
