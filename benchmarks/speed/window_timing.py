"""The window, timed, in a process of its own: `python -m benchmarks.speed.window_timing WHAT JOB`.

Prints JSON.

Needs a display. TensorFlow is never loaded here; what drafts is the window's child.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import getpid
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, perf_counter, sleep
from typing import Any

import napari
import nibabel as nib
import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QCoreApplication, QEventLoop, Qt, QTimer

from attunet_gui.gui.main_window import RunningApplication, start_application
from attunet_gui.gui.napari_adapter.layer_factory import MASK
from attunet_gui.gui.preferences import WindowPreferences
from attunet_gui.io.ct_reading import read_ct_volume
from attunet_gui.network.model_bundle import read_bundle
from attunet_gui.system.errors import AttunetError
from benchmarks.speed.machine_info import peak_gb

_PATIENCE_SECONDS = 600.0
_BEAT_MS, _SCROLL_MS = 5, 60
_STEPS, _STROKES, _POINTS = 40, 12, 16
_SIZE = (1280, 800)


@dataclass(frozen=True)
class WindowJob:
    """What the bench asks for.

    Attributes:
        ct: a `.nii.gz`.
        bundle: folder of the model.
        runs: rounds.
        scroll_seconds: how long to scroll at least without a draft.
    """

    ct: Path
    bundle: Path
    runs: int
    scroll_seconds: float


def main() -> None:
    """Measure what the first argument names and print it."""
    what, told = sys.argv[1], json.loads(sys.argv[2])
    job = WindowJob(Path(told["ct"]), Path(told["bundle"]), told["runs"], told["scroll_seconds"])
    sys.stdout.write(json.dumps(_WHAT[what](job)) + "\n")
    sys.stdout.flush()


@contextmanager
def _window(job: WindowJob) -> Iterator[RunningApplication]:
    """Our window, with the model of the job loaded."""
    with TemporaryDirectory() as folder:
        app = start_application(
            WindowPreferences(Path(folder) / "window.ini"), None, Path(folder) / "journal"
        )
        try:
            app.session.models.add_model(read_bundle(job.bundle))
            _live(1.0)
            yield app
        finally:
            app.controller.end_background_work()
            app.session.close_session()
            app.viewer.close()
            app.runner.close()


def _open(app: RunningApplication, path: Path) -> None:
    app.controller.opener.open_path(path)
    _until(lambda: app.session.case is not None and app.session.mask.tally is not None, app)
    _live(1.0)


def _live(seconds: float) -> None:
    end = monotonic() + seconds
    while monotonic() < end:
        QCoreApplication.processEvents()
        sleep(0.002)


def _until(reached: Callable[[], bool], app: RunningApplication) -> None:
    end = monotonic() + _PATIENCE_SECONDS
    while not reached():
        if monotonic() > end or app.session.message.problem:
            raise AttunetError(f"The window did not get there: {app.session.message.text or 'no answer'}")
        QCoreApplication.processEvents()
        sleep(0.0005)


# Stalls


class _Heart:
    """Beats in the event loop; a beat that is late tells how long the window was deaf."""

    def __init__(self) -> None:
        self._late: list[float] = []
        self._last = perf_counter()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)
        self._timer.start(_BEAT_MS)

    def _beat(self) -> None:
        now = perf_counter()
        self._late.append(1000 * (now - self._last) - _BEAT_MS)
        self._last = now

    def stalls(self) -> tuple[float, float]:
        """The 95th percentile and the worst so far, ms; stops."""
        self._timer.stop()
        return float(np.percentile(self._late, 95)), float(max(self._late))


def _scrolled(app: RunningApplication, reached: Callable[[], bool]) -> tuple[float, float]:
    """Stalls while a person scrolls up and down until `reached`."""
    case = app.session.case
    assert case is not None
    slices = case.volume.grid.shape[0]
    place = iter(range(10**9))

    def scroll() -> None:
        at = slices // 4 + next(place) % max(1, slices // 2)
        app.viewer.dims.set_current_step(0, at)

    timer = QTimer()
    timer.timeout.connect(scroll)
    timer.start(_SCROLL_MS)
    heart = _Heart()
    _loop_until(reached)
    timer.stop()
    return heart.stalls()


def _loop_until(reached: Callable[[], bool]) -> None:
    """The event loop as it runs for a person: it sleeps until something comes."""
    end = monotonic() + _PATIENCE_SECONDS
    while not reached() and monotonic() < end:
        QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)


def _stalls(job: WindowJob) -> dict[str, Any]:
    rounds = []
    with _window(job) as app:
        _open(app, job.ct)
        for _ in range(job.runs):
            app.session.inference.request_draft(app.controller.layers.slice_view.current_slice)
            start_of = monotonic()
            busy = _scrolled(
                app,
                lambda: app.session.inference.job.state == "idle" and app.session.inference.draft is not None,
            )
            took = monotonic() - start_of
            _live(1.5)
            end = monotonic() + max(took, job.scroll_seconds)
            rounds.append((busy, _scrolled(app, lambda end=end: monotonic() > end), took))  # type: ignore[misc]
    return {
        "p95": [busy[0] for busy, _, _ in rounds],
        "p95_without": [calm[0] for _, calm, _ in rounds],
        "worst": [busy[1] for busy, _, _ in rounds],
        "worst_without": [calm[1] for _, calm, _ in rounds],
        "draft_seconds": [took for _, _, took in rounds],
    }


# Steps and strokes


def _hands(viewer: napari.Viewer, mask: Labels) -> dict[str, float]:
    """Median ms of a step to the next slice, and of a stroke, each with its drawing."""
    middle = mask.data.shape[0] // 2
    viewer.dims.set_current_step(0, middle)
    _live(1.0)
    steps = [_clocked(lambda z=z: viewer.dims.set_current_step(0, z)) for z in _there_and_back(middle)]  # type: ignore[misc]
    mask.mode = "paint"
    mask.brush_size = 8
    _live(0.5)
    strokes = [_clocked(lambda n=n: _paint(mask, middle, n)) for n in range(_STROKES)]  # type: ignore[misc]
    return {"step": float(np.median(steps)), "stroke": float(np.median(strokes))}


def _there_and_back(middle: int) -> list[int]:
    reach = min(_STEPS // 2, middle - 1)
    return [*range(middle + 1, middle + reach), *range(middle + reach, middle, -1)]


def _paint(mask: Labels, z: int, number: int) -> None:
    """A stroke across the middle of the slice, drawn as the hand moves."""
    rows, columns = mask.data.shape[1:]
    with mask.block_history():
        for point in range(_POINTS):
            y = rows // 3 + number * rows // (3 * _STROKES)
            mask.paint((z, y, columns // 3 + point * columns // (3 * _POINTS)), 1)
            QCoreApplication.processEvents()


def _clocked(work: Callable[[], object]) -> float:
    begun = perf_counter()
    work()
    QCoreApplication.processEvents()
    took = 1000 * (perf_counter() - begun)
    _live(0.05)
    return took


def _ours(job: WindowJob) -> dict[str, Any]:
    with _window(job) as app:
        _open(app, job.ct)
        mask = app.viewer.layers[MASK]
        app.viewer.dims.set_current_step(0, mask.data.shape[0] // 2)
        return _hands(app.viewer, mask)


def _bare(job: WindowJob) -> dict[str, Any]:
    """napari as it comes, with the same volume and an empty mask."""
    volume = read_ct_volume(job.ct)
    viewer = napari.Viewer(show=False, show_welcome_screen=False)
    scale = volume.grid.spacing_mm
    viewer.add_image(volume.hu, scale=scale, colormap="gray", contrast_limits=(-160, 240))
    mask = viewer.add_labels(np.zeros(volume.hu.shape, np.uint8), scale=scale)
    viewer.window.show()
    viewer.window.resize(*_SIZE)
    _live(1.0)
    found = _hands(viewer, mask)
    viewer.close()
    return found


# Opening, memory


def _opening(job: WindowJob) -> dict[str, Any]:
    """Seconds to the first picture, and of nibabel's load, in turn."""
    ours, voxels, floats = [], [], []
    with _window(job) as app:
        # The first picture of a window also waits for OpenGL's shaders; that is its start, not the CT's.
        first = _seconds(lambda: _open(app, job.ct))
        for _ in range(job.runs):
            voxels.append(_seconds(lambda: np.asanyarray(nib.load(job.ct).dataobj)))
            before = app.session.case
            begun = perf_counter()
            app.controller.opener.open_path(job.ct)
            _until(lambda before=before: app.session.case is not before, app)  # type: ignore[misc]
            QCoreApplication.processEvents()
            ours.append(perf_counter() - begun)
            _live(2.0)
        floats.append(_seconds(lambda: nib.load(job.ct).get_fdata()))
    return {"ours": ours, "voxels": voxels, "floats": floats, "first": first}


def _seconds(work: Callable[[], object]) -> float:
    begun = perf_counter()
    work()
    return perf_counter() - begun


def _memory(job: WindowJob) -> dict[str, Any]:
    """Peak GB of window and child after a draft whose gates were shown in some slices."""
    with _window(job) as app:
        _open(app, job.ct)
        opened = peak_gb(getpid())
        app.session.inference.request_draft(app.controller.layers.slice_view.current_slice)
        _until(
            lambda: app.session.inference.draft is not None and app.session.inference.job.state == "idle", app
        )
        _live(1.5)
        app.controller.layers.appearance.toggle_gates()
        for z in _there_and_back(app.controller.layers.slice_view.current_slice):
            app.viewer.dims.set_current_step(0, z)
            QCoreApplication.processEvents()
        for _ in range(4):
            app.controller.layers.appearance.next_gate()
            _live(0.3)
        return {"window": peak_gb(getpid()), "child": peak_gb(app.runner.child_pid or 0), "opened": opened}


_WHAT: dict[str, Callable[[WindowJob], dict[str, Any]]] = {
    "stalls": _stalls,
    "ours": _ours,
    "bare": _bare,
    "opening": _opening,
    "memory": _memory,
}

if __name__ == "__main__":
    main()
