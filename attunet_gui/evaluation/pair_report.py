"""The scores of many pairs as one self-contained HTML file: tables, plots and the worst slices."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from attunet_gui.core.provenance import NOT_A_DEVICE_WARNING
from attunet_gui.evaluation.evaluation_figures import draw_slices, new_figure
from attunet_gui.evaluation.pair_table import (
    PAIR_MEASURES,
    PairMeasureSummary,
    PairRow,
    empty_truths_of_pairs,
    summarise_pairs,
)
from attunet_gui.evaluation.slice_excerpts import SliceExcerpt
from attunet_gui.system.software_versions import software_versions, utc_timestamp

_MARKER_COLOUR = "#0072b2"
_DOTS_PER_INCH = 90


@dataclass(frozen=True, eq=False)
class PairReport:
    """The content of a report.

    Attributes:
        title: title of the report.
        rows: one row for each case.
        worst: slices of the cases with the lowest DSC, lowest first.
    """

    title: str
    rows: tuple[PairRow, ...]
    worst: tuple[SliceExcerpt, ...]


def pair_report_html(compared: PairReport) -> str:
    """Return the report as HTML; raise `AttunetError` if matplotlib is not installed."""
    # Names of files go into the page, so everything is escaped by default.
    pages = Environment(
        loader=PackageLoader("attunet_gui.evaluation"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
    )
    return pages.get_template("pairs.html").render(
        title=compared.title,
        warning=NOT_A_DEVICE_WARNING,
        about_empty=empty_truths_of_pairs(compared.rows),
        made=utc_timestamp(),
        versions=software_versions(),
        measures=PAIR_MEASURES,
        summary=[_summary_cells(summary) for summary in summarise_pairs(compared.rows)],
        rows=sorted(compared.rows, key=lambda row: row.scores.dsc),
        plots=[_svg_markup(draw(compared.rows)) for draw in (_plot_by_case, _plot_volume_error)],
        worst=_png_data_url(draw_slices(compared.worst)) if compared.worst else None,
    )


def _summary_cells(found: PairMeasureSummary) -> tuple[str, ...]:
    """Return title, mean, deviation, interval and number of cases left out, as text."""
    if found.estimate is None:
        return (found.measure.title, "-", "-", "-", str(found.undefined))
    digits, interval = found.measure.digits, found.estimate.interval
    within = "unknown" if interval is None else f"{interval[0]:.{digits}f} to {interval[1]:.{digits}f}"
    figures = (f"{value:.{digits}f}" for value in (found.estimate.mean, found.estimate.deviation))
    return (found.measure.title, *figures, within, str(found.undefined))


def _plot_by_case(rows: Sequence[PairRow]) -> Any:
    """Return a figure of the DSC and NSD of every case, lowest DSC first."""
    drawn = new_figure(6.4, 3.2)
    axes = drawn.subplots()
    ordered = sorted(rows, key=lambda row: row.scores.dsc)
    at = np.arange(1, len(ordered) + 1)
    axes.plot(at, [row.scores.dsc for row in ordered], "o", color=_MARKER_COLOUR, markersize=4, label="DSC")
    axes.plot(at, [row.scores.nsd for row in ordered], "x", color="#d55e00", markersize=4, label="NSD")
    axes.set(xlabel="case, by DSC", ylabel="score", ylim=(-0.02, 1.02))
    axes.legend(loc="lower right")
    return drawn


def _plot_volume_error(rows: Sequence[PairRow]) -> Any:
    """Return a figure of the volume error against the true volume."""
    drawn = new_figure(6.4, 3.2)
    axes = drawn.subplots()
    truth, error = [row.scores.truth_ml for row in rows], [row.scores.volume_error_ml for row in rows]
    axes.axhline(0, color="0.6", linewidth=1)
    axes.axhline(float(np.mean(error)), color=_MARKER_COLOUR, linestyle="--", linewidth=1, label="mean")
    axes.plot(truth, error, "o", color=_MARKER_COLOUR, markersize=4)
    axes.set(xlabel="true volume, ml", ylabel="draft less truth, ml")
    axes.legend(loc="best")
    return drawn


def _svg_markup(drawn: Any) -> Markup:
    """Return the figure as SVG markup for the page."""
    # The XML declaration and document type that a file begins with are not allowed within HTML.
    text = _render_figure(drawn, "svg").decode()
    return Markup(text[text.index("<svg") :])


def _png_data_url(drawn: Any) -> str:
    return "data:image/png;base64," + base64.b64encode(_render_figure(drawn, "png")).decode()


def _render_figure(drawn: Any, kind: str) -> bytes:
    content = BytesIO()
    drawn.savefig(content, format=kind, dpi=_DOTS_PER_INCH)
    return content.getvalue()
