"""Work of minutes in a process of its own, with progress and cancel.

Unlike the inference process it does one thing and ends, and it may have child processes itself. The work is
named by a string, so that the calling process does not import what only the child needs.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from attunet_gui.core.discretion import be_discreet, place_of
from attunet_gui.core.errors import AttunetError, Cancelled, WorkerDied
from attunet_gui.core.progress import Progress
from attunet_gui.jobs import wire
from attunet_gui.jobs.spawn import without_main

# Lower priority than the inference process, because an annotator waits for its drafts.
_NICENESS = 19
_LISTEN_S = 0.2
# Enough for one training step and a checkpoint. A process that takes longer to stop is ended.
_GRACE_S = 10.0
_END_S = 2.0
_STOP = "stop"


@dataclass(frozen=True)
class _Went:
    """Progress of the work: `done` of `total` steps of `stage`."""

    done: int
    total: int
    stage: str


@dataclass(frozen=True, eq=False)
class _Done:
    """The work returned `value`."""

    value: Any


@dataclass(frozen=True)
class _Failed:
    """The work failed; `sentence` is for the user."""

    sentence: str


@dataclass(frozen=True)
class _Stopped:
    """The work was cancelled."""

    pass


def in_own_child(work: str, order: object, progress: Progress) -> Any:
    """Run the function `work` on `order` in a new process and return its result. It blocks, so call it from a
    thread.

    Args:
        work: "module:function"; the function takes `order` and a `Progress`.
        order: its argument. Argument and result are pickled.
        progress: called at least every 0.2 s; if it raises, the process is ended.

    Raises:
        AttunetError: as the function raised it.
        WorkerDied: the process ended without a result.
        Cancelled: from `progress`, once the process has ended.
    """
    context = multiprocessing.get_context("spawn")
    near, far = context.Pipe()
    # Not a daemon: a daemonic process may not have child processes, and the work may share itself out.
    process = context.Process(target=_serve, args=(far, work, order), name="attunet-errand")
    with without_main():
        process.start()
    # The child holds this end now. While the parent held it too, the child's death would not close the pipe.
    far.close()
    try:
        return _answer(near, progress)
    except Cancelled:
        _ask_to_stop(near, process)
        raise
    except (EOFError, OSError) as error:
        process.join(_END_S)
        raise WorkerDied(
            f"The process that did the work ended unexpectedly (exit code {process.exitcode}); close other "
            "programs and start it again."
        ) from error
    finally:
        _end(process)
        near.close()


def _answer(near: Connection, progress: Progress) -> Any:
    """Report progress until the process sends its result, and return that."""
    last = _Went(0, 0, "starting")
    while True:
        # Repeating the last message calls `progress` often enough to notice a cancel.
        said = wire.receive(near) if near.poll(_LISTEN_S) else last
        match said:
            case _Went(done, total, stage):
                last = said
                progress(done, total, stage)
            case _Done(value):
                return value
            case _Failed(sentence):
                raise AttunetError(sentence)
            case _Stopped():
                raise Cancelled


def _ask_to_stop(near: Connection, process: SpawnProcess) -> None:
    """Ask the process to stop, and wait for it as long as `_GRACE_S`."""
    try:
        wire.send(near, _STOP)
    except OSError:
        return
    process.join(_GRACE_S)


def _end(process: SpawnProcess) -> None:
    """End the process: wait for it, then terminate it, then kill it."""
    process.join(_END_S)
    for end in (process.terminate, process.kill):
        if process.is_alive():
            end()
            process.join(_END_S)


def _serve(pipe: Connection, work: str, order: object) -> None:
    """Entry point of the child process."""
    # First, so that no later exception can write patient data into a log.
    be_discreet()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    try:
        wire.send(pipe, _outcome(work, order, partial(_tell, pipe)))
    except OSError:
        return  # the calling process is gone


def _outcome(work: str, order: object, progress: Progress) -> object:
    """Run the named function and turn its result or exception into a message."""
    module, _, function = work.partition(":")
    try:
        return _Done(getattr(import_module(module), function)(order, progress))
    except Cancelled:
        return _Stopped()
    except AttunetError as error:
        return _Failed(str(error))
    except MemoryError:
        return _Failed("There was not enough memory; close other programs and start it again.")
    except Exception as error:
        logging.getLogger(__name__).exception("%s", work)
        # Kind and place only: the text of an exception may name a patient.
        kind, place = type(error).__name__, place_of(error)
        return _Failed(f"An unexpected {kind} came up at {place}; start it again.")


def _tell(pipe: Connection, done: int, total: int, stage: str) -> None:
    """Send progress to the calling process.

    Any message from there, and the end of the pipe, cancels the work.
    """
    try:
        if pipe.poll():
            raise Cancelled
        wire.send(pipe, _Went(done, total, stage))
    except OSError as error:
        raise Cancelled from error
