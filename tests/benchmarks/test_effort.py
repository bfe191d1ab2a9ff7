"""The simulated annotator: what she does, what it costs, and what she must not know."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from attunet_gui.core.metrics import added_path_length_mm
from attunet_gui.core.propagation import PropagationResult
from attunet_gui.core.provenance import ModelId
from attunet_gui.review.case_evidence import make_case_evidence
from attunet_gui.synthesis.centred_volume import centred_volume
from benchmarks.effort.assists import Interpolation, Propagation, ends_and_corrections
from benchmarks.effort.correction_traces import Cost, Step, Trace, Way, walk
from benchmarks.effort.simulated_annotator import (
    CorrectionTask,
    Mask,
    SimulatedAnnotator,
    start_annotator,
    strokes,
)
from benchmarks.effort.slice_orders import (
    bisecting,
    by_disagreement,
    by_fix_list,
    feet_to_head,
    most_wrong_first,
)
from tests.support.review_cases import all_knowing

ORDER = Way("order", "in order", feet_to_head)
LISTED = Way("list", "by the list", by_fix_list)
BOUND = Way("bound", "by the truth", most_wrong_first)
NOBODY = ModelId("scripted", "0", "none")


@cache
def task(wrong: tuple[int, ...] = (8, 9, 10, 14)) -> CorrectionTask:
    """A ball of 16 slices; the draft lacks half of it in the slices `wrong`, and the network knows better."""
    z, y, x = np.ogrid[:24, :48, :48]
    ball = ((z - 12) / 8) ** 2 + ((y - 24) / 14) ** 2 + ((x - 24) / 14) ** 2 <= 1
    truth = ball.astype(np.uint8)
    draft = truth.copy()
    for number in wrong:
        draft[number, :, 24:] = 0
    hu = np.where(ball, 90, 20).astype(np.int16)
    volume = centred_volume(hu, (3.0, 2.0, 2.0), "ball", "test")
    return CorrectionTask(volume, truth, draft, make_case_evidence(volume, all_knowing(volume, truth), draft))


def slices_of(trace: Trace) -> list[int]:
    return [step.slice for step in trace.steps]


def corrected(trace: Trace) -> list[int]:
    return [step.slice for step in trace.steps if step.voxels]


def test_a_draft_that_is_right_costs_nothing() -> None:
    trace = walk(LISTED, task(wrong=()))
    assert trace == Trace(start=1.0, steps=())
    assert trace.cost(0.95) == Cost(slices=0, looks=0, strokes=0, voxels=0, path_mm=0.0)


def test_in_order_she_looks_at_every_slice_and_corrects_the_wrong_ones() -> None:
    trace = walk(ORDER, task(), goal=1.0)
    assert slices_of(trace) == list(range(4, 15)), "she stops as soon as all is right"
    assert corrected(trace) == [8, 9, 10, 14]
    assert trace.steps[-1].dsc == 1
    assert [step.strokes for step in trace.steps if step.voxels] == [1, 1, 1, 1]
    first = task()
    assert trace.steps[4].voxels == np.count_nonzero(first.truth[8] != first.draft[8])


def test_the_list_leads_her_to_the_wrong_slices_first() -> None:
    trace = walk(LISTED, task(), goal=0.95)
    cost, in_order = trace.cost(0.95), walk(ORDER, task()).cost(0.95)
    assert cost is not None
    assert in_order is not None
    assert set(slices_of(trace)[:2]) <= {8, 9, 10}
    assert cost.slices <= in_order.slices
    assert cost.looks < in_order.looks


def test_without_a_list_she_goes_where_the_strip_is_uncertain() -> None:
    silent = task(wrong=())
    unsure = silent.evidence.probability
    assert unsure is not None
    unsure = np.where(unsure < 0.01, 0, unsure).astype(np.float16)
    unsure[7] = np.where(unsure[7] > 0.5, 0.5, 0)
    evidence = replace(silent.evidence, probability=unsure, gates=None)
    path = by_fix_list(start_annotator(replace(silent, evidence=evidence), from_draft=True))
    assert next(path) == 7


def test_every_order_ends_and_no_slice_comes_twice() -> None:
    for way in (ORDER, LISTED, BOUND, Way("middle", "", bisecting, from_draft=False)):
        trace = walk(way, task(), goal=2.0)
        assert len(set(slices_of(trace))) == len(trace.steps)
        assert set(corrected(trace)) >= {8, 9, 10, 14}
        assert trace.steps[-1].dsc > 0.999, "but for trifles"


def test_with_interpolation_a_few_slices_make_the_ball() -> None:
    drawn = walk(Way("nothing", "", feet_to_head, from_draft=False), task())
    spanned = walk(Way("middle", "", bisecting, False, Interpolation()), task())
    assert (drawn.start, spanned.start) == (0, 0)
    assert slices_of(spanned)[:3] == [4, 20, 12]
    every, few = drawn.cost(0.9), spanned.cost(0.9)
    assert every is not None
    assert few is not None
    assert few.slices <= every.slices / 2


def test_only_short_gaps_are_interpolated_in_a_draft() -> None:
    annotator = start_annotator(task(), from_draft=True).made_right(8).made_right(10)
    assert np.array_equal(Interpolation(5.0)(annotator).mask, annotator.mask)
    filled = Interpolation(10.0)(annotator)
    assert filled.dsc > annotator.dsc
    assert set(np.flatnonzero((filled.mask != annotator.mask).any(axis=(1, 2)))) == {9}


class Scripted:
    """A network that has one answer, and remembers what it was asked."""

    def __init__(self, answer: Mask, kept: bool = True) -> None:
        self.asked: list[SimulatedAnnotator] = []
        self._answer, self._kept = answer, kept

    def __call__(self, annotator: SimulatedAnnotator) -> PropagationResult:
        self.asked.append(annotator)
        return PropagationResult(self._answer, annotator.decided, (), self._kept, "", NOBODY)


def test_after_three_slices_and_every_third_the_network_is_asked() -> None:
    network = Scripted(task().draft)
    trace = walk(Way("p", "", feet_to_head, aid=Propagation(network)), task(), goal=2.0)
    assert [len(annotator.decided) for annotator in network.asked] == [3, 6, 9, 12, 15]
    assert corrected(trace) == [8, 9, 10, 14], "what is decided is locked, whatever the network says"


def test_what_the_network_proposes_is_accepted_and_what_it_withdraws_is_not() -> None:
    plain = walk(ORDER, task())
    right = walk(Way("p", "", feet_to_head, aid=Propagation(Scripted(task().truth))), task(), goal=1.0)
    assert len(right.steps) == 3
    assert right.steps[-1].dsc == 1
    assert right.steps[-1].aided > 0
    nothing = np.zeros_like(task().truth)
    unkept = walk(Way("p", "", feet_to_head, aid=Propagation(Scripted(nothing, kept=False))), task())
    assert unkept == plain


@settings(max_examples=30, deadline=None)
@given(st.sets(st.integers(4, 20), min_size=1, max_size=6), st.sets(st.integers(0, 23), max_size=6))
def test_outside_of_decided_slices_nobody_is_told_the_truth(wrong: set[int], done: set[int]) -> None:
    annotator = start_annotator(task(tuple(sorted(wrong))), from_draft=True)
    for z in sorted(done):
        annotator = annotator.found_right(z) if annotator.is_right(z) else annotator.made_right(z)
    others = [z for z in range(24) if z not in done]
    assert np.array_equal(annotator.mask[others], annotator.task.draft[others])
    assert annotator.locks.locked_slices == done
    assert np.array_equal(
        annotator.with_mask(1 - annotator.mask, "wild").mask[sorted(done)], annotator.mask[sorted(done)]
    )


def test_a_trifle_is_left_as_it_is() -> None:
    annotator = start_annotator(task(wrong=()), from_draft=True)
    for count, right in ((5, True), (6, False)):
        mask = annotator.mask.copy()
        mask[0, 0, :count] = 1
        assert replace(annotator, mask=mask).is_right(0) is right, (
            f"{4 * count} mm² too much on an empty slice"
        )
    mask = annotator.mask.copy()
    mask[12, 24, 20:40] ^= 1
    assert replace(annotator, mask=mask).is_right(12), "0.95 is enough on a large slice"
    assert np.count_nonzero(replace(annotator, mask=mask).wrong(12)) == 20


def test_strokes_are_pieces_and_single_pixels_are_one() -> None:
    wrong = np.zeros((8, 8), bool)
    assert strokes(wrong) == 0
    wrong[0, :3] = wrong[1, 3] = True
    assert strokes(wrong) == 1, "corners connect"
    wrong[4:6, 4:6] = True
    assert strokes(wrong) == 2
    wrong[7, 0] = wrong[7, 7] = True
    assert strokes(wrong) == 3


def test_a_slice_is_drawn_anew_where_that_takes_less_time() -> None:
    speckled = task().draft.copy()
    speckled[12, ::6, ::6] ^= 1
    speckled[12, 1::6, ::6] ^= 1
    many = replace(task(), draft=speckled)
    trace = walk(ORDER, many, goal=1.0)
    found = next(step for step in trace.steps if step.slice == 12)
    assert (found.strokes, found.clicks) == (1, 1), "emptied with a click and drawn in one stroke"
    whole = added_path_length_mm(np.zeros_like(speckled[12]), many.truth[12], (2.0, 2.0))
    assert found.path_mm == whole
    assert [step.clicks for step in walk(ORDER, task(), goal=1.0).steps if step.voxels] == [0] * 4


def test_between_corrected_ends_the_draft_follows_and_every_press_is_counted() -> None:
    way = Way("corrections", "", by_disagreement, aid=ends_and_corrections)
    beyond = replace(task(), draft=task().draft.copy())
    beyond.draft[21:] = beyond.draft[20]
    trace = walk(way, beyond, goal=2.0)
    assert slices_of(trace)[:2] == [4, 20]
    assert set(slices_of(trace)) == set(range(4, 21)), "nothing is looked at beyond the ends"
    assert trace.steps[1].aided > 0, "and nothing is left there"
    assert trace.steps[-1].dsc > 0.98, "but for trifles"
    assert (trace.steps[0].clicks, trace.steps[1].clicks) == (0, 1)


def test_the_next_slice_halves_what_is_unknown() -> None:
    annotator = start_annotator(task(), from_draft=True)
    path = by_disagreement(annotator)
    next(path)
    annotator = annotator.found_right(4)
    path.send(annotator)
    annotator = annotator.found_right(20).made_right(9)
    # 4 to 9 is interpolated as well as drafted; between 9 and 20 slice 10 and 14 are drafted wrong.
    assert 9 < path.send(annotator) < 20


def step(z: int, voxels: int, dsc: float) -> Step:
    return Step(slice=z, strokes=int(voxels > 0), voxels=voxels, path_mm=voxels / 2, aided=0, dsc=dsc)


def test_a_cost_counts_up_to_the_goal() -> None:
    trace = Trace(start=0.7, steps=(step(1, 10, 0.8), step(2, 0, 0.8), step(3, 30, 0.91), step(4, 5, 0.92)))
    assert trace.cost(0.9) == Cost(slices=2, looks=1, strokes=2, voxels=40, path_mm=20.0)
    assert trace.cost(0.7) == Cost(slices=0, looks=0, strokes=0, voxels=0, path_mm=0.0)
    assert trace.cost(0.95) is None
