"""Reports of unexpected errors that name the type and the places in the code, never the message.

The message of an exception may hold what was just read, such as the patient's name from a DICOM tag, and
other people read a terminal or the log of a desktop session. ATTUNET_DEBUG=1 turns the redaction off.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

_OURS = "attunet_gui"
# A chain of causes may be long or circular.
_MOST_CAUSES = 8


def place_of(error: BaseException) -> str:
    """Return the line of this package nearest to where `error` was raised, such as "nifti.py:87".

    If no line of this package is in the traceback, the last line of the traceback is taken.
    """
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if f"{os.sep}{_OURS}{os.sep}" in frame.filename] or frames
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "an unknown place"


def outline(error: BaseException) -> str:
    """Return the types and places of `error` and of its causes, one line each, the first cause first."""
    return "\n".join(line for each in reversed(list(_chain(error))) for line in _lines(each))


def be_discreet() -> None:
    """Make this process write redacted outlines instead of tracebacks, and no warnings of libraries.

    This replaces the exception hooks of the main thread, of other threads and of objects that are collected,
    and the formatting of tracebacks in our own log. It does nothing if ATTUNET_DEBUG is set.
    """
    if os.environ.get("ATTUNET_DEBUG"):
        return
    handler = logging.StreamHandler()
    handler.setFormatter(_Outlines("%(name)s: %(message)s"))
    logging.getLogger(_OURS).addHandler(handler)
    # Without a handler of its own the root logger would print what libraries say of the files they read.
    logging.getLogger().addHandler(logging.NullHandler())
    # Whoever starts Python with -W wants to see warnings, as the tests do.
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    sys.excepthook = _told
    threading.excepthook = _told_of_thread
    sys.unraisablehook = _told_of_object


class _Outlines(logging.Formatter):
    def formatException(self, ei: object) -> str:  # noqa: N802
        error = ei[1] if isinstance(ei, tuple) else None
        return "" if error is None else outline(error)


def _chain(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    for _ in range(_MOST_CAUSES):
        if found is None:
            return
        yield found
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)


def _lines(error: BaseException) -> Iterator[str]:
    yield f"{type(error).__name__} in"
    for frame in traceback.extract_tb(error.__traceback__):
        yield f"  {Path(frame.filename).name}:{frame.lineno} {frame.name}"


def _tell(error: BaseException | None) -> None:
    # A windowed application on Windows has no stderr.
    if error is not None and sys.stderr is not None:
        sys.stderr.write(f"attunet: unexpected {outline(error)}\nATTUNET_DEBUG=1 shows more.\n")


def _told(_kind: type[BaseException], error: BaseException, _where: TracebackType | None) -> None:
    if not isinstance(error, KeyboardInterrupt):
        _tell(error)


def _told_of_thread(told: threading.ExceptHookArgs) -> None:
    if not isinstance(told.exc_value, SystemExit):
        _tell(told.exc_value)


def _told_of_object(told: sys.UnraisableHookArgs) -> None:
    _tell(told.exc_value)
