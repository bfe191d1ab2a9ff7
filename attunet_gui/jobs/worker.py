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

from attunet_gui.core.discretion import be_discreet
from attunet_gui.core.errors import AttunetError, Cancelled
from attunet_gui.core.order import Outwards
from attunet_gui.core.prediction import draft_edit, drafted_so_far, outline_of
from attunet_gui.jobs import wire
from attunet_gui.jobs.messages import (
    Adapt,
    Arrived,
    Begun,
    Cancel,
    Failed,
    Finished,
    Hold,
    Look,
    Predict,
    Prepare,
    Progressed,
    Proposed,
    Quit,
    Run,
    Stopped,
    ToChild,
    ToParent,
    Warm,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from attunet_gui.core.prediction import Prediction
    from attunet_gui.core.progress import Progress
    from attunet_gui.core.volume import Volume
    from attunet_gui.network.learner import Learner
    from attunet_gui.network.predict import Model
    from attunet_gui.network.sight import Sight

# The window has priority over the network, which would otherwise take all cores.
_NICENESS = 15

Work = Callable[[], Finished | Proposed | None]


def serve(pipe: Connection) -> None:
    """Entry point of the process: handle messages until it is told to quit or the parent is gone."""
    be_discreet()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    try:
        _Worker(pipe).serve()
    except (EOFError, BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        return
    except Exception as error:
        # Raised further, the exception would be printed in full by multiprocessing, and its text may name a
        # patient.
        logging.getLogger(__name__).exception("the child ends")
        raise SystemExit(1) from error


class _Worker:
    """Handles the messages; the state of the process is here."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._waiting: deque[ToChild] = deque()
        self._cancelled: set[int] = set()
        self._models: dict[tuple[Path, str], Model] = {}
        self._pupil = _Pupil()
        self._volume: Volume | None = None
        self._ahead = _Ahead()
        self._order = Outwards(0)

    def serve(self) -> None:
        """Take messages in their order until `QuitWorker`."""
        while True:
            match self._waiting.popleft() if self._waiting else self._receive():
                case Quit():
                    return
                case Warm(bundle):
                    self._answer(0, partial(self._warm, bundle))
                case Prepare(bundle):
                    self._answer(0, partial(self._prepare, bundle))
                case Hold(volume):
                    self._volume = volume
                    # Cached by the volume; computed now, while nobody waits for it.
                    _ = volume.hu_range
                    self._ahead.begin(volume)
                case Run(job) as run:
                    self._answer(job, partial(self._run, run))
                case Cancel(job):
                    self._cancelled.add(job)

    def _receive(self) -> ToChild:
        """Wait for the next message, and prepare input of the network until it comes."""
        while not self._pipe.poll() and self._ahead.go_on(self._models.values()):
            pass
        message: ToChild = wire.receive(self._pipe)
        return message

    def _send(self, message: ToParent) -> None:
        wire.send(self._pipe, message)

    def _answer(self, job: int, work: Work) -> None:
        """Do `work` and send its result, or say why there is none."""
        try:
            self._check(job)
            finished = work()
        except Cancelled:
            self._send(Stopped(job))
        except (EOFError, ConnectionError):
            raise  # the parent is gone
        except AttunetError as error:
            self._send(Failed(job, str(error)))
        except MemoryError:
            self._send(Failed(job, "There is not enough memory for this CT; close other programs."))
        except Exception as error:
            logging.getLogger(__name__).exception("job %d", job)
            self._send(Failed(job, f"The network failed ({type(error).__name__}); try again."))
        else:
            if finished is not None:
                self._send(finished)

    def _warm(self, folder: Path) -> None:
        """Load the model in `folder`."""
        self._model(folder)

    def _prepare(self, folder: Path) -> None:
        """Load the adaptable copy of the model in `folder`, in a thread."""
        self._pupil.prepare(self._model(folder))

    def _run(self, run: Run) -> Finished | Proposed:
        """Do the request of `run` and return the message with its result."""

        def progress(done: int, total: int, stage: str) -> None:
            self._check(run.job)
            self._send(Progressed(run.job, done, total, stage))

        progress(0, 1, "loading")
        model, volume = self._model(run.request.bundle), run.request.volume or self._volume
        # The parent sends the volume before the first request that refers to it.
        assert volume is not None, "a request before its volume"
        match run.request:
            case Predict(first=first):
                self._order = Outwards(volume.grid.shape[0], first)
                return self._predict(run.job, volume, model, progress)
            case Adapt():
                return self._adapt(run.job, run.request, (model, volume), progress)

    def _predict(self, job: int, volume: Volume, model: Model, progress: Progress) -> Finished:
        """Draft `volume`; slices are sent as they are completed."""
        from attunet_gui.network.predict import predict

        begun = False

        def arrived(prediction: Prediction, slices: NDArray[np.intp]) -> None:
            nonlocal begun
            if not begun:
                self._send(Begun(job, outline_of(prediction)))
            begun = True
            self._send(Arrived(job, prediction.part(slices), drafted_so_far(prediction, slices)))

        seen = self._ahead.take(volume, model)
        prediction = predict(volume, model, progress, self._order, arrived, seen)
        self._check(job)
        return Finished(job, draft_edit(prediction), prediction.seconds)

    def _adapt(self, job: int, request: Adapt, about: tuple[Model, Volume], progress: Progress) -> Proposed:
        """Adapt the model to the corrections in `request`; `about` is the model and the CT."""
        from attunet_gui.network.adapt import Corrections, Effort, propose

        model, volume = about
        told = Corrections(request.mask, request.slices, request.before)
        effort = Effort(request.budget_seconds, request.seed)
        return Proposed(job, propose(volume, self._pupil.learner(model), told, effort, progress))

    def _model(self, folder: Path) -> Model:
        """Return the loaded model in `folder`."""
        from attunet_gui.network.bundle import read_bundle
        from attunet_gui.network.predict import load_model

        bundle = read_bundle(folder)
        # With the sha256, because the model in a folder may be replaced while the process runs. Only the last
        # model is kept, as each takes much memory.
        key = (folder, bundle.card.sha256)
        if key not in self._models:
            self._models = {key: load_model(bundle)}
        return self._models[key]

    def _check(self, job: int) -> None:
        """Read what has arrived meanwhile; raise `Cancelled` if it cancels this job.

        Other messages wait until the job is done. Only the displayed slice takes effect at once.
        """
        while self._pipe.poll():
            match self._receive():
                case Cancel(other):
                    self._cancelled.add(other)
                case Look(index):
                    self._order.look(index)
                case message:
                    self._waiting.append(message)
        if job in self._cancelled:
            raise Cancelled


class _Ahead:
    """Prepares the input of the network for a CT while no request is waiting."""

    def __init__(self) -> None:
        self._volume: Volume | None = None
        self._made: tuple[Model, Sight] | None = None

    def begin(self, volume: Volume) -> None:
        """Set the CT that may be drafted next; input that was prepared for another one is dropped."""
        self._volume, self._made = volume, None

    def go_on(self, models: Iterable[Model]) -> bool:
        """Prepare a few slices for the model that is loaded; return whether there may be more to prepare."""
        from attunet_gui.network.predict import sight_of

        model = next(iter(models), None)
        if self._volume is None or model is None:
            return False
        try:
            if self._made is None or self._made[0] is not model:
                self._made = model, sight_of(self._volume, model)
            return self._made[1].make_some()
        except Exception:
            # The request for a draft will meet the same fault and report it.
            self._volume = self._made = None
            return False

    def take(self, volume: Volume, model: Model) -> Sight | None:
        """Return the input prepared for `volume` and `model`, or None; it is not kept any longer."""
        made, same = self._made, volume is self._volume
        self._volume = self._made = None
        return made[1] if made is not None and same and made[0] is model else None


class _Pupil:
    """Loads the copy of a model that can be adapted. This takes seconds because it imports TensorFlow, so it
    is done in a thread beside drafting.
    """

    def __init__(self) -> None:
        self._model: Model | None = None
        self._ready: Learner | None = None
        self._problem: Exception | None = None
        self._making: threading.Thread | None = None

    def prepare(self, model: Model) -> None:
        """Begin to load the copy of `model`, unless that is done or under way; returns at once."""
        if model is not self._model:
            self._wait()
            self._model, self._ready, self._problem = model, None, None
            self._making = threading.Thread(target=self._make, args=(model,), daemon=True)
            self._making.start()

    def learner(self, model: Model) -> Learner:
        """Return the copy of `model`, and wait for it if necessary; an exception of loading it is raised
        here.
        """
        self.prepare(model)
        self._wait()
        if self._ready is None:
            self._model = None
            raise self._problem or RuntimeError("the copy was not made")
        return self._ready

    def _wait(self) -> None:
        """Wait until the thread has ended."""
        if self._making is not None:
            self._making.join()

    def _make(self, model: Model) -> None:
        """Load the copy and compile its step, in the thread."""
        from attunet_gui.network.learner import Learner

        try:
            learner = Learner(model)
            learner.warm()
            self._ready = learner
        except Exception as error:
            self._problem = error
