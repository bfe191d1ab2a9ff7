"""The command line. Each command imports what it needs only when it runs."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from multiprocessing import freeze_support

from attunet_gui.core.discretion import be_discreet, place_of
from attunet_gui.core.errors import AttunetError, Cancelled

INTERRUPTED = 130


def main() -> None:
    """Entry point of `attunet`."""
    freeze_support()
    from attunet_gui.cli.app import app

    run_command_line(app)


def run_command_line(command: Callable[[], object]) -> None:
    """Run `command`, which reads `sys.argv`; every failure is one line and a non-zero exit code."""
    be_discreet()
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


def _end(sentence: str, code: int) -> None:
    one_line = " ".join(sentence.split())
    sys.stderr.write(f"attunet: {one_line}\n")
    raise SystemExit(code)
