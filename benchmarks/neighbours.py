"""What "To neighbours" does to real slices: DSC of a slice before and after the one near it was corrected.

    python -m benchmarks.neighbours FOLDS SLICES [--mm 1.0]

FOLDS is a run of `attunet crossvalidate`, SLICES the folder of its real slices, named PATIENT-NUMBER. Each
slice is drafted by the model that never saw its patient. Of every two of a patient that lie less than the
tool's reach apart, each in turn is made right; the tool then changes the other, which is held against what a
person drew there. Slices that a person would leave as they are (DSC of 0.95) correct nothing. The distance
between two numbers is not told in these files: `--mm` says what it is taken for.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attunet_gui.cli.training_commands import read_fold_models
from attunet_gui.core.edit_stroke import EditStroke
from attunet_gui.core.mask_edit import edit_between
from attunet_gui.core.mask_locks import MaskLocks
from attunet_gui.core.metrics import dice_coefficient
from attunet_gui.editing.tools.neighbour_outline_shift import PROPAGATION_REACH_MM, PropagateToNeighbours
from attunet_gui.editing.tools.tool_scene import ToolScene
from attunet_gui.evaluation.model_drafts import DraftedCase, draft_cases

_RIGHT = 0.95
_BANDS_MM = ((0.0, 3.0), (3.0, 5.0), (5.0, PROPAGATION_REACH_MM))


@dataclass(frozen=True)
class Pair:
    """One slice after the other was corrected.

    Attributes:
        patient: whose.
        apart_mm: how far they lie apart.
        before, after: DSC of the slice that nobody corrected.
    """

    patient: str
    apart_mm: float
    before: float
    after: float


def main() -> None:
    """Print the table."""
    wanted = _wanted()
    pairs = list(_pairs(wanted.folds, wanted.slices, wanted.mm))
    _print("all", pairs)
    for low, high in _BANDS_MM:
        _print(f"{low:g} to {high:g} mm", [pair for pair in pairs if low < pair.apart_mm <= high])


def _wanted() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folds", type=Path)
    parser.add_argument("slices", type=Path)
    parser.add_argument("--mm", type=float, default=1.0)
    return parser.parse_args()


def _pairs(folds: Path, slices: Path, mm: float) -> Iterator[Pair]:
    by_patient: dict[str, list[DraftedCase]] = defaultdict(list)
    for fold in read_fold_models(folds, slices):
        for drafted in draft_cases(fold.model, fold.cases):
            by_patient[drafted.case.patient_name].append(drafted)
    for patient, own in sorted(by_patient.items()):
        for corrected, other in permutations(own, 2):
            apart = abs(_number(corrected) - _number(other))
            if (
                apart * mm < PROPAGATION_REACH_MM
                and dice_coefficient(corrected.draft, corrected.truth) < _RIGHT
            ):
                after = dice_coefficient(_carried(corrected, other, apart, mm), other.truth[0])
                yield Pair(patient, apart * mm, dice_coefficient(other.draft, other.truth), after)


def _number(drafted: DraftedCase) -> int:
    return int(drafted.case.name.rpartition("-")[2])


def _carried(corrected: DraftedCase, other: DraftedCase, apart: int, mm: float) -> NDArray[np.uint8]:
    """The draft of `other`, `apart` slices above one that was made right, after the tool; (y, x)."""
    draft = np.zeros((apart + 1, *corrected.draft.shape[1:]), np.uint8)
    draft[0], draft[-1] = corrected.draft[0], other.draft[0]
    mask = draft.copy()
    mask[0] = corrected.truth[0]
    by_hand = edit_between(draft, mask)
    spacing_mm = (mm, *corrected.volume.grid.spacing_mm[1:])
    scene = ToolScene(
        mask=mask,
        hu=np.zeros_like(mask),
        spacing_mm=spacing_mm,
        slice=0,
        locks=MaskLocks().with_hand_drawn(by_hand, mask.shape[1:]),
        strokes=(EditStroke(by_hand, "brush", "brush", "", 0.0, 0, by_hand=True),),
    )
    PropagateToNeighbours().compute_edit(scene).apply_to(mask)
    plane: NDArray[np.uint8] = mask[-1]
    return plane


def _print(name: str, pairs: list[Pair]) -> None:
    before, after = (np.array([getattr(pair, part) for pair in pairs]) for part in ("before", "after"))
    gain = after - before
    print(
        f"{name}: {len(pairs)} corrections of {len({pair.patient for pair in pairs})} patients, "
        f"DSC of the other slice {before.mean():.3f} -> {after.mean():.3f} ({gain.mean():+.3f}), "
        f"better by more than 0.01 in {np.count_nonzero(gain > 0.01)}, "
        f"worse in {np.count_nonzero(gain < -0.01)}, worst {gain.min():+.3f}"
    )


if __name__ == "__main__":
    main()
