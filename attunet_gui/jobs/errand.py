"""Work of minutes in a child process of its own: asked for by name, with progress and an end.

Unlike the child of `jobs.runner` it does one thing and ends, and it may have children itself. The name keeps
what only the child needs out of the process that asks.
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

_NICENESS = 19
"""Behind the drafts of the window, for which somebody waits."""
_LISTEN_S = 0.2
_GRACE_S = 10.0
"""A step of training and a checkpoint; whoever takes longer is ended."""
_END_S = 2.0
_STOP = "stop"


@dataclass(frozen=True)
class _Went:
    done: int
    total: int
    stage: str


@dataclass(frozen=True, eq=False)
class _Done:
    value: Any


@dataclass(frozen=True)
class _Failed:
    sentence: str


@dataclass(frozen=True)
class _Stopped:
    pass


def in_own_child(work: str, order: object, progress: Progress) -> Any:
    """What the function `work` makes of `order`. Blocks, so call it from a thread.

    Args:
        work: "module:function", which takes `order` and a `Progress`.
        order: what it is given; it and the result are pickled.
        progress: called at least every 0.2 s; if it raises, the child is ended.

    Raises:
        AttunetError: as `work` raised it.
        WorkerDied: the child ended without an answer.
        Cancelled: from `progress`, once the child has ended.
    """
    context = multiprocessing.get_context("spawn")
    near, far = context.Pipe()
    process = context.Process(target=_serve, args=(far, work, order), name="attunet-errand")
    with without_main():
        process.start()
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
    last = _Went(0, 0, "starting")
    while True:
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
    try:
        wire.send(near, _STOP)
    except OSError:
        return
    process.join(_GRACE_S)


def _end(process: SpawnProcess) -> None:
    process.join(_END_S)
    for end in (process.terminate, process.kill):
        if process.is_alive():
            end()
            process.join(_END_S)


def _serve(pipe: Connection, work: str, order: object) -> None:
    """Entry point of the child."""
    be_discreet()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    try:
        wire.send(pipe, _outcome(work, order, partial(_tell, pipe)))
    except OSError:
        return  # whoever asked is gone


def _outcome(work: str, order: object, progress: Progress) -> object:
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
        kind, place = type(error).__name__, place_of(error)
        return _Failed(f"An unexpected {kind} came up at {place}; start it again.")


def _tell(pipe: Connection, done: int, total: int, stage: str) -> None:
    """The `Progress` of the child: any word from the other side, and its end, stop the work."""
    try:
        if pipe.poll():
            raise Cancelled
        wire.send(pipe, _Went(done, total, stage))
    except OSError as error:
        raise Cancelled from error
