"""A figure of the agreement of readers. It needs matplotlib, which comes with the extra `train`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from attunet_gui.core.errors import AttunetError
from attunet_gui.evaluation.pictures import figure, save
from attunet_gui.project.agreement import PUBLISHED_READERS, CaseAgreement

# Half the width of a column of points, where neighbouring columns are 1 apart.
_WIDTH = 0.25


def draw_agreement(path: Path, found: Sequence[CaseAgreement]) -> None:
    """Draw the DSC of every case in three columns, over the band of published readers, as a PNG file.

    Args:
        path: the file to write.
        found: the cases, as `agreement` returns them.

    Raises:
        AttunetError: if no case was read twice, or matplotlib is not installed.
        UnwritableOutput: if the file cannot be written.
    """
    if not found:
        raise AttunetError("No case was read twice yet: there is no agreement to draw.")
    columns = {
        "two readers": [each.readers.dsc for each in found],
        "draft and first reader": [each.draft_first.dsc for each in found if each.draft_first],
        "draft and second reader": [each.draft_second.dsc for each in found if each.draft_second],
    }
    drawn = figure(6.4, 4.4)
    axes = drawn.subplots()
    low, high = PUBLISHED_READERS
    axes.axhspan(low, high, color="#56b4e9", alpha=0.3, label=f"published readers {low:.2f}-{high:.2f}")
    for place, values in enumerate(columns.values()):
        if values:
            beside = np.linspace(-_WIDTH, _WIDTH, len(values)) if len(values) > 1 else np.zeros(1)
            axes.plot(place + beside, sorted(values), "o", color="#0072b2", markersize=5, alpha=0.8)
            axes.hlines(np.mean(values), place - _WIDTH, place + _WIDTH, color="#d55e00", linewidth=2)
    axes.set_xticks(range(len(columns)), [f"{name}\nn = {len(v)}" for name, v in columns.items()])
    lowest = min(min(values) for values in columns.values() if values)
    axes.set(ylabel="DSC", ylim=(min(0.6, lowest - 0.02), 1.0), xlim=(-0.6, len(columns) - 0.4))
    axes.hlines([], 0, 0, color="#d55e00", linewidth=2, label="mean")
    axes.legend(loc="lower left", fontsize=8)
    save(drawn, path)
