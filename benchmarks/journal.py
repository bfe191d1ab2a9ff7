"""What the journal of strokes costs: time a stroke, bytes a step, size of the file.

    python -m benchmarks.journal [--folder FOLDER]

Prints, for a CT of 512 x 512 x 300 voxels:

- milliseconds a brush stroke, by the clock on the wall (median, 95th percentile, worst) and of the processor
  (median, 95th percentile; other programs that run meanwhile do not lengthen these): with a person's pause
  between two strokes, without any pause, so that each has to wait until the disk has the one before, and
  without asking the disk at all;
- bytes of the undo step of a 3-D fill, here and in napari;
- size of the file after 5,000 strokes, and how long compaction, the question for recovery and the recovery
  itself take then.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from attunet_gui.editing.edit_session import CaseIdentity, EditSession, pending_journals
from attunet_gui.io.journal import journal

SHAPE = (300, 512, 512)
IDENTITY = CaseIdentity("bench", Path("bench.nii.gz"), "NIfTI", None, SHAPE, (1.0, 0.7, 0.7), "0")
STROKES, MANY, PAUSE_S = 500, 5000, 0.05


def brush(live: np.ndarray, rng: np.random.Generator) -> tuple[slice, slice, slice]:
    """Draw a curved stroke of 8 to 16 pixels width and about 60 length into one slice; its box."""
    z, radius = int(rng.integers(100, 180)), int(rng.integers(4, 9))
    at, heading = rng.uniform(180, 330, 2), rng.uniform(0, 2 * np.pi)
    value = int(rng.random() < 0.7)
    rows, columns = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disc = rows**2 + columns**2 <= radius**2
    path = []
    for _ in range(int(rng.integers(5, 30))):
        heading += rng.normal(0, 0.3)
        at = at + 3 * np.array([np.sin(heading), np.cos(heading)])
        y, x = (int(k) for k in at.round())
        live[z, y - radius : y + radius + 1, x - radius : x + radius + 1][disc] = value
        path.append((y, x))
    low, high = np.min(path, axis=0) - radius, np.max(path, axis=0) + radius + 1
    return slice(z, z + 1), slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))


def timed(folder: Path, pause: float) -> np.ndarray:
    """(strokes, 2) milliseconds of `Work.note`, by the clock on the wall and of the processor."""
    live, rng = np.zeros(SHAPE, np.uint8), np.random.default_rng(0)
    taken: list[tuple[float, float]] = []
    work = EditSession.begin_session(IDENTITY, live, folder, "bench")
    while len(taken) < STROKES:
        box = brush(live, rng)
        start = time.perf_counter(), time.thread_time()
        stroke = work.record_change(live, box, "brush", "brush", box[0].start, True)
        if stroke is not None:
            taken.append((time.perf_counter() - start[0], time.thread_time() - start[1]))
        time.sleep(pause)
    assert not work.journal.problem, work.journal.problem
    work.close_journal()
    return 1000 * np.array(taken)


def show(words: str, taken: np.ndarray) -> None:
    """One line of the table."""
    middle, high = np.percentile(taken, (50, 95), axis=0)
    wall = f"{middle[0]:8.2f}{high[0]:8.2f}{taken[:, 0].max():8.2f}"
    print(f"{words:<58}{wall}{middle[1]:10.2f}{high[1]:8.2f}")


def time_strokes(folder: Path) -> None:
    """The table of milliseconds."""
    heads = f"{'median':>8}{'p95':>8}{'worst':>8}{'processor':>10}{'p95':>8}"
    print(f"{f'ms a stroke, {STROKES} strokes on 512 x 512 x 300':<58}{heads}")
    show(f"synced, {PAUSE_S * 1000:.0f} ms between strokes", timed(folder / "paused", PAUSE_S))
    show("synced, no pause (each waits for the disk)", timed(folder / "rushed", 0.0))
    sync, journal._sync = journal._sync, lambda _: None
    show("not synced, no pause", timed(folder / "unsynced", 0.0))
    journal._sync = sync


def fill(mask: np.ndarray) -> tuple[slice, slice, slice]:
    """An ellipsoid of about 5 million voxels, as of a fill that ran out of the organ; its box."""
    half = np.array([60, 110, 180])
    box = tuple(slice(int(n // 2 - h), int(n // 2 + h)) for n, h in zip(SHAPE, half, strict=True))
    z, y, x = (np.linspace(-1, 1, 2 * h) ** 2 for h in half)
    mask[box] = (z[:, None, None] + y[:, None] + x) <= 1
    return box[0], box[1], box[2]


def weigh_fill(folder: Path) -> None:
    """Bytes of an undo step of a 3-D fill."""
    live = np.zeros(SHAPE, np.uint8)
    work = EditSession.begin_session(IDENTITY, live, folder / "fill", "bench")
    box = fill(live)
    start = time.perf_counter()
    stroke = work.record_change(live, box, "fill", "fill", 150, False)
    taken = 1000 * (time.perf_counter() - start)
    assert stroke is not None
    work.close_journal()
    print(f"\nUndo step of a 3-D fill of {stroke.edit.changed_voxels / 1e6:.1f} million voxels")
    print(f"  here    {stroke.memory_bytes / 1e6:10.3f} MB, noted in {taken:.0f} ms")
    print(f"  napari  {napari_step()}")


def napari_step() -> str:
    """MB that napari keeps for the same."""
    try:
        from napari.layers import Labels
    except ImportError:
        return "not measured: napari is not installed"
    layer = Labels(np.zeros(SHAPE, np.uint8))
    after = np.zeros(SHAPE, np.uint8)
    fill(after)
    where = np.nonzero(after)
    layer.data_setitem(where, after[where])
    layer._commit_staged_history()
    (step,) = layer._undo_history
    size = sum(sum(axis.nbytes for axis in indices) + _bytes(old) + _bytes(new) for indices, old, new in step)
    return f"{size / 1e6:10.3f} MB"


def _bytes(values: Any) -> int:
    return int(np.asarray(values).nbytes)


def weigh_file(folder: Path) -> None:
    """The file after many strokes, and what can be done with it."""
    live, rng = np.zeros(SHAPE, np.uint8), np.random.default_rng(1)
    sync, journal._sync = journal._sync, lambda _: None
    work = EditSession.begin_session(IDENTITY, live, folder / "many", "bench")
    while len(work.history.undo_stack.undoable_strokes) < MANY:
        box = brush(live, rng)
        work.record_change(live, box, "brush", "brush", box[0].start, True)
    journal._sync = sync
    path, memory = work.journal.path, work.history.undo_stack.memory_bytes
    assert path is not None
    work.close_journal()
    print(f"\nAfter {MANY} strokes")
    print(f"  file            {path.stat().st_size / 1e6:8.2f} MB")
    print(f"  undo in memory  {memory / 1e6:8.2f} MB")
    start = time.perf_counter()
    (found,) = pending_journals(path.parent)
    print(f"  is work lost?   {time.perf_counter() - start:8.2f} s")
    start = time.perf_counter()
    work = EditSession.resume_journal(found.path, IDENTITY, "bench")
    print(f"  recovery        {time.perf_counter() - start:8.2f} s")
    assert np.array_equal(work.history.recorded_mask, live)
    start = time.perf_counter()
    work.journal._journal.rewrite_file(work._journal_snapshot())  # type: ignore[union-attr]
    print(f"  compaction      {time.perf_counter() - start:8.2f} s, {path.stat().st_size / 1e6:.2f} MB")
    work.close_journal()


def main() -> None:
    """Measure everything in a folder of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, help="on the disk to be measured (default: the temporary one)")
    with tempfile.TemporaryDirectory(dir=parser.parse_args().folder) as name:
        folder = Path(name)
        time_strokes(folder)
        weigh_fill(folder)
        weigh_file(folder)


if __name__ == "__main__":
    main()
