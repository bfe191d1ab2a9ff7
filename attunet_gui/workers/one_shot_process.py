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

from attunet_gui.system.errors import AttunetError, InferenceProcessDied, WorkCancelled
from attunet_gui.system.progress import ProgressCallback
from attunet_gui.system.safe_logging import install_redaction, raise_location
from attunet_gui.workers import child_process
from attunet_gui.workers.child_process import hide_main_module

# Lower priority than the inference process, because an annotator waits for its drafts.
_NICENESS = 19
_POLL_INTERVAL_S = 0.2
# Enough for one training step and a checkpoint. A process that takes longer to stop is ended.
_GRACE_S = 10.0
_END_S = 2.0
_CANCEL_MESSAGE = "stop"


@dataclass(frozen=True)
class _ProcessProgress:
    """Progress of the work: `done` of `total` steps of `stage`."""

    done: int
    total: int
    stage: str


@dataclass(frozen=True, eq=False)
class _ProcessResult:
    """The work returned `value`."""

    value: Any


@dataclass(frozen=True)
class _ProcessFailure:
    """The work failed; `sentence` is for the user."""

    sentence: str


@dataclass(frozen=True)
class _ProcessCancelled:
    """The work was cancelled."""

    pass


def run_in_process(work: str, order: object, progress: ProgressCallback) -> Any:
    """Run the function `work` on `order` in a new process and return its result. It blocks, so call it from a
    thread.

    Args:
        work: "module:function"; the function takes `order` and a `ProgressCallback`.
        order: its argument. Argument and result are pickled.
        progress: called at least every 0.2 s; if it raises, the process is ended.

    Raises:
        AttunetError: as the function raised it.
        InferenceProcessDied: the process ended without a result.
        WorkCancelled: from `progress`, once the process has ended.
    """
    context = multiprocessing.get_context("spawn")
    near, far = context.Pipe()
    # Not a daemon: a daemonic process may not have child processes, and the work may share itself out.
    process = context.Process(target=_serve_process, args=(far, work, order), name="attunet-errand")
    with hide_main_module():
        process.start()
    # The child holds this end now. While the parent held it too, the child's death would not close the pipe.
    far.close()
    try:
        return _await_result(near, progress)
    except WorkCancelled:
        _request_cancel(near, process)
        raise
    except (EOFError, OSError) as error:
        process.join(_END_S)
        raise InferenceProcessDied(
            f"The process that did the work ended unexpectedly (exit code {process.exitcode}); close other "
            "programs and start it again."
        ) from error
    finally:
        _end_process(process)
        near.close()


def _await_result(near: Connection, progress: ProgressCallback) -> Any:
    """Report progress until the process sends its result, and return that."""
    last = _ProcessProgress(0, 0, "starting")
    while True:
        # Repeating the last message calls `progress` often enough to notice a cancel.
        said = child_process.receive_message(near) if near.poll(_POLL_INTERVAL_S) else last
        match said:
            case _ProcessProgress(done, total, stage):
                last = said
                progress(done, total, stage)
            case _ProcessResult(value):
                return value
            case _ProcessFailure(sentence):
                raise AttunetError(sentence)
            case _ProcessCancelled():
                raise WorkCancelled


def _request_cancel(near: Connection, process: SpawnProcess) -> None:
    """Ask the process to stop, and wait for it as long as `_GRACE_S`."""
    try:
        child_process.send_message(near, _CANCEL_MESSAGE)
    except OSError:
        return
    process.join(_GRACE_S)


def _end_process(process: SpawnProcess) -> None:
    """End the process: wait for it, then terminate it, then kill it."""
    process.join(_END_S)
    for end in (process.terminate, process.kill):
        if process.is_alive():
            end()
            process.join(_END_S)


def _serve_process(pipe: Connection, work: str, order: object) -> None:
    """Entry point of the child process."""
    # First, so that no later exception can write patient data into a log.
    install_redaction()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    try:
        child_process.send_message(pipe, _run_target(work, order, partial(_send_progress, pipe)))
    except OSError:
        return  # the calling process is gone


def _run_target(work: str, order: object, progress: ProgressCallback) -> object:
    """Run the named function and turn its result or exception into a message."""
    module, _, function = work.partition(":")
    try:
        return _ProcessResult(getattr(import_module(module), function)(order, progress))
    except WorkCancelled:
        return _ProcessCancelled()
    except AttunetError as error:
        return _ProcessFailure(str(error))
    except MemoryError:
        return _ProcessFailure("There was not enough memory; close other programs and start it again.")
    except Exception as error:
        logging.getLogger(__name__).exception("%s", work)
        # Kind and place only: the text of an exception may name a patient.
        kind, place = type(error).__name__, raise_location(error)
        return _ProcessFailure(f"An unexpected {kind} came up at {place}; start it again.")


def _send_progress(pipe: Connection, done: int, total: int, stage: str) -> None:
    """Send progress to the calling process.

    Any message from there, and the end of the pipe, cancels the work.
    """
    try:
        if pipe.poll():
            raise WorkCancelled
        child_process.send_message(pipe, _ProcessProgress(done, total, stage))
    except OSError as error:
        raise WorkCancelled from error
