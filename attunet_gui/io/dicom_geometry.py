"""Slices of a series -> their order and one affine. Pure: no files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.errors import UnreadableInput
from attunet_gui.io.dicom_headers import Slice

Vectors = NDArray[np.float64]

_SAME_PLACE_MM = 0.01
_DRIFT_MM = 0.01
_ROUGHNESS = 0.05
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices in the order of their positions along the normal.

    Attributes:
        groups: one tuple a position: the slice, and after it others at the very same position.
        affine: (4, 4) float64, index (column, row, slice) -> RAS+ mm. Sheared where the gantry was tilted.
        notes: sentences for the user.
    """

    groups: tuple[tuple[Slice, ...], ...]
    affine: NDArray[np.float64]
    notes: tuple[str, ...]


def stack(slices: Sequence[Slice]) -> Stack:
    """Order `slices` (at least one) and find the grid they lie on.

    Raises:
        UnreadableInput: if they differ in size, direction or pixel spacing, do not lie behind one another,
            or are not evenly spaced.
    """
    first = slices[0]
    for other in slices[1:]:
        _check_alike(first, other)
    normal = np.cross(first.along_row, first.along_column)
    groups = _grouped(sorted(slices, key=lambda each: float(each.position @ normal)), normal)
    positions = np.array([group[0].position for group in groups])
    step = _step(groups, positions, normal)
    return Stack(tuple(groups), _affine(groups[0][0], step), _notes(groups, step, normal))


def _check_alike(first: Slice, other: Slice) -> None:
    if other.shape != first.shape:
        sizes = [f"{shape[1]} x {shape[0]}" for shape in (first.shape, other.shape)]
        raise _mixed(first, other, f"differ in size ({sizes[0]} and {sizes[1]} pixels)")
    turn = max(
        np.abs(other.along_row - first.along_row).max(), np.abs(other.along_column - first.along_column).max()
    )
    if turn > 1e-3:
        raise _mixed(first, other, "lie in different directions")
    if not np.allclose(other.spacing, first.spacing, rtol=1e-3, atol=0):
        raise _mixed(first, other, "differ in pixel spacing")


def _grouped(ordered: Sequence[Slice], normal: Vectors) -> list[tuple[Slice, ...]]:
    groups: list[tuple[Slice, ...]] = []
    for each in ordered:
        if groups and abs(float((each.position - groups[-1][0].position) @ normal)) < _SAME_PLACE_MM:
            if np.abs(each.position - groups[-1][0].position).max() >= _SAME_PLACE_MM:
                raise _mixed(groups[-1][0], each, "lie side by side in one plane")
            groups[-1] = (*groups[-1], each)
        else:
            groups.append((each,))
    return groups


def _step(groups: Sequence[tuple[Slice, ...]], positions: Vectors, normal: Vectors) -> Vectors:
    if len(groups) == 1:
        thickness = groups[0][0].thickness
        if thickness is None:
            raise UnreadableInput(
                f"{groups[0][0].path.name} is a single slice and its DICOM tag SliceThickness is missing: "
                "open the whole series."
            )
        return normal * thickness
    _check_even(groups, positions @ normal)
    total = positions[-1] - positions[0]
    step: Vectors = total / (len(groups) - 1)
    _check_straight(groups, positions, step)
    along = float(total @ normal)
    # Rounded positions must not turn an upright series into a sheared one.
    return normal * along / (len(groups) - 1) if np.abs(total - along * normal).max() < _DRIFT_MM else step


def _check_even(groups: Sequence[tuple[Slice, ...]], heights: Vectors) -> None:
    steps = np.diff(heights)
    usual = float(np.median(steps))
    worst = int(np.argmax(np.abs(steps - usual)))
    if abs(steps[worst] - usual) <= _ROUGHNESS * usual + _SAME_PLACE_MM:
        return
    between = f"between {groups[worst][0].path.name} and {groups[worst + 1][0].path.name}"
    count = round(steps[worst] / usual) - 1
    if count >= 1 and abs(steps[worst] - (count + 1) * usual) <= 2 * _ROUGHNESS * usual:
        some = "1 slice is" if count == 1 else f"{count} slices are"
        raise UnreadableInput(f"{some} missing {between}: copy or export the whole series again.")
    raise UnreadableInput(
        f"The slices are not evenly spaced ({steps[worst]:.2f} mm {between}, {usual:.2f} mm elsewhere): "
        "open a reconstruction with even spacing."
    )


def _check_straight(groups: Sequence[tuple[Slice, ...]], positions: Vectors, step: Vectors) -> None:
    predicted = positions[0] + np.arange(len(groups))[:, None] * step
    off = np.abs(positions - predicted).max(axis=1)
    worst = int(np.argmax(off))
    if off[worst] > 2 * _ROUGHNESS * float(np.linalg.norm(step)) + _SAME_PLACE_MM:
        raise UnreadableInput(
            f"{groups[worst][0].path.name} lies {off[worst]:.2f} mm off the line of the other slices: "
            "the folder may mix two scans; open one of them by itself."
        )


def _affine(first: Slice, step: Vectors) -> NDArray[np.float64]:
    affine = np.eye(4)
    affine[:3, 0] = first.along_row * first.spacing[1]
    affine[:3, 1] = first.along_column * first.spacing[0]
    affine[:3, 2] = step
    affine[:3, 3] = first.position
    return _LPS_TO_RAS @ affine


def _notes(groups: Sequence[tuple[Slice, ...]], step: Vectors, normal: Vectors) -> tuple[str, ...]:
    sine = float(np.linalg.norm(np.cross(step, normal)) / np.linalg.norm(step))
    degrees = float(np.degrees(np.arcsin(min(1.0, sine))))
    notes = []
    if degrees >= 0.1:
        notes.append(
            f"The gantry was tilted by {degrees:.1f} degrees: masks keep the slanted grid of the scan."
        )
    doubles = sum(len(group) - 1 for group in groups)
    if doubles:
        some = "1 slice is" if doubles == 1 else f"{doubles} slices are"
        notes.append(f"{some} in the folder twice with the same pixels: the copies were left out.")
    return tuple(notes)


def _mixed(first: Slice, other: Slice, how: str) -> UnreadableInput:
    return UnreadableInput(
        f"{first.path.name} and {other.path.name} belong to one series but {how}: "
        "the folder may mix two scans; open one of them by itself."
    )
