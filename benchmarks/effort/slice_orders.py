"""In which order slices are looked at: generators that yield a slice and are sent the annotator after it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from itertools import pairwise

import numpy as np

from attunet_gui.editing.tools.correction_interpolation import next_slice_to_correct
from attunet_gui.review.case_evidence import CaseEvidence
from attunet_gui.review.finding_search import FindingSearchResult, find_findings
from attunet_gui.review.findings import Finding
from attunet_gui.review.review_progress import ReviewState, open_findings, with_verified
from attunet_gui.review.slice_strip import make_slice_strip
from attunet_gui.system.errors import AttunetError
from benchmarks.effort.simulated_annotator import SimulatedAnnotator

Path = Generator[int, SimulatedAnnotator, None]
Order = Callable[[SimulatedAnnotator], Path]


def feet_to_head(annotator: SimulatedAnnotator) -> Path:
    """Every slice in which there is mask or gland."""
    for z in _concerned(annotator):
        annotator = yield z


def bisecting(annotator: SimulatedAnnotator) -> Path:
    """First and last slice of the gland, then always the middle of the widest gap."""
    extent = annotator.task.extent
    ends = sorted({extent.start, extent.stop - 1}) if extent else []
    for z in tuple(ends):
        annotator = yield z
    while True:
        gap = max(pairwise(sorted(ends)), key=lambda pair: (pair[1] - pair[0], -pair[0]), default=(0, 0))
        if gap[1] - gap[0] < 2:
            return
        middle = (gap[0] + gap[1]) // 2
        ends.append(middle)
        annotator = yield middle


def by_disagreement(annotator: SimulatedAnnotator) -> Path:
    """First and last slice of the gland, then where interpolation and the corrected draft differ most.

    That is the slice that the window goes to when she asks for the next one to correct.
    """
    extent = annotator.task.extent
    for z in sorted({extent.start, extent.stop - 1}) if extent else []:
        annotator = yield z
    while True:
        try:
            following = next_slice_to_correct(annotator.scene())
        except AttunetError:
            return
        annotator = yield following


def most_wrong_first(annotator: SimulatedAnnotator) -> Path:
    """The slice in which most is wrong, as only the truth can tell: no list can do better slice by slice."""
    while True:
        wrong = np.count_nonzero(annotator.mask != annotator.task.truth, axis=(1, 2))
        wrong[list(annotator.decided)] = 0
        if not wrong.any():
            return
        annotator = yield int(np.argmax(wrong))


def by_fix_list(annotator: SimulatedAnnotator) -> Path:
    """The worst open place; when the list is empty, the slice the strip shows as most uncertain.

    At a place she goes to its slice, or, where that is decided, to the nearest one of it that is not. The
    list is searched again after each slice. A place of which every slice is decided is closed.
    """
    evidence = annotator.task.evidence
    found = find_findings(annotator.mask, evidence)
    while True:
        state = with_verified(ReviewState(), frozenset(annotator.decided))
        z = _of_places(open_findings(found.findings, state), state)
        if z is None:
            z = _most_uncertain(found, evidence, state)
        if z is None:
            return
        before = annotator
        annotator = yield z
        changed = np.flatnonzero((before.mask != annotator.mask).any(axis=(1, 2)))
        found = find_findings(annotator.mask, evidence, found, changed.tolist())


def _of_places(places: tuple[Finding, ...], state: ReviewState) -> int | None:
    for place in places:
        left = sorted(set(range(place.box[0].start, place.box[0].stop)) - state.verified)
        if left:
            return min(left, key=lambda z: (abs(z - place.slice), z))
    return None


def _most_uncertain(found: FindingSearchResult, evidence: CaseEvidence, state: ReviewState) -> int | None:
    uncertainty = make_slice_strip(found.resampled, evidence, state).uncertainty.copy()
    uncertainty[list(state.verified)] = 0
    return int(np.argmax(uncertainty)) if uncertainty.any() else None


def _concerned(annotator: SimulatedAnnotator) -> list[int]:
    either = (annotator.mask != 0) | (annotator.task.truth != 0)
    return [int(z) for z in np.flatnonzero(either.any(axis=(1, 2)))]
