"""`attunet`, `attunet gui` and `attunet demo` open the window; the demo also runs on a virtual display."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attunet_gui.cli.console import console
from attunet_gui.cli.display import Probe, forget_stale_wayland, has_display, library_missing, no_display
from attunet_gui.core.errors import AttunetError
from attunet_gui.folders import listed

# napari draws with OpenGL, which a virtual X server offers by its GLX extension.
_SCREEN = "-screen 0 1400x900x24 +extension GLX"


def open_window(case: Path | None) -> None:
    """Open the application, with a CT if one is given, and return when it is closed.

    Raises:
        AttunetError: there is no display, or a library that the window needs is missing.
    """
    if not has_display():
        raise no_display()
    with _window_can_open():
        from attunet_gui.gui.app import run

    run(case)


@contextmanager
def _window_can_open() -> Iterator[None]:
    """Try a start of Qt in another process while the body imports the window.

    Qt would end this process without a sentence. The trial runs beside the imports, which take seconds.

    Raises:
        AttunetError: Qt cannot start here.
    """
    forget_stale_wayland()
    probe = Probe()
    try:
        yield
    except ImportError as error:
        fault = library_missing(error)
        if fault is None:
            raise
        raise fault from error
    finally:
        probe.check()


def open_demo(out: Path, tour: bool) -> None:
    """Run the demo on this display, or on a virtual one if there is none.

    Args:
        out: folder for screenshots and results of a run without hands.
        tour: photograph every tool instead of the plain demo.

    Raises:
        AttunetError: there is neither a display nor a virtual one, or the demo on it failed.
    """
    if has_display():
        with _window_can_open():
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
    # The child finds a display, so only the environment tells it that it runs without hands.
    done = subprocess.run(command, env=os.environ | {"ATTUNET_DEMO_SCRIPTED": "1"}, check=False)
    if done.returncode:
        raise AttunetError(f"The demo on the virtual display ended with exit code {done.returncode}.")
    for path in listed(out):
        console.print(f"  {path}")


def _ourselves() -> tuple[str, ...]:
    """Return the words that start this program again; a packaged program is its own executable."""
    return (sys.executable,) if getattr(sys, "frozen", False) else (sys.executable, "-m", "attunet_gui")
