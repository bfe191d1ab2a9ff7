"""Drafts of a model for labelled cases, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.volume import Volume
from attunet_gui.evaluation.case_scores import CaseScore, ScoreTable, score_case, summarise_scores
from attunet_gui.evaluation.labelled_cases import LabelledCase
from attunet_gui.prediction.network_prediction import NetworkPrediction, draft_mask
from attunet_gui.system.progress import ProgressCallback, no_progress

if TYPE_CHECKING:
    from attunet_gui.network.inference import LoadedModel


@dataclass(frozen=True, eq=False)
class DraftedCase:
    """One labelled case with the draft of a model.

    Attributes:
        case: the case.
        volume: its CT.
        truth, draft: (z, y, x) uint8 0/1 on the grid of `volume`.
        prediction: the prediction that the draft was made from.
    """

    case: LabelledCase
    volume: Volume
    truth: NDArray[np.uint8]
    prediction: NetworkPrediction
    draft: NDArray[np.uint8]

    @property
    def draft_score(self) -> CaseScore:
        """The scores of the draft against the truth."""
        return score_case(self.case.patient_name, self.case.name, self.draft, self.truth)

    def truth_on_network_grid(self) -> NDArray[np.bool_]:
        """Return the truth on the frame of the network, (z, rows, columns) bool."""
        return self.prediction.frame.resample_to_network(self.truth.astype(np.float32), fill=0.0) >= 0.5


def draft_cases(
    model: LoadedModel, cases: Sequence[LabelledCase], progress: ProgressCallback = no_progress
) -> Iterator[DraftedCase]:
    """Yield every case with its draft, made as the product would make it.

    Args:
        model: the loaded model.
        cases: the cases; each is read when it is its turn.
        progress: is called after slices and cases; it may raise `WorkCancelled`.

    Raises:
        UnreadableInput: if a case cannot be read.
    """
    # Imported here, so that listing and scoring cases does not load the engines.
    from attunet_gui.network.inference import predict_volume

    for number, case in enumerate(cases, start=1):
        volume, truth = case.load()
        prediction = predict_volume(volume, model, _slice_progress(case, volume, progress))
        yield DraftedCase(case, volume, truth, prediction, draft_mask(prediction))
        progress(number, len(cases), "cases")


def score_drafts(
    model: LoadedModel, cases: Sequence[LabelledCase], progress: ProgressCallback = no_progress
) -> ScoreTable:
    """Return the scores of the drafts of all cases; arguments and errors are those of `draft_cases`."""
    return summarise_scores(drafted.draft_score for drafted in draft_cases(model, cases, progress))


def _slice_progress(case: LabelledCase, volume: Volume, progress: ProgressCallback) -> ProgressCallback:
    """Return the progress of the slices of one case, which does nothing for a case of one slice."""
    if volume.grid.shape[0] == 1:
        return no_progress
    return lambda done, total, stage: progress(done, total, f"{stage} of {case.name}")
