"""Two models on the same labelled cases, scored as the product drafts."""

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
    """A case that judges models.

    Attributes:
        group: what it stands for.
        name, person: of the case, and whose it is.
        load: reads or makes it; may raise `UnreadableInput`.
    """

    group: str
    name: str
    person: str
    load: Callable[[], JudgedCT]


def compare_models(
    old: Model, new: Model, cases: Sequence[JudgedCase], progress: Progress = silent
) -> tuple[CaseChange, ...]:
    """Every case drafted by both, in order; what nobody judged counts for neither."""
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
    """The draft of `model` against the truth, where somebody judged."""
    from attunet_gui.network.predict import predict

    draft = draft_mask(predict(judged.volume, model))
    return compare(_known(draft, judged), _known(judged.mask, judged), judged.volume.grid.spacing_mm)


def _known(mask: NDArray[np.uint8], judged: JudgedCT) -> NDArray[np.uint8]:
    return mask if judged.judged is None else mask * judged.judged.astype(np.uint8)
