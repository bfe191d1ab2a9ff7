"""A model over labelled cases, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.prediction import Prediction, draft_mask
from attunet_gui.core.progress import Progress, silent
from attunet_gui.core.volume import Volume
from attunet_gui.evaluation.cases import Case
from attunet_gui.evaluation.scores import CaseScore, Scores, score_case, summarise

if TYPE_CHECKING:
    from attunet_gui.network.predict import Model


@dataclass(frozen=True, eq=False)
class Drafted:
    """One case after the model.

    Attributes:
        truth, draft: (z, y, x) uint8 0/1 on the grid of `volume`.
    """

    case: Case
    volume: Volume
    truth: NDArray[np.uint8]
    prediction: Prediction
    draft: NDArray[np.uint8]

    @property
    def score(self) -> CaseScore:
        """The draft against the truth."""
        return score_case(self.case.patient, self.case.name, self.draft, self.truth)

    def truth_on_frame(self) -> NDArray[np.bool_]:
        """(z, rows, columns) the truth as the network sees it."""
        return self.prediction.frame.to_network(self.truth.astype(np.float32), fill=0.0) >= 0.5


def drafts(model: Model, cases: Sequence[Case], progress: Progress = silent) -> Iterator[Drafted]:
    """Every case in turn, as the product would draft it; `progress` may raise `Cancelled`."""
    from attunet_gui.network.predict import predict

    for number, case in enumerate(cases, start=1):
        volume, truth = case.load()
        prediction = predict(volume, model, _slices_of(case, volume, progress))
        yield Drafted(case, volume, truth, prediction, draft_mask(prediction))
        progress(number, len(cases), "cases")


def score_drafts(model: Model, cases: Sequence[Case], progress: Progress = silent) -> Scores:
    """The table alone."""
    return summarise(drafted.score for drafted in drafts(model, cases, progress))


def _slices_of(case: Case, volume: Volume, progress: Progress) -> Progress:
    """Slices are worth reporting where a case has several."""
    if volume.grid.shape[0] == 1:
        return silent
    return lambda done, total, stage: progress(done, total, f"{stage} of {case.name}")
