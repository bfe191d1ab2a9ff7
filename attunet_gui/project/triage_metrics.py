"""Numbers that estimate, from a draft, how much work its case needs; the worklist is ordered by them.

All are computed from the network's calibrated probability p and the share c of each pixel of the network's
grid that the draft covers. A p below 0.1 counts as 0: summed over the whole body it would exceed the gland.

- expected DSC = 2 sum(p c) / (sum(p) + sum(c)), and **uncertainty** = 1 - expected DSC of the whole;
- **effort** = the number of slices with an expected DSC below 0.85, which an annotator is expected to
  correct. Slices with less than 20 mm² of probability and draft on average are left out;
- **visible** = min(1, sum(p) in ml / 20): an adult's pancreas has 72 ± 26 ml (Saisho et al. 2007, doi
  10.1002/ca.20543), so less than 20 ml means that it is cut off, or that the network hardly sees it.

On 24 synthetic CT, of the kind that starter-2 was trained on, Spearman's rank correlation of effort with the
number of slices whose true DSC is below 0.85 was 0.86; of uncertainty with 1 - DSC it was 0.44
(`python -m benchmarks.next_case`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.metrics import mask_volume_ml
from attunet_gui.core.volume import Volume
from attunet_gui.prediction.network_prediction import NetworkPrediction
from attunet_gui.review.case_evidence import make_case_evidence
from attunet_gui.review.finding_search import find_findings
from attunet_gui.review.review_progress import ReviewState, open_findings

# The reasons for these four numbers are in the docstring of the module.
_FAINT = 0.1
_GOOD_SLICE = 0.85
_LEAST_MM2 = 20.0
_WHOLE_GLAND_ML = 20.0

_Floats = NDArray[np.float32]


@dataclass(frozen=True)
class TriageMetrics:
    """The estimates for one drafted case.

    Attributes:
        volume_ml: volume of the draft.
        uncertainty: 1 - expected DSC of the whole draft, 0 to 1.
        effort: number of slices that are expected to need correction.
        places: number of places to check.
        visible: how much of a whole gland the network sees, 0 to 1.
    """

    volume_ml: float
    uncertainty: float
    effort: float
    places: int
    visible: float


def triage_metrics_of(
    volume: Volume, prediction: NetworkPrediction, draft: NDArray[np.uint8]
) -> TriageMetrics:
    """Estimate the work on a drafted case.

    Args:
        volume: the CT.
        prediction: what the network says of it, on the network's grid.
        draft: (z, y, x) uint8, 0 or 1, on the canonical grid of `volume`.
    """
    evidence = make_case_evidence(volume, prediction, draft)
    found = find_findings(draft, evidence)
    likely = prediction.probability.astype(np.float32)
    likely[likely < _FAINT] = 0
    common, both = _overlap_per_slice(likely, found.resampled.cover)
    pixel_mm2 = float(np.prod(prediction.frame.spacing_mm[1:]))
    # `both` is the sum of two areas, hence the factor 2.
    enough = both * pixel_mm2 > 2 * _LEAST_MM2
    poor = enough & (2 * common < _GOOD_SLICE * both)
    whole = float(both.sum())
    return TriageMetrics(
        volume_ml=mask_volume_ml(draft, volume.grid),
        uncertainty=min(1.0, max(0.0, 1 - 2 * float(common.sum()) / whole)) if whole else 0.0,
        effort=float(np.count_nonzero(poor)),
        places=len(open_findings(found.findings, ReviewState())),
        visible=min(1.0, float(likely.sum()) * evidence.voxel_ml / _WHOLE_GLAND_ML),
    )


def _overlap_per_slice(likely: _Floats, cover: _Floats) -> tuple[_Floats, _Floats]:
    """Return two arrays (z,) float32: per slice, the sum of the products, and the sum of both arguments.

    Both arguments are (z, y, x) on the network's grid.
    """
    common: _Floats = (likely * cover).sum(axis=(1, 2))
    both: _Floats = likely.sum(axis=(1, 2)) + cover.sum(axis=(1, 2))
    return common, both
