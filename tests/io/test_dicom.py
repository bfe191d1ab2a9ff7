"""DICOM: slices are ordered by where they lie, and a series that is not one regular grid is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gdcm
import numpy as np
import pydicom
import pytest
import SimpleITK
from numpy.testing import assert_allclose, assert_array_equal
from pydicom.uid import SecondaryCaptureImageStorage
from scipy.spatial.transform import Rotation

from attunet_gui.core.volume import Volume
from attunet_gui.io import read_ct_volume
from attunet_gui.io.formats.dicom_series import list_series
from attunet_gui.system.errors import SeriesChoiceNeeded, UnreadableInput, WorkCancelled
from tests.support.ct_files import (
    AXIAL,
    OTHER_SERIES,
    ct_header,
    ct_like,
    lps_of_values,
    write_enhanced,
    write_nifti,
    write_series,
    write_slice,
)

SHAPE = (6, 5, 4)
STORED = (ct_like(SHAPE) + 1024).astype(np.uint16)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
PRONE = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
OBLIQUE = tuple(Rotation.from_euler("xyz", (12, -20, 7), degrees=True).as_matrix()[:, :2].T.ravel())
ORIENTATIONS = {"axial": AXIAL, "sagittal": SAGITTAL, "coronal": CORONAL, "prone": PRONE, "oblique": OBLIQUE}


def normal(cosines: tuple[float, ...]) -> np.ndarray:
    return np.cross(cosines[:3], cosines[3:])


def itk_positions(folder: Path) -> dict[int, np.ndarray]:
    """HU -> LPS mm as SimpleITK's own series reader has it."""
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    image = reader.Execute()
    size = image.GetSize()
    return {
        int(image.GetPixel(*index)): np.array(image.TransformIndexToPhysicalPoint(index))
        for index in np.ndindex(size)
    }


@pytest.mark.parametrize("sign", [1, -1], ids=["ascending", "descending"])
@pytest.mark.parametrize("name", ORIENTATIONS)
def test_every_voxel_is_where_simpleitk_puts_it(tmp_path: Path, name: str, sign: int) -> None:
    cosines = ORIENTATIONS[name]
    write_series(tmp_path, STORED, sign * 2.5 * normal(cosines), ImageOrientationPatient=list(cosines))
    ours, theirs = lps_of_values(read_ct_volume(tmp_path)), itk_positions(tmp_path)
    assert ours.keys() == theirs.keys()
    for value, place in ours.items():
        assert_allclose(place, theirs[value], atol=1e-3)


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_every_voxel_is_where_the_standard_says(tmp_path: Path, name: str) -> None:
    cosines = np.array(ORIENTATIONS[name])
    step = 2.5 * normal(tuple(cosines))
    write_series(tmp_path, STORED, step, ImageOrientationPatient=list(cosines))
    places = lps_of_values(read_ct_volume(tmp_path))
    for k, row, column in np.ndindex(SHAPE):
        meant = (-20, -30, 40) + k * step + column * 0.7 * cosines[:3] + row * 0.8 * cosines[3:]
        assert_allclose(places[int(STORED[k, row, column]) - 1024], meant, atol=1e-4)


def test_a_supine_axial_series_is_not_turned_at_all(tmp_path: Path) -> None:
    volume = read_ct_volume(write_series(tmp_path, STORED)[0].parent)
    assert_array_equal(volume.hu, STORED.astype(np.int16) - 1024)
    assert volume.hu.dtype == np.int16
    assert volume.notes == ()


def test_a_prone_patient_is_turned_to_look_supine(tmp_path: Path) -> None:
    write_series(tmp_path, STORED, ImageOrientationPatient=list(PRONE))
    assert_array_equal(read_ct_volume(tmp_path).hu, STORED[:, ::-1, ::-1].astype(np.int16) - 1024)


def test_each_slice_has_its_own_slope_and_intercept(tmp_path: Path) -> None:
    for k in range(3):
        scaling = {"RescaleSlope": k + 1, "RescaleIntercept": -1000 + k}
        write_slice(tmp_path / f"{k}", np.full((4, 4), 10 + k, np.int16), (0, 0, 2 * k), **scaling)
    assert read_ct_volume(tmp_path).hu[:, 0, 0].tolist() == [-990, -977, -962]


def test_a_fractional_slope_makes_floats(tmp_path: Path) -> None:
    write_series(tmp_path, STORED, RescaleSlope="0.5")
    volume = read_ct_volume(tmp_path)
    assert volume.hu.dtype == np.float32
    assert_array_equal(volume.hu, STORED * 0.5 - 1024)


@pytest.mark.parametrize(
    ("padding", "stored", "meant"),
    [
        (-2000, -2000, -1024),
        (63536, -2000, -1024),
        (100, 100, -1024),
        (200, 200, -824),
        (1050, 1050, 26),
        (30000, 30000, -1024),
    ],
)
def test_what_was_not_scanned_is_air_but_tissue_is_never_punched_out(
    tmp_path: Path, padding: int, stored: int, meant: int
) -> None:
    images = STORED.astype(np.int16)
    images[2, 1, 1] = stored
    paths = write_series(tmp_path, images)
    for path in paths:
        data = pydicom.dcmread(path)
        data.add_new("PixelPaddingValue", "US" if padding > 0 else "SS", padding)
        data.save_as(path)
    assert read_ct_volume(tmp_path).hu[2, 1, 1] == meant


def test_the_name_is_the_folders_never_the_patients(tmp_path: Path) -> None:
    volume = read_ct_volume(write_series(tmp_path / "case 7", STORED)[0].parent)
    assert volume.name == "case 7"
    assert "Doe" not in repr(volume.origin)
    assert "4711" not in repr(volume.origin)


def test_one_file_opens_its_whole_series(tmp_path: Path) -> None:
    paths = write_series(tmp_path, STORED)
    write_slice(tmp_path / "other", STORED[0], (0, 0, 0), SeriesInstanceUID=OTHER_SERIES)
    assert_array_equal(read_ct_volume(paths[2]).hu, STORED.astype(np.int16) - 1024)


def test_nested_folders_and_files_without_dicom_are_fine(tmp_path: Path) -> None:
    for path in write_series(tmp_path, STORED)[::2]:
        (tmp_path / "a" / "b").mkdir(parents=True, exist_ok=True)
        path.rename(tmp_path / "a" / "b" / path.name)
    (tmp_path / "readme.txt").write_text("hello")
    (tmp_path / ".DS_Store").write_bytes(b"\0" * 200)
    assert_array_equal(read_ct_volume(tmp_path).hu, STORED.astype(np.int16) - 1024)


def test_several_series_must_be_chosen_from(tmp_path: Path) -> None:
    write_series(tmp_path / "a", STORED)
    write_series(tmp_path / "b", STORED[:3], SeriesInstanceUID=OTHER_SERIES, SeriesNumber=12)
    with pytest.raises(SeriesChoiceNeeded, match="2 CT series") as caught:
        read_ct_volume(tmp_path)
    keys, descriptions = zip(*caught.value.choices, strict=True)
    assert descriptions == ("3 abdomen: 6 images, 4 x 5", "12 abdomen: 3 images, 4 x 5")
    volume = read_ct_volume(tmp_path, series=keys[1])
    assert (len(volume.hu), volume.origin.series) == (3, keys[1])
    assert volume.name == f"{tmp_path.name}_series12"
    with pytest.raises(UnreadableInput, match="series asked for"):
        read_ct_volume(tmp_path, series="1.2.3")


def test_emptied_identifiers_still_make_one_series_a_folder(tmp_path: Path) -> None:
    emptied = {"SeriesInstanceUID": "", "SOPClassUID": ""}
    write_series(tmp_path / "a", STORED, **emptied)
    write_series(tmp_path / "b", STORED, **emptied)
    assert len(list_series(tmp_path)) == 2
    assert_array_equal(read_ct_volume(tmp_path / "a").hu, STORED.astype(np.int16) - 1024)
    assert str(tmp_path) not in list_series(tmp_path)[0].key


def test_scouts_and_other_modalities_are_left_out(tmp_path: Path) -> None:
    write_series(tmp_path, STORED)
    scout = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}
    write_slice(tmp_path / "scout", STORED[0], (9, 9, 9), **scout)
    write_slice(tmp_path / "pet", STORED[0], (0, 0, 0), Modality="PT", SeriesInstanceUID=OTHER_SERIES)
    assert_array_equal(read_ct_volume(tmp_path).hu, STORED.astype(np.int16) - 1024)
    assert [series.number for series in list_series(tmp_path)] == ["3"]


def test_a_screenshot_of_the_ct_is_left_out(tmp_path: Path) -> None:
    write_series(tmp_path, STORED)
    data = pydicom.dcmread(
        write_slice(tmp_path / "shot", STORED[0], (0, 0, 0), SeriesInstanceUID=OTHER_SERIES)
    )
    data.SOPClassUID = SecondaryCaptureImageStorage
    del data.ImagePositionPatient
    data.save_as(tmp_path / "shot")
    assert len(list_series(tmp_path)) == 1
    with pytest.raises(UnreadableInput, match="shot holds no CT slices"):
        read_ct_volume(tmp_path / "shot")


def test_a_file_without_meta_header_is_decoded(tmp_path: Path) -> None:
    for path in write_series(tmp_path, STORED):
        data = pydicom.dcmread(path)
        data.file_meta = pydicom.dataset.FileMetaDataset()
        data.save_as(path, implicit_vr=True, little_endian=True)
    assert_array_equal(read_ct_volume(tmp_path).hu, STORED.astype(np.int16) - 1024)


def test_a_compression_nobody_here_knows_is_named(tmp_path: Path) -> None:
    path = write_series(tmp_path, STORED)[0]
    data = pydicom.dcmread(path)
    data.PixelData = pydicom.encaps.encapsulate([b"\0\1" * 50])
    data.file_meta.TransferSyntaxUID = pydicom.uid.MPEG2MPML
    data.save_as(path)
    with pytest.raises(UnreadableInput, match=r"im00. is compressed as MPEG2 .*export it uncompressed"):
        read_ct_volume(tmp_path)


@pytest.mark.parametrize(
    "syntax", ["RLELossless", "JPEGLosslessProcess14_1", "JPEGLSLossless", "JPEG2000Lossless"]
)
def test_lossless_compression(tmp_path: Path, syntax: str) -> None:
    stored = np.random.default_rng(0).integers(0, 3000, (3, 64, 48)).astype(np.uint16)
    for path in write_series(tmp_path, stored):
        compress(path, getattr(gdcm.TransferSyntax, syntax))
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID.is_compressed
    assert_array_equal(read_ct_volume(tmp_path).hu, stored.astype(np.int16) - 1024)


def compress(path: Path, syntax: int) -> None:
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(str(path))
    assert reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()


def test_a_file_nobody_may_read_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = write_series(tmp_path, STORED)[5]
    whole = Path.open

    def denied(path: Path, *args: Any, **options: Any) -> Any:
        if path == locked:
            raise PermissionError(13, "Permission denied")
        return whole(path, *args, **options)

    monkeypatch.setattr(Path, "open", denied)
    for path in (tmp_path, locked):
        with pytest.raises(UnreadableInput, match=f"{locked.name} could not be read, Permission denied"):
            read_ct_volume(path)


def test_a_tilted_gantry_shears_the_grid(tmp_path: Path) -> None:
    step = np.array([0, 1.0, 2.5])
    write_series(tmp_path, STORED, step)
    volume = read_ct_volume(tmp_path)
    places = lps_of_values(volume)
    for k in range(len(STORED)):
        assert_allclose(places[int(STORED[k, 0, 0]) - 1024], (-20, -30, 40) + k * step, atol=1e-4)
    assert "tilted by 21.8 degrees" in volume.notes[0]


def test_rounded_positions_do_not_shear_the_grid(tmp_path: Path) -> None:
    for k in range(4):
        write_slice(tmp_path / f"{k}", STORED[k], (0.001 * (k % 2), 0, 2 * k + 0.001 * (k % 2)))
    volume = read_ct_volume(tmp_path)
    assert volume.notes == ()
    assert volume.placement.source.affine[:2, 2].tolist() == [0, 0]


def test_copies_of_a_slice_are_dropped_with_a_note(tmp_path: Path) -> None:
    paths = write_series(tmp_path, STORED)
    (tmp_path / "copy").write_bytes(paths[3].read_bytes())
    volume = read_ct_volume(tmp_path)
    assert_array_equal(volume.hu, STORED.astype(np.int16) - 1024)
    assert "1 slice is in the folder twice" in volume.notes[0]


def test_a_single_slice_takes_its_thickness(tmp_path: Path) -> None:
    write_slice(tmp_path / "one.dcm", STORED[0], (1, 2, 3))
    assert read_ct_volume(tmp_path / "one.dcm").grid.spacing_mm == pytest.approx((2.0, 0.8, 0.7))


def test_enhanced_ct_in_one_file(tmp_path: Path) -> None:
    order = [3, 0, 5, 1, 4, 2]
    write_enhanced(tmp_path / "all.dcm", STORED[order], [(-20, -30, 40 + 2.0 * k) for k in order])
    volume = read_ct_volume(tmp_path / "all.dcm")
    assert_array_equal(volume.hu, STORED.astype(np.int16) - 1024)
    assert volume.grid.spacing_mm == pytest.approx((2.0, 0.8, 0.7))


def missing_slice(folder: Path) -> None:
    write_series(folder, STORED)[3].unlink()


def missing_slices(folder: Path) -> None:
    paths = write_series(folder, np.concatenate([STORED, STORED]))
    for path in paths[3:5]:
        path.unlink()


def uneven(folder: Path) -> None:
    for k, height in enumerate((0, 2, 4, 6, 9, 11)):
        write_slice(folder / f"{k}", STORED[k], (0, 0, height))


def two_phases(folder: Path) -> None:
    write_series(folder, STORED)
    write_slice(folder / "late", STORED[0] + 5, (-20, -30, 40))


def side_by_side(folder: Path) -> None:
    write_series(folder, STORED)
    write_slice(folder / "beside", STORED[0], (50, -30, 40))


def crooked(folder: Path) -> None:
    write_series(folder, STORED[:3])
    write_slice(folder / "off", STORED[3], (-20, -25, 46))


def mixed_sizes(folder: Path) -> None:
    write_series(folder, STORED)
    write_slice(folder / "small", STORED[0, :3], (-20, -30, 52))


def mixed_directions(folder: Path) -> None:
    write_series(folder, STORED)
    write_slice(folder / "turned", STORED[0], (-20, -30, 52), ImageOrientationPatient=list(CORONAL))


def mixed_spacing(folder: Path) -> None:
    write_series(folder, STORED)
    write_slice(folder / "wide", STORED[0], (-20, -30, 52), PixelSpacing=[0.9, 0.9])


def skewed(folder: Path) -> None:
    write_series(folder, STORED, ImageOrientationPatient=[1, 0, 0, 0.5, 1, 0])


def only_a_scout(folder: Path) -> None:
    write_slice(folder / "scout", STORED[0], (0, 0, 0), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])


def only_mr(folder: Path) -> None:
    write_series(folder, STORED, Modality="MR")


def colours(folder: Path) -> None:
    data = pydicom.dcmread(write_slice(folder / "shot", STORED[0], (0, 0, 0)))
    data.SamplesPerPixel, data.PhotometricInterpretation = 3, "RGB"
    data.save_as(folder / "shot")


def no_dicom(folder: Path) -> None:
    write_nifti(folder / "ct.nii", ct_like(SHAPE), np.eye(4))


def cut_pixels(folder: Path) -> None:
    path = write_series(folder, STORED)[2]
    path.write_bytes(path.read_bytes()[:-10])


def cut_header(folder: Path) -> None:
    path = write_series(folder, STORED)[5]
    path.rename(folder / "broken")
    (folder / "broken").write_bytes((folder / "broken").read_bytes()[:420])


def nothing_left(folder: Path) -> None:
    write_series(folder, STORED)[5].unlink()
    (folder / "broken.dcm").write_bytes(b"")


def frames_without_positions(folder: Path) -> None:
    data = pydicom.dcmread(write_slice(folder / "cine", STORED[0], (0, 0, 0)))
    data.NumberOfFrames = 6
    data.PixelData = STORED.tobytes()
    data.save_as(folder / "cine")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (missing_slice, "1 slice is missing between im00. and im00."),
        (missing_slices, "2 slices are missing"),
        (uneven, "not evenly spaced .3.00 mm"),
        (two_phases, "different images of the same place"),
        (side_by_side, "side by side"),
        (crooked, "off the line"),
        (mixed_sizes, "differ in size"),
        (mixed_directions, "different directions"),
        (mixed_spacing, "differ in pixel spacing"),
        (skewed, "ImageOrientationPatient is not two perpendicular"),
        (only_a_scout, "only a scout"),
        (only_mr, "MR images, not CT"),
        (colours, "colour pictures"),
        (no_dicom, "no DICOM images"),
        (cut_pixels, "The image in im00. is damaged"),
        (cut_header, "^broken is a damaged DICOM file"),
        (nothing_left, "broken.dcm is a damaged DICOM file"),
        (frames_without_positions, "many images without their positions"),
    ],
)
def test_what_is_not_one_regular_ct_is_refused_in_a_sentence(
    tmp_path: Path, make: Callable[[Path], None], words: str
) -> None:
    make(tmp_path)
    with pytest.raises(UnreadableInput, match=words):
        read_ct_volume(tmp_path)


@pytest.mark.parametrize(
    "tag",
    ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope", "RescaleIntercept"],
)
@pytest.mark.parametrize("value", ["missing", "empty"])
def test_a_missing_tag_is_named_with_its_file(tmp_path: Path, tag: str, value: str) -> None:
    path = write_series(tmp_path, STORED)[4]
    data = pydicom.dcmread(path)
    if value == "missing":
        delattr(data, tag)
    else:
        setattr(data, tag, None)
    data.save_as(path)
    with pytest.raises(UnreadableInput, match=f"{path.name}: the DICOM tag {tag} is missing"):
        read_ct_volume(tmp_path)


def test_a_single_slice_without_thickness_is_refused(tmp_path: Path) -> None:
    write_slice(tmp_path / "one", STORED[0], (1, 2, 3), SliceThickness=None)
    with pytest.raises(UnreadableInput, match="SliceThickness is missing"):
        read_ct_volume(tmp_path)


def test_no_message_names_the_patient(tmp_path: Path) -> None:
    for make in (two_phases, mixed_sizes, cut_pixels, frames_without_positions):
        folder = tmp_path / make.__name__
        folder.mkdir()
        make(folder)
        with pytest.raises(UnreadableInput) as caught:
            read_ct_volume(folder)
        assert not {"Doe", "4711"} & set(str(caught.value).replace("^", " ").split())


def test_reading_can_be_cancelled_between_slices(tmp_path: Path) -> None:
    seen: list[str] = []

    def stop(done: int, total: int, stage: str) -> None:
        seen.append(f"{stage} {done}/{total}")
        if seen[-1] == "slices 3/6":
            raise WorkCancelled

    write_series(tmp_path, STORED)
    with pytest.raises(WorkCancelled):
        read_ct_volume(tmp_path, progress=stop)
    assert seen[0] == "headers 0/6"


def test_a_synthetic_header_really_names_a_patient() -> None:
    # Otherwise the privacy tests above could not fail.
    assert "Doe" in str(ct_header())


def test_volume_type(tmp_path: Path) -> None:
    volume = read_ct_volume(write_series(tmp_path, STORED)[0])
    assert isinstance(volume, Volume)
    assert volume.origin.kind == "DICOM"
    assert not volume.hu.flags.writeable
