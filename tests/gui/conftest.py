"""A whole window for tests, with the real child process."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from qtpy.QtWidgets import QApplication

from attunet_gui.core.volume import Volume
from attunet_gui.gui.main_window import RunningApplication, build_window
from attunet_gui.gui.preferences import WindowPreferences
from attunet_gui.io.result_writing import write_float_map
from attunet_gui.network.model_bundle import find_bundles
from attunet_gui.synthesis.phantom.abdomen_phantom import PhantomRequest, make_phantom, phantom_volume
from attunet_gui.workers.inference_process import InferenceProcess
from tests.support.headless_window import qt, world
from tests.support.window_control import live

__all__ = ["qt", "world"]

LONG = PhantomRequest(5, (260, 64, 64), (0.9, 6.0, 6.0))


@pytest.fixture(autouse=True)
def swept() -> Iterator[None]:
    """What a test leaves behind is found here and not by a thread of the next one (see `gui.gc_guard`)."""
    gc.disable()
    yield
    gc.collect()


@pytest.fixture(scope="session")
def long_volume() -> Volume:
    """Many small slices: a run takes long enough to be interrupted."""
    return phantom_volume(make_phantom(LONG))


@pytest.fixture
def ct(tmp_path: Path, long_volume: Volume) -> Path:
    """The long volume in a file."""
    path = tmp_path / "case_one.nii.gz"
    write_float_map(path, long_volume.hu.astype("float32"), long_volume)
    return path


@pytest.fixture(scope="module")
def runner(tiny_bundle: Path) -> Iterator[InferenceProcess]:
    """One child for all tests of a module: it takes seconds to start."""
    made = InferenceProcess()
    made.load_bundle(tiny_bundle)
    yield made
    made.close()


@pytest.fixture
def app(
    qapp: QApplication, tmp_path: Path, tiny_bundle: Path, runner: InferenceProcess
) -> Iterator[RunningApplication]:
    """A shown window."""
    if "tensorflow" in sys.modules:
        pytest.exit("TensorFlow is loaded here and would crash with the canvas; use make test-window", 2)
    made = build_window(
        runner,
        find_bundles((tiny_bundle.parent,)),
        WindowPreferences(tmp_path / "window.ini"),
        tmp_path / "journal",
    )
    live(0.2)
    yield made
    made.controller.end_background_work()
    made.session.close_session()
    if not made.is_window_closed():
        made.viewer.close()
    live(0.05)
