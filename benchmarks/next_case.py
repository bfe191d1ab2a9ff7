"""Whether the order of the worklist is worth anything: what a draft says of its errors against the truth.

    python -m benchmarks.next_case FOLDER --model starter-2 --cases 24

FOLDER has images/ and labels/ as .nii.gz; --label is the value of the pancreas there. Every case is drafted;
Spearman's rank correlation is printed of `project.triage_metrics`'s numbers with what was wrong: the wrong
volume in ml, 1 - DSC, and the slices whose DSC is below 0.85, which somebody would correct.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from attunet_gui.cli.model_commands import choose_model
from attunet_gui.core.metrics import dice_coefficient, mask_volume_ml
from attunet_gui.evaluation.labelled_cases import LabelledCase, pair_cases
from attunet_gui.evaluation.model_drafts import draft_cases
from attunet_gui.network.inference import load_model
from attunet_gui.project.triage_metrics import triage_metrics_of
from benchmarks.command_line import add_label_argument

_SAID = ("uncertainty", "effort", "places", "volume_ml", "visible")
_SLICE_IS_GOOD = 0.85


def main() -> None:
    """Print the table."""
    wanted = _wanted()
    rows = []
    for drafted in draft_cases(load_model(choose_model(wanted.model)), _chosen(wanted)):
        said = triage_metrics_of(drafted.volume, drafted.prediction, drafted.draft)
        wrong = drafted.draft != drafted.truth
        pairs = zip(drafted.draft, drafted.truth, strict=True)
        bad = sum(dice_coefficient(a, b) < _SLICE_IS_GOOD for a, b in pairs)
        was = (
            mask_volume_ml(wrong, drafted.volume.grid),
            1 - dice_coefficient(drafted.draft, drafted.truth),
            float(bad),
        )
        rows.append((*(getattr(said, name) for name in _SAID), *was))
        print(" ".join(f"{value:8.3f}" for value in rows[-1]), flush=True)
    table = np.array(rows)
    print(f"{'':12} {'wrong ml':>9} {'1 - DSC':>9} {'slices':>9}")
    for k, name in enumerate(_SAID):
        ranks = [spearmanr(table[:, k], table[:, j]).statistic for j in range(len(_SAID), table.shape[1])]
        print(f"{name:12} " + " ".join(f"{value:9.2f}" for value in ranks))


def _wanted(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default=None)
    parser.add_argument("--cases", type=int, default=24)
    add_label_argument(parser)
    return parser.parse_args(words)


def _chosen(wanted: argparse.Namespace) -> list[LabelledCase]:
    """As many cases as are wanted, spread over the folder."""
    found = pair_cases(wanted.folder, wanted.label)
    return [found[k] for k in np.linspace(0, len(found) - 1, wanted.cases).astype(int)]


if __name__ == "__main__":
    main()
