"""`attunet`, `attunet gui` and `attunet demo`: the window, on a virtual display where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from attunet_gui.cli.console import console
from attunet_gui.core.errors import AttunetError

_SCREEN = "-screen 0 1400x900x24 +extension GLX"


def has_display() -> bool:
    """Whether a window can appear on this machine."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("WAYLAND_DISPLAY")) or _x_server_answers(os.environ.get("DISPLAY", ""))


def _x_server_answers(display: str) -> bool:
    """A display of this machine has a socket; of a display elsewhere only its name is known."""
    if not display.startswith(":"):
        return bool(display)
    number = display[1:].split(".")[0]
    return Path(f"/tmp/.X11-unix/X{number}").exists()


def open_window(case: Path | None) -> None:
    """Open the application and wait until it is closed."""
    if not has_display():
        raise AttunetError(
            "There is no display for the window: start attunet on a desktop, or use "
            "`attunet predict` to draft without one, or `attunet demo` to see it on a virtual display."
        )
    from attunet_gui.gui.app import run

    run(case)


def open_demo(out: Path, tour: bool) -> None:
    """The demo on this display, or on a virtual one with screenshots in `out`; `tour`: of every tool."""
    if has_display():
        from attunet_gui.gui.demo import Film, run_demo
        from attunet_gui.gui.tour import Tour

        scripted = tour or os.environ.get("ATTUNET_DEMO_SCRIPTED")
        run_demo(out if scripted else None, Tour if tour else Film)
        return
    runner = shutil.which("xvfb-run")
    if runner is None:
        raise AttunetError(
            "There is no display and no virtual one: install it (Debian: apt-get install xvfb xauth)."
        )
    console.print(f"No display here: running the demo on a virtual one, pictures and results go to {out}/")
    command = [runner, "-a", "-s", _SCREEN, *_ourselves(), "demo", "--out", str(out)]
    command += ["--tour"] * tour
    done = subprocess.run(command, env=os.environ | {"ATTUNET_DEMO_SCRIPTED": "1"}, check=False)
    if done.returncode:
        raise AttunetError(f"The demo on the virtual display ended with exit code {done.returncode}.")
    for path in sorted(out.iterdir()):
        console.print(f"  {path}")


def _ourselves() -> tuple[str, ...]:
    """The words that start this program anew: packaged, its executable is the program."""
    return (sys.executable,) if getattr(sys, "frozen", False) else (sys.executable, "-m", "attunet_gui")
