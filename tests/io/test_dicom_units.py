"""Only Hounsfield units are CT: what the headers call something else is refused by its name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.testing import assert_array_equal
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from attunet_gui.io import find_cases, read_ct_volume
from attunet_gui.system.errors import UnreadableInput
from tests.support.ct_files import OTHER_SERIES, ct_like, write_enhanced, write_series

HU = ct_like((6, 5, 4))
STORED = (HU + 1024).astype(np.uint16)
HEIGHTS = [(-20.0, -30.0, 40.0 + 2 * k) for k in range(6)]
WITHOUT_SCALE = {"RescaleSlope": None, "RescaleIntercept": None}


def item(**tags: object) -> Sequence:
    data = Dataset()
    for keyword, value in tags.items():
        setattr(data, keyword, value)
    return Sequence([data])


def mapping(code: str) -> Sequence:
    units = item(CodeValue=code, CodingSchemeDesignator="UCUM", CodeMeaning="units")
    return item(MeasurementUnitsCodeSequence=units, RealWorldValueSlope=1.0, RealWorldValueIntercept=0.0)


def change(path: Path, **tags: object) -> None:
    data = pydicom.dcmread(path)
    for keyword, value in tags.items():
        setattr(data, keyword, value)
    data.save_as(path)


@pytest.mark.parametrize("kind", ["HU", "HU_MOD", "US", "", " HU ", "hu"])
def test_hounsfield_units_open(tmp_path: Path, kind: str) -> None:
    write_series(tmp_path, STORED, RescaleType=kind)
    volume = read_ct_volume(tmp_path)
    assert_array_equal(volume.hu, HU)
    assert volume.notes == ()


@pytest.mark.parametrize("kind", ["Z_EFF", "MGML", "ED", "EDW", "OD", "PCT", "IP", "keV", "MADE_UP"])
def test_other_units_are_refused_by_name(tmp_path: Path, kind: str) -> None:
    path = write_series(tmp_path, STORED, RescaleType=kind)[2]
    for each in (tmp_path, path):
        with pytest.raises(
            UnreadableInput, match=f"{each.name} holds values of the kind {kind}, not Hounsfield"
        ):
            read_ct_volume(each)
    assert find_cases(tmp_path) == ()


def test_a_map_beside_the_ct_is_no_series_to_choose(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", STORED, RescaleType="HU")
    path = write_series(tmp_path / "iodine", STORED, RescaleType="MGML", SeriesInstanceUID=OTHER_SERIES)[0]
    assert_array_equal(read_ct_volume(tmp_path).hu, HU)
    assert [case.name for case in find_cases(tmp_path)] == ["ct"]
    with pytest.raises(UnreadableInput, match="MGML"):
        read_ct_volume(path)


def test_a_series_of_both_is_refused(tmp_path: Path) -> None:
    path = write_series(tmp_path, STORED, RescaleType="HU")[5]
    change(path, RescaleType="Z_EFF")
    with pytest.raises(UnreadableInput, match=f"{path.name} holds values of the kind Z_EFF"):
        read_ct_volume(tmp_path)


@pytest.mark.parametrize("where", ["shared", "one frame", "every frame"])
def test_the_units_of_an_enhanced_ct_count_frame_by_frame(tmp_path: Path, where: str) -> None:
    path = write_enhanced(tmp_path / "all.dcm", STORED, HEIGHTS)
    data = pydicom.dcmread(path)
    shared = data.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence[0]
    shared.RescaleType = "HU"
    data.save_as(path)
    assert_array_equal(read_ct_volume(path).hu, HU)
    frames = list(data.PerFrameFunctionalGroupsSequence)
    if where == "shared":
        shared.RescaleType = "ED"
    for frame in {"shared": [], "one frame": frames[3:4], "every frame": frames}[where]:
        frame.PixelValueTransformationSequence = item(
            RescaleSlope=1, RescaleIntercept=-1024, RescaleType="ED"
        )
    data.save_as(path)
    with pytest.raises(UnreadableInput, match=r"all.dcm holds values of the kind ED"):
        read_ct_volume(path)


@pytest.mark.parametrize("kind", ["US", None])
def test_a_real_world_mapping_says_what_the_type_does_not(tmp_path: Path, kind: str | None) -> None:
    for path in write_series(tmp_path, STORED):
        change(
            path, RealWorldValueMappingSequence=mapping("mg/mL"), **({"RescaleType": kind} if kind else {})
        )
    with pytest.raises(UnreadableInput, match="kind mg/mL"):
        read_ct_volume(tmp_path)


@pytest.mark.parametrize(("kind", "code"), [("HU", "mg/mL"), ("HU", "[hnsf'U]"), ("US", "[hnsf'U]")])
def test_a_real_world_mapping_beside_hu_changes_nothing(tmp_path: Path, kind: str, code: str) -> None:
    for path in write_series(tmp_path, STORED):
        change(path, RealWorldValueMappingSequence=mapping(code), RescaleType=kind)
    assert_array_equal(read_ct_volume(tmp_path).hu, HU)


def test_a_real_world_mapping_of_a_frame_counts(tmp_path: Path) -> None:
    path = write_enhanced(tmp_path / "all.dcm", STORED, HEIGHTS)
    data = pydicom.dcmread(path)
    data.PerFrameFunctionalGroupsSequence[2].RealWorldValueMappingSequence = mapping("keV")
    data.save_as(path)
    with pytest.raises(UnreadableInput, match="kind keV"):
        read_ct_volume(path)


@pytest.mark.parametrize("emptied", ["missing", "empty"])
def test_signed_values_without_a_scale_are_hu_with_a_note(tmp_path: Path, emptied: str) -> None:
    paths = write_series(tmp_path, HU, **WITHOUT_SCALE)
    if emptied == "empty":
        for path in paths:
            change(path, RescaleSlope=None, RescaleIntercept=None)
    volume = read_ct_volume(tmp_path)
    assert_array_equal(volume.hu, HU)
    assert (
        "RescaleSlope and RescaleIntercept are missing: the stored values, from -1000 to" in volume.notes[0]
    )


@pytest.mark.parametrize(
    "stored", [STORED, STORED.astype(np.int16), (HU % 400).astype(np.int16), HU.astype(np.int16) - 4000]
)
def test_values_that_cannot_be_hu_are_not_taken_for_them(tmp_path: Path, stored: np.ndarray) -> None:
    write_series(tmp_path, stored, **WITHOUT_SCALE)
    with pytest.raises(UnreadableInput, match="the DICOM tag RescaleSlope is missing"):
        read_ct_volume(tmp_path)


def test_one_slice_without_a_scale_among_others_is_refused(tmp_path: Path) -> None:
    path = write_series(tmp_path, HU, RescaleIntercept=0)[3]
    data = pydicom.dcmread(path)
    del data.RescaleSlope, data.RescaleIntercept
    data.save_as(path)
    with pytest.raises(UnreadableInput, match=f"{path.name}: the DICOM tag RescaleSlope is missing"):
        read_ct_volume(tmp_path)


def test_a_table_in_the_scales_place_is_not_passed_over(tmp_path: Path) -> None:
    for path in write_series(tmp_path, HU, **WITHOUT_SCALE):
        change(path, ModalityLUTSequence=item(LUTExplanation="a table"))
    with pytest.raises(UnreadableInput, match="RescaleSlope is missing"):
        read_ct_volume(tmp_path)


@pytest.mark.parametrize("value", ["", None])
def test_an_emptied_modality_is_that_of_the_object(tmp_path: Path, value: str | None) -> None:
    write_series(tmp_path, STORED, Modality=value)
    assert_array_equal(read_ct_volume(tmp_path).hu, HU)


def test_an_emptied_modality_alone_makes_no_ct(tmp_path: Path) -> None:
    write_series(tmp_path, STORED, Modality="", SOPClassUID="1.2.840.10008.5.1.4.1.1.4")
    with pytest.raises(UnreadableInput, match="unknown images, not CT"):
        read_ct_volume(tmp_path)
