"""The command line in a process of its own, or in that of the test."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from attunet_gui.cli import main
from attunet_gui.cli.console import console


def _environment(home: Path, more: dict[str, str]) -> dict[str, str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return environment | {"XDG_DATA_HOME": str(home), "COLUMNS": "200"} | more


def run_in_process(*words: object, home: Path) -> subprocess.CompletedProcess[str]:
    """Run `attunet` as `run_attunet` does, but in the process of the test, which saves seconds.

    It is for commands that load no TensorFlow, and whose exit code and output are what is asked for.
    """
    had_tensorflow = "tensorflow" in sys.modules
    # What prints to the terminal is a TextIOWrapper, whose way to treat odd characters can be changed.
    out, error = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    said = ["attunet", *map(str, words)]
    code = 0
    with (
        mock.patch.dict(os.environ, _environment(home, {}), clear=True),
        mock.patch.object(sys, "argv", said),
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(error),
    ):
        patch.setattr(console, "width", 200)
        try:
            main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        printed = []
        for stream in (out, error):
            stream.flush()
            printed.append(stream.buffer.getvalue().decode("utf-8"))  # type: ignore[attr-defined]
    assert had_tensorflow or "tensorflow" not in sys.modules, "this command needs a process of its own"
    return subprocess.CompletedProcess(said, code, *printed)


def run_attunet(*words: object, home: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `attunet`; like a user's terminal, but without a display; with `more` in its environment."""
    return subprocess.run(
        [sys.executable, "-m", "attunet_gui", *map(str, words)],
        env=_environment(home, more), capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
