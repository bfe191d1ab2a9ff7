"""The order of the slices of a series and their affine. No files are read here.

Positions and directions are those of ImagePositionPatient and ImageOrientationPatient (PS3.3, C.7.6.2.1.1),
in LPS and mm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from attunet_gui.io.formats.dicom_headers import DicomSlice
from attunet_gui.system.errors import UnreadableInput
from attunet_gui.system.plurals import counted, plural_of

Vectors = NDArray[np.float64]

# Slices that lie closer together than this lie at the same position.
_SAME_PLACE_MM = 0.01
# Lateral drift over the whole series, beyond rounding, from which the grid is sheared by a tilted gantry.
_DRIFT_MM = 0.01
# Share of the distance between slices that a slice may be away from its place.
_ROUGHNESS = 0.05
# Up to this distance from the line through the first and the last slice, those two define the affine.
_EXACT_MM = 1e-3
# Units to which scanners and anonymisers round positions, the coarsest first.
_DECIMALS_MM = (1.0, 0.1, 0.01, 0.001)
# Rounding to whole mm is assumed only if half a mm is at most this share of the distance between slices.
_COARSE = 0.1
# A multiple of one of those units may be off by this much after it was kept in single precision.
_FLOAT32_MM = 1e-4
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class SliceStack:
    """The slices of a series in the order of their positions along the normal of their planes.

    Attributes:
        groups: one tuple for each position: the slice, followed by others at the same position.
        affine: (4, 4) float64, index (column, row, slice) -> RAS+ mm. It is sheared where the gantry was
            tilted.
        notes: sentences for the user.
    """

    groups: tuple[tuple[DicomSlice, ...], ...]
    affine: NDArray[np.float64]
    notes: tuple[str, ...]


def stack_slices(slices: Sequence[DicomSlice]) -> SliceStack:
    """Order `slices` (at least one) and find the grid on which they lie.

    Raises:
        UnreadableInput: if they differ in size, direction or pixel spacing, do not lie behind one another,
            or are not evenly spaced.
    """
    # InstanceNumber is not used: it says nothing about where a slice lies.
    first = slices[0]
    for other in slices[1:]:
        _check_same_geometry(first, other)
    normal = np.cross(first.along_row, first.along_column)
    groups = _group_by_position(sorted(slices, key=lambda each: float(each.position @ normal)), normal)
    positions = np.array([group[0].position for group in groups])
    line = _position_line(groups, positions, normal)
    return SliceStack(
        tuple(groups), _slice_affine(groups[0][0], line), _geometry_notes(groups, line.step, normal)
    )


def _check_same_geometry(first: DicomSlice, other: DicomSlice) -> None:
    """Raise `UnreadableInput` if two slices differ in size, direction or pixel spacing."""
    if other.shape != first.shape:
        sizes = [f"{shape[1]} x {shape[0]}" for shape in (first.shape, other.shape)]
        raise _mixed_series_error(first, other, f"differ in size ({sizes[0]} and {sizes[1]} pixels)")
    turn = max(
        np.abs(other.along_row - first.along_row).max(), np.abs(other.along_column - first.along_column).max()
    )
    if turn > 1e-3:
        raise _mixed_series_error(first, other, "lie in different directions")
    if not np.allclose(other.spacing, first.spacing, rtol=1e-3, atol=0):
        raise _mixed_series_error(first, other, "differ in pixel spacing")


def _group_by_position(ordered: Sequence[DicomSlice], normal: Vectors) -> list[tuple[DicomSlice, ...]]:
    """Group slices at the same position; `UnreadableInput` if two lie side by side in one plane."""
    groups: list[tuple[DicomSlice, ...]] = []
    for each in ordered:
        if groups and abs(float((each.position - groups[-1][0].position) @ normal)) < _SAME_PLACE_MM:
            if np.abs(each.position - groups[-1][0].position).max() >= _SAME_PLACE_MM:
                raise _mixed_series_error(groups[-1][0], each, "lie side by side in one plane")
            groups[-1] = (*groups[-1], each)
        else:
            groups.append((each,))
    return groups


@dataclass(frozen=True, eq=False)
class _PositionLine:
    """A line of evenly spaced positions: slice k lies at start + k * step, both (3,) in LPS mm."""

    start: Vectors
    step: Vectors

    def residuals(self, positions: Vectors) -> Vectors:
        """Return the vectors from the line to `positions`; both are (slices, 3) in LPS mm."""
        return positions - self.start - np.arange(len(positions))[:, None] * self.step


def _position_line(
    groups: Sequence[tuple[DicomSlice, ...]], positions: Vectors, normal: Vectors
) -> _PositionLine:
    """Return the line on which `positions`, (slices, 3) LPS mm, lie; `UnreadableInput` if there is none."""
    if len(groups) == 1:
        thickness = groups[0][0].thickness
        if thickness is None:
            raise UnreadableInput(
                f"{groups[0][0].path.name} is a single slice and its DICOM tag SliceThickness is missing: "
                "open the whole series."
            )
        return _PositionLine(positions[0], normal * thickness)
    # Slices are judged by their distance from one line and not by their differences, in which the rounding of
    # two positions adds up.
    rounding = _position_rounding(positions, normal)
    line = _fit_position_line(positions)
    off = line.residuals(positions)
    length = float(np.linalg.norm(line.step))
    along = np.abs(off @ normal)
    if along.max() > _ROUGHNESS * length + _SAME_PLACE_MM + rounding @ np.abs(normal):
        raise _uneven_spacing_error(groups, positions @ normal)
    _check_straight(groups, np.abs(off).max(axis=1) - rounding.max(), length)
    return _snap_to_normal(line, positions, normal, rounding)


def _fit_position_line(positions: Vectors) -> _PositionLine:
    """Fit a line to `positions`, (slices, 3) in LPS mm.

    It goes through the first and the last position if all others lie on it; otherwise it is the line of least
    squares.
    """
    last = len(positions) - 1
    exact = _PositionLine(positions[0], (positions[-1] - positions[0]) / last)
    if np.abs(exact.residuals(positions)).max() < _EXACT_MM:
        return exact
    step, start = np.polyfit(np.arange(last + 1), positions, 1)
    return _PositionLine(start, step)


def _position_rounding(positions: Vectors, normal: Vectors) -> Vectors:
    """Return how far each coordinate may be off, (3,) mm, because it was written with few decimals.

    Whole numbers may be exact. They count as rounded only where half a mm is little beside the distance
    between slices.
    """
    step = abs(float((positions[-1] - positions[0]) @ normal)) / (len(positions) - 1)
    units = [unit for unit in _DECIMALS_MM if unit < 1 or unit <= 2 * _COARSE * step]
    found = np.zeros(3)
    for axis, values in enumerate(positions.T):
        # Scanners that keep single precision write 1.3 as 1.2999999523.
        fitting = (u for u in units if np.abs(values - np.rint(values / u) * u).max() < _FLOAT32_MM)
        found[axis] = next(fitting, 0.0) / 2
    return found


def _snap_to_normal(
    line: _PositionLine, positions: Vectors, normal: Vectors, rounding: Vectors
) -> _PositionLine:
    """Return `line`, or one along the normal if its drift can be explained by rounding.

    Rounded positions must not shear the grid of a series whose gantry was upright.
    """
    total = line.step * (len(positions) - 1)
    along = float(total @ normal)
    drift = np.abs(total - along * normal)
    if (drift >= _DRIFT_MM + 2 * np.minimum(rounding, _DECIMALS_MM[1] / 2)).any():
        return line
    start = positions[0] + normal * float((line.start - positions[0]) @ normal)
    return _PositionLine(start, normal * along / (len(positions) - 1))


def _uneven_spacing_error(groups: Sequence[tuple[DicomSlice, ...]], heights: Vectors) -> UnreadableInput:
    """Return the error that says why slices at these `heights`, (slices,) mm, are not evenly spaced."""
    changed = _thickness_change_error(groups)
    if changed:
        return changed
    steps = np.diff(heights)
    # The lower median, so that of two steps the smaller counts as usual and the larger as a gap.
    usual = float(np.sort(steps)[(len(steps) - 1) // 2])
    worst = int(np.argmax(np.abs(steps - usual)))
    step = float(steps[worst])
    between = f"between {groups[worst][0].path.name} and {groups[worst + 1][0].path.name}"
    if not _is_multiple(max(step, usual), min(step, usual)):
        return UnreadableInput(
            f"The slices are not evenly spaced ({step:.2f} mm {between}, {usual:.2f} mm elsewhere): "
            "open a reconstruction with even spacing."
        )
    same = np.abs(steps - step) <= _ROUGHNESS * step + _SAME_PLACE_MM
    alone = not same[max(0, worst - 1) : worst].any() and not same[worst + 1 : worst + 2].any()
    if step < usual or not alone or 2 * np.count_nonzero(same) >= len(steps):
        return UnreadableInput(
            f"The slices are {step:.2f} mm apart {between} and {usual:.2f} mm elsewhere: either slices are "
            "missing or the thickness changes; copy the whole series again, or open an even reconstruction."
        )
    # A single gap of a multiple of the usual distance: so many slices are missing there.
    count = round(step / usual) - 1
    some = f"{counted(count, 'slice')} {plural_of(count, 'is', 'are')}"
    return UnreadableInput(f"{some} missing {between}: copy or export the whole series again.")


def _is_multiple(large: float, small: float) -> bool:
    count = round(large / small)
    return count >= 2 and abs(large - count * small) <= 2 * _ROUGHNESS * small


def _thickness_change_error(groups: Sequence[tuple[DicomSlice, ...]]) -> UnreadableInput | None:
    for (before, *_), (after, *_) in pairwise(groups):
        old, new = before.thickness, after.thickness
        if old is not None and new is not None and abs(new - old) > _ROUGHNESS * old + _SAME_PLACE_MM:
            return UnreadableInput(
                f"The thickness of the slices changes from {old:.2f} to {new:.2f} mm at {after.path.name}: "
                "open a reconstruction with even spacing."
            )
    return None


def _check_straight(groups: Sequence[tuple[DicomSlice, ...]], off: Vectors, length: float) -> None:
    worst = int(np.argmax(off))
    if off[worst] > 2 * _ROUGHNESS * length + _SAME_PLACE_MM:
        raise UnreadableInput(
            f"{groups[worst][0].path.name} lies {off[worst]:.2f} mm off the line of the other slices: "
            "the folder may mix two scans; open one of them by itself."
        )


def _slice_affine(first: DicomSlice, line: _PositionLine) -> NDArray[np.float64]:
    # PixelSpacing gives the distance between rows first: it is the step along a column (PS3.3, 10.7.1.3).
    affine = np.eye(4)
    affine[:3, 0] = first.along_row * first.spacing[1]
    affine[:3, 1] = first.along_column * first.spacing[0]
    affine[:3, 2] = line.step
    affine[:3, 3] = line.start
    return _LPS_TO_RAS @ affine


def _geometry_notes(
    groups: Sequence[tuple[DicomSlice, ...]], step: Vectors, normal: Vectors
) -> tuple[str, ...]:
    """Return notes for the user about a tilted gantry and about copies of slices."""
    sine = float(np.linalg.norm(np.cross(step, normal)) / np.linalg.norm(step))
    degrees = float(np.degrees(np.arcsin(min(1.0, sine))))
    notes = []
    if degrees >= 0.1:
        notes.append(
            f"The gantry was tilted by {degrees:.1f} degrees: masks keep the slanted grid of the scan."
        )
    doubles = sum(len(group) - 1 for group in groups)
    if doubles:
        some = f"{counted(doubles, 'slice')} {plural_of(doubles, 'is', 'are')}"
        notes.append(f"{some} in the folder twice with the same pixels: the copies were left out.")
    return tuple(notes)


def _mixed_series_error(first: DicomSlice, other: DicomSlice, how: str) -> UnreadableInput:
    return UnreadableInput(
        f"{first.path.name} and {other.path.name} belong to one series but {how}: "
        "the folder may mix two scans; open one of them by itself."
    )
