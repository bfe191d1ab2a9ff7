"""Comparison of two models on the same labelled cases, with drafts made as in the product."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.prediction import draft_mask
from attunet_gui.core.progress import Progress, silent
from attunet_gui.evaluation.guard import CaseChange
from attunet_gui.evaluation.pairs import PairScores, compare
from attunet_gui.io.datasets import JudgedCT

if TYPE_CHECKING:
    from attunet_gui.network.predict import Model


@dataclass(frozen=True, eq=False)
class JudgedCase:
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
    load: Callable[[], JudgedCT]


def compare_models(
    old: Model, new: Model, cases: Sequence[JudgedCase], progress: Progress = silent
) -> tuple[CaseChange, ...]:
    """Draft every case with both models and return the scores, in the order of the cases.

    Voxels that nobody judged count for neither model.
    """
    changes = []
    for number, case in enumerate(cases, start=1):
        judged = case.load()
        before, after = (draft_scores(model, judged) for model in (old, new))
        changes.append(
            CaseChange(
                *(case.group, case.name, case.person, before.dsc, after.dsc, before.nsd, after.nsd),
                empty=not before.truth_ml,
            )
        )
        progress(number, len(cases), "comparing old and new")
    return tuple(changes)


def draft_scores(model: Model, judged: JudgedCT) -> PairScores:
    """Return the scores of the draft of `model` over the voxels that somebody judged."""
    # Imported here, so that the types of this module can be used without loading the engines.
    from attunet_gui.network.predict import predict

    draft = draft_mask(predict(judged.volume, model))
    return compare(_known(draft, judged), _known(judged.mask, judged), judged.volume.grid.spacing_mm)


def _known(mask: NDArray[np.uint8], judged: JudgedCT) -> NDArray[np.uint8]:
    return mask if judged.judged is None else mask * judged.judged.astype(np.uint8)
