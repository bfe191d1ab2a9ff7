"""Figures of a training run: its curves, and drafts of held-out slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.metrics import dice_coefficient
from attunet_gui.evaluation.evaluation_figures import draw_outlines, new_figure, save_figure, subplot_grid

_GRID_COLUMNS = 4
# Number of steps that the loss is averaged over.
_SMOOTHING_STEPS = 50


@dataclass(frozen=True, eq=False)
class DraftExample:
    """One slice on the network's grid.

    Attributes:
        name: of its case.
        image: (rows, columns) uint8, the HU window mapped to 0..255.
        truth, draft: (rows, columns) 0/1.
    """

    name: str
    image: NDArray[np.uint8]
    truth: NDArray[Any]
    draft: NDArray[Any]


def draw_curves(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Draw the loss, and the DSC of the validations, against the step; `rows` are those of the run's log."""
    drawn = new_figure(7.0, 4.2)
    losses = drawn.subplots()
    steps, loss = [row["step"] for row in rows], np.array([row["loss"] for row in rows])
    losses.plot(steps, loss, color="0.85", linewidth=0.5)
    losses.plot(steps, _running_mean(loss), color="tab:blue", label="loss")
    losses.set(xlabel="step", ylabel="loss")
    validated = [row for row in rows if "validation" in row]
    if validated:
        scores = losses.twinx()
        at = [row["step"] for row in validated]
        curves = {name: [row["validation"][name] for row in validated] for name in ("slices", "volumes")}
        # For single slices the two curves are equal, and one is drawn.
        for name, style in (("slices", "-o"), ("volumes", "--s")):
            found = curves[name]
            if name == "volumes" and found == curves["slices"]:
                continue
            scores.plot(at, found, style, color="tab:red", markersize=3, label=f"DSC of {name}")
        scores.set(ylabel="DSC, people held out", ylim=(0, 1))
    drawn.legend(fontsize=8, loc="outside upper center", ncols=3)
    save_figure(drawn, path)


def draw_examples(path: Path, examples: Sequence[DraftExample]) -> None:
    """Draw slices with the outline of the truth (blue) and of the draft (orange)."""
    rows = max(1, -(-len(examples) // _GRID_COLUMNS))
    drawn = new_figure(3.0 * _GRID_COLUMNS, 2.6 * rows)
    for place, example in zip(subplot_grid(drawn, rows, _GRID_COLUMNS), examples, strict=False):
        place.imshow(example.image, cmap="gray", vmin=0, vmax=255)
        draw_outlines(place, example.truth, example.draft)
        place.set_title(f"{example.name}: {dice_coefficient(example.truth, example.draft):.2f}", fontsize=8)
    save_figure(drawn, path)


def _running_mean(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the mean of each value and those before it, `_SMOOTHING_STEPS` in all."""
    sums = np.cumsum(np.concatenate(([0.0], values)))
    ends = np.arange(1, len(values) + 1)
    # The first values have fewer before them and are averaged over these.
    starts = np.maximum(ends - _SMOOTHING_STEPS, 0)
    means: NDArray[np.float64] = (sums[ends] - sums[starts]) / (ends - starts)
    return means
