"""Scores of models on the test sets of different kinds of CT, and the kinds on which a model fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

from attunet_gui.evaluation.case_scores import MeanEstimate, ScoreTable, estimate_mean, paired_difference
from attunet_gui.evaluation.labelled_cases import LabelledCase
from attunet_gui.evaluation.model_drafts import score_drafts
from attunet_gui.system.progress import ProgressCallback, no_progress

if TYPE_CHECKING:
    from attunet_gui.network.inference import LoadedModel

REQUIRED_MEAN_DSC, REQUIRED_KIND_DSC = 0.80, 0.70
"""Mean DSC that a model should reach over all kinds, and on each single kind."""


@dataclass(frozen=True, eq=False)
class KindCases:
    """The test set of a kind of CT: its name, its title for tables, and its cases."""

    name: str
    title: str
    cases: tuple[LabelledCase, ...]


class KindScores(BaseModel):
    """The scores of all models on one kind of CT.

    Attributes:
        name, title: name of the kind, and its title for tables.
        scores: name of the model -> scores, in the order in which the models were measured.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    scores: dict[str, ScoreTable]

    def mean_dsc(self, model: str) -> MeanEstimate:
        """Return the mean DSC of `model`; every volume counts once, and the interval resamples patients."""
        return self.scores[model].by_case.dsc

    def dsc_gain(self, new: str, old: str) -> MeanEstimate:
        """Return how much higher the DSC of `new` is than that of `old`, paired by patient."""
        return paired_difference(self.scores[new], self.scores[old]).dsc


def measure_kind(
    kind: KindCases, models: Mapping[str, LoadedModel], progress: ProgressCallback = no_progress
) -> KindScores:
    """Draft every case of `kind` with every model and return the scores."""
    scores = {name: score_drafts(model, kind.cases, progress) for name, model in models.items()}
    return KindScores(name=kind.name, title=kind.title, scores=scores)


def mean_dsc_of_kinds(rows: Sequence[KindScores], model: str) -> MeanEstimate:
    """Return the mean DSC of `model` over all kinds; each kind counts once and is resampled as a whole."""
    return estimate_mean([row.mean_dsc(model).mean for row in rows], [row.name for row in rows])


def failing_kinds(
    rows: Sequence[KindScores], model: str, least: float = REQUIRED_KIND_DSC
) -> tuple[str, ...]:
    """Return the names of the kinds on which the mean DSC of `model` is below `least`, the worst first."""
    # Compared as the table shows it, so that a kind shown as 0.700 does not fail at 0.70.
    low = [row for row in rows if round(row.mean_dsc(model).mean, 3) < least]
    return tuple(row.name for row in sorted(low, key=lambda row: row.mean_dsc(model).mean))


def kind_table_markdown(rows: Sequence[KindScores]) -> str:
    """Return a Markdown table with a row for each kind and a column for each model.

    If there are exactly two models, a further column holds the difference of the second to the first.
    """
    models = list(rows[0].scores)
    heads = ["kind", "volumes", *models, *([f"{models[-1]} - {models[0]}"] if len(models) == 2 else [])]
    lines = [_markdown_row(heads), _markdown_row(["---"] * len(heads))]
    lines += [_markdown_row(_kind_row_cells(row, models)) for row in rows]
    means = [_dsc_text(mean_dsc_of_kinds(rows, model)) for model in models]
    gain = [f"{_gain_of_mean_dsc(rows, models):+.3f}"] if len(models) == 2 else []
    volumes = sum(len(row.scores[models[0]].cases) for row in rows)
    lines.append(_markdown_row(["**mean of kinds**", str(volumes), *means, *gain]))
    return "\n".join(lines) + "\n"


def _kind_row_cells(row: KindScores, models: Sequence[str]) -> list[str]:
    cells = [
        row.title,
        str(len(row.scores[models[0]].cases)),
        *(_dsc_text(row.mean_dsc(model)) for model in models),
    ]
    if len(models) == 2:
        gain = row.dsc_gain(models[1], models[0])
        cells.append(f"{gain.mean:+.3f}" + _interval_suffix(gain, "+.3f"))
    return cells


def _gain_of_mean_dsc(rows: Sequence[KindScores], models: Sequence[str]) -> float:
    return float(np.mean([row.mean_dsc(models[1]).mean - row.mean_dsc(models[0]).mean for row in rows]))


def _dsc_text(found: MeanEstimate) -> str:
    text = f"{found.mean:.3f}"
    return (f"**{text}**" if round(found.mean, 3) < REQUIRED_KIND_DSC else text) + _interval_suffix(
        found, ".3f"
    )


def _interval_suffix(found: MeanEstimate, form: str) -> str:
    if found.interval is None:
        return ""
    low, high = found.interval
    return f" ({low:{form}} to {high:{form}})"


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
