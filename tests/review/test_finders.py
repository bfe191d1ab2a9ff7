"""Each finder on a mask with exactly its fault; the network knows the truth unless a test says otherwise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from attunet_gui.prediction.network_prediction import GateMap
from attunet_gui.review.case_evidence import CaseEvidence, make_case_evidence
from attunet_gui.review.finding_search import FINDERS, FindingFinder, find_findings
from attunet_gui.review.findings import Finding
from attunet_gui.review.review_crop import crop_to_review
from tests.support.review_cases import Known, Mask, largest_slice, phantom, spacing, whole, with_hu

KINDS = {"unsure", "gate", "jump", "end", "skipped", "island", "hole", "hu", "edge"}


def places(mask: Mask, evidence: CaseEvidence) -> tuple[Finding, ...]:
    return find_findings(mask, evidence).findings


def unsaid(known: Known) -> CaseEvidence:
    """Without a network."""
    return make_case_evidence(known.volume)


def within(place: Finding, where: np.ndarray) -> bool:
    """Whether the box holds most of `where`."""
    return np.count_nonzero(where[place.box]) > 0.5 * np.count_nonzero(where)


@pytest.mark.parametrize("seed", [3, 4])
def test_a_right_mask_leaves_nothing_to_look_at(seed: int) -> None:
    known = whole(phantom(seed))

    assert places(known.truth, known.evidence) == ()


@pytest.mark.parametrize("finder", FINDERS)
def test_a_place_is_whole(finder: FindingFinder) -> None:
    known = whole(phantom())
    rng = np.random.default_rng(1)
    mask = known.truth.copy()
    mask[largest_slice(known)] = 0
    mask[:2, 40:60, 40:60] = 1
    mask[:, :, ::7] &= rng.integers(0, 2, mask[:, :, ::7].shape, np.uint8)
    evidence = known.evidence
    view = crop_to_review(find_findings(mask, evidence).resampled, evidence)
    assert view is not None

    for place in finder(view):
        assert place.kind in KINDS
        assert place.key.startswith(place.kind)
        assert place.volume_ml > 0
        assert place.score >= 0
        assert place.slice in range(place.box[0].start, place.box[0].stop)
        assert all(0 <= side.start < side.stop <= n for side, n in zip(place.box, mask.shape, strict=True))
        assert str(place.slice + 1) in place.reason
        assert place.reason.endswith(".")


@pytest.mark.parametrize("network", [True, False])
def test_a_skipped_slice_is_found(network: bool) -> None:
    known = whole(phantom())
    mask, z = known.truth.copy(), largest_slice(known)
    mask[z] = 0

    found = places(mask, known.evidence if network else unsaid(known))

    skipped = [place for place in found if place.slice == z and place.missing]
    assert skipped
    assert "no mask in a slice" in skipped[0].reason


def test_a_tail_cut_off_is_the_first_place() -> None:
    known = whole(phantom())
    columns = np.flatnonzero(known.truth.any(axis=(0, 1)))
    mask = known.truth.copy()
    mask[:, :, int(np.percentile(columns, 80)) :] = 0

    first = places(mask, known.evidence)[0]

    assert first.missing
    assert first.kind == "unsure"
    assert known.truth[first.box].sum() > mask[first.box].sum()


def test_an_island_is_found() -> None:
    known = whole(phantom())
    island = np.zeros_like(known.truth)
    island[largest_slice(known) - 2 : largest_slice(known) + 2, 20:26, 20:26] = 1

    for evidence in (known.evidence, unsaid(known)):
        place = next(p for p in places(known.truth | island, evidence) if not p.missing)
        assert within(place, island)
        assert "stand apart" in place.reason


def test_a_hole_is_found() -> None:
    known = whole(phantom())
    core = ndimage.distance_transform_edt(known.truth, sampling=spacing(known.volume))
    z, y, x = np.unravel_index(core.argmax(), core.shape)
    hole = np.zeros_like(known.truth)
    hole[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2] = 1

    for evidence in (known.evidence, unsaid(known)):
        place = places(known.truth & ~hole, evidence)[0]
        assert place.missing
        assert within(place, hole)


@pytest.mark.parametrize(("hu", "name"), [(-700, "air"), (-100, "fat"), (700, "bone")])
def test_hu_of_no_pancreas_are_found(hu: int, name: str) -> None:
    known = whole(phantom())
    where = ndimage.distance_transform_edt(known.truth, sampling=spacing(known.volume)) > 5

    found = [p for p in places(known.truth, unsaid(with_hu(known, where, hu))) if p.kind == "hu"]

    assert found
    assert name in found[0].reason
    assert not found[0].missing


def test_mask_in_the_first_slice_is_found() -> None:
    known = whole(phantom())
    cut = known.truth[largest_slice(known) :]
    padded = np.zeros_like(known.truth)
    padded[: len(cut)] = cut

    found = places(padded, unsaid(known))

    assert [p.slice for p in found if p.kind == "edge"] == [0]


def test_a_lump_in_one_slice_is_a_jump() -> None:
    known = whole(phantom())
    mask, z = known.truth.copy(), largest_slice(known)
    rows, columns = ndimage.find_objects(mask[z])[0]
    lump = np.zeros_like(mask)
    lump[z, rows.start - 8 : rows.start + 2, columns] = 1
    lump &= 1 - ndimage.binary_dilation(known.truth[z - 1] | known.truth[z + 1]).astype(np.uint8)[None]

    found = [p for p in places(mask | lump, unsaid(known)) if p.kind == "jump" and not p.missing]

    assert found
    assert found[0].slice == z


def test_open_gates_without_mask_are_found() -> None:
    known = whole(phantom())
    columns = np.flatnonzero(known.truth.any(axis=(0, 1)))
    mask = known.truth.copy()
    mask[:, :, int(np.percentile(columns, 80)) :] = 0
    silent = np.clip(known.prediction.frame.resample_to_network(mask.astype(np.float32), 0.0), 0.001, 0.999)
    prediction = replace(known.prediction, probability=silent.astype(np.float16))

    found = places(mask, make_case_evidence(known.volume, prediction))

    first = found[0]
    assert first.missing
    assert "gate" in first.reason
    assert known.truth[first.box].sum() > mask[first.box].sum()


def test_closed_gates_inside_the_mask_are_found() -> None:
    known = whole(phantom())
    gate = known.prediction.gates[0]
    values = gate.values.copy()
    values[:, :, values.shape[2] // 2 :] = 0
    prediction = replace(known.prediction, gates=(GateMap(1, 1, values),))

    found = places(known.truth, make_case_evidence(known.volume, prediction))

    assert [(p.kind, p.missing) for p in found[:1]] == [("gate", False)]


def test_an_empty_mask_is_found_by_the_network_alone() -> None:
    known = whole(phantom())
    empty = np.zeros_like(known.truth)

    assert places(empty, unsaid(known)) == ()
    assert all(place.missing for place in places(empty, known.evidence))
    assert places(empty, known.evidence)


def test_a_case_of_one_slice_has_its_places() -> None:
    known = whole(phantom())
    single = known.one_slice(largest_slice(known))
    half = single.truth.copy()
    half[:, :, : int(np.flatnonzero(half.any(axis=(0, 1))).mean())] = 0

    assert places(single.truth, single.evidence) == ()
    first = places(half, single.evidence)[0]
    assert first.missing
    assert "mm²" in first.reason
