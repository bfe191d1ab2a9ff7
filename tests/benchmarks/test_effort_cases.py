"""Cases of the bench: what is kept, what is gone on with, and what the tables say of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from attunet_gui.core.propagation import PropagationResult
from attunet_gui.core.provenance import ModelId
from attunet_gui.evaluation.labelled_cases import LabelledCase, LabelledVolume
from attunet_gui.network.inference import LoadedModel
from attunet_gui.system.errors import WorkCancelled
from benchmarks.effort.assists import Propagation
from benchmarks.effort.correction_traces import Step, Trace, Way
from benchmarks.effort.effort_cases import CaseEffort, EffortBench, GroupedCase, measure_effort
from benchmarks.effort.effort_summary import as_markdown, spread, summarise
from benchmarks.effort.prediction_cache import cached_prediction
from benchmarks.effort.simulated_annotator import SimulatedAnnotator
from benchmarks.effort.slice_orders import by_fix_list
from benchmarks.effort.strategies import CARRIED, IN_ORDER, PLAIN, TITLES
from tests.support.evaluation_cases import bright_model, case

KEYS = [way.key for way in PLAIN]


def no_more(annotator: SimulatedAnnotator) -> PropagationResult:
    return PropagationResult(
        annotator.mask, annotator.decided, (), False, "", ModelId("scripted", "0", "none")
    )


CARRYING = Way(CARRIED, TITLES[CARRIED], by_fix_list, aid=Propagation(no_more))


class Reading:
    """Cases that count how often they are read."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def case(self, name: str, group: str = "made up") -> GroupedCase:
        known = case(name, name, miss=8, slices=6)

        def load() -> LabelledVolume:
            self.read.append(name)
            return known.load()

        return GroupedCase(group, LabelledCase(name, (name,), load))


@pytest.fixture
def reading() -> Reading:
    return Reading()


@pytest.fixture
def bench(tmp_path: Path) -> EffortBench:
    return EffortBench(bright_model(), tmp_path / "out", ("bright", "1"))


def test_every_case_goes_every_way(bench: EffortBench, reading: Reading) -> None:
    found = measure_effort(bench, [reading.case("a"), reading.case("b")])
    assert [one.case for one in found] == ["a", "b"]
    for one in found:
        assert list(one.traces) == KEYS
        assert one.extent == 6
        assert one.dsc == pytest.approx(2 / 3, abs=0.05)
        cost = one.traces[IN_ORDER].cost(0.9)
        assert cost is not None
        assert cost.slices == 5, "all six are equally wrong, and 0.67 * 1/6 + 5/6 is 0.94"
    assert found[0].traces == found[1].traces, "the same case twice, the same result"


def test_what_is_kept_is_not_done_again(bench: EffortBench, reading: Reading) -> None:
    cases = [reading.case("a"), reading.case("b")]

    def stop(done: int, total: int, stage: str) -> None:
        if stage == "cases":
            raise WorkCancelled

    with pytest.raises(WorkCancelled):
        measure_effort(bench, cases, stop)
    assert reading.read == ["a"]
    resumed = measure_effort(bench, cases)
    assert reading.read == ["a", "b"]
    assert measure_effort(bench, cases) == resumed
    assert reading.read == ["a", "b"]
    measure_effort(replace(bench, made_by=("bright", "2")), cases)
    assert reading.read == ["a", "b", "a", "b"], "another program"


def test_a_result_that_is_damaged_is_made_again(bench: EffortBench, reading: Reading) -> None:
    first = measure_effort(bench, [reading.case("a")])
    (bench.output / "cases" / "a.json").write_text('{"made_by": ["bright"')
    assert measure_effort(bench, [reading.case("a")]) == first
    assert reading.read == ["a", "a"]


def test_propagation_can_be_added_later_and_to_the_first_of_each_group_alone(
    bench: EffortBench, reading: Reading
) -> None:
    cases = [reading.case("a"), reading.case("b"), reading.case("c", "other")]
    plain = measure_effort(bench, cases)
    learning = replace(bench, carrying=CARRYING, most_carried=1)
    found = measure_effort(learning, cases)
    assert [CARRIED in one.traces for one in found] == [True, False, True]
    assert found[0].traces[CARRIED] == found[0].traces["fix-list"], "a network that says nothing"
    assert {key: found[0].traces[key] for key in KEYS} == plain[0].traces
    assert reading.read == ["a", "b", "c", "a", "c"]
    assert measure_effort(bench, cases) == plain


def test_a_prediction_is_kept_for_its_model_alone(tmp_path: Path) -> None:
    model = bright_model()
    volume, _truth = case("p", "a", slices=3).load()
    path = tmp_path / "a.npz"
    first, again = (
        cached_prediction(path, volume, model),
        cached_prediction(path, volume, without_engine(model)),
    )
    assert np.array_equal(first.probability, again.probability)
    assert np.array_equal(first.merged_gates, again.merged_gates)
    assert np.array_equal(first.body, again.body)
    assert (first.frame.start, first.frame.step) == (again.frame.start, again.frame.step)
    other = replace(without_engine(model), id=ModelId("other", "1", "known"))
    with pytest.raises(AttributeError):
        cached_prediction(path, volume, other)
    path.write_bytes(path.read_bytes()[:100])
    assert np.array_equal(cached_prediction(path, volume, model).probability, first.probability)


def without_engine(model: LoadedModel) -> LoadedModel:
    """A model that fails when it is asked."""
    return replace(model, engine=None)  # type: ignore[arg-type]


def effort(name: str, dsc: float, **slices: int) -> CaseEffort:
    """A case that takes so many slices on each way to a DSC of 0.92."""
    return CaseEffort(
        case=name,
        group="made up",
        spacing_mm=(2, 1, 1),
        extent=30,
        dsc=dsc,
        places=8,
        precision=0.5,
        named=0.25,
        traces={key.replace("_", "-"): trace(dsc, count) for key, count in slices.items()},
    )


def trace(start: float, slices: int) -> Trace:
    step = Step(slice=0, strokes=2, voxels=9, path_mm=7.5, aided=0, dsc=start)
    below = [step.model_copy(update={"slice": z}) for z in range(slices - 1)]
    return Trace(start=start, steps=(*below, step.model_copy(update={"slice": slices, "dsc": 0.92})))


def test_ways_are_compared_with_slice_order_case_by_case() -> None:
    cases = [
        effort("a", 0.7, slice_order=10, fix_list=5),
        effort("b", 0.8, slice_order=4, fix_list=4, propagation=1),
        effort("c", 0.91, slice_order=3, fix_list=3),
    ]
    group, some = summarise(cases)
    low, high = group.goals
    assert (low.already, high.already) == (1, 0)
    by_way = {line.way: line for line in low.lines}
    assert list(by_way) == ["slice-order", "fix-list"]
    listed = by_way["fix-list"]
    assert listed.ratio is not None
    assert (listed.ratio.mean, listed.ratio.interval) == (0.75, (0.5, 1.0))
    assert listed.slices == spread([5, 4])
    assert (some.group, some.cases) == ("made up, those that were carried on", 1)
    carried = some.goals[0].lines[-1]
    assert (carried.way, carried.cases, carried.reached) == ("propagation", 1, 1)
    assert carried.ratio is not None
    assert (carried.ratio.mean, carried.ratio.interval) == (0.25, None)
    for line in high.lines:
        assert (line.reached, line.slices, line.ratio) == (0, None, None)
    told = as_markdown([group])
    assert "| draft, fix-list | 2 of 2 | 4.5 | 4.5 (4.0 to 5.0) | 0.75 (0.50 to 1.00) | 9 (8 to 10) |" in told
    assert listed.path_mm == spread([37.5, 30.0])
    assert listed.minutes == spread([(3.75 + 10 + 10) / 60, (3.0 + 8 + 8) / 60])
    assert "To a DSC of 0.90 (drafts that have it already: 1):" in told
    assert "0.50 (0.50 to 0.50) are errors" in told


def test_no_cases_are_refused() -> None:
    with pytest.raises(ValueError, match="no cases"):
        summarise([])


def test_an_interval_is_of_the_mean() -> None:
    found = spread([0, 0, 0, 10])
    assert (found.median, found.mean) == (0, 2.5)
    assert found.interval == (0, 7.5)
    assert spread([3]).interval is None
