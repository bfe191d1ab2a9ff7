"""Comparison of two models on the same labelled cases, with drafts made as in the product."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from attunet_gui.evaluation.model_guard import CaseScoreChange
from attunet_gui.evaluation.pair_scores import PairScores, compare_masks
from attunet_gui.io.datasets.dataset_layouts import LabelledCT
from attunet_gui.prediction.network_prediction import draft_mask
from attunet_gui.system.progress import ProgressCallback, no_progress

if TYPE_CHECKING:
    from attunet_gui.network.inference import LoadedModel


@dataclass(frozen=True, eq=False)
class ComparisonCase:
    """A case on which models are compared.

    Attributes:
        group: the group of cases, such as "validation" or "phantoms".
        name: name of the case.
        person: identifier of the patient.
        load: reads or makes the case; it may raise `UnreadableInput`.
    """

    group: str
    name: str
    person: str
    load: Callable[[], LabelledCT]


def compare_models(
    old: LoadedModel,
    new: LoadedModel,
    cases: Sequence[ComparisonCase],
    progress: ProgressCallback = no_progress,
) -> tuple[CaseScoreChange, ...]:
    """Draft every case with both models and return the scores, in the order of the cases.

    Voxels that nobody judged count for neither model.
    """
    changes = []
    for number, case in enumerate(cases, start=1):
        judged = case.load()
        before, after = (score_draft(model, judged) for model in (old, new))
        changes.append(
            CaseScoreChange(
                *(case.group, case.name, case.person, before.dsc, after.dsc, before.nsd, after.nsd),
                empty=not before.truth_ml,
            )
        )
        progress(number, len(cases), "comparing old and new")
    return tuple(changes)


def score_draft(model: LoadedModel, judged: LabelledCT) -> PairScores:
    """Return the scores of the draft of `model` over the voxels that somebody judged."""
    # Imported here, so that the types of this module can be used without loading the engines.
    from attunet_gui.network.inference import predict_volume

    draft = draft_mask(predict_volume(judged.volume, model))
    return compare_masks(
        _judged_part(draft, judged), _judged_part(judged.mask, judged), judged.volume.grid.spacing_mm
    )


def _judged_part(mask: NDArray[np.uint8], judged: LabelledCT) -> NDArray[np.uint8]:
    return mask if judged.judged is None else mask * judged.judged.astype(np.uint8)
