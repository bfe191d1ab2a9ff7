"""What comes out of a fine-tuning, as plain values for another process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from attunet_gui.evaluation.guard import Verdict
from attunet_gui.recipes.holding import Division


@dataclass(frozen=True)
class Learnt:
    """A new model that has been compared with the one before.

    Attributes:
        bundle: its folder.
        name: of the model.
        verdict: of the guard.
        division: of the corrected cases.
        steps, seconds: of training.
        precision: what it was computed with.
        about_empty: what to say of cases without any pancreas that taught; "" if there are none.
    """

    bundle: Path
    name: str
    verdict: Verdict
    division: Division
    steps: int
    seconds: float
    precision: str
    about_empty: str = ""
