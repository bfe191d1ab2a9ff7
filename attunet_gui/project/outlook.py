"""What a draft lets one expect of the work on its case: a few numbers to order a list by.

All are taken from the network's calibrated probability p and the share c of each pixel of its frame that the
draft covers. A p below 0.1 counts as 0: summed up over the body it would drown the gland.

- expected DSC = 2 sum(p c) / (sum(p) + sum(c)), and **uncertainty** = 1 - expected DSC;
- **effort** = sum(p + c - 2 p c) in ml, the volume that is expected to be wrong, plus 0.5 for every place to
  check: each place costs a look and a gesture however small it is;
- **visible** = min(1, sum(p) in ml / 20): an adult's pancreas has 72 +- 26 ml (Saisho et al. 2007, doi
  10.1002/ca.20543), so less than 20 ml means that it is cut off, or that the network hardly sees it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.metrics import volume_ml
from attunet_gui.core.prediction import Prediction
from attunet_gui.core.volume import Volume
from attunet_gui.review.evidence import make_evidence
from attunet_gui.review.search import find_places

_FAINT = 0.1
_A_PLACE = 0.5
_WHOLE_GLAND_ML = 20.0


@dataclass(frozen=True)
class Outlook:
    """Of a drafted case.

    Attributes:
        volume_ml: of the draft.
        uncertainty: 1 - expected DSC, 0 to 1.
        effort: expected wrong volume in ml, each place to check counting as 0.5 ml more.
        places: how many places there are to check.
        visible: 0 to 1, how much of a gland the network sees.
    """

    volume_ml: float
    uncertainty: float
    effort: float
    places: int
    visible: float


def outlook(volume: Volume, prediction: Prediction, draft: NDArray[np.uint8]) -> Outlook:
    """What `draft` (z, y, x) 0/1, made of `prediction` on `volume`, lets one expect."""
    evidence = make_evidence(volume, prediction, draft)
    found = find_places(draft, evidence)
    likely = prediction.probability.astype(np.float32)
    likely[likely < _FAINT] = 0
    expected, drafted = float(likely.sum()), float(found.carried.cover.sum())
    common = float((likely * found.carried.cover).sum())
    total = expected + drafted
    wrong_ml = (total - 2 * common) * evidence.voxel_ml
    return Outlook(
        volume_ml=volume_ml(draft, volume.grid),
        uncertainty=min(1.0, max(0.0, 1 - 2 * common / total)) if total else 0.0,
        effort=max(0.0, wrong_ml) + _A_PLACE * len(found.places),
        places=len(found.places),
        visible=min(1.0, expected * evidence.voxel_ml / _WHOLE_GLAND_ML),
    )
