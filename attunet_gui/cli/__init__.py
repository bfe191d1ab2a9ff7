"""The command line. Each command imports what it needs only when it runs, which keeps `--help` fast."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Container, Mapping
from io import TextIOWrapper
from multiprocessing import freeze_support

from attunet_gui.system.errors import AttunetError, WorkCancelled
from attunet_gui.system.safe_logging import install_redaction, raise_location

EXIT_INTERRUPTED = 130


def main() -> None:
    """Run `attunet` with the arguments of the process."""
    # In a packaged program a spawned child starts this function too; here it becomes a worker instead.
    freeze_support()
    from typer.main import get_command

    from attunet_gui.cli.command_line import app

    commands: Mapping[str, object] = get_command(app).commands  # type: ignore[attr-defined]
    run_command_line(lambda: app(args=_insert_gui_command(sys.argv[1:], commands)))


def run_command_line(command: Callable[[], object]) -> None:
    """Run `command`, which reads `sys.argv`, and end the process with a sentence if it fails.

    An expected error prints its message; an unexpected one prints its kind and place only, since its message
    may name a patient. With ATTUNET_DEBUG set the traceback is shown.

    Raises:
        SystemExit: 1 after an error, 130 after an interruption.
    """
    install_redaction()
    _escape_unprintable()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        command()
    except AttunetError as error:
        _exit_with_sentence(str(error), 1)
    except (KeyboardInterrupt, WorkCancelled):
        _exit_with_sentence(
            "stopped; what was finished is kept, nothing half written is left", EXIT_INTERRUPTED
        )
    except BrokenPipeError:
        # Whoever read the output, such as `head`, is gone. A normal exit would flush into the same closed
        # pipe and print a second error.
        os._exit(1)
    except Exception as error:
        if os.environ.get("ATTUNET_DEBUG"):
            raise
        logging.getLogger(__name__).debug("unexpected", exc_info=True)
        kind, place = type(error).__name__, raise_location(error)
        _exit_with_sentence(f"unexpected {kind} at {place}; run again with ATTUNET_DEBUG=1 for details", 1)


def _escape_unprintable() -> None:
    """Write characters that the output's encoding lacks as escapes; file names may contain any byte."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _insert_gui_command(words: list[str], commands: Container[str]) -> list[str]:
    """Insert the command "gui" before a path that comes first, so that `attunet CT.nii.gz` opens it.

    Args:
        words: the arguments of the process.
        commands: names of all commands; a first word that is one of them is a command even if a file has
            this name, and `./NAME` is the file.
    """
    if words and words[0] not in commands and _is_path(words[0]):
        return ["gui", *words]
    return words


def _is_path(word: str) -> bool:
    """Return whether a word is a path: it exists, has a separator, or has the suffix of an image."""
    if word.startswith("-"):
        return False
    return os.sep in word or os.path.lexists(word) or _has_image_suffix(word)


def _has_image_suffix(word: str) -> bool:
    # Imported here, so that a command starts without loading the readers.
    from attunet_gui.io.image_format_registry import dialog_suffixes

    return word.lower().endswith(dialog_suffixes())


def _exit_with_sentence(sentence: str, code: int) -> None:
    """Print `sentence` as one line to standard error and raise `SystemExit` with `code`."""
    one_line = " ".join(sentence.split())
    sys.stderr.write(f"attunet: {one_line}\n")
    raise SystemExit(code)
