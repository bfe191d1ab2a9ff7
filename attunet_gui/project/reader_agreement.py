"""Agreement of two readers of the same case, and of either reader with the draft of the model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.core.metrics import dice_coefficient
from attunet_gui.evaluation.evaluation_figures import new_figure, save_figure
from attunet_gui.evaluation.pair_scores import PairScores, compare_masks
from attunet_gui.project.case_rows import CaseQuery, CaseRow, SavedMask
from attunet_gui.project.mask_files import mask_file_sha256, read_mask_without_ct
from attunet_gui.project.project_store import Project
from attunet_gui.system.errors import AttunetError, UnreadableInput
from attunet_gui.system.progress import ProgressCallback, no_progress

PUBLISHED_READERS = (0.87, 0.90)
"""Range of the DSC between human readers of the pancreas in CT, as published."""

# Voxels around the masks that STAPLE is given; see `consensus` for why it is not given the whole CT.
_MARGIN_VOXELS = 5
_CERTAIN = 0.5

MaskArray = NDArray[np.uint8]


@dataclass(frozen=True)
class StapleConsensus:
    """The readers compared with their STAPLE consensus (Warfield et al. 2004, doi 10.1109/TMI.2004.828354).

    Attributes:
        volume_ml: volume of the consensus.
        dsc: DSC of each reader with the consensus, in the order of the masks.
        sensitivity, specificity: of each reader, as STAPLE estimates them in the box around all masks with a
            margin of 5 voxels.
    """

    volume_ml: float
    dsc: tuple[float, ...]
    sensitivity: tuple[float, ...]
    specificity: tuple[float, ...]


@dataclass(frozen=True)
class CaseAgreement:
    """The agreement in one case that was read twice.

    Attributes:
        case: name of the case.
        first, second: names of the two readers.
        slices: number of slices that both have verified; all other slices are left out of every number here.
        readers: the second reader's mask compared with the first reader's.
        draft_first, draft_second: the draft compared with either mask; None if there is no draft.
        consensus: the STAPLE consensus of the two masks; None if both are empty.
    """

    case: str
    first: str
    second: str
    slices: int
    readers: PairScores
    draft_first: PairScores | None
    draft_second: PairScores | None
    consensus: StapleConsensus | None

    def as_json(self) -> dict[str, Any]:
        """The same as plain dictionaries, for JSON."""
        found = asdict(self)
        found["volume_difference_ml"] = self.readers.volume_error_ml
        return found


@dataclass(frozen=True)
class MeasureSpread:
    """Mean and standard deviation of a measure over cases; the deviation of a single case is None."""

    cases: int
    mean: float
    deviation: float | None


def agreement_of_cases(
    project: Project, progress: ProgressCallback = no_progress
) -> tuple[CaseAgreement, ...]:
    """Compare the readers in every case that two people have finished, in the order of the list.

    Up to three masks are read for each case, so call it from a thread.

    Raises:
        UnreadableInput: if a mask is missing, lies on another grid, or is not the one that was saved.
    """
    reads = [
        (case, *both)
        for case in project.list_cases(CaseQuery())
        if (both := _both_saved_masks(project, case))
    ]
    found = []
    for number, (case, first, second) in enumerate(reads):
        progress(number, len(reads), "cases")
        found.append(_case_agreement(project, case, first, second))
    progress(len(reads), len(reads), "cases")
    return tuple(found)


def spread_of_measure(
    found: Iterable[CaseAgreement], measure: Callable[[CaseAgreement], float | None]
) -> MeasureSpread | None:
    """Summarise `measure` over those cases for which it is not None; None if there is no such case."""
    values = [value for each in found if (value := measure(each)) is not None]
    if not values:
        return None
    return MeasureSpread(len(values), mean(values), stdev(values) if len(values) > 1 else None)


def _both_saved_masks(project: Project, case: CaseRow) -> tuple[SavedMask, SavedMask] | None:
    # The row says so without reading the events of the case.
    if not case.annotator:
        return None
    state = project.case_state(case)
    if state.second is None or not state.second.said.finished:
        return None
    first, second = project.saved_mask(case), project.second_saved_mask(case)
    return None if first is None or second is None else (first, second)


def _case_agreement(project: Project, case: CaseRow, first: SavedMask, second: SavedMask) -> CaseAgreement:
    """Compare the two masks and the draft of one case in the slices that both readers have verified."""
    one, spacing = _read_saved_mask(case, first)
    two, _ = _read_saved_mask(case, second)
    if one.shape != two.shape:
        raise UnreadableInput(f"The two masks of {case.name} lie on different voxels: they are of two CT.")
    # Slices that one of the two has not verified may hold the untouched draft: they say nothing of a reader.
    seen = _verified_slices(first, len(one)) & _verified_slices(second, len(one))
    one, two = _keep_slices(one, seen), _keep_slices(two, seen)
    path = project.draft_mask_path(case)
    draft = None if path is None else _keep_slices(read_mask_without_ct(path).hu.astype(np.uint8), seen)
    return CaseAgreement(
        case=case.name,
        first=first.annotator,
        second=second.annotator,
        slices=len(seen),
        readers=compare_masks(two, one, spacing),
        draft_first=None if draft is None else compare_masks(draft, one, spacing),
        draft_second=None if draft is None else compare_masks(draft, two, spacing),
        consensus=staple_consensus((one, two), spacing),
    )


def _read_saved_mask(case: CaseRow, saved: SavedMask) -> tuple[MaskArray, tuple[float, float, float]]:
    if saved.mask.is_file() and mask_file_sha256(saved.mask) != saved.sha256:
        raise UnreadableInput(f"A mask of {case.name} was changed since {saved.annotator} saved it.")
    volume = read_mask_without_ct(saved.mask)
    return volume.hu.astype(np.uint8), volume.grid.spacing_mm


def _verified_slices(saved: SavedMask, slices: int) -> frozenset[int]:
    return frozenset(range(slices)) if saved.verified is None else saved.verified


def _keep_slices(mask: MaskArray, slices: frozenset[int]) -> MaskArray:
    kept = np.zeros_like(mask)
    chosen = sorted(slices)
    kept[chosen] = mask[chosen]
    return kept


def staple_consensus(
    masks: tuple[MaskArray, ...], spacing_mm: tuple[float, float, float]
) -> StapleConsensus | None:
    """Compute the STAPLE consensus of several masks.

    STAPLE weights each reader by the sensitivity and specificity it estimates for them, and its prior is the
    share of foreground in the image. So it is given the box around the masks, not the whole CT.

    Args:
        masks: (z, y, x) uint8, 0 or 1, all of one shape.
        spacing_mm: (z, y, x) size of a voxel.

    Returns:
        The consensus; None if all masks are empty.
    """
    any_mask = np.any(masks, axis=0)
    if not any_mask.any():
        return None
    box = tuple(
        slice(max(0, side.start - _MARGIN_VOXELS), min(size, side.stop + _MARGIN_VOXELS))
        for side, size in zip(ndimage.find_objects(any_mask.astype(np.uint8))[0], any_mask.shape, strict=True)
    )
    parts = [np.ascontiguousarray(mask[box]) for mask in masks]
    staple = SimpleITK.STAPLEImageFilter()
    staple.SetForegroundValue(1)
    likely = staple.Execute([SimpleITK.GetImageFromArray(part) for part in parts])
    agreed = SimpleITK.GetArrayFromImage(likely) >= _CERTAIN
    return StapleConsensus(
        volume_ml=float(np.count_nonzero(agreed)) * float(np.prod(spacing_mm)) / 1000,
        dsc=tuple(dice_coefficient(part, agreed) for part in parts),
        sensitivity=tuple(staple.GetSensitivity()),
        specificity=tuple(staple.GetSpecificity()),
    )


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
    drawn = new_figure(6.4, 4.4)
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
    save_figure(drawn, path)
