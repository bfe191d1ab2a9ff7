"""Slices are evenly spaced if a line goes through them, with room for the decimals that are written."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attunet_gui.io import read_ct_volume
from attunet_gui.io.formats.dicom_geometry import stack_slices
from attunet_gui.io.formats.dicom_headers import DicomSlice
from attunet_gui.system.errors import UnreadableInput
from tests.support.ct_files import AXIAL, write_slice

OBLIQUE = (0.8, 0.6, 0.0, -0.36, 0.48, 0.8)


def slices(
    heights: list[float], cosines: tuple[float, ...] = AXIAL, thickness: object = 2.0
) -> list[DicomSlice]:
    """Slices at these heights along the normal; `thickness` of all, or one a slice."""
    row, column = np.array(cosines[:3]), np.array(cosines[3:])
    normal = np.cross(row, column)
    of = thickness if isinstance(thickness, list) else [thickness] * len(heights)
    return [
        DicomSlice(
            Path(f"im{k}"), 0, (4, 4), normal * height, row, column, (1.0, 1.0), 1.0, 0.0, of[k], None, None
        )
        for k, height in enumerate(heights)
    ]


def rounded(value: float, decimals: int) -> float:
    return float(Decimal(repr(value)).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP))


def spacing(found: list[DicomSlice]) -> float:
    return float(np.linalg.norm(stack_slices(found).affine[:3, 2]))


@pytest.mark.parametrize("cut", ["half up", "half even", "down"])
@pytest.mark.parametrize("origin", [0.0, -873.4, 12.35])
@pytest.mark.parametrize("step", [1.25, 0.75, 0.625, 0.7, 3.75, 2.0, 0.33])
def test_heights_rounded_to_a_tenth_are_even(tmp_path: Path, step: float, origin: float, cut: str) -> None:
    heights = [origin + k * step for k in range(40)]
    ways = {
        "half up": lambda x: rounded(x, 1),
        "half even": lambda x: round(x, 1),
        "down": lambda x: np.floor(x * 10 + 1e-9) / 10,
    }
    found = stack_slices(slices([float(ways[cut](height)) for height in heights]))
    assert np.linalg.norm(found.affine[:3, 2]) == pytest.approx(step, rel=2e-3)
    places = found.affine[2, 3] + np.arange(40) * found.affine[2, 2]
    assert np.abs(places - heights).max() < 0.12
    assert found.notes == ()


@pytest.mark.parametrize("step", [1.25, 0.75])
def test_a_series_with_rounded_positions_opens(tmp_path: Path, step: float) -> None:
    for k in range(12):
        write_slice(tmp_path / f"{k}", np.full((4, 4), k, np.int16), (0, 0, rounded(k * step, 1)))
    volume = read_ct_volume(tmp_path)
    assert volume.grid.spacing_mm[0] == pytest.approx(step, rel=0.01)
    assert volume.hu[:, 0, 0].tolist() == [k - 1024 for k in range(12)]


def test_rounding_that_went_through_single_precision_counts_too() -> None:
    heights = [float(np.float32(rounded(k * 1.25, 1))) for k in range(20)]
    assert spacing(slices(heights)) == pytest.approx(1.25, rel=5e-3)


def test_whole_numbers_are_rounded_only_beside_thick_slices() -> None:
    assert spacing(slices([0, 8, 15, 23, 30, 38, 45])) == pytest.approx(7.5, rel=0.01)
    with pytest.raises(UnreadableInput, match="not evenly spaced"):
        stack_slices(slices([0, 2, 4, 6, 9, 11]))


@settings(max_examples=60, deadline=None)
@given(step=st.floats(0.5, 6), count=st.integers(4, 60), decimals=st.integers(1, 4), oblique=st.booleans())
def test_even_slices_are_even_however_they_are_written(
    step: float, count: int, decimals: int, oblique: bool
) -> None:
    found = []
    for each in slices([k * step for k in range(count)], OBLIQUE if oblique else AXIAL):
        at = np.array([rounded(float(x), decimals) for x in each.position])
        found.append(DicomSlice(**{**vars(each), "position": at}))
    made = stack_slices(found)
    assert spacing(found) == pytest.approx(step, abs=0.3 * 10.0**-decimals)
    assert made.notes == ()


@settings(max_examples=60, deadline=None)
@given(
    step=st.floats(0.5, 6),
    count=st.integers(4, 60),
    decimals=st.integers(1, 4),
    data=st.data(),
)
def test_a_missing_slice_never_passes_for_rounding(
    step: float, count: int, decimals: int, data: st.DataObject
) -> None:
    heights = [rounded(k * step, decimals) for k in range(count)]
    del heights[data.draw(st.integers(1, count - 2))]
    with pytest.raises(UnreadableInput, match=r"missing|evenly"):
        stack_slices(slices(heights))


def test_a_spacing_that_drifts_is_not_even() -> None:
    steps = [1.0] * 30 + [1.04] * 30
    with pytest.raises(UnreadableInput, match="not evenly spaced"):
        stack_slices(slices([0.0, *np.cumsum(steps)]))


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("thin", "thick"), [(6, 4), (3, 7), (5, 5), (1, 1), (8, 2)])
def test_a_change_of_the_distance_is_not_called_missing_slices(thin: int, thick: int, turned: bool) -> None:
    steps = [2.5] * thin + [7.5] * thick
    heights = [0.0, *np.cumsum(steps[::-1] if turned else steps)]
    with pytest.raises(UnreadableInput, match="either slices are missing or the thickness changes") as caught:
        stack_slices(slices(heights, thickness=None))
    assert {"2.50", "7.50"} <= set(str(caught.value).split())


def test_a_change_of_the_thickness_is_said_where_the_headers_say_it() -> None:
    heights = [0.0, *np.cumsum([2.5] * 5 + [7.5] * 4)]
    with pytest.raises(UnreadableInput, match=r"thickness .* changes from 2.50 to 7.50 mm at im6"):
        stack_slices(slices(heights, thickness=[2.5] * 6 + [7.5] * 4))


@pytest.mark.parametrize("gone", [1, 2])
def test_a_gap_among_even_slices_is_slices_that_are_missing(gone: int) -> None:
    heights = [2.5 * k for k in range(12) if not 5 <= k < 5 + gone]
    with pytest.raises(UnreadableInput, match=f"^{gone} slices? (is|are) missing between im4 and im5"):
        stack_slices(slices(heights))
