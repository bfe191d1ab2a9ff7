"""Hundreds of cases opened, drafted, corrected and saved in one window, while its child is killed at times.

    xvfb-run -a -s "-screen 0 1400x900x24 +extension GLX" python -m benchmarks.soak [--cases 500] [--kills 50]

The CT are small phantoms, each with noise of its own. The child is killed (SIGKILL) at random moments of the
first 60 % of the cases, while it drafts or while strokes are drawn; afterwards it lives on, so that its own
memory can be followed. After the strokes of every case the journal is read from the disk and must give the
mask that is on screen; after every kill the progress bar must go. Every ten cases: memory, files, threads
of the window, memory of the child. Exit code 1 if a stroke is lost or a bar stays.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep

import numpy as np
import psutil
from qtpy.QtWidgets import QApplication

from attunet_gui.core.volume import Volume
from attunet_gui.gui.main_window import RunningApplication, build_window
from attunet_gui.gui.napari_adapter.layer_factory import MASK
from attunet_gui.gui.preferences import WindowPreferences
from attunet_gui.io.journal.journal import read_journal
from attunet_gui.io.result_writing import write_ct
from attunet_gui.network.model_bundle import read_bundle
from attunet_gui.synthesis.phantom.abdomen_phantom import PhantomRequest, make_phantom, phantom_volume
from attunet_gui.system.errors import AttunetError
from attunet_gui.workers.inference_process import InferenceProcess

_SHAPE, _SPACING_MM = (64, 96, 96), (3.0, 4.0, 4.0)
_PHANTOMS, _STROKES, _EVERY, _SETTLED = 4, 2, 10, 50
_KILLING, _WHILE_DRAFTING = 0.6, 0.7
_SIZE = (800, 560)
_BAR_SECONDS, _PATIENCE_SECONDS = 30.0, 120.0


@dataclass(frozen=True)
class Sample:
    """What the processes hold after so many cases; sizes in MB."""

    cases: int
    window: float
    child: float
    files: int
    threads: int


@dataclass
class Found:
    """What went wrong, and what was measured."""

    kills: int = 0
    strokes: int = 0
    lost: list[str] = field(default_factory=list)
    bars: list[str] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)


def main() -> int:
    """Print the figures; 1 if something was lost."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", type=Path, default=Path("models/phantom-starter"))
    parser.add_argument("--json", type=Path, help="write every sample here")
    told = parser.parse_args()
    app = QApplication.instance() or QApplication([])
    found, since = Found(), monotonic()
    rng = np.random.default_rng(told.seed)
    chosen = rng.permutation(int(told.cases * _KILLING))[: told.kills]
    with TemporaryDirectory() as folder:
        window = build_window(
            InferenceProcess(),
            (read_bundle(told.model),),
            WindowPreferences(Path(folder) / "w.ini"),
            Path(folder) / "j",
        )
        # Drawn by software, a large window takes longer to paint than everything else together.
        window.viewer.window.resize(*_SIZE)
        _until(lambda: False, 1.0)
        # napari collects garbage at every layer that goes; what is there for good need not be looked at each
        # time. Nothing that a case leaves behind is hidden by this.
        gc.collect()
        gc.freeze()
        phantoms = [
            phantom_volume(make_phantom(PhantomRequest(k, _SHAPE, _SPACING_MM))) for k in range(_PHANTOMS)
        ]
        for number in range(told.cases):
            path = _ct(phantoms[number % _PHANTOMS], Path(folder), number, rng)
            _one_case(window, path, found, rng, kill=number in chosen)
            if (number + 1) % _EVERY == 0:
                found.samples.append(_sample(window, number + 1))
                _print_sample(found, monotonic() - since)
            for left in path.parent.glob("case*"):
                left.unlink()
        _end(window)
    _print(found, told.cases, monotonic() - since)
    if told.json:
        told.json.write_text(json.dumps(asdict(found), indent=1))
    app.quit()
    return int(bool(found.lost or found.bars))


def _ct(phantom: Volume, folder: Path, number: int, rng: np.random.Generator) -> Path:
    noise = rng.integers(-15, 16, phantom.hu.shape)
    path = folder / f"case{number:04}.nii.gz"
    write_ct(path, replace(phantom, hu=(phantom.hu + noise).astype(np.int16)))
    return path


def _one_case(
    app: RunningApplication, path: Path, found: Found, rng: np.random.Generator, kill: bool
) -> None:
    """Open, draft, correct, save; with `kill` the child dies while it drafts, or under the strokes."""
    before = app.session.case
    app.controller.opener.open_path(path)
    _reach(lambda: app.session.case is not before and app.session.file_job is None, app)
    drafting = kill and rng.random() < _WHILE_DRAFTING
    if drafting:
        _kill_and_wait(app, path, found, rng, drafting=True)
    app.controller.drafting.run_or_cancel()
    _as_important_as_others(app)
    _reach(lambda: app.session.inference.draft is not None and app.session.inference.job.state == "idle", app)
    _draw(app, found, rng)
    if kill and not drafting:
        _kill_and_wait(app, path, found, rng, drafting=False)
    _draw(app, found, rng)
    _compare(app, path, found)
    app.controller.saving.save()
    _reach(lambda: not app.session.mask.edited and app.session.file_job is None, app)


def _as_important_as_others(app: RunningApplication) -> None:
    """The child gives way to everything and would starve on a busy machine; changed where we may."""
    with suppress(psutil.Error):
        psutil.Process(app.runner.child_pid).nice(0)


def _kill_and_wait(
    app: RunningApplication, path: Path, found: Found, rng: np.random.Generator, drafting: bool
) -> None:
    if drafting:
        app.controller.drafting.run_or_cancel()
        _until(lambda: False, float(rng.uniform(0.0, 0.6)))
    pid = app.runner.child_pid
    if pid is None:
        return
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    found.kills += 1
    if not drafting:
        _draw(app, found, rng)
    if not _until(
        lambda: app.session.inference.job.state == "idle" and not app.controller.view_state.mode.may_cancel,
        _BAR_SECONDS,
    ):
        found.bars.append(path.name)
        app.session.inference.cancel_request()


def _draw(app: RunningApplication, found: Found, rng: np.random.Generator) -> None:
    """Strokes with napari's brush, as the hand moves, in the slices of the gland and beside."""
    mask = app.viewer.layers[MASK]
    app.controller.select_tool("paint")
    for _ in range(_STROKES):
        z, y, x = (int(rng.integers(n // 4, 3 * n // 4)) for n in mask.data.shape)
        app.viewer.dims.set_current_step(0, z)
        mask.brush_size = int(rng.integers(2, 8))
        with mask.block_history():
            for step in range(6):
                mask.paint((z, y, x + step), int(rng.random() < 0.7))
        QApplication.processEvents()
        found.strokes += 1


def _compare(app: RunningApplication, path: Path, found: Found) -> None:
    """What the disk knows of the case must be what is on screen."""
    _until(lambda: False, 0.1)
    work = app.controller.edits.work
    on_screen = app.viewer.layers[MASK].data != 0
    if work is None or work.journal.path is None:
        found.lost.append(f"{path.name}: no journal")
    elif not np.array_equal(read_journal(work.journal.path).current_mask() != 0, on_screen):
        found.lost.append(path.name)


def _sample(app: RunningApplication, cases: int) -> Sample:
    here = psutil.Process()
    pid = app.runner.child_pid
    child = 0.0
    if pid is not None:
        with suppress(psutil.Error):
            child = psutil.Process(pid).memory_info().rss / 2**20
    return Sample(cases, here.memory_info().rss / 2**20, child, here.num_fds(), here.num_threads())


def _end(app: RunningApplication) -> None:
    app.controller.end_background_work()
    app.session.close_session()
    app.viewer.close()
    app.runner.close()


def _reach(reached: Callable[[], bool], app: RunningApplication) -> None:
    if not _until(reached, _PATIENCE_SECONDS):
        raise AttunetError(f"The window did not get there: {app.session.message.text or 'no answer'}")


def _until(reached: Callable[[], bool], seconds: float) -> bool:
    """Let the window work until `reached`; whether it was in time."""
    end = monotonic() + seconds
    while not reached():
        if monotonic() > end:
            return False
        QApplication.processEvents()
        sleep(0.001)
    return True


def _print_sample(found: Found, seconds: float) -> None:
    one = found.samples[-1]
    held = f"window {one.window:.0f} MB, child {one.child:.0f} MB, {one.files} files, {one.threads} threads"
    wrong = f"{len(found.lost)} with a lost stroke, {len(found.bars)} bars that stayed"
    print(f"{seconds:6.0f} s {one.cases:4} cases, {found.kills:3} kills, {held}, {wrong}", flush=True)


def _print(found: Found, cases: int, seconds: float) -> None:
    print(f"{cases} cases in {seconds:.0f} s, {found.strokes} strokes, child killed {found.kills} times")
    print(f"cases with a lost stroke: {len(found.lost)} {found.lost}")
    print(f"bars that stayed: {len(found.bars)} {found.bars}")
    steady = [one for one in found.samples if one.cases > _SETTLED]
    alone = [one for one in steady if one.cases > cases * _KILLING + _EVERY]
    _print_slope("window, MB", steady, lambda one: one.window)
    _print_slope("window, open files", steady, lambda one: one.files)
    _print_slope("window, threads", steady, lambda one: one.threads)
    _print_slope("child, MB, once it is left alive", alone, lambda one: one.child)


def _print_slope(what: str, samples: list[Sample], value: Callable[[Sample], float]) -> None:
    if len(samples) < 3:
        return
    at, values = [one.cases for one in samples], [value(one) for one in samples]
    slope = 100 * float(np.polyfit(at, values, 1)[0])
    print(
        f"{what:34} {values[0]:8.1f} -> {values[-1]:8.1f}, most {max(values):8.1f}, {slope:+.2f} a 100 cases"
    )


if __name__ == "__main__":
    sys.exit(main())
