"""A table in the article's form: our drafts of whole volumes beside its figures for NIH Pancreas-CT.

The figures are those of table 3 of Oktay et al. 2018, arXiv:1804.03999, for training from scratch, as two
others have copied them down independently (the article itself was not at hand; of U-Net's row and of the
precision there is one copy only).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from attunet_gui.core.counting import counted
from attunet_gui.evaluation.scores import CaseScore

HEADINGS = ("method", "patients", "DSC", "precision", "recall", "surface distance, mm")
MEASURES = ("dsc", "precision", "recall", "surface_mm")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VolumeScore(CaseScore):
    """Scores of the draft of one volume on the grid of the CT.

    Attributes:
        surface_mm: mean symmetric distance of the surfaces; None if the draft is empty.
    """

    surface_mm: float | None = Field(ge=0)


class Figure(_Frozen):
    """Mean and standard deviation over patients."""

    mean: float
    deviation: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ± {self.deviation:.3f}"


class Row(_Frozen):
    """One method; `surface_mm` is None if every draft is empty."""

    method: str
    patients: int
    dsc: Figure
    precision: Figure
    recall: Figure
    surface_mm: Figure | None


class Table(_Frozen):
    """The article's rows, then ours.

    Attributes:
        rows: one a method.
        notes: what has to be known to read it.
        volumes: what our row is made of.
    """

    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    volumes: tuple[VolumeScore, ...]

    @property
    def ours(self) -> Row:
        """Our row."""
        return self.rows[-1]


def _row(method: str, *figures: tuple[float, float]) -> Row:
    read = (Figure(mean=mean, deviation=deviation) for mean, deviation in figures)
    return Row(method=method, patients=21, **dict(zip(MEASURES, read, strict=True)))


ARTICLE = (
    _row("U-Net, the article", (0.815, 0.068), (0.815, 0.105), (0.826, 0.062), (2.576, 1.180)),
    _row("Attention U-Net, the article", (0.821, 0.057), (0.815, 0.093), (0.835, 0.057), (2.333, 0.856)),
)


def beside_the_article(method: str, volumes: Sequence[VolumeScore], notes: Sequence[str] = ()) -> Table:
    """The table of `volumes` (at least one); `notes` are added to those that always hold."""
    distances = [volume.surface_mm for volume in volumes if volume.surface_mm is not None]
    ours = Row(
        method=method,
        patients=len(volumes),
        dsc=_figure([volume.dsc for volume in volumes]),
        precision=_figure([volume.precision for volume in volumes]),
        recall=_figure([volume.recall for volume in volumes]),
        surface_mm=_figure(distances) if distances else None,
    )
    return Table(
        rows=(*ARTICLE, ours), notes=(*notes, *_NOTES, *_empty_note(volumes)), volumes=tuple(volumes)
    )


def _figure(values: Sequence[float]) -> Figure:
    return Figure(mean=float(np.mean(values)), deviation=float(np.std(values)))


_NOTES = (
    "Mean ± standard deviation over patients; drafts are scored on the grid of the CT.",
    "The article: Oktay et al. 2018, arXiv:1804.03999, trained from scratch on 61 patients and tested on 21, "
    "with a 3-D network at 2 mm. Who its 21 are is not known here: ours are drawn anew.",
    "Surface distance here: between the surface voxels of draft and label, both ways; the article measured "
    "between meshes.",
)


def _empty_note(volumes: Sequence[VolumeScore]) -> tuple[str, ...]:
    empty = sum(volume.surface_mm is None for volume in volumes)
    if not empty:
        return ()
    return (
        f"{empty} of {counted(len(volumes), 'draft')} are empty: they score 0 and have no surface distance.",
    )


def cells(row: Row) -> tuple[str, ...]:
    """A row as text, under `HEADINGS`."""
    figures = (getattr(row, name) for name in MEASURES)
    return (row.method, str(row.patients), *("-" if figure is None else str(figure) for figure in figures))


def as_markdown(table: Table) -> str:
    """The table and its notes as Markdown."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *(cells(row) for row in table.rows)]
    rows = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([*rows, "", *(f"- {note}" for note in table.notes), ""])
