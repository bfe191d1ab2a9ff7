"""Drafts of a model for labelled cases, one after the other."""

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
    """One labelled case with the draft of a model.

    Attributes:
        case: the case.
        volume: its CT.
        truth, draft: (z, y, x) uint8 0/1 on the grid of `volume`.
        prediction: the prediction that the draft was made from.
    """

    case: Case
    volume: Volume
    truth: NDArray[np.uint8]
    prediction: Prediction
    draft: NDArray[np.uint8]

    @property
    def score(self) -> CaseScore:
        """The scores of the draft against the truth."""
        return score_case(self.case.patient, self.case.name, self.draft, self.truth)

    def truth_on_frame(self) -> NDArray[np.bool_]:
        """Return the truth on the frame of the network, (z, rows, columns) bool."""
        return self.prediction.frame.to_network(self.truth.astype(np.float32), fill=0.0) >= 0.5


def drafts(model: Model, cases: Sequence[Case], progress: Progress = silent) -> Iterator[Drafted]:
    """Yield every case with its draft, made as the product would make it.

    Args:
        model: the loaded model.
        cases: the cases; each is read when it is its turn.
        progress: is called after slices and cases; it may raise `Cancelled`.

    Raises:
        UnreadableInput: if a case cannot be read.
    """
    # Imported here, so that listing and scoring cases does not load the engines.
    from attunet_gui.network.predict import predict

    for number, case in enumerate(cases, start=1):
        volume, truth = case.load()
        prediction = predict(volume, model, _slices_of(case, volume, progress))
        yield Drafted(case, volume, truth, prediction, draft_mask(prediction))
        progress(number, len(cases), "cases")


def score_drafts(model: Model, cases: Sequence[Case], progress: Progress = silent) -> Scores:
    """Return the scores of the drafts of all cases; arguments and errors are those of `drafts`."""
    return summarise(drafted.score for drafted in drafts(model, cases, progress))


def _slices_of(case: Case, volume: Volume, progress: Progress) -> Progress:
    """Return the progress of the slices of one case, which does nothing for a case of one slice."""
    if volume.grid.shape[0] == 1:
        return silent
    return lambda done, total, stage: progress(done, total, f"{stage} of {case.name}")
