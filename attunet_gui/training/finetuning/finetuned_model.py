"""The result of a fine-tuning as plain values, for another process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from attunet_gui.evaluation.model_guard import GuardVerdict
from attunet_gui.training.finetuning.holdout import CaseDivision


@dataclass(frozen=True)
class FinetunedModel:
    """A new model that has been compared with its parent.

    Attributes:
        bundle: its folder.
        name: of the model.
        verdict: of the guard.
        division: which corrected cases were learnt from and which judged.
        steps, seconds: of training.
        precision: the number format it was computed with.
    """

    bundle: Path
    name: str
    verdict: GuardVerdict
    division: CaseDivision
    steps: int
    seconds: float
    precision: str
    about_empty: str = ""
