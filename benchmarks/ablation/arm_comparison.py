"""What is a part worth? Arms that differ in one thing, scored on the same people, and their differences."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Literal

from pydantic import BaseModel, ConfigDict

from attunet_gui.evaluation.attention_gate_report import GateReport
from attunet_gui.evaluation.case_scores import (
    SCORE_MEASURES,
    MeanEstimate,
    ScoreSummary,
    ScoreTable,
    paired_difference,
)
from attunet_gui.system.plurals import counted

Taught = Literal["real", "synthetic", "both"]
HEADINGS = ("network", "learnt from", "DSC", "precision", "recall", "slices missed")
DIFFERENCE_HEADINGS = ("difference", "DSC", "precision", "recall")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Arm(_Frozen):
    """One way to train.

    Attributes:
        gates: whether the network has them.
        taught: what it learns from: CT of the people who are cross-validated, all other sources, or both.
    """

    gates: bool
    taught: Taught

    @property
    def key(self) -> str:
        """For folders and files."""
        return f"{'attention' if self.gates else 'plain'}-{self.taught}"

    @property
    def network(self) -> str:
        """For people."""
        return "Attention U-Net" if self.gates else "plain U-Net"


TAUGHT: tuple[Taught, ...] = ("real", "synthetic", "both")
ARMS = tuple(Arm(gates=gates, taught=taught) for taught, gates in product(TAUGHT, (False, True)))


class ArmResult(_Frozen):
    """An arm and how good it is.

    Attributes:
        scores: of the people no model of it has seen.
        gates: what each gate does, on the people of the first fold; () without gates.
    """

    arm: Arm
    scores: ScoreTable
    gates: tuple[GateReport, ...] = ()

    @property
    def missed(self) -> int:
        """Cases in which the draft has nothing of the organ."""
        return sum(row.dsc == 0 for row in self.scores.cases)


class Difference(_Frozen):
    """How much higher `better` scores than `base`, patient by patient; below 0 it is lower."""

    better: Arm
    base: Arm
    found: ScoreSummary

    @property
    def title(self) -> str:
        """For people."""
        if self.better.taught == self.base.taught:
            return f"gates, learnt from {self.better.taught}"
        return f"both instead of {self.base.taught}, {self.better.network}"


class Ablation(_Frozen):
    """All arms.

    Attributes:
        recipe: name of the recipe they were derived from.
        folds: which folds were scored, counted from 0.
        of_folds: how many there are.
        steps, batch, seed: of every run.
        results: one an arm, in the order of `ARMS`.
        differences: gates by what was learnt from; then what is gained by learning from both.
    """

    recipe: str
    folds: tuple[int, ...]
    of_folds: int
    steps: int
    batch: int
    seed: int
    results: tuple[ArmResult, ...]
    differences: tuple[Difference, ...]


def differences(results: Sequence[ArmResult]) -> tuple[Difference, ...]:
    """What `Ablation.differences` says; `ValueError` if the arms were scored on different cases."""
    scores = {result.arm: result.scores for result in results}
    pairs = [(Arm(gates=True, taught=taught), Arm(gates=False, taught=taught)) for taught in TAUGHT]
    for gates, taught in product((False, True), TAUGHT[:2]):
        pairs.append((Arm(gates=gates, taught="both"), Arm(gates=gates, taught=taught)))
    return tuple(
        Difference(better=better, base=base, found=paired_difference(scores[better], scores[base]))
        for better, base in pairs
    )


def cells(result: ArmResult) -> tuple[str, ...]:
    """A row as text, under `HEADINGS`."""
    figures = (estimate_text(getattr(result.scores.by_patient, name), ".3f") for name in SCORE_MEASURES)
    missed = f"{result.missed} of {len(result.scores.cases)}"
    return (result.arm.network, result.arm.taught, *figures, missed)


def difference_cells(difference: Difference) -> tuple[str, ...]:
    """A row as text, under `DIFFERENCE_HEADINGS`."""
    return (
        difference.title,
        *(estimate_text(getattr(difference.found, name), "+.3f") for name in SCORE_MEASURES),
    )


def estimate_text(found: MeanEstimate, form: str) -> str:
    """Return a mean and its interval, each number in the format `form`."""
    if found.interval is None:
        return f"{found.mean:{form}}"
    low, high = found.interval
    return f"{found.mean:{form}} ({low:{form}} to {high:{form}})"


def notes(ablation: Ablation) -> tuple[str, ...]:
    """What has to be known to read the tables."""
    first = ablation.results[0].scores
    folds = ", ".join(map(str, ablation.folds))
    return (
        f"Every run: recipe {ablation.recipe}, fresh weights, {ablation.steps} steps of {ablation.batch} "
        f"slices, seed {ablation.seed}; the last weights are kept, nobody who is scored steered anything.",
        f"Scored: drafts of {counted(len(first.cases), 'case')} of "
        f"{counted(len(first.patients), 'person', 'people')}, folds {folds} of "
        f"{ablation.of_folds} (counted from 0), none of whom the model had seen.",
        "Means over people with a 95 % bootstrap interval over people, which knows nothing of the chance of "
        "another seed. A slice is missed if the draft has nothing of the organ.",
        *([first.empty_truths_note] if first.empty_truths_note else []),
    )


def as_markdown(ablation: Ablation) -> str:
    """Both tables and the notes."""
    arms = markdown_table(HEADINGS, [cells(result) for result in ablation.results])
    gains = markdown_table(DIFFERENCE_HEADINGS, [difference_cells(found) for found in ablation.differences])
    return "\n".join([*arms, "", *gains, "", *(f"- {note}" for note in notes(ablation)), ""])


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table in Markdown."""
    return [f"| {' | '.join(line)} |" for line in (headings, ("---",) * len(headings), *rows)]
