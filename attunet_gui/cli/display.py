"""Whether a window can appear here, found out before Qt does: Qt ends the process where it cannot."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from attunet_gui.core.errors import AttunetError
from attunet_gui.folders import listed

_WAIT_S = 5.0
_X_PORT = 6000
_NO_LIBRARY = re.compile(r"(\S+\.so[.\d]*): cannot open shared object file")
_PLUGINS = {"xcb": "libqxcb.so", "wayland": "libqwayland*.so"}


def has_display() -> bool:
    """Whether something answers that shows windows: an X server, a Wayland compositor, or the system."""
    if sys.platform in ("win32", "darwin"):
        return True
    return _wayland_answers() or _x_server_answers()


def no_display() -> AttunetError:
    """The refusal to open a window where none can be shown."""
    return AttunetError(
        "There is no display for the window: start attunet on a desktop, or use "
        "`attunet predict` to draft without one, or `attunet demo` to see it on a virtual display."
    )


def library_missing(error: BaseException | str) -> AttunetError | None:
    """The refusal to open a window where the loader said so of a library; None if it said something else."""
    found = _NO_LIBRARY.search(str(error))
    if found is None:
        return None
    library = found[1]
    return AttunetError(
        f"The window needs the library {library}, which is not installed: install it "
        f"(Debian: apt-get install {_package(library)})."
    )


def missing_library() -> AttunetError | None:
    """The refusal that names the first library that is missing, of Qt's or of its plugin for this display."""
    try:
        import qtpy.QtWidgets  # noqa: F401

        for plugin in _plugins():
            ctypes.CDLL(str(plugin))
    except (ImportError, OSError) as error:
        return library_missing(error)
    return None


class Probe:
    """Tries in a process of its own whether Qt can begin; to be made before anything begins threads."""

    def __init__(self) -> None:
        self._child = _forked_try() if sys.platform not in ("win32", "darwin") else None

    def check(self) -> None:
        """Wait until it is known.

        Raises:
            AttunetError: Qt cannot begin, with the library that is missing, or else the display.
        """
        if self._child is None:
            return
        _pid, status = os.waitpid(self._child, 0)
        if status:
            raise missing_library() or no_display()


def forget_stale_wayland() -> None:
    """Keep Qt from a compositor that is gone where an X server answers."""
    if not _wayland_answers() and _x_server_answers():
        os.environ.pop("WAYLAND_DISPLAY", None)


def _wayland_answers() -> bool:
    name = os.environ.get("WAYLAND_DISPLAY", "")
    return bool(name) and _unix_answers(str(Path(os.environ.get("XDG_RUNTIME_DIR", "/")) / name))


def _x_server_answers() -> bool:
    found = re.fullmatch(r"(?P<host>.*):(?P<number>\d{1,5})(\.\d+)?", os.environ.get("DISPLAY", ""))
    if found is None:
        return False
    host, number = found["host"], int(found["number"])
    if host in ("", "unix"):
        place = f"/tmp/.X11-unix/X{number}"
        return _unix_answers(place) or _unix_answers(f"\0{place}")
    with suppress(OSError), socket.create_connection((host, _X_PORT + number), timeout=_WAIT_S):
        return True
    return False


def _unix_answers(address: str) -> bool:
    with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.settimeout(_WAIT_S)
        client.connect(address)
        return True
    return False


def _forked_try() -> int:
    """The process that tries; its status is 0 if Qt began."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        _without_traces()
        from qtpy.QtGui import QGuiApplication

        QGuiApplication(["attunet"])
        status = 0
    finally:
        os._exit(status)


def _without_traces() -> None:
    """What Qt prints when it gives up would stand above the sentence, and its core on the disk."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGABRT, signal.SIG_DFL)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)


def _plugins() -> Iterator[Path]:
    from qtpy.QtCore import QLibraryInfo

    asked = os.environ.get("QT_QPA_PLATFORM", "").split(":")[0]
    name = asked or ("xcb" if _x_server_answers() else "wayland")
    own = Path(QLibraryInfo.path(QLibraryInfo.LibraryPath.PluginsPath)) / "platforms"
    for folder in (os.environ.get("QT_QPA_PLATFORM_PLUGIN_PATH"), own):
        if folder:
            pattern = _PLUGINS.get(name, f"libq{name}.so")
            yield from (path for path in listed(Path(folder)) if path.match(pattern))


def _package(library: str) -> str:
    """How Debian calls the package of a library, such as libxcb-cursor0 for libxcb-cursor.so.0."""
    name, _so, version = library.lower().partition(".so")
    number = version.strip(".").split(".")[0]
    return f"{name}-{number}" if name[-1:].isdigit() else f"{name}{number}"
