"""What decides about the content of a package: what is left out, what is pinned, whose licence is found."""

from __future__ import annotations

import configparser
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import numpy
import pytest

FOLDER = Path(__file__).parents[1] / "packaging"


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.delenv("WHOLE", raising=False)
    yield
    for name in ("left_out", "licences", "same_pins"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("inside", "stays"),
    [
        ("attunet_gui/_data/models/starter-2/weights.safetensors", True),
        ("attunet_gui/napari.yaml", True),
        ("openvino/libs/libopenvino_intel_cpu_plugin.so", True),
        ("openvino/libs/libopenvino_intel_gpu_plugin.so", False),
        ("PySide6/Qt/plugins/platforms/libqxcb.so", True),
        ("PySide6/Qt/plugins/platforms/libqeglfs.so", False),
        ("pillow.libs/libXau-154567c4.so.6.0.0", True),
        ("libX11.so.6", False),
        ("libstdc++.so.6", False),
        ("libxcb-cursor.so.0", True),
        ("napari/_tests/test_viewer.py", False),
    ],
)
def test_what_stays_in_a_package(inside: str, stays: bool) -> None:
    import left_out

    assert left_out.stays(inside) is stays


def test_nothing_that_reaches_for_a_network_is_collected() -> None:
    import left_out

    assert {"urllib3", "openvino_telemetry", "PySide6.QtNetwork"} <= set(left_out.modules())


def test_what_stands_for_requests_in_a_package_asks_nobody() -> None:
    stand_in = runpy.run_path(str(FOLDER / "absent" / "requests.py"))
    with pytest.raises(ConnectionError, match="network"):
        stand_in["get"]("https://example.invalid")


def test_without_learning_tensorflow_is_left_out_too(monkeypatch: pytest.MonkeyPatch) -> None:
    import left_out

    assert "tensorflow" not in left_out.modules()
    monkeypatch.setenv("WITHOUT_LEARNING", "1")
    assert "tensorflow" in left_out.modules()


def test_libraries_that_are_moved_by_their_wheel_are_not_stripped() -> None:
    import left_out

    assert left_out.bears_stripping("tensorflow/libtensorflow_cc.so.2")
    assert not left_out.bears_stripping("numpy.libs/libscipy_openblas64_-32a4b2a6.so")
    assert not left_out.bears_stripping("tensorflow/python/framework/ops.py")


def test_a_licence_is_found_of_a_package_and_of_python(tmp_path: Path) -> None:
    import licences

    parts = licences.parts_of([Path(numpy.__file__)])
    assert {"numpy", "Python"} <= {part.name for part in parts}
    licences.write(parts, tmp_path)
    assert "numpy" in (tmp_path / "INDEX.txt").read_text()
    assert any((tmp_path / "python" / "numpy").iterdir())


@pytest.mark.skipif(which("dpkg-query") is None, reason="the owners of system libraries are Debian packages")
def test_a_file_that_nobody_owns_is_not_packed_in_silence(tmp_path: Path) -> None:
    import licences

    stray = tmp_path / "stray.so"
    stray.touch()
    with pytest.raises(LookupError, match="stray"):
        licences.parts_of([stray])


def test_locks_are_compared_by_version_and_hash() -> None:
    import same_pins

    lock = "a==1 \\\n    --hash=sha256:x \\\n    --hash=sha256:y\nb==2 \\\n    --hash=sha256:z\n"
    assert same_pins.pins(lock) == {
        "a==1": frozenset({"sha256:x", "sha256:y"}),
        "b==2": frozenset({"sha256:z"}),
    }


def test_the_desktop_entry_starts_the_window_with_a_file() -> None:
    entry = configparser.ConfigParser(interpolation=None)
    entry.read(FOLDER / "attunet.desktop")
    assert entry["Desktop Entry"]["Exec"] == "attunet gui %f"
    assert "not a medical device" in entry["Desktop Entry"]["Comment"]
