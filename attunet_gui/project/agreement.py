"""Agreement of two readers of the same case, and of either reader with the draft of the model."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from statistics import mean, stdev
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.core.errors import UnreadableInput
from attunet_gui.core.metrics import dice
from attunet_gui.core.progress import Progress, silent
from attunet_gui.evaluation.pairs import PairScores, compare
from attunet_gui.project.masks import read_alone, sha256_of
from attunet_gui.project.project import Project
from attunet_gui.project.rows import CaseQuery, CaseRow, Saved

PUBLISHED_READERS = (0.87, 0.90)
"""Range of the DSC between human readers of the pancreas in CT, as published."""

# Voxels around the masks that STAPLE is given; see `consensus` for why it is not given the whole CT.
_MARGIN_VOXELS = 5
_CERTAIN = 0.5

Mask = NDArray[np.uint8]


@dataclass(frozen=True)
class Consensus:
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
    consensus: Consensus | None

    def plain(self) -> dict[str, Any]:
        """The same as plain dictionaries, for JSON."""
        found = asdict(self)
        found["volume_difference_ml"] = self.readers.volume_error_ml
        return found


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation of a measure over cases; the deviation of a single case is None."""

    cases: int
    mean: float
    deviation: float | None


def agreement(project: Project, progress: Progress = silent) -> tuple[CaseAgreement, ...]:
    """Compare the readers in every case that two people have finished, in the order of the list.

    Up to three masks are read for each case, so call it from a thread.

    Raises:
        UnreadableInput: if a mask is missing, lies on another grid, or is not the one that was saved.
    """
    reads = [(case, *both) for case in project.cases(CaseQuery()) if (both := _read_twice(project, case))]
    found = []
    for number, (case, first, second) in enumerate(reads):
        progress(number, len(reads), "cases")
        found.append(_agreement(project, case, first, second))
    progress(len(reads), len(reads), "cases")
    return tuple(found)


def spread(found: Iterable[CaseAgreement], measure: Callable[[CaseAgreement], float | None]) -> Spread | None:
    """Summarise `measure` over those cases for which it is not None; None if there is no such case."""
    values = [value for each in found if (value := measure(each)) is not None]
    if not values:
        return None
    return Spread(len(values), mean(values), stdev(values) if len(values) > 1 else None)


def _read_twice(project: Project, case: CaseRow) -> tuple[Saved, Saved] | None:
    # The row says so without reading the events of the case.
    if not case.annotator:
        return None
    state = project.state(case)
    if state.second is None or not state.second.said.finished:
        return None
    first, second = project.saved(case), project.saved_by_second(case)
    return None if first is None or second is None else (first, second)


def _agreement(project: Project, case: CaseRow, first: Saved, second: Saved) -> CaseAgreement:
    """Compare the two masks and the draft of one case in the slices that both readers have verified."""
    one, spacing = _mask(case, first)
    two, _ = _mask(case, second)
    if one.shape != two.shape:
        raise UnreadableInput(f"The two masks of {case.name} lie on different voxels: they are of two CT.")
    # Slices that one of the two has not verified may hold the untouched draft: they say nothing of a reader.
    seen = _verified(first, len(one)) & _verified(second, len(one))
    one, two = _only(one, seen), _only(two, seen)
    path = project.draft(case)
    draft = None if path is None else _only(read_alone(path).hu.astype(np.uint8), seen)
    return CaseAgreement(
        case=case.name,
        first=first.annotator,
        second=second.annotator,
        slices=len(seen),
        readers=compare(two, one, spacing),
        draft_first=None if draft is None else compare(draft, one, spacing),
        draft_second=None if draft is None else compare(draft, two, spacing),
        consensus=consensus((one, two), spacing),
    )


def _mask(case: CaseRow, saved: Saved) -> tuple[Mask, tuple[float, float, float]]:
    if saved.mask.is_file() and sha256_of(saved.mask) != saved.sha256:
        raise UnreadableInput(f"A mask of {case.name} was changed since {saved.annotator} saved it.")
    volume = read_alone(saved.mask)
    return volume.hu.astype(np.uint8), volume.grid.spacing_mm


def _verified(saved: Saved, slices: int) -> frozenset[int]:
    return frozenset(range(slices)) if saved.verified is None else saved.verified


def _only(mask: Mask, slices: frozenset[int]) -> Mask:
    kept = np.zeros_like(mask)
    chosen = sorted(slices)
    kept[chosen] = mask[chosen]
    return kept


def consensus(masks: tuple[Mask, ...], spacing_mm: tuple[float, float, float]) -> Consensus | None:
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
    return Consensus(
        volume_ml=float(np.count_nonzero(agreed)) * float(np.prod(spacing_mm)) / 1000,
        dsc=tuple(dice(part, agreed) for part in parts),
        sensitivity=tuple(staple.GetSensitivity()),
        specificity=tuple(staple.GetSpecificity()),
    )
