"""Runs seeded actions against a window and says what was broken, with the actions that led there."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.support.window_actions import choose
from tests.support.window_driver import WindowDriver
from tests.support.window_invariants import ALWAYS, SOMETIMES

_FILES_EVERY = 10
_REMEMBERED = 12


@dataclass
class RunReport:
    """What a run did and what was broken.

    Attributes:
        actions: how many were done, by name.
        strokes: changes of the mask that were recorded.
        broken: one sentence, and the last actions before it, for each broken invariant.
    """

    actions: Counter[str] = field(default_factory=Counter)
    strokes: int = 0
    drafts: int = 0
    saves: int = 0
    verified: int = 0
    broken: list[str] = field(default_factory=list)


def run_actions(
    folder: Path,
    seed: int,
    count: int,
    stop_at_first: bool = True,
    paint_every: int = 1,
    told: Callable[[str], None] | None = None,
) -> RunReport:
    """Do `count` actions that follow from `seed` in a window of its own.

    Args:
        folder: an empty folder.
        stop_at_first: whether the run ends at the first broken invariant.
        paint_every: see `tests.support.window_driver.PaintThrottle`.
        told: is given every action as one line.
    """
    driver = WindowDriver(folder, np.random.default_rng(seed), paint_every)
    report, last = RunReport(), deque[str](maxlen=_REMEMBERED)
    driver.app.controller.edits.mask_changed.connect(lambda *_: _count(report))
    try:
        driver.app.controller.opener.open_path(driver.cts[0])
        driver.settle()
        for number in range(count):
            if not _one(driver, report, last, number, told) and stop_at_first:
                break
    finally:
        driver.close()
    report.broken += [f"while the window closed: {error}" for error in driver.collector.errors]
    return report


def _count(report: RunReport) -> None:
    report.strokes += 1


def _one(
    driver: WindowDriver, report: RunReport, last: deque[str], number: int, told: Callable[[str], None] | None
) -> bool:
    action = choose(driver)
    report.actions[action.name] += 1
    try:
        line = f"{number} {action.name}: {action.perform(driver)}"
        last.append(line)
        if told is not None:
            told(line)
        driver.settle()
        checks = ALWAYS + (SOMETIMES if number % _FILES_EVERY == 0 or action.name == "save" else ())
        for check in checks:
            check(driver)
    except AssertionError as error:
        report.broken.append(f"{error}\n    " + "\n    ".join([*last, f"at {number} {action.name}"]))
        return False
    return True
