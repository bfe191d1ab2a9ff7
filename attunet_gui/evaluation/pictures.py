"""Pictures of an evaluation. Matplotlib (extra `train`) is imported only when one is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from attunet_gui.core.errors import AttunetError, UnwritableOutput
from attunet_gui.evaluation.calibration import Reliability

_DOTS_PER_INCH = 110


def figure(width: float, height: float) -> Any:
    """An empty figure of so many inches that needs no display; `AttunetError` without matplotlib."""
    try:
        kind = import_module("matplotlib.figure").Figure
    except ImportError as error:
        raise AttunetError("Pictures need matplotlib: install attunet-gui with its extra `train`.") from error
    return kind(figsize=(width, height), layout="constrained")


def save(drawn: Any, path: Path) -> None:
    """Write a figure as PNG."""
    try:
        drawn.savefig(path, format="png", dpi=_DOTS_PER_INCH)
    except OSError as error:
        raise UnwritableOutput(
            f"{path} cannot be written ({error.strerror}); name another folder."
        ) from error


def draw_reliability(path: Path, curves: Mapping[str, Reliability]) -> None:
    """Reliability curves by name, and below how many pixels stand behind each point."""
    drawn = figure(5.2, 6.4)
    above, below = drawn.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot((0, 1), (0, 1), color="0.6", linestyle="--", linewidth=1, label="as it says")
    for name, curve in curves.items():
        label = f"{name}: ECE {curve.error:.4f}"
        above.plot(curve.predicted, curve.observed, marker="o", markersize=4, label=label)
        below.plot(curve.predicted, curve.pixels, marker="o", markersize=3)
    above.set(ylabel="share that is pancreas", xlim=(0, 1), ylim=(0, 1))
    above.legend(fontsize=8, loc="upper left")
    below.set(xlabel="probability", ylabel="pixels", yscale="log")
    save(drawn, path)
