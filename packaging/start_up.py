"""How long from the start of a program to the first picture of its window, packaged and installed.

Usage: start_up.py PROGRAM OTHER [TIMES]; needs a display. Both are started in turn, and the medians compared.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import monotonic, sleep

_PATIENCE_S = 240.0
_UNCACHED = "PYTHONDONTWRITEBYTECODE"
"""Where it is set, the installed program is compiled anew at each start."""


def seconds_to_picture(program: str) -> float:
    """Start the scripted demo and wait for its first picture; then end it."""
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "demo" / "01_nothing_open.png"
        own = {"ATTUNET_DEMO_SCRIPTED": "1", "HOME": folder}
        begun = monotonic()
        started = subprocess.Popen(
            [program, "demo", "--out", str(picture.parent)],
            env={key: value for key, value in os.environ.items() if key != _UNCACHED} | own,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            while not picture.exists():
                if started.poll() is not None or monotonic() - begun > _PATIENCE_S:
                    raise SystemExit(f"{program} showed no window.")
                sleep(0.01)
            return monotonic() - begun
        finally:
            os.killpg(started.pid, signal.SIGKILL)
            started.wait()


def main() -> None:
    """Measure and print."""
    programs, times = sys.argv[1:3], int(sys.argv[3]) if len(sys.argv) > 3 else 5
    seconds: dict[str, list[float]] = {program: [] for program in programs}
    for _ in range(times):
        for program in programs:
            seconds[program].append(seconds_to_picture(program))
    for program, found in seconds.items():
        shown = " ".join(f"{value:.2f}" for value in found)
        sys.stdout.write(f"{median(found):6.2f} s  {program}  ({shown})\n")
    ratio = median(seconds[programs[0]]) / median(seconds[programs[1]])
    sys.stdout.write(f"ratio {ratio:.2f}\n")


if __name__ == "__main__":
    main()
