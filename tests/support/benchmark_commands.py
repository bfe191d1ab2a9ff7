"""A benchmark as a user types it, in a checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_CHECKOUT = Path(__file__).parents[2]


def benchmark(module: str, *words: object, home: Path) -> subprocess.CompletedProcess[str]:
    """Run `python -m benchmarks.MODULE`; like a user's terminal, but without a display."""
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    environment |= {"XDG_DATA_HOME": str(home), "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", *map(str, words)],
        env=environment, cwd=_CHECKOUT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
