"""All cases of a group on one line a way, and the tables of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import median

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy import stats

from attunet_gui.system.plurals import counted
from benchmarks.effort.correction_traces import GOALS, TIME_MODEL, Cost
from benchmarks.effort.effort_cases import CaseEffort
from benchmarks.effort.strategies import CARRIED, IN_ORDER, TITLES

_DRAWS = 4000


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Spread(_Frozen):
    """Of a number a case has.

    Attributes:
        median, mean: over cases.
        interval: 95 % bootstrap interval of the mean, by case; None for a single case.
    """

    median: float
    mean: float
    interval: tuple[float, float] | None


class Line(_Frozen):
    """A way to a goal, over the cases whose draft is below it.

    Attributes:
        way: its key.
        cases: how many went this way.
        reached: how many of them came to the goal; all other numbers are of these.
        slices, looks, strokes, clicks, voxels, path_mm: as in `Cost`; None if none reached it.
        minutes: by `TimeModel`.
        ratio: slices as a share of what slice order took in the same case.
    """

    way: str
    cases: int
    reached: int
    slices: Spread | None
    looks: Spread | None
    strokes: Spread | None
    clicks: Spread | None
    voxels: Spread | None
    path_mm: Spread | None
    minutes: Spread | None
    ratio: Spread | None


class GoalEffort(_Frozen):
    """What a goal takes.

    Attributes:
        goal: the DSC.
        already: cases whose draft has it; they are in no line.
        lines: one a way, in the order of the ways.
    """

    goal: float
    already: int
    lines: tuple[Line, ...]

    @property
    def title(self) -> str:
        """For people."""
        already = f" (drafts that have it already: {self.already})" if self.already else ""
        return f"To a DSC of {self.goal:.2f}{already}:"


class GroupEffort(_Frozen):
    """Cases of one kind.

    Attributes:
        group: its name.
        cases: how many.
        dsc: of the drafts.
        extent: slices with gland.
        precision, named: of the fix-list, as in `CaseEffort`.
        goals: one a goal.
    """

    group: str
    cases: int
    dsc: Spread
    extent: Spread
    precision: Spread
    named: Spread
    goals: tuple[GoalEffort, ...]

    @property
    def about(self) -> tuple[str, ...]:
        """What has to be known to read the tables, for people."""
        return (
            f"{self.group}: {counted(self.cases, 'case')}, slices with gland {_text(self.extent, '.0f')}, "
            f"DSC of the draft {_text(self.dsc, '.2f')}.",
            f"Of the first ten places of the fix-list {_text(self.precision, '.2f')} are errors; "
            f"all its places name {_text(self.named, '.2f')} of the wrong voxels.",
            f"Minutes are assumed, not measured: {TIME_MODEL.seconds_a_mm:g} s a millimetre of outline, "
            f"{TIME_MODEL.seconds_a_click:g} s a stroke or click, "
            f"{TIME_MODEL.seconds_a_look:g} s a slice looked at.",
        )


def summarise(cases: Sequence[CaseEffort]) -> tuple[GroupEffort, ...]:
    """A summary a group, in the order in which groups first appear; `ValueError` without cases.

    Where only some cases of a group were carried on, these are a group of their own too: what propagation is
    worth can be read off the same cases alone.
    """
    if not cases:
        raise ValueError("there are no cases to summarise")
    names = dict.fromkeys(case.group for case in cases)
    return tuple(group for name in names for group in _groups(name, [c for c in cases if c.group == name]))


def _groups(name: str, cases: Sequence[CaseEffort]) -> Iterator[GroupEffort]:
    carried_on = [case for case in cases if CARRIED in case.traces]
    if not carried_on or len(carried_on) == len(cases):
        yield _group(name, cases)
        return
    yield _group(name, [_without(case, CARRIED) for case in cases])
    yield _group(f"{name}, those that were carried on", carried_on)


def _without(case: CaseEffort, key: str) -> CaseEffort:
    left = {way: trace for way, trace in case.traces.items() if way != key}
    return case.model_copy(update={"traces": left})


def _group(name: str, cases: Sequence[CaseEffort]) -> GroupEffort:
    return GroupEffort(
        group=name,
        cases=len(cases),
        dsc=spread(case.dsc for case in cases),
        extent=spread(case.extent for case in cases),
        precision=spread(case.precision for case in cases),
        named=spread(case.named for case in cases),
        goals=tuple(_goal(goal, cases) for goal in GOALS),
    )


def _goal(goal: float, cases: Sequence[CaseEffort]) -> GoalEffort:
    below = [case for case in cases if case.dsc < goal]
    keys = [key for key in TITLES if any(key in case.traces for case in below)]
    return GoalEffort(
        goal=goal, already=len(cases) - len(below), lines=tuple(_line(key, goal, below) for key in keys)
    )


def _line(key: str, goal: float, cases: Sequence[CaseEffort]) -> Line:
    went = [case for case in cases if key in case.traces]
    costs = [(case.traces[key].cost(goal), _in_order(case, goal)) for case in went]
    reached = [cost for cost, _order in costs if cost is not None]
    ratios = [cost.slices / order.slices for cost, order in costs if cost and order and order.slices]

    def over(number: Callable[[Cost], float]) -> Spread | None:
        return spread(map(number, reached)) if reached else None

    return Line(
        way=key,
        cases=len(went),
        reached=len(reached),
        slices=over(lambda cost: cost.slices),
        looks=over(lambda cost: cost.looks),
        strokes=over(lambda cost: cost.strokes),
        clicks=over(lambda cost: cost.clicks),
        voxels=over(lambda cost: cost.voxels),
        path_mm=over(lambda cost: cost.path_mm),
        minutes=over(lambda cost: cost.seconds(TIME_MODEL) / 60),
        ratio=spread(ratios) if ratios else None,
    )


def _in_order(case: CaseEffort, goal: float) -> Cost | None:
    trace = case.traces.get(IN_ORDER)
    return None if trace is None else trace.cost(goal)


def spread(numbers: Iterable[float], seed: int = 0) -> Spread:
    """Median, mean and its percentile interval of 4000 draws of `numbers`, of which there is at least one."""
    values = np.array(list(numbers), np.float64)
    interval = None
    if len(values) > 1:
        found = stats.bootstrap(
            (values,), np.mean, n_resamples=_DRAWS, method="percentile", rng=np.random.default_rng(seed)
        ).confidence_interval
        interval = (float(found.low), float(found.high))
    return Spread(median=median(values.tolist()), mean=float(values.mean()), interval=interval)


HEADINGS = (
    "way",
    "reached",
    "slices: median",
    "mean",
    "of slice order",
    "strokes",
    "clicks",
    "outline drawn, mm",
    "minutes",
    "looked at only",
)


def cells(line: Line) -> tuple[str, ...]:
    """A line as text, under `HEADINGS`."""
    return (
        TITLES[line.way],
        f"{line.reached} of {line.cases}",
        "-" if line.slices is None else f"{line.slices.median:g}",
        _text(line.slices, ".1f"),
        _text(line.ratio, ".2f"),
        _text(line.strokes, ".0f"),
        _text(line.clicks, ".0f"),
        _text(line.path_mm, ".0f"),
        _text(line.minutes, ".1f"),
        _text(line.looks, ".1f"),
    )


def _text(found: Spread | None, form: str) -> str:
    if found is None:
        return "-"
    if found.interval is None:
        return f"{found.mean:{form}}"
    low, high = found.interval
    return f"{found.mean:{form}} ({low:{form}} to {high:{form}})"


def as_markdown(groups: Sequence[GroupEffort]) -> str:
    """Every table."""
    return "\n".join(line for group in groups for line in _markdown(group))


def _markdown(group: GroupEffort) -> list[str]:
    lines = [f"### {group.group}", "", *group.about, ""]
    for goal in group.goals:
        rows = [HEADINGS, ("---",) * len(HEADINGS), *map(cells, goal.lines)]
        lines += [goal.title, "", *(f"| {' | '.join(row)} |" for row in rows), ""]
    return lines
