"""The search for places to check: all finders are run, and overlapping places are merged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attunet_gui.review.annotator_decisions import NO_DECISIONS, AnnotatorDecisions
from attunet_gui.review.case_evidence import (
    CaseEvidence,
    ResampledMask,
    resample_changed_slices,
    resample_mask,
)
from attunet_gui.review.findings import Finding, merge_findings
from attunet_gui.review.mask_finders import (
    find_cut_off_ends,
    find_holes,
    find_implausible_hu,
    find_islands,
    find_jumps,
    find_skipped_slices,
)
from attunet_gui.review.network_finders import find_gate_disagreement, find_uncertain_surface
from attunet_gui.review.review_crop import ReviewCrop, crop_to_review

FindingFinder = Callable[[ReviewCrop], list[Finding]]

FINDERS: tuple[FindingFinder, ...] = (
    find_uncertain_surface,
    find_gate_disagreement,
    find_jumps,
    find_skipped_slices,
    find_islands,
    find_holes,
    find_implausible_hu,
    find_cut_off_ends,
)


# A place is shown only if its score reaches this share of the smallest volume that is worth a look.
_SMALLEST_EXPECTED_SHARE = 0.8


@dataclass(frozen=True, eq=False)
class FindingSearchResult:
    """The result of a search.

    Attributes:
        findings: the places, most urgent first.
        resampled: the mask on the frame; the next search updates it instead of resampling all slices.
    """

    findings: tuple[Finding, ...]
    resampled: ResampledMask


def find_findings(
    mask: NDArray[np.uint8],
    evidence: CaseEvidence,
    before: FindingSearchResult | None = None,
    changed: Iterable[int] | None = None,
    decisions: AnnotatorDecisions = NO_DECISIONS,
) -> FindingSearchResult:
    """Search a mask for places that are probably wrong.

    Args:
        mask: (z, y, x) uint8 0/1 on the grid of the CT.
        evidence: what is known of the same case.
        before: the result of an earlier search; None to resample all slices.
        changed: indices of the slices in which the mask or a decision differs from that search; None for all.
        decisions: the annotator's decisions, which no place contradicts; those of the changed slices suffice.
    """
    if before is None or changed is None:
        carried = resample_mask(mask, evidence, decisions)
    else:
        carried = resample_changed_slices(before.resampled, mask, evidence, changed, decisions)
    view = crop_to_review(carried, evidence)
    if view is None:
        return FindingSearchResult((), carried)
    worth = _SMALLEST_EXPECTED_SHARE * view.floor_ml
    places = [place for finder in FINDERS for place in finder(view) if place.score >= worth]
    return FindingSearchResult(merge_findings(places), carried)
