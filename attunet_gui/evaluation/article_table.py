"""A table that compares our drafts of whole volumes with the published figures for NIH Pancreas-CT.

The figures are those of table 3 of Oktay et al. 2018, arXiv:1804.03999, for training from scratch. They were
taken from two independent publications that quote them, because the article itself was not at hand. Only one
of the two quotes the row of U-Net and the precision.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from attunet_gui.evaluation.case_scores import CaseScore
from attunet_gui.system.plurals import counted

TABLE_HEADINGS = ("method", "patients", "DSC", "precision", "recall", "surface distance, mm")
ARTICLE_MEASURES = ("dsc", "precision", "recall", "surface_mm")


class _ArticleTableModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VolumeScore(CaseScore):
    """The scores of the draft of one volume on the grid of the CT.

    Attributes:
        surface_mm: mean symmetric surface distance in mm; None if the draft is empty.
    """

    surface_mm: float | None = Field(ge=0)


class MeanAndDeviation(_ArticleTableModel):
    """Mean and standard deviation over patients."""

    mean: float
    deviation: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ± {self.deviation:.3f}"


class MethodRow(_ArticleTableModel):
    """The figures of one method; `surface_mm` is None if every draft is empty."""

    method: str
    patients: int
    dsc: MeanAndDeviation
    precision: MeanAndDeviation
    recall: MeanAndDeviation
    surface_mm: MeanAndDeviation | None


class ArticleTable(_ArticleTableModel):
    """The rows of the article, followed by ours.

    Attributes:
        rows: one row for each method.
        notes: sentences that are needed to read the table.
        volumes: the scores from which our row is computed.
    """

    rows: tuple[MethodRow, ...]
    notes: tuple[str, ...]
    volumes: tuple[VolumeScore, ...]

    @property
    def our_row(self) -> MethodRow:
        """The row of our method, which is the last one."""
        return self.rows[-1]


def _article_row(method: str, *figures: tuple[float, float]) -> MethodRow:
    read = (MeanAndDeviation(mean=mean, deviation=deviation) for mean, deviation in figures)
    return MethodRow(method=method, patients=21, **dict(zip(ARTICLE_MEASURES, read, strict=True)))


ARTICLE_ROWS = (
    _article_row("U-Net, the article", (0.815, 0.068), (0.815, 0.105), (0.826, 0.062), (2.576, 1.180)),
    _article_row(
        "Attention U-Net, the article", (0.821, 0.057), (0.815, 0.093), (0.835, 0.057), (2.333, 0.856)
    ),
)


def compare_with_article(
    method: str, volumes: Sequence[VolumeScore], notes: Sequence[str] = ()
) -> ArticleTable:
    """Return the table with a row for our method.

    Args:
        method: name of our method.
        volumes: scores of at least one volume.
        notes: further notes, which are put before the general ones.
    """
    distances = [volume.surface_mm for volume in volumes if volume.surface_mm is not None]
    ours = MethodRow(
        method=method,
        patients=len(volumes),
        dsc=_mean_and_deviation([volume.dsc for volume in volumes]),
        precision=_mean_and_deviation([volume.precision for volume in volumes]),
        recall=_mean_and_deviation([volume.recall for volume in volumes]),
        surface_mm=_mean_and_deviation(distances) if distances else None,
    )
    return ArticleTable(
        rows=(*ARTICLE_ROWS, ours),
        notes=(*notes, *_TABLE_NOTES, *_empty_drafts_note(volumes)),
        volumes=tuple(volumes),
    )


def _mean_and_deviation(values: Sequence[float]) -> MeanAndDeviation:
    return MeanAndDeviation(mean=float(np.mean(values)), deviation=float(np.std(values)))


_TABLE_NOTES = (
    "Mean ± standard deviation over patients; drafts are scored on the grid of the CT.",
    "The article: Oktay et al. 2018, arXiv:1804.03999, trained from scratch on 61 patients and tested on 21, "
    "with a 3-D network at 2 mm. Who its 21 are is not known here: ours are drawn anew.",
    "Surface distance here: between the surface voxels of draft and label, both ways; the article measured "
    "between meshes.",
)


def _empty_drafts_note(volumes: Sequence[VolumeScore]) -> tuple[str, ...]:
    empty = sum(volume.surface_mm is None for volume in volumes)
    if not empty:
        return ()
    return (
        f"{empty} of {counted(len(volumes), 'draft')} are empty: they score 0 and have no surface distance.",
    )


def row_cells(row: MethodRow) -> tuple[str, ...]:
    """Return the cells of a row as text, in the order of `TABLE_HEADINGS`."""
    figures = (getattr(row, name) for name in ARTICLE_MEASURES)
    return (row.method, str(row.patients), *("-" if figure is None else str(figure) for figure in figures))


def article_table_markdown(table: ArticleTable) -> str:
    """Return the table and its notes as Markdown."""
    lines = [TABLE_HEADINGS, ("---",) * len(TABLE_HEADINGS), *(row_cells(row) for row in table.rows)]
    rows = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([*rows, "", *(f"- {note}" for note in table.notes), ""])
