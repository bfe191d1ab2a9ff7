"""What a person decided is evidence: no place says the opposite of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from attunet_gui.core.edit_stroke import DRAFT_TOOL, NEIGHBOURS_TOOL, PROPAGATION_TOOL, EditStroke
from attunet_gui.core.mask_edit import MaskEdit, edit_between
from attunet_gui.core.mask_locks import MaskLocks
from attunet_gui.core.pre_edit_mask import decided_slices, decided_voxels
from attunet_gui.review.annotator_decisions import (
    AnnotatorDecisions,
    accepted_finding,
    accepted_finding_key,
    read_accepted_findings,
)
from attunet_gui.review.case_evidence import CaseEvidence, make_case_evidence
from attunet_gui.review.finding_search import find_findings
from attunet_gui.review.findings import Finding
from attunet_gui.review.review_progress import ReviewState, accept_finding, after_edit, open_findings
from tests.support.review_cases import Known, Mask, all_knowing, largest_slice, phantom, spacing, whole

SHAPE = (4, 6, 7)


def stroke(edit: MaskEdit, tool: str, by_hand: bool = False) -> EditStroke:
    return EditStroke(edit, tool, tool, "Ada", 0.0, edit.start[0], by_hand)


@dataclass
class Person:
    """Changes a mask, as the window would record it."""

    mask: Mask
    done: list[EditStroke] = field(default_factory=list)
    locks: MaskLocks = field(default_factory=MaskLocks)

    def change(self, wanted: Mask, tool: str, by_hand: bool = False) -> None:
        edit = edit_between(self.mask, wanted)
        if edit.changed_voxels:
            edit.apply_to(self.mask)
            self.done.append(stroke(edit, tool, by_hand))
            if by_hand:
                self.locks = self.locks.with_hand_drawn(edit, self.mask.shape[1:])

    def decisions(self, verified: frozenset[int] = frozenset()) -> AnnotatorDecisions:
        shape = self.mask.shape
        planes = decided_voxels(self.locks, self.done, range(shape[0]), (shape[1], shape[2]))
        return AnnotatorDecisions(planes, verified)


# Voxels


def test_strokes_and_tools_decide_and_what_a_draft_changes_later_is_nobodys() -> None:
    person = Person(np.zeros(SHAPE, np.uint8))
    one = person.mask.copy()
    one[0:3, 2, 2] = 1  # in a sagittal plane
    person.change(one, "brush", by_hand=True)
    two = one.copy()
    two[1, 4, 1:4] = 1
    person.change(two, "grow")
    three = two.copy()
    three[1, 4, 1] = 0
    person.change(three, PROPAGATION_TOOL)
    four = three.copy()
    four[3] = 1
    person.change(four, NEIGHBOURS_TOOL)

    found = person.decisions().strokes

    wanted = np.zeros(SHAPE, bool)
    wanted[0:3, 2, 2] = wanted[1, 4, 2:4] = True
    np.testing.assert_array_equal([found.get(z, wanted[3] & False) for z in range(4)], wanted)
    assert decided_slices(person.locks, person.done) == {0, 1, 2}
    five = four.copy()
    five[0:2] = 0
    person.change(five, DRAFT_TOOL)
    found = person.decisions().strokes
    assert set(found) == {2}, "what was there before a draft that was allowed to replace it"
    assert decided_slices(person.locks.with_verified(frozenset({3})), person.done) == {0, 1, 2, 3}


def test_removals_by_a_tool_count_as_corrected_slices() -> None:
    person = Person(np.ones(SHAPE, np.uint8))
    cleared = person.mask.copy()
    cleared[0:4, 0:2, 0:2] = 0
    person.change(cleared, "remove-piece")
    assert decided_slices(person.locks, person.done) == {0, 1, 2, 3}


def test_a_slice_is_decided_by_its_strokes_and_by_verifying() -> None:
    mask = np.zeros((6, 7), bool)
    mask[:3] = True
    drawn = np.zeros((6, 7), bool)
    drawn[2:4, 0] = True
    none = np.zeros((6, 7), bool)
    for decisions, kept, free, erased in (
        (AnnotatorDecisions(), none, none, none),
        (AnnotatorDecisions({1: drawn}), drawn & mask, drawn & ~mask, drawn & ~mask),
        (AnnotatorDecisions(verified=frozenset({1})), mask, ~mask, none),
    ):
        assert decisions.has_decision_in(1) == bool(kept.any() or free.any())
        assert not decisions.has_decision_in(2)
        for found, wanted in zip(decisions.decided_planes(1, mask), (kept, free, erased), strict=True):
            np.testing.assert_array_equal(found, wanted)


BOX = (slice(3, 8), slice(0, 12), slice(40, 41))
PLACE = Finding("unsure", 5, BOX, "x", True, 1.0, "unsure+@1.2.3", 1.0)


def test_an_accepted_place_is_kept_as_a_key_and_read_back() -> None:
    for missing in (True, False):
        accepted = accepted_finding(replace(PLACE, missing=missing))
        assert read_accepted_findings([accepted_finding_key(accepted), PLACE.key]) == (accepted,)
    assert (
        read_accepted_findings(["", "hole+@1.2.3", "decided+@1.2.3", "decided@1.2.3.4.5.x", "decided+"]) == ()
    )


def test_an_accepted_place_covers_what_mostly_lies_in_it_and_says_the_same() -> None:
    accepted = accepted_finding(PLACE)
    half = replace(PLACE, key="other", box=(slice(3, 8), slice(6, 18), slice(40, 41)))
    less = replace(half, box=(slice(3, 8), slice(7, 19), slice(40, 41)))
    assert accepted.covers_finding(half)
    assert not accepted.covers_finding(less)
    assert not accepted.covers_finding(replace(half, missing=False))


# Places


def liking(known: Known, more: Mask) -> CaseEvidence:
    """What is known of a case whose network takes `more` for pancreas as well."""
    return make_case_evidence(known.volume, all_knowing(known.volume, known.truth | more), known.truth | more)


def island_of(known: Known) -> Mask:
    island = np.zeros_like(known.truth)
    island[largest_slice(known) - 2 : largest_slice(known) + 2, 20:28, 20:28] = 1
    return island


def near(place: Finding, where: Mask) -> bool:
    around = ndimage.binary_dilation(where, iterations=2)
    return bool(around[place.box].any())


def test_an_island_that_was_removed_is_not_missing() -> None:
    known = whole(phantom())
    island = island_of(known)
    evidence = liking(known, island)
    unasked = [p for p in find_findings(known.truth, evidence).findings if p.missing and near(p, island)]
    assert unasked, "the network would have it back"
    for tool, by_hand in (("erase", True), ("remove-piece", False)):
        person = Person(known.truth | island)
        person.change(known.truth, tool, by_hand)
        found = find_findings(known.truth, evidence, decisions=person.decisions()).findings
        assert [place for place in found if near(place, island)] == []


def test_a_piece_that_was_painted_is_no_island() -> None:
    known = whole(phantom())
    island = island_of(known)
    person = Person(known.truth.copy())
    person.change(known.truth | island, "brush", by_hand=True)
    assert any(near(p, island) for p in find_findings(person.mask, known.evidence).findings)
    found = find_findings(person.mask, known.evidence, decisions=person.decisions()).findings
    assert [place for place in found if near(place, island)] == []


def test_in_verified_slices_nothing_is_wrong() -> None:
    known = whole(phantom())
    island = island_of(known)
    mask = known.truth | island
    assert find_findings(mask, known.evidence).findings
    every = AnnotatorDecisions(verified=frozenset(range(len(mask))))
    assert find_findings(mask, known.evidence, decisions=every).findings == ()


def test_an_accepted_place_stays_away_while_others_change_and_returns_with_its_own_mask() -> None:
    known = whole(phantom())
    island = island_of(known)
    skipped = known.truth.copy()
    skipped[largest_slice(known) + 4] = 0
    evidence = liking(known, island)
    state = ReviewState()

    def shown(mask: Mask) -> list[Finding]:
        places = find_findings(mask, evidence).findings
        return [p for p in places if p.missing and near(p, island) and p in open_findings(places, state)]

    while shown(skipped):
        state = accept_finding(state, shown(skipped)[0])
    assert state.decided
    assert shown(known.truth) == []
    filled = edit_between(skipped, known.truth)
    state = after_edit(state, (), filled, largest_slice(known))
    assert shown(known.truth) == [], "another slice was changed"
    half = known.truth.copy()
    half[largest_slice(known)] |= island[largest_slice(known)]
    state = after_edit(state, (), edit_between(known.truth, half), 0)
    assert shown(half), "its own mask has changed"


def test_what_is_decided_without_a_change_of_the_mask_is_found_again_by_slices() -> None:
    known = whole(phantom())
    mask = known.truth | island_of(known)
    before = find_findings(mask, known.evidence)
    rows = range(largest_slice(known) - 2, largest_slice(known) + 2)
    decisions = AnnotatorDecisions(verified=frozenset(rows))
    again = find_findings(mask, known.evidence, before, rows, decisions)
    assert (
        again.findings == find_findings(mask, known.evidence, decisions=decisions).findings != before.findings
    )


EDITS = st.lists(
    st.tuples(
        st.sampled_from(["brush", "erase", "grow", "remove-piece", PROPAGATION_TOOL, "verify"]),
        st.tuples(st.integers(0, 43), st.integers(10, 80), st.integers(10, 100)),
        st.tuples(st.integers(1, 6), st.integers(4, 30), st.integers(4, 30)),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=12, deadline=None)
@given(EDITS, st.booleans())
def test_no_place_contradicts_what_was_decided(
    edits: list[tuple[str, tuple[int, int, int], tuple[int, int, int]]], network: bool
) -> None:
    known = whole(phantom())
    island = island_of(known)
    evidence = liking(known, island) if network else make_case_evidence(known.volume)
    person, verified = Person(known.truth | island), set[int]()
    for tool, start, size in edits:
        z, y, x = (slice(a, a + n) for a, n in zip(start, size, strict=True))
        if tool == "verify":
            verified.add(min(z.start, 43))
            continue
        wanted = person.mask.copy()
        wanted[z, y, x] = tool in ("brush", "grow", PROPAGATION_TOOL)
        person.change(wanted, tool, by_hand=tool in ("brush", "erase"))
    decisions = person.decisions(frozenset(verified))
    sure = np.stack(
        [
            decisions.strokes.get(z, np.zeros(person.mask.shape[1:], bool)) | (z in verified)
            for z in range(len(person.mask))
        ]
    )
    voxel_ml = float(np.prod(spacing(known.volume))) / 1000
    for place in find_findings(person.mask, evidence, decisions=decisions).findings:
        if place.kind == "edge":
            continue  # says nothing of a voxel in the CT
        open_to_doubt = ~sure[place.box] & ((person.mask[place.box] == 0) == place.missing)
        # A pixel of the frame that is half covered may be named as a whole.
        assert np.count_nonzero(open_to_doubt) * voxel_ml > 0.45 * place.volume_ml, place


@pytest.mark.parametrize("side", ["head", "tail"])
def test_words_for_a_side_name_the_gland(side: str) -> None:
    known = whole(phantom())
    columns = np.flatnonzero(known.truth.any(axis=(0, 1)))
    cut = int(np.percentile(columns, 15 if side == "head" else 85))
    mask = known.truth.copy()
    mask[:, :, slice(None, cut) if side == "head" else slice(cut, None)] = 0
    first = find_findings(mask, known.evidence).findings[0]
    assert f"towards the pancreatic {side}" in first.reason
    assert "side" not in first.reason


def test_without_a_mask_the_side_is_that_of_what_the_network_sees() -> None:
    known = whole(phantom())
    told = " ".join(p.reason for p in find_findings(np.zeros_like(known.truth), known.evidence).findings)
    assert "towards the pancreatic head" in told
    assert "towards the pancreatic tail" in told
