"""Where no window can appear there is a sentence, and Qt does not end the process: each kind for itself."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from qtpy.QtCore import QLibraryInfo

from attunet_gui.cli import window_launcher

_PLUGIN = Path(QLibraryInfo.path(QLibraryInfo.LibraryPath.PluginsPath)) / "platforms" / "libqxcb.so"
_NONE = "attunet: There is no display for the window: start attunet on a desktop, or use `attunet predict`"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there always is a display")


def _window(home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {
        k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    }
    return subprocess.run(
        [sys.executable, "-m", "attunet_gui", "gui"],
        env=inherited | {"XDG_DATA_HOME": str(home), "XDG_RUNTIME_DIR": str(home)} | environment,
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


@pytest.fixture
def _deaf(tmp_path: Path) -> Iterator[None]:
    """Somebody who takes calls at the place of a compositor, and hangs up."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "wayland-7"))
        server.listen()
        thread = threading.Thread(target=_hang_up, args=(server,), daemon=True)
        thread.start()
        yield
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def _hang_up(server: socket.socket) -> None:
    while True:
        try:
            server.accept()[0].close()
        except OSError:
            return


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"WAYLAND_DISPLAY": "wayland-0"},
        {"DISPLAY": ":4711"},
        {"DISPLAY": "localhost:54711"},
        {"DISPLAY": "nonsense", "WAYLAND_DISPLAY": "/nowhere/wayland-0"},
    ],
    ids=str,
)
def test_a_display_that_is_gone_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert not window_launcher.has_display()


def test_the_socket_of_a_compositor_that_has_ended_is_no_display(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "wayland-7"))
    done = _window(tmp_path, WAYLAND_DISPLAY="wayland-7")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(_NONE)
    assert done.stderr.count("\n") == 1


@pytest.mark.usefixtures("_deaf")
def test_a_display_that_answers_and_shows_nothing_is_none(tmp_path: Path) -> None:
    done = _window(tmp_path, WAYLAND_DISPLAY="wayland-7", QT_QPA_PLATFORM="xcb")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(_NONE)
    assert done.stderr.count("\n") == 1


@pytest.mark.usefixtures("_deaf")
def test_a_library_that_is_missing_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "plugins" / _PLUGIN.name
    broken.parent.mkdir()
    whole = _PLUGIN.read_bytes()
    assert b"libxcb-cursor.so.0" in whole
    broken.write_bytes(whole.replace(b"libxcb-cursor.so.0", b"libxcb-abcdef.so.0"))
    libraries = str(_PLUGIN.parents[2] / "lib")
    done = _window(
        tmp_path,
        WAYLAND_DISPLAY="wayland-7",
        QT_QPA_PLATFORM="xcb",
        QT_QPA_PLATFORM_PLUGIN_PATH=str(broken.parent),
        LD_LIBRARY_PATH=libraries,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "attunet: The window needs the library libxcb-abcdef.so.0, which is not installed: install it "
        "(Debian: apt-get install libxcb-abcdef0).\n"
    )


@pytest.mark.parametrize(
    ("said", "package"),
    [
        ("libEGL.so.1: cannot open shared object file: No such file or directory", "libegl1"),
        ("libxkbcommon-x11.so.0: cannot open shared object file", "libxkbcommon-x11-0"),
        ("cannot import name 'x' from 'y'", None),
    ],
)
def test_the_loaders_words_lead_to_the_package(said: str, package: str | None) -> None:
    fault = window_launcher.error_of_missing_library(ImportError(said))
    assert (fault is None) if package is None else str(fault).endswith(f"apt-get install {package}).")


def test_a_compositor_that_is_gone_is_forgotten_where_an_x_server_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAYLAND_DISPLAY", str(tmp_path / "gone"))
    with socket.create_server(("localhost", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(window_launcher, "_X_PORT", port - 5)
        monkeypatch.setenv("DISPLAY", "localhost:5.0")
        window_launcher.forget_stale_wayland()
    assert "WAYLAND_DISPLAY" not in os.environ


@pytest.mark.skipif(shutil.which("xvfb-run") is None, reason="there is no virtual display")
def test_where_a_display_is_qt_begins(tmp_path: Path) -> None:
    code = (
        "from attunet_gui.cli.window_launcher import *; "
        "assert has_display(); QtProbe().raise_if_failed(); print(missing_library())"
    )
    inherited = {k: v for k, v in os.environ.items() if k not in ("WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    words = [str(shutil.which("xvfb-run")), "-a", sys.executable, "-c", code]
    done = subprocess.run(words, env=inherited, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "None\n"), done.stderr
