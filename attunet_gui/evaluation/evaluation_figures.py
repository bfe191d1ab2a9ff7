"""Figures of an evaluation. Matplotlib (extra `train`) is imported only when a figure is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from attunet_gui.evaluation.calibration_fit import ReliabilityCurve
from attunet_gui.evaluation.slice_excerpts import SliceExcerpt
from attunet_gui.system.errors import AttunetError, UnwritableOutput

_DOTS_PER_INCH = 110
# Blue and orange of Okabe and Ito, which people with any colour vision can tell apart.
_TRUTH, _DRAFT = "#56b4e9", "#e69f00"
_WINDOW_HU = (-160, 240)
_SLICES_PER_ROW = 4


def new_figure(width: float, height: float) -> Any:
    """Return an empty figure of the given size in inches.

    Raises:
        AttunetError: if matplotlib is not installed.
    """
    # The class itself, and not `pyplot`, which would choose a backend and might need a display.
    try:
        kind = import_module("matplotlib.figure").Figure
    except ImportError as error:
        raise AttunetError("Pictures need matplotlib: install attunet-gui with its extra `train`.") from error
    return kind(figsize=(width, height), layout="constrained")


def save_figure(drawn: Any, path: Path) -> None:
    """Write a figure as a PNG file; raise `UnwritableOutput` if that fails."""
    try:
        drawn.savefig(path, format="png", dpi=_DOTS_PER_INCH)
    except OSError as error:
        raise UnwritableOutput(
            f"{path} cannot be written ({error.strerror}); name another folder."
        ) from error


def draw_reliability(path: Path, curves: Mapping[str, ReliabilityCurve]) -> None:
    """Write a figure of reliability curves, with the number of pixels behind each point below.

    Args:
        path: the PNG file.
        curves: name of the curve -> curve.
    """
    drawn = new_figure(5.2, 6.4)
    above, below = drawn.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot((0, 1), (0, 1), color="0.6", linestyle="--", linewidth=1, label="as it says")
    for name, curve in curves.items():
        label = f"{name}: ECE {curve.error:.4f}"
        above.plot(curve.predicted, curve.observed, marker="o", markersize=4, label=label)
        below.plot(curve.predicted, curve.pixels, marker="o", markersize=3)
    above.set(ylabel="share that is pancreas", xlim=(0, 1), ylim=(0, 1))
    above.legend(fontsize=8, loc="upper left")
    below.set(xlabel="probability", ylabel="pixels", yscale="log")
    save_figure(drawn, path)


def draw_failures(path: Path, views: Sequence[SliceExcerpt]) -> None:
    """Write the figure of `draw_slices` as a PNG file."""
    save_figure(draw_slices(views), path)


def draw_slices(views: Sequence[SliceExcerpt]) -> Any:
    """Return a figure of slices side by side with the outlines of truth and draft."""
    rows = -(-len(views) // _SLICES_PER_ROW)
    drawn = new_figure(3.4 * _SLICES_PER_ROW, 3.0 * rows + 0.3)
    for axes, view in zip(subplot_grid(drawn, rows, _SLICES_PER_ROW), views, strict=False):
        _draw_slice(axes, view)
    drawn.suptitle("Lowest DSC first. Blue: truth; orange: draft.", fontsize=9)
    return drawn


def draw_maps(path: Path, views: Sequence[SliceExcerpt]) -> None:
    """Write a figure with one row for each slice: the outlines, then every map of the model."""
    columns = 1 + max(len(view.maps) for view in views)
    drawn = new_figure(2.6 * columns, 2.3 * len(views) + 0.3)
    cells = iter(subplot_grid(drawn, len(views), columns))
    for view in views:
        _draw_slice(next(cells), view)
        for title, values in view.maps:
            axes = next(cells)
            axes.imshow(values.astype(float), cmap="inferno", vmin=0, vmax=1, aspect=view.aspect)
            draw_outlines(axes, view.truth)
            axes.set_title(title, fontsize=7)
    drawn.suptitle("Blue: truth; orange: draft. Maps from 0 (black) to 1 (yellow).", fontsize=9)
    save_figure(drawn, path)


def subplot_grid(drawn: Any, rows: int, columns: int) -> list[Any]:
    """Return axes in rows and columns of the figure `drawn`, row by row, with ticks and frames turned off."""
    cells = list(drawn.subplots(rows, columns, squeeze=False).ravel())
    for axes in cells:
        axes.set_axis_off()
    return cells


def _draw_slice(axes: Any, view: SliceExcerpt) -> None:
    low, high = _WINDOW_HU
    low = max(low, int(view.hu.min()))  # CT that was clipped begins later
    axes.imshow(view.hu, cmap="gray", vmin=low, vmax=high, aspect=view.aspect)
    draw_outlines(axes, view.truth, view.draft)
    axes.set_title(view.title, fontsize=7)


def draw_outlines(axes: Any, truth: NDArray[Any], draft: NDArray[Any] | None = None) -> None:
    """Draw the outlines of the masks (y, x) over the content of `axes`: the truth blue, the draft orange."""
    _draw_outline(axes, truth, _TRUTH)
    if draft is not None:
        _draw_outline(axes, draft, _DRAFT)


def _draw_outline(axes: Any, mask: NDArray[Any], colour: str) -> None:
    # Matplotlib warns if a contour has nothing to draw.
    if 0 < mask.sum() < mask.size:
        axes.contour(mask, levels=(0.5,), colors=(colour,), linewidths=0.8)
