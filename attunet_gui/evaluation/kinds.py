"""Models on the test sets of kinds of CT: a row a kind, and which of them fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

from attunet_gui.core.progress import Progress, silent
from attunet_gui.evaluation.cases import Case
from attunet_gui.evaluation.drafting import score_drafts
from attunet_gui.evaluation.scores import Estimate, Scores, estimate, paired

if TYPE_CHECKING:
    from attunet_gui.network.predict import Model

WANTED_MEAN, WANTED_LEAST = 0.80, 0.70
"""Mean DSC that a model should reach over all kinds, and on each."""


@dataclass(frozen=True, eq=False)
class KindCases:
    """The test set of a kind: its name, its title for tables, and its cases."""

    name: str
    title: str
    cases: tuple[Case, ...]


class KindScores(BaseModel):
    """One kind under every model.

    Attributes:
        name, title: of the kind.
        scores: by the name of the model, in the order in which they were measured.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    scores: dict[str, Scores]

    def mean(self, model: str) -> Estimate:
        """DSC of `model`: every volume counts once, the interval resamples people."""
        return self.scores[model].by_case.dsc

    def gain(self, new: str, old: str) -> Estimate:
        """How much higher the DSC of `new` is, person by person."""
        return paired(self.scores[new], self.scores[old]).dsc


def measure_kind(kind: KindCases, models: Mapping[str, Model], progress: Progress = silent) -> KindScores:
    """Every model drafts every case of `kind`."""
    scores = {name: score_drafts(model, kind.cases, progress) for name, model in models.items()}
    return KindScores(name=kind.name, title=kind.title, scores=scores)


def mean_of_kinds(rows: Sequence[KindScores], model: str) -> Estimate:
    """Mean over `rows` of the mean DSC of `model`; every kind counts once, the interval resamples kinds."""
    return estimate([row.mean(model).mean for row in rows], [row.name for row in rows])


def failing(rows: Sequence[KindScores], model: str, least: float = WANTED_LEAST) -> tuple[str, ...]:
    """Names of the kinds on which `model` has a mean DSC under `least`, the worst first."""
    low = [row for row in rows if round(row.mean(model).mean, 3) < least]
    return tuple(row.name for row in sorted(low, key=lambda row: row.mean(model).mean))


def as_markdown(rows: Sequence[KindScores]) -> str:
    """The table: a row a kind, a column a model, the difference of the last to the first if there are two."""
    models = list(rows[0].scores)
    heads = ["kind", "volumes", *models, *([f"{models[-1]} - {models[0]}"] if len(models) == 2 else [])]
    lines = [_line(heads), _line(["---"] * len(heads))]
    lines += [_line(_cells(row, models)) for row in rows]
    means = [_told(mean_of_kinds(rows, model)) for model in models]
    gain = [f"{_gain_of_means(rows, models):+.3f}"] if len(models) == 2 else []
    volumes = sum(len(row.scores[models[0]].cases) for row in rows)
    lines.append(_line(["**mean of kinds**", str(volumes), *means, *gain]))
    return "\n".join(lines) + "\n"


def _cells(row: KindScores, models: Sequence[str]) -> list[str]:
    cells = [row.title, str(len(row.scores[models[0]].cases)), *(_told(row.mean(model)) for model in models)]
    if len(models) == 2:
        gain = row.gain(models[1], models[0])
        cells.append(f"{gain.mean:+.3f}" + _interval(gain, "+.3f"))
    return cells


def _gain_of_means(rows: Sequence[KindScores], models: Sequence[str]) -> float:
    return float(np.mean([row.mean(models[1]).mean - row.mean(models[0]).mean for row in rows]))


def _told(found: Estimate) -> str:
    text = f"{found.mean:.3f}"
    return (f"**{text}**" if round(found.mean, 3) < WANTED_LEAST else text) + _interval(found, ".3f")


def _interval(found: Estimate, form: str) -> str:
    if found.interval is None:
        return ""
    low, high = found.interval
    return f" ({low:{form}} to {high:{form}})"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
