"""What was done to a case, slice by slice, and how much of it was needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict

from attunet_gui.core.metrics import added_path_length_mm
from attunet_gui.system.progress import ProgressCallback, no_progress
from benchmarks.effort.assists import Aid, alone
from benchmarks.effort.simulated_annotator import CorrectionTask, SimulatedAnnotator, start_annotator, strokes
from benchmarks.effort.slice_orders import Order

GOALS = (0.90, 0.95)
"""DSC of the whole volume."""


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Step(_Row):
    """One slice.

    Attributes:
        slice: which.
        strokes, voxels: what was corrected in it; 0 where it was found right.
        path_mm: outline that was drawn in it, `added_path_length_mm`.
        aided: voxels that an aid changed after it.
        clicks: on buttons of tools, in it and after it.
        dsc: of the whole volume, after the aid.
    """

    slice: int
    strokes: int
    voxels: int
    path_mm: float
    aided: int
    dsc: float
    clicks: int = 0


@dataclass(frozen=True)
class TimeModel:
    """How long a person takes. An assumption, not a measurement: say it beside every figure that uses it.

    Attributes:
        seconds_a_mm: to draw a millimetre of outline: 10 mm a second.
        seconds_a_click: to begin and end a stroke, or to choose and press a tool.
        seconds_a_look: to go to a slice and see what is wrong there.
    """

    seconds_a_mm: float = 0.1
    seconds_a_click: float = 1.0
    seconds_a_look: float = 2.0


TIME_MODEL = TimeModel()


class Cost(_Row):
    """What it took to come to a goal.

    Attributes:
        slices: corrected.
        looks: slices that were looked at and left as they are.
        strokes, voxels: in the corrected slices.
        path_mm: outline that was drawn in them.
        clicks: on buttons of tools.
    """

    slices: int
    looks: int
    strokes: int
    voxels: int
    path_mm: float
    clicks: int = 0

    def seconds(self, model: TimeModel) -> float:
        """How long that takes a person, by `model`."""
        looks = self.slices + self.looks
        return (
            model.seconds_a_mm * self.path_mm
            + model.seconds_a_click * (self.strokes + self.clicks)
            + model.seconds_a_look * looks
        )


class Trace(_Row):
    """A case on one way: the DSC to begin with, and every slice until the last goal."""

    start: float
    steps: tuple[Step, ...]

    def cost(self, goal: float) -> Cost | None:
        """What it took until the DSC was `goal` or more; None if that was never so."""
        reached = [self.start, *(step.dsc for step in self.steps)]
        at = next((number for number, dsc in enumerate(reached) if dsc >= goal), None)
        if at is None:
            return None
        done = self.steps[:at]
        corrected = sum(step.voxels > 0 for step in done)
        return Cost(
            slices=corrected,
            looks=len(done) - corrected,
            strokes=sum(step.strokes for step in done),
            voxels=sum(step.voxels for step in done),
            path_mm=sum(step.path_mm for step in done),
            clicks=sum(step.clicks for step in done),
        )


@dataclass(frozen=True)
class Way:
    """One way to come from a CT to a mask.

    Attributes:
        key: for files.
        title: for people.
        order: in which slices are looked at.
        from_draft: whether she begins with the draft of the network, or with nothing.
        aid: what helps between two slices.
    """

    key: str
    title: str
    order: Order
    from_draft: bool = True
    aid: Aid = alone


def walk(
    way: Way, task: CorrectionTask, goal: float = max(GOALS), progress: ProgressCallback = no_progress
) -> Trace:
    """Follow `way` until the DSC is `goal` or nothing is left; `progress` may raise `WorkCancelled`."""
    annotator = start_annotator(task, from_draft=way.from_draft)
    start, steps = annotator.dsc, []
    for step, after in _steps(way, annotator):
        steps.append(step)
        progress(len(steps), len(task.extent), way.title)
        if after.dsc >= goal:
            break
    return Trace(start=start, steps=tuple(steps))


def _steps(way: Way, annotator: SimulatedAnnotator) -> Iterator[tuple[Step, SimulatedAnnotator]]:
    """Each slice and the annotator after it; where a goal wants more than the order offers, what is left."""
    if annotator.dsc >= max(GOALS):
        return
    path = way.order(annotator)
    z = next(path, None)
    while z is not None:
        step, annotator = _looked_at(z, annotator, way.aid)
        yield step, annotator
        try:
            z = path.send(annotator)
        except StopIteration:
            return


def _looked_at(z: int, annotator: SimulatedAnnotator, aid: Aid) -> tuple[Step, SimulatedAnnotator]:
    wrong = annotator.wrong(z)
    right = annotator.is_right(z)
    after = annotator.found_right(z) if right else annotator.made_right(z)
    aided = aid(after)
    drawn = _SliceEffort(0, 0, 0.0) if right else _slice_effort(z, annotator)
    step = Step(
        slice=z,
        strokes=drawn.strokes,
        voxels=0 if right else int(np.count_nonzero(wrong)),
        path_mm=drawn.path_mm,
        aided=int(np.count_nonzero(aided.mask != after.mask)),
        dsc=aided.dsc,
        clicks=drawn.clicks + aided.clicks - annotator.clicks,
    )
    return step, aided


@dataclass(frozen=True)
class _SliceEffort:
    """What making a slice right takes."""

    strokes: int
    clicks: int
    path_mm: float

    @property
    def seconds(self) -> float:
        clicks = self.strokes + self.clicks
        return TIME_MODEL.seconds_a_mm * self.path_mm + TIME_MODEL.seconds_a_click * clicks


def _slice_effort(z: int, annotator: SimulatedAnnotator) -> _SliceEffort:
    """Correcting what is wrong piece by piece, or emptying the slice and drawing it: what takes less time."""
    mask, truth, steps = annotator.mask[z], annotator.task.truth[z], annotator.task.spacing_mm[1:]
    corrected = _SliceEffort(strokes(annotator.wrong(z)), 0, added_path_length_mm(mask, truth, steps))
    emptied = np.zeros_like(mask)
    drawn = _SliceEffort(strokes(truth != 0), int(mask.any()), added_path_length_mm(emptied, truth, steps))
    return min(corrected, drawn, key=lambda effort: effort.seconds)
