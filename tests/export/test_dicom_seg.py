"""DICOM SEG as pydicom and highdicom read it: codes, references, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from numpy.testing import assert_array_equal

from attunet_gui.export import ExportOptions, ExportReport, Pseudonymizer, export_dataset, export_format_named
from attunet_gui.io import read_ct_volume
from tests.support.ct_files import write_enhanced, write_nifti, write_series
from tests.support.export_cases import IDENTITY, MASK, STORED, make_case

KEPT = replace(IDENTITY, kept=True)


def seg_of(folder: Path) -> pydicom.Dataset:
    return pydicom.dcmread(folder / "case-1" / "pancreas.dcm")


def images_of(folder: Path) -> list[pydicom.Dataset]:
    return [pydicom.dcmread(path) for path in sorted((folder / "case-1" / "ct").iterdir())]


def exported(
    folder: Path, identity: Pseudonymizer = IDENTITY, verified: frozenset[int] | None = None
) -> Path:
    case = make_case(folder / "source", "dicom", verified=verified)
    report = export_dataset([case], ExportOptions(folder / "out", export_format_named("dicomseg"), identity))
    assert report.refused == {}
    return folder / "out"


def test_the_segment_is_the_pancreas_drafted_by_a_model(tmp_path: Path) -> None:
    seg = seg_of(exported(tmp_path, verified=frozenset({1, 2})))
    (segment,) = seg.SegmentSequence
    kind = segment.SegmentedPropertyTypeCodeSequence[0]
    assert (kind.CodeValue, kind.CodingSchemeDesignator, kind.CodeMeaning) == ("15776009", "SCT", "Pancreas")
    assert segment.SegmentAlgorithmType == "SEMIAUTOMATIC"
    (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("starter-2", "c0ffee")
    assert (seg.SegmentationType, seg.Modality, seg.ContentLabel) == ("BINARY", "SEG", "PANCREAS")
    assert seg.ContentDescription == "Pancreas; 2 of 6 slices verified by a person"


def test_what_was_drawn_without_a_model_is_manual(tmp_path: Path) -> None:
    case = replace(make_case(tmp_path / "source", "dicom"), model="", annotator="")
    export_dataset([case], ExportOptions(tmp_path / "out", export_format_named("dicomseg"), IDENTITY))
    assert seg_of(tmp_path / "out").SegmentSequence[0].SegmentAlgorithmType == "MANUAL"


def test_every_frame_names_its_source_image_and_lies_on_it(tmp_path: Path) -> None:
    out = exported(tmp_path)
    by_uid = {image.SOPInstanceUID: image for image in images_of(out)}
    seg = seg_of(out)
    frames = seg.PerFrameFunctionalGroupsSequence
    assert len(frames) == seg.NumberOfFrames == np.count_nonzero(MASK.any(axis=(1, 2)))
    for frame, pixels in zip(frames, seg.pixel_array, strict=True):
        (source,) = frame.DerivationImageSequence[0].SourceImageSequence
        image = by_uid[source.ReferencedSOPInstanceUID]
        place = frame.PlanePositionSequence[0].ImagePositionPatient
        assert_array_equal(place, image.ImagePositionPatient)
        k = int(np.flatnonzero((image.pixel_array == STORED).all(axis=(1, 2)))[0])
        assert_array_equal(pixels, MASK[k])
    (series,) = seg.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == images_of(out)[0].SeriesInstanceUID
    assert {each.ReferencedSOPInstanceUID for each in series.ReferencedInstanceSequence} == set(by_uid)
    assert (seg.StudyInstanceUID, seg.FrameOfReferenceUID) == (
        images_of(out)[0].StudyInstanceUID,
        images_of(out)[0].FrameOfReferenceUID,
    )


def test_the_copy_of_the_ct_opens_like_the_source(tmp_path: Path) -> None:
    out = exported(tmp_path)
    copy, source = read_ct_volume(out / "case-1"), read_ct_volume(tmp_path / "source" / "series")
    assert_array_equal(copy.hu, source.hu)
    assert copy.grid.matches_grid(source.grid)


def test_one_key_maps_a_uid_always_alike_and_another_key_otherwise(tmp_path: Path) -> None:
    again = make_case(tmp_path / "1" / "source", "dicom")
    exported(tmp_path / "1")
    export_dataset(
        [replace(again, name="case-2")],
        ExportOptions(tmp_path / "2", export_format_named("dicomseg"), IDENTITY),
    )
    export_dataset(
        [again],
        ExportOptions(
            tmp_path / "3", export_format_named("dicomseg"), Pseudonymizer(b"another key of somebody else")
        ),
    )
    one = images_of(tmp_path / "1" / "out")
    two = [pydicom.dcmread(path) for path in sorted((tmp_path / "2" / "case-2" / "ct").iterdir())]
    three = images_of(tmp_path / "3")
    for word in ("SOPInstanceUID", "SeriesInstanceUID"):
        assert [image[word].value for image in one] == [image[word].value for image in two]
        assert not {image[word].value for image in one} & {image[word].value for image in three}
    assert all(image.SOPInstanceUID.startswith("2.25.") and image.SOPInstanceUID.is_valid for image in one)


def test_with_identifiers_it_refers_to_the_originals(tmp_path: Path) -> None:
    out = exported(tmp_path, KEPT)
    originals = [pydicom.dcmread(path) for path in (tmp_path / "source" / "series").iterdir()]
    originals.sort(key=lambda image: image.ImagePositionPatient[2])
    assert not (out / "case-1" / "ct").exists()
    seg = highdicom.seg.segread(out / "case-1" / "pancreas.dcm")
    assert (seg.PatientName, seg.PatientID, seg.ContentCreatorName) == ("Doe^Jane", "4711", "Ann Other^")
    pixels = seg.get_pixels_by_source_instance(
        [image.SOPInstanceUID for image in originals],
        ignore_spatial_locations=True,
        assert_missing_frames_are_empty=True,
    )
    assert_array_equal(pixels[..., 0], MASK)


def test_images_without_uids_still_make_one_series(tmp_path: Path) -> None:
    case = make_case(tmp_path / "source", "dicom")
    for path in case.image.iterdir():
        data = pydicom.dcmread(path)
        data.SeriesInstanceUID = data.StudyInstanceUID = ""
        data.save_as(path)
    for number, identity in enumerate((IDENTITY, KEPT)):
        out = tmp_path / str(number)
        report = export_dataset([case], ExportOptions(out, export_format_named("dicomseg"), identity))
        assert report.refused == {}
        assert seg_of(out).ReferencedSeriesSequence[0].SeriesInstanceUID.startswith("2.25.")


def test_an_empty_mask_is_a_segment_without_voxels(tmp_path: Path) -> None:
    case = make_case(tmp_path / "source", "dicom")
    write_nifti(case.mask, np.zeros_like(MASK).T, read_ct_volume(case.image).placement.source.affine)
    report = export_dataset(
        [case], ExportOptions(tmp_path / "out", export_format_named("dicomseg"), IDENTITY)
    )
    assert report.refused == {}
    assert not seg_of(tmp_path / "out").pixel_array.any()


@pytest.mark.parametrize("padding", [None, -2000, 63536])
def test_signed_pixels_and_padding_come_through(tmp_path: Path, padding: int | None) -> None:
    case = make_case(tmp_path / "source", "dicom")
    stored = STORED.astype(np.int16)
    stored[3, 1, 1] = -2000
    for path in write_series(case.image, stored):
        if padding is not None:
            data = pydicom.dcmread(path)
            data.add_new("PixelPaddingValue", "US" if padding > 0 else "SS", padding)
            data.save_as(path)
    export_dataset([case], ExportOptions(tmp_path / "out", export_format_named("dicomseg"), IDENTITY))
    assert_array_equal(read_ct_volume(tmp_path / "out" / "case-1").hu, read_ct_volume(case.image).hu)


def enhanced(folder: Path, identity: Pseudonymizer) -> ExportReport:
    case = make_case(folder / "source", "dicom")
    places = [(-20.0, -30.0, 40.0 + 2.0 * k) for k in range(len(STORED))]
    shuffled = [3, 0, 5, 1, 4, 2]
    path = write_enhanced(folder / "enhanced.dcm", STORED[shuffled], [places[k] for k in shuffled])
    return export_dataset(
        [replace(case, image=path)], ExportOptions(folder / "out", export_format_named("dicomseg"), identity)
    )


def test_a_file_of_many_images_becomes_one_file_an_image(tmp_path: Path) -> None:
    assert enhanced(tmp_path, IDENTITY).refused == {}
    images = images_of(tmp_path / "out")
    assert len({image.SOPInstanceUID for image in images}) == len(STORED)
    assert_array_equal([image.pixel_array for image in images], STORED)
    assert "many images" in enhanced(tmp_path / "kept", KEPT).refused["case-1"]


def test_burned_in_writing_is_refused(tmp_path: Path) -> None:
    case = make_case(tmp_path / "source", "dicom")
    for path in case.image.iterdir():
        data = pydicom.dcmread(path)
        data.BurnedInAnnotation = "YES"
        data.save_as(path)
    report = export_dataset(
        [case], ExportOptions(tmp_path / "out", export_format_named("dicomseg"), IDENTITY)
    )
    assert "case-1 has writing burned into its pixels" in report.refused["case-1"]


@pytest.mark.parametrize("kind", ["nifti", "nrrd", "mha"])
def test_a_case_that_did_not_come_as_dicom_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    case = make_case(tmp_path / "source", kind)
    report = export_dataset(
        [case], ExportOptions(tmp_path / "out", export_format_named("dicomseg"), IDENTITY)
    )
    assert report.refused["case-1"].startswith("case-1 came as ")
    assert not (tmp_path / "out").exists()
