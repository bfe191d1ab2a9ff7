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

_PACKAGE_NAME = "attunet_gui"
# A chain of causes may be long or circular.
_MOST_CAUSES = 8


def raise_location(error: BaseException) -> str:
    """Return the line of this package nearest to where `error` was raised, such as "nifti.py:87".

    If no line of this package is in the traceback, the last line of the traceback is taken.
    """
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if f"{os.sep}{_PACKAGE_NAME}{os.sep}" in frame.filename] or frames
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "an unknown place"


def redacted_traceback(error: BaseException) -> str:
    """Return the types and places of `error` and of its causes, one line each, the first cause first."""
    return "\n".join(line for each in reversed(list(_cause_chain(error))) for line in _traceback_lines(each))


def install_redaction() -> None:
    """Make this process write redacted outlines instead of tracebacks, and no warnings of libraries.

    This replaces the exception hooks of the main thread, of other threads and of objects that are collected,
    and the formatting of tracebacks in our own log. It does nothing if ATTUNET_DEBUG is set.
    """
    if os.environ.get("ATTUNET_DEBUG"):
        return
    handler = logging.StreamHandler()
    handler.setFormatter(_RedactingFormatter("%(name)s: %(message)s"))
    logging.getLogger(_PACKAGE_NAME).addHandler(handler)
    # Without a handler of its own the root logger would print what libraries say of the files they read.
    logging.getLogger().addHandler(logging.NullHandler())
    # Whoever starts Python with -W wants to see warnings, as the tests do.
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    sys.excepthook = _redacting_excepthook
    threading.excepthook = _redacting_thread_hook
    sys.unraisablehook = _redacting_unraisable_hook


class _RedactingFormatter(logging.Formatter):
    def formatException(self, ei: object) -> str:  # noqa: N802
        error = ei[1] if isinstance(ei, tuple) else None
        return "" if error is None else redacted_traceback(error)


def _cause_chain(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    for _ in range(_MOST_CAUSES):
        if found is None:
            return
        yield found
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)


def _traceback_lines(error: BaseException) -> Iterator[str]:
    yield f"{type(error).__name__} in"
    for frame in traceback.extract_tb(error.__traceback__):
        yield f"  {Path(frame.filename).name}:{frame.lineno} {frame.name}"


def _write_redacted(error: BaseException | None) -> None:
    # A windowed application on Windows has no stderr.
    if error is not None and sys.stderr is not None:
        sys.stderr.write(f"attunet: unexpected {redacted_traceback(error)}\nATTUNET_DEBUG=1 shows more.\n")


def _redacting_excepthook(
    _kind: type[BaseException], error: BaseException, _where: TracebackType | None
) -> None:
    if not isinstance(error, KeyboardInterrupt):
        _write_redacted(error)


def _redacting_thread_hook(told: threading.ExceptHookArgs) -> None:
    if not isinstance(told.exc_value, SystemExit):
        _write_redacted(told.exc_value)


def _redacting_unraisable_hook(told: sys.UnraisableHookArgs) -> None:
    _write_redacted(told.exc_value)
