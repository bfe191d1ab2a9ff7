"""The command line in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def run_attunet(*words: object, home: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `attunet`; like a user's terminal, but without a display; with `more` in its environment."""
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    environment |= {"XDG_DATA_HOME": str(home), "COLUMNS": "200"} | more
    return subprocess.run(
        [sys.executable, "-m", "attunet_gui", *map(str, words)],
        env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
