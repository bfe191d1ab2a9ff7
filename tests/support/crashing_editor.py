"""A person who works until the process is killed, and what the mask must be then.

The child imports this module and little else. What is done in step k follows from the seed alone, so the
parent can say what must have survived.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np

from attunet_gui.editing.edit_session import CaseIdentity, EditSession
from attunet_gui.io.journal.journal import Journal

SHAPE = (40, 64, 64)
IDENTITY = CaseIdentity("case", Path("/ct/case.nii.gz"), "NIfTI", None, SHAPE, (2.5, 0.8, 0.8), "c0ffee")

Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Step:
    """`kind` is "stroke", "undo", "redo" or "verify"; the others say which voxels become `value`."""

    kind: str
    box: Box
    value: int
    by_hand: bool


@dataclass
class Model:
    """The same without any of the product's code: masks and locks as plain arrays."""

    mask: np.ndarray = field(default_factory=lambda: np.zeros(SHAPE, np.uint8))
    done: list[tuple[Box, np.ndarray, bool]] = field(default_factory=list)
    ahead: list[tuple[Box, np.ndarray, bool]] = field(default_factory=list)
    verified: frozenset[int] = frozenset()

    def take(self, step: Step) -> None:
        if step.kind == "stroke":
            flips = self.mask[step.box] != step.value
            self.mask[step.box] ^= flips
            self.done.append((step.box, flips, step.by_hand))
            self.ahead.clear()
            self.changed()
        elif step.kind == "verify":
            self.verified = self.verified ^ {step.box[0].start}
        else:
            source, target = (self.done, self.ahead) if step.kind == "undo" else (self.ahead, self.done)
            target.append(source.pop())
            self.mask[target[-1][0]] ^= target[-1][1]
            self.changed(target[-1])

    def changed(self, stroke: tuple[Box, np.ndarray, bool] | None = None) -> None:
        box, flips, _ = stroke or self.done[-1]
        first = box[0].start
        self.verified -= {first + int(z) for z in np.flatnonzero(flips.any(axis=(1, 2)))}

    @property
    def hand(self) -> np.ndarray:
        drawn = np.zeros(SHAPE, bool)
        for box, flips, by_hand in self.done:
            if by_hand:
                drawn[box] |= flips
        return drawn


def steps(seed: int, model: Model) -> Iterator[Step]:
    """Steps that each change something; `model` must be led along."""
    rng = np.random.default_rng(seed)
    while True:
        start = rng.integers(0, np.array(SHAPE) - 1)
        size = [1 if rng.random() < 0.8 else 8, *rng.integers(1, 20, 2)]
        box = tuple(slice(int(a), int(min(a + n, top))) for a, n, top in zip(start, size, SHAPE, strict=True))
        step = Step("stroke", box, int(rng.random() < 0.8), bool(rng.random() < 0.5))
        chance = rng.random()
        if chance < 0.05:
            step = replace(step, kind="verify")
        elif chance < 0.20 and model.done:
            step = replace(step, kind="undo")
        elif chance < 0.30 and model.ahead:
            step = replace(step, kind="redo")
        elif (model.mask[box] == step.value).all():
            step = replace(step, value=1 - step.value)
        yield step


def advanced(seed: int, count: int) -> tuple[Model, Iterator[Step]]:
    """The model after `count` steps, and the steps that follow."""
    model = Model()
    plan = steps(seed, model)
    for step in islice(plan, count):
        model.take(step)
    return model, plan


def do(step: Step, work: EditSession, live: np.ndarray) -> None:
    if step.kind == "stroke":
        live[step.box] = step.value
        assert (
            work.record_change(live, step.box, "brush", "brush", step.box[0].start, step.by_hand) is not None
        )
    elif step.kind == "verify":
        work.verify_slices(work.decisions.verified_slices ^ {step.box[0].start})
    else:
        assert (work.undo_stroke if step.kind == "undo" else work.redo_stroke)(live) is not None


def draw_until_killed(folder: Path, seed: int, before: int, journal: Path | None) -> None:
    """Go on after `before` steps; the number of every finished step goes into `folder`/finished.

    The clock is the number of the step, so that every entry in the journal says which one it is.
    """
    # Far more often than in the product, so that kills hit it.
    Journal.wants_compaction = property(lambda self: self.size_bytes % 7 == 0)
    now = [float(before)]
    live = np.zeros(SHAPE, np.uint8)
    if journal is None:
        work = EditSession.begin_session(IDENTITY, live, folder, "me", lambda: now[0])
    else:
        work = EditSession.resume_journal(journal, IDENTITY, "me", lambda: now[0])
        live = work.history.recorded_mask.copy()
    report = os.open(folder / "finished", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    model, plan = advanced(seed, before)
    for number, step in enumerate(plan, before + 1):
        now[0] = float(number)
        do(step, work, live)
        assert not work.journal.problem, work.journal.problem
        os.write(report, number.to_bytes(4, "little"))
        model.take(step)


def draw_on_a_full_disk(folder: Path, limit: int, result: object) -> None:
    """Steps of seed 0 until `limit` bytes are full, one more, then there is room again, and one more."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    now, live, model = [0.0], np.zeros(SHAPE, np.uint8), Model()
    work = EditSession.begin_session(IDENTITY, live, folder, "me", lambda: now[0])
    assert not work.journal.problem, work.journal.problem
    plan, number, said = steps(0, model), 0, []
    full = 0
    while full < 3:
        number += 1
        now[0] = number * 1.0
        step = next(plan)
        do(step, work, live)
        model.take(step)
        if work.journal.problem:
            full += 1
            said.append((number, work.journal.problem))
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    now[0] = number + 100.0
    step = next(plan)
    do(step, work, live)
    result.send((said, files, number + 1, work.journal.problem))
    os._exit(0)
