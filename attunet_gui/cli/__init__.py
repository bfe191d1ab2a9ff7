"""The command line. Each command imports what it needs only when it runs."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Container, Mapping
from io import TextIOWrapper
from multiprocessing import freeze_support

from attunet_gui.core.discretion import be_discreet, place_of
from attunet_gui.core.errors import AttunetError, Cancelled

INTERRUPTED = 130


def main() -> None:
    """Entry point of `attunet`."""
    freeze_support()
    from typer.main import get_command

    from attunet_gui.cli.app import app

    commands: Mapping[str, object] = get_command(app).commands  # type: ignore[attr-defined]
    run_command_line(lambda: app(args=_opening_paths(sys.argv[1:], commands)))


def run_command_line(command: Callable[[], object]) -> None:
    """Run `command`, which reads `sys.argv`; every failure is one line and a non-zero exit code."""
    be_discreet()
    _escape_unprintable()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        command()
    except AttunetError as error:
        _end(str(error), 1)
    except (KeyboardInterrupt, Cancelled):
        _end("stopped; what was finished is kept, nothing half written is left", INTERRUPTED)
    except BrokenPipeError:
        os._exit(1)
    except Exception as error:
        if os.environ.get("ATTUNET_DEBUG"):
            raise
        logging.getLogger(__name__).debug("unexpected", exc_info=True)
        kind, place = type(error).__name__, place_of(error)
        _end(f"unexpected {kind} at {place}; run again with ATTUNET_DEBUG=1 for details", 1)


def _escape_unprintable() -> None:
    """Names of files hold any byte: what cannot be shown is written as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _opening_paths(words: list[str], commands: Container[str]) -> list[str]:
    """`words` with "gui" before a path that comes first; the name of a command is one, `./NAME` a path."""
    if words and words[0] not in commands and _is_path(words[0]):
        return ["gui", *words]
    return words


def _is_path(word: str) -> bool:
    """Whether something lies there, or could only be meant to."""
    endings = (".nii", ".gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".dcm")
    if word.startswith("-"):
        return False
    return os.sep in word or word.lower().endswith(endings) or os.path.lexists(word)


def _end(sentence: str, code: int) -> None:
    one_line = " ".join(sentence.split())
    sys.stderr.write(f"attunet: {one_line}\n")
    raise SystemExit(code)
