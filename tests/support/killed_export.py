"""An export that is killed at a chosen step of its work on files. The child imports this and little else."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attunet_gui.export import ExportCase, ExportOptions, export_dataset, export_format_named
from tests.support.export_cases import IDENTITY

_CHANGES = ("os.rename", "os.link", "os.remove", "os.rmdir", "os.mkdir")


def export_until_killed(cases: Sequence[ExportCase], folder: Path, form: str, until: int) -> None:
    """Export into `folder`/out; dies before step `until`, or leaves the list of all in `folder`/steps."""
    wanted = export_format_named(form)
    # What is imported on first use must not count.
    export_dataset(cases[:1], ExportOptions(folder / "warm", wanted, IDENTITY))
    steps: list[str] = []

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _CHANGES or (event == "open" and str(folder) in str(arguments[0])):
            steps.append(event)
            if len(steps) == until:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    export_dataset(cases, ExportOptions(folder / "out", wanted, IDENTITY))
    (folder / "steps").write_text(json.dumps(list(steps)))
