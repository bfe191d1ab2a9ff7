"""The result of a fine-tuning, for the command line, the window and the child process between them."""

from __future__ import annotations

from dataclasses import dataclass

from attunet_gui.evaluation.model_guard import GuardVerdict
from attunet_gui.network.model_bundle import ModelBundle
from attunet_gui.system.plurals import counted
from attunet_gui.training.finetuning.judge_choice import CaseDivision


@dataclass(frozen=True)
class FinetunedModel:
    """A new model that has been compared with its parent.

    Attributes:
        bundle: the new model; its card holds lineage and verdict.
        verdict: of the guard.
        division: which corrected cases were learnt from and which judged.
        steps, seconds: of training.
        precision: the number format it was computed with.
        about_empty: a sentence about cases without any pancreas that were learnt from; "" if there are none.
    """

    bundle: ModelBundle
    verdict: GuardVerdict
    division: CaseDivision
    steps: int
    seconds: float
    precision: str
    about_empty: str = ""

    @property
    def name(self) -> str:
        """Name of the new model."""
        return self.bundle.card.name

    @property
    def training_sentence(self) -> str:
        """How long it was trained, and how many cases taught and judged."""
        taught, judged = len(self.division.training), len(self.division.held_out)
        return (
            f"{counted(self.steps, 'step')} in {self.seconds / 60:.1f} min, in {self.precision}; "
            f"{counted(taught, 'case')} taught, {judged} judged."
        )

    @property
    def left_out_sentence(self) -> str:
        """Which cases neither taught nor judged, and why; "" if there are none."""
        if not self.division.left_out:
            return ""
        named = ", ".join(self.division.left_out)
        return f"{named}: did neither, there is somebody in them who judges or once did."
