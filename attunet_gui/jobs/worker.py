"""The child process: owns TensorFlow and the loaded models, answers one request at a time."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from attunet_gui.core.errors import AttunetError, Cancelled
from attunet_gui.core.prediction import draft_mask
from attunet_gui.jobs.messages import (
    Adapt,
    Cancel,
    Failed,
    Finished,
    Predict,
    Progressed,
    Proposed,
    Quit,
    Run,
    Stopped,
    ToChild,
    Warm,
)

if TYPE_CHECKING:
    from attunet_gui.core.progress import Progress
    from attunet_gui.core.volume import Volume
    from attunet_gui.network.learner import Learner
    from attunet_gui.network.predict import Model

_NICENESS = 10
_IDLE_SECONDS = 2.0
"""After a draft the person looks; if nothing is asked for so long, there is time to prepare for more."""

Work = Callable[[], Finished | Proposed | None]


def serve(pipe: Connection) -> None:
    """Entry point of the child: answer messages from `pipe` until `Quit` or until the parent is gone."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    try:
        _Worker(pipe).serve()
    except (EOFError, BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        return


class _Worker:
    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._waiting: deque[ToChild] = deque()
        self._cancelled: set[int] = set()
        self._models: dict[tuple[Path, str], Model] = {}
        self._ready: Learner | None = None
        self._drafted: Model | None = None

    def serve(self) -> None:
        while True:
            match self._next():
                case Quit():
                    return
                case Warm(bundle):
                    self._answer(0, partial(self._warm, bundle))
                case Run(job) as run:
                    self._answer(job, partial(self._run, run))
                case Cancel(job):
                    self._cancelled.add(job)

    def _next(self) -> ToChild:
        if not self._waiting and self._drafted and not self._pipe.poll(_IDLE_SECONDS):
            self._prepare_to_learn()
        message: ToChild = self._waiting.popleft() if self._waiting else self._pipe.recv()
        return message

    def _answer(self, job: int, work: Work) -> None:
        try:
            self._check(job)
            finished = work()
        except Cancelled:
            self._pipe.send(Stopped(job))
        except (EOFError, ConnectionError):
            raise  # the parent is gone
        except AttunetError as error:
            self._pipe.send(Failed(job, str(error)))
        except MemoryError:
            self._pipe.send(Failed(job, "There is not enough memory for this CT; close other programs."))
        except Exception as error:
            logging.getLogger(__name__).exception("job %d", job)
            self._pipe.send(Failed(job, f"The network failed ({type(error).__name__}); try again."))
        else:
            if finished is not None:
                self._pipe.send(finished)

    def _warm(self, folder: Path) -> None:
        self._model(folder)

    def _run(self, run: Run) -> Finished | Proposed:
        def progress(done: int, total: int, stage: str) -> None:
            self._check(run.job)
            self._pipe.send(Progressed(run.job, done, total, stage))

        progress(0, 1, "loading")
        model = self._model(run.request.bundle)
        match run.request:
            case Predict(volume):
                return self._predict(run.job, volume, model, progress)
            case Adapt():
                return self._adapt(run.job, run.request, model, progress)

    def _predict(self, job: int, volume: Volume, model: Model, progress: Progress) -> Finished:
        from attunet_gui.network.predict import predict

        prediction = predict(volume, model, progress)
        self._drafted = model
        return Finished(job, prediction, draft_mask(prediction, lambda *_: self._check(job)))

    def _adapt(self, job: int, request: Adapt, model: Model, progress: Progress) -> Proposed:
        from attunet_gui.network.adapt import Corrections, Effort, propose

        told = Corrections(request.mask, request.slices, request.before)
        effort = Effort(request.budget_seconds, request.seed)
        return Proposed(job, propose(request.volume, self._learner(model), told, effort, progress))

    def _learner(self, model: Model) -> Learner:
        from attunet_gui.network.learner import Learner

        if self._ready is None or self._ready.model is not model:
            self._ready = Learner(model)
        return self._ready

    def _prepare_to_learn(self) -> None:
        """Compile what learning needs, so that the first proposal need not wait for it."""
        model, self._drafted = self._drafted, None
        try:
            if model is not None:
                self._learner(model).warm()
        except Exception:
            # Nobody has asked for it yet; whoever does is told.
            logging.getLogger(__name__).exception("preparing to learn")

    def _model(self, folder: Path) -> Model:
        from attunet_gui.network.bundle import read_bundle
        from attunet_gui.network.predict import load_model

        bundle = read_bundle(folder)
        key = (folder, bundle.card.sha256)
        if key not in self._models:
            self._models = {key: load_model(bundle)}
        return self._models[key]

    def _check(self, job: int) -> None:
        """Read what has arrived meanwhile; raise `Cancelled` if it concerns this job."""
        while self._pipe.poll():
            message = self._pipe.recv()
            if isinstance(message, Cancel):
                self._cancelled.add(message.job)
            else:
                self._waiting.append(message)
        if job in self._cancelled:
            raise Cancelled
