"""Check whether a window can appear, before Qt tries: Qt ends the process with an abort if it cannot."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from attunet_gui.cli.console import console
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.folders import list_folder

_ANSWER_TIMEOUT_S = 5.0
# An X server's display N listens at TCP port 6000 + N.
_X_PORT = 6000
_MISSING_LIBRARY_PATTERN = re.compile(r"(\S+\.so[.\d]*): cannot open shared object file")
_PLATFORM_PLUGINS = {"xcb": "libqxcb.so", "wayland": "libqwayland*.so"}


def has_display() -> bool:
    """Return whether there is a display: an X server or Wayland compositor that answers, or the system's.

    Windows and macOS always have one.
    """
    if sys.platform in ("win32", "darwin"):
        return True
    return _wayland_answers() or _x_server_answers()


def no_display_error() -> AttunetError:
    """Return the error that says that there is no display for the window."""
    return AttunetError(
        "There is no display for the window: start attunet on a desktop, or use "
        "`attunet predict` to draft without one, or `attunet demo` to see it on a virtual display."
    )


def error_of_missing_library(error: BaseException | str) -> AttunetError | None:
    """Return the error that names a missing library, if the dynamic loader complained of one; else None."""
    found = _MISSING_LIBRARY_PATTERN.search(str(error))
    if found is None:
        return None
    library = found[1]
    return AttunetError(
        f"The window needs the library {library}, which is not installed: install it "
        f"(Debian: apt-get install {_debian_package(library)})."
    )


def missing_library() -> AttunetError | None:
    """Return the error that names the first missing library of Qt or of its platform plugin, or None."""
    try:
        import qtpy.QtWidgets  # noqa: F401

        # Qt loads its platform plugin only when it starts, and then aborts: loading it here tells the reason.
        for plugin in _platform_plugin_paths():
            ctypes.CDLL(str(plugin))
    except (ImportError, OSError) as error:
        return error_of_missing_library(error)
    return None


class QtProbe:
    """A trial start of Qt in a forked process.

    It has to be created before anything starts a thread, since a fork copies only the calling thread.
    """

    def __init__(self) -> None:
        self._child_pid = _fork_qt_start() if sys.platform not in ("win32", "darwin") else None

    def raise_if_failed(self) -> None:
        """Wait for the outcome of the trial.

        Raises:
            AttunetError: Qt cannot start; the sentence names the missing library, or else the display.
        """
        if self._child_pid is None:
            return
        _pid, status = os.waitpid(self._child_pid, 0)
        if status:
            raise missing_library() or no_display_error()


def forget_stale_wayland() -> None:
    """Make Qt use the X server if the Wayland compositor that the environment names does not answer."""
    if not _wayland_answers() and _x_server_answers():
        os.environ.pop("WAYLAND_DISPLAY", None)


def _wayland_answers() -> bool:
    """Return whether the Wayland compositor that the environment names accepts a connection."""
    name = os.environ.get("WAYLAND_DISPLAY", "")
    return bool(name) and _unix_socket_answers(str(Path(os.environ.get("XDG_RUNTIME_DIR", "/")) / name))


def _x_server_answers() -> bool:
    """Return whether the X server that DISPLAY names accepts a connection."""
    found = re.fullmatch(r"(?P<host>.*):(?P<number>\d{1,5})(\.\d+)?", os.environ.get("DISPLAY", ""))
    if found is None:
        return False
    host, number = found["host"], int(found["number"])
    if host in ("", "unix"):
        # An X server listens at a socket file, at a name in Linux's abstract namespace, or at both.
        place = f"/tmp/.X11-unix/X{number}"
        return _unix_socket_answers(place) or _unix_socket_answers(f"\0{place}")
    with suppress(OSError), socket.create_connection((host, _X_PORT + number), timeout=_ANSWER_TIMEOUT_S):
        return True
    return False


def _unix_socket_answers(address: str) -> bool:
    """Return whether something accepts a connection at a Unix socket; a leading NUL names an abstract one."""
    with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.settimeout(_ANSWER_TIMEOUT_S)
        client.connect(address)
        return True
    return False


def _fork_qt_start() -> int:
    """Fork a process that starts Qt, and return its id; its exit status is 0 if Qt started."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        _silence_child()
        from qtpy.QtGui import QGuiApplication

        QGuiApplication(["attunet"])
        status = 0
    finally:
        # No cleanup of the interpreter: it would run the parent's handlers and flush its buffers twice.
        os._exit(status)


def _silence_child() -> None:
    """Silence this process: Qt's message would stand above the sentence, and its abort leave a core file."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGABRT, signal.SIG_DFL)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)


def _platform_plugin_paths() -> Iterator[Path]:
    """Yield the files of the platform plugin that Qt would use, those of the environment's folder first."""
    from qtpy.QtCore import QLibraryInfo

    asked = os.environ.get("QT_QPA_PLATFORM", "").split(":")[0]
    name = asked or ("xcb" if _x_server_answers() else "wayland")
    own = Path(QLibraryInfo.path(QLibraryInfo.LibraryPath.PluginsPath)) / "platforms"
    for folder in (os.environ.get("QT_QPA_PLATFORM_PLUGIN_PATH"), own):
        if folder:
            pattern = _PLATFORM_PLUGINS.get(name, f"libq{name}.so")
            yield from (path for path in list_folder(Path(folder)) if path.match(pattern))


def _debian_package(library: str) -> str:
    """Return Debian's name of a library's package, such as libxcb-cursor0 for libxcb-cursor.so.0."""
    name, _so, version = library.lower().partition(".so")
    number = version.strip(".").split(".")[0]
    # Debian's policy puts a hyphen before the number where the name itself ends in a digit.
    return f"{name}-{number}" if name[-1:].isdigit() else f"{name}{number}"


# napari draws with OpenGL, which a virtual X server offers by its GLX extension.
_VIRTUAL_SCREEN = "-screen 0 1400x900x24 +extension GLX"


def open_window(case: Path | None) -> None:
    """Open the application, with a CT if one is given, and return when it is closed.

    Raises:
        AttunetError: there is no display, or a library that the window needs is missing.
    """
    if not has_display():
        raise no_display_error()
    with _window_can_open():
        from attunet_gui.gui.main_window import run_application

    run_application(case)


@contextmanager
def _window_can_open() -> Iterator[None]:
    """Try a start of Qt in another process while the body imports the window.

    Qt would end this process without a sentence. The trial runs beside the imports, which take seconds.

    Raises:
        AttunetError: Qt cannot start here.
    """
    forget_stale_wayland()
    probe = QtProbe()
    try:
        yield
    except ImportError as error:
        fault = error_of_missing_library(error)
        if fault is None:
            raise
        raise fault from error
    finally:
        probe.raise_if_failed()


def open_demo(out: Path) -> None:
    """Run the demo on this display, or on a virtual one if there is none.

    Args:
        out: folder for screenshots and results of a run without hands.

    Raises:
        AttunetError: there is neither a display nor a virtual one, or the demo on it failed.
    """
    if has_display():
        with _window_can_open():
            from attunet_gui.gui.demo_recorder import run_demo

        run_demo(out if os.environ.get("ATTUNET_DEMO_SCRIPTED") else None)
        return
    runner = shutil.which("xvfb-run")
    if runner is None:
        raise AttunetError(
            "There is no display and no virtual one: install it (Debian: apt-get install xvfb xauth)."
        )
    console.print(f"No display here: running the demo on a virtual one, pictures and results go to {out}/")
    command = [runner, "-a", "-s", _VIRTUAL_SCREEN, *_own_command(), "demo", "--out", str(out)]
    # The child finds a display, so only the environment tells it that it runs without hands.
    done = subprocess.run(command, env=os.environ | {"ATTUNET_DEMO_SCRIPTED": "1"}, check=False)
    if done.returncode:
        raise AttunetError(f"The demo on the virtual display ended with exit code {done.returncode}.")
    for path in list_folder(out):
        console.print(f"  {path}")


def _own_command() -> tuple[str, ...]:
    """Return the words that start this program again; a packaged program is its own executable."""
    return (sys.executable,) if getattr(sys, "frozen", False) else (sys.executable, "-m", "attunet_gui")
