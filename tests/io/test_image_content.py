"""A label map never becomes a case, whatever data set it comes from; a CT with few values does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePath

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from attunet_gui.io import image_format_registry
from attunet_gui.io.case_discovery import ChosenCt, choose_single_ct, find_cases, find_images
from attunet_gui.io.formats import nifti
from attunet_gui.io.image_content import classify_image_file
from attunet_gui.system.errors import UnreadableInput
from tests.support.ct_files import ct_like, write_series

SHAPE = (48, 40, 12)
_AFFINE = np.diag([-2.0, -2.0, 3.0, 1.0])
_AT = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij"))
BODY = (_AT[0] ** 2 / 0.8 + _AT[1] ** 2 / 0.6) < 1


def scanned(sigma_hu: float = 12.0) -> NDArray[np.int16]:
    """HU of a body with organs, bone and noise, in air."""
    noise = np.random.default_rng(5).normal(0, sigma_hu, SHAPE)
    hu = np.where(BODY, 40 + 60 * organs(3) + noise, -1000 + noise / 4)
    hu[(_AT[0] ** 2 + (_AT[1] - 0.6) ** 2) < 0.02] = 700
    return np.rint(hu).astype(np.int16)


def windowed(lowest: float, highest: float, sigma_hu: float = 12.0) -> NDArray[np.uint8]:
    """The same as a picture of 8 bits."""
    return np.rint((np.clip(scanned(sigma_hu), lowest, highest) - lowest) / (highest - lowest) * 255).astype(
        "u1"
    )


def organs(count: int) -> NDArray[np.uint8]:
    """A label map with the codes 1 to `count`."""
    found = np.zeros(SHAPE, np.uint8)
    for code in range(1, count + 1):
        turn = 2.4 * code
        x, y = 0.5 * np.cos(turn), 0.4 * np.sin(turn)
        found[((_AT[0] - x) ** 2 + (_AT[1] - y) ** 2 + (_AT[2] / 2) ** 2) < 0.03] = code
    return found


def tiled(count: int) -> NDArray[np.uint16]:
    """A label map of the whole body: many codes side by side."""
    blocks = (np.arange(n) // step for n, step in zip(SHAPE, (8, 7, 3), strict=True))
    i, j, k = np.meshgrid(*blocks, indexing="ij")
    return ((i * 37 + j * 11 + k * 5) % count + 1).astype(np.uint16) * BODY


def probability() -> NDArray[np.float32]:
    """Of one organ."""
    return ndimage.gaussian_filter((organs(1) > 0).astype(np.float32), 1.5)


def write(path: Path, values: NDArray[np.generic], **header: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name.endswith((".nii", ".nii.gz")):
        image = nib.Nifti1Image(values, _AFFINE)
        for name, value in header.items():
            image.header[name] = value
        nib.save(image, path)
    else:
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.ascontiguousarray(values.T)), str(path))
    return path


CT = {
    "an ordinary one": scanned(),
    "in floats": scanned().astype(np.float32) + 0.25,
    "stored 1024 too high": (scanned() + 1024).astype(np.uint16),
    "without air, in the window of fat to bone": np.clip(scanned(), -160, 240),
    "a window of 8 bits": windowed(-160, 240),
    "a wide window of 8 bits": windowed(-1000, 1000, 20.0),
    "a picture of HU clipped to 0..255": np.clip(scanned(), 0, 255).astype(np.uint8),
    "a phantom without noise": scanned(0.0),
    "a phantom of two materials": np.where(BODY, 40, -1000).astype(np.int16),
    "a phantom without noise and air": np.clip(scanned(0.0), -160, 240),
}

LABELS = {
    "one organ": organs(1),
    "0 and 255": (organs(1) * 255).astype(np.uint8),
    "5 and 10": (organs(2) * 5).astype(np.uint8),
    "13 organs": organs(13),
    "13 organs in float64": organs(13).astype(np.float64),
    "13 organs in int8": organs(13).astype(np.int8),
    "the whole body": tiled(117),
    "few codes over the whole body": tiled(9),
    "a probability": probability(),
    "-1 where nobody looked": np.where(_AT[2] > 0.9, -1, organs(2)).astype(np.int16),
}

DOUBTFUL = {
    "nothing": np.zeros(SHAPE, np.int16),
    "a gate": np.clip(probability() + 0.3 * BODY, 0, 1).astype(np.float32),
    "a normalised CT": (windowed(-160, 240) / 255).astype(np.float32),
    "a probability in per cent": (probability() * 100).astype(np.float32),
    "a probability in 255ths": (probability() * 255).astype(np.uint8),
    "a picture of 8 bits without noise": windowed(-160, 240, 0.0),
    "large codes": (organs(5).astype(np.uint16) * 110),
}


@pytest.mark.parametrize("kind", CT)
@pytest.mark.parametrize("ending", ["nii.gz", "nrrd", "mha"])
def test_a_ct_is_a_ct(tmp_path: Path, kind: str, ending: str) -> None:
    assert classify_image_file(write(tmp_path / f"a.{ending}", CT[kind])).kind == "CT"


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("ending", ["nii", "nrrd", "mha"])
@pytest.mark.parametrize("name", ["a", "image_0000"])
def test_a_label_map_is_none_whatever_it_is_called(tmp_path: Path, kind: str, ending: str, name: str) -> None:
    assert classify_image_file(write(tmp_path / f"{name}.{ending}", LABELS[kind])).kind == "labels"


@pytest.mark.parametrize("kind", DOUBTFUL)
def test_where_the_values_say_too_little_the_name_decides(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / "a.nii.gz", DOUBTFUL[kind])
    names = ("a.nii.gz", "a_label.nii.gz", "imagesTr/a.nii.gz", "a_0000.nii.gz")
    found = [classify_image_file(path, PurePath(name)).kind for name in names]
    assert found == ["doubtful", "labels", "CT", "CT"]


def test_scaled_values_are_what_counts(tmp_path: Path) -> None:
    stored_high = write(tmp_path / "a.nii", (scanned() + 1024).astype(np.uint16))
    _scale(stored_high, 1, -1024)
    assert classify_image_file(stored_high).kind == "CT"
    quantised = write(tmp_path / "b.nii", (probability() * 255).astype(np.uint8))
    _scale(quantised, 1 / 255, 0)
    assert classify_image_file(quantised).kind == "labels"


def _scale(path: Path, slope: float, intercept: float) -> None:
    raw = bytearray(path.read_bytes())
    raw[112:120] = np.array([slope, intercept], "<f4").tobytes()
    path.write_bytes(raw)


def test_values_without_air_in_a_folder_of_labels_are_doubtful_and_with_air_a_ct(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii", np.clip(scanned(), -160, 240))
    found = classify_image_file(path, PurePath("labelsTr/a.nii"))
    assert (found.kind, "under the name of a label map" in found.words) == ("doubtful", True)
    assert classify_image_file(write(path, scanned()), PurePath("segmentation_study/a.nii")).kind == "CT"


def test_a_ct_is_known_by_its_first_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nifti, "_PART", 4096)
    path = write(tmp_path / "a.nii", scanned())
    read = 0

    def counted(at: Path) -> object:
        nonlocal read
        for part in nifti_values(at):
            read += 1
            yield part

    nifti_values = nifti.iter_nifti_values
    counting = (replace(nifti.NIFTI, iter_values=counted),)
    monkeypatch.setattr(image_format_registry, "IMAGE_FORMATS", counting)
    assert classify_image_file(path).kind == "CT"
    assert read == 1


LAYOUTS: dict[str, tuple[str, ...]] = {
    "BTCV": ("img/img0001.nii.gz", "label/label0001.nii.gz"),
    "KiTS": ("case_00000/imaging.nii.gz", "case_00000/segmentation.nii.gz"),
    "KiTS23": ("case_0/imaging.nii.gz", "case_0/instances/kidney_instance-1_annotation-1.nii.gz"),
    "LiTS": ("volume-0.nii", "segmentation-0.nii"),
    "NIH": ("Pancreas-CT/PANCREAS_0001.nii.gz", "TCIA_pancreas_labels-02-05-2017/label0001.nii.gz"),
    "AbdomenCT-1K": ("AbdomenCT-1K-ImagePart1/Case_00001_0000.nii.gz", "Mask/Case_00001.nii.gz"),
    "3D Slicer": ("ct.nrrd", "Segmentation.seg.nrrd"),
    "suffix label": ("p1.nii.gz", "p1_label.nii.gz"),
    "suffix seg": ("p1/p1.mha", "p1/p1_seg.mha"),
    "annotations": ("scans/7.nii.gz", "annotations/7.nii.gz"),
    "AMOS": ("imagesTr/amos_0001.nii.gz", "labelsTr/amos_0001.nii.gz"),
    "MSD": ("imagesTr/pancreas_001.nii.gz", "labelsTr/pancreas_001.nii.gz"),
    "TotalSegmentator": ("s0000/ct.nii.gz", "s0000/segmentations/pancreas.nii.gz"),
    "WORD": ("WORD-V0.1.0/imagesTr/word_0002.nii.gz", "WORD-V0.1.0/labelsTr/word_0002.nii.gz"),
    "FLARE": ("images/FLARE22_Tr_0001_0000.nii.gz", "labels/FLARE22_Tr_0001.nii.gz"),
    "names that say nothing": ("A/001.nii.gz", "B/001.nii.gz"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("labels", ["13 organs", "0 and 255"])
def test_of_a_public_data_set_only_the_ct_are_cases(tmp_path: Path, layout: str, labels: str) -> None:
    ct, label = LAYOUTS[layout]
    write(tmp_path / ct, scanned())
    write(tmp_path / label, LABELS[labels])
    found = find_images(tmp_path)
    assert [case.path.relative_to(tmp_path).as_posix() for case in found.cases] == [ct]
    assert (found.label_maps, found.doubtful) == ((tmp_path / label,), ())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_empty_label_is_left_out_by_its_name_or_named(tmp_path: Path, layout: str) -> None:
    ct, label = LAYOUTS[layout]
    write(tmp_path / ct, scanned())
    write(tmp_path / label, np.zeros(SHAPE, np.uint8))
    found = find_images(tmp_path)
    assert [case.path.relative_to(tmp_path).as_posix() for case in found.cases] == [ct]
    assert {*found.label_maps, *(path for path, _reason in found.doubtful)} == {tmp_path / label}
    assert bool(found.doubtful) == (layout == "names that say nothing")


def test_segments_that_overlap_are_a_label_map_by_their_name(tmp_path: Path) -> None:
    write(tmp_path / "ct.nrrd", scanned())
    several = SimpleITK.GetImageFromArray(np.zeros((4, 5, 6, 2), np.uint8), isVector=True)
    SimpleITK.WriteImage(several, str(tmp_path / "ct.seg.nrrd"))
    assert find_images(tmp_path).label_maps == (tmp_path / "ct.seg.nrrd",)


def test_a_damaged_file_stays_a_case_so_that_its_reason_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").write_bytes(b"no image")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.nii.gz").write_bytes(b"no image")
    assert [case.path.name for case in find_cases(tmp_path)] == ["a.nii.gz"]
    assert find_images(tmp_path).label_maps == (tmp_path / "labels" / "a.nii.gz",)


def test_one_file_is_taken_at_its_word_unless_it_is_a_label_map(tmp_path: Path) -> None:
    doubtful = write(tmp_path / "a_label.nii", DOUBTFUL["a picture of 8 bits without noise"])
    assert len(find_cases(doubtful)) == 1
    with pytest.raises(UnreadableInput, match=r"a\.nii is not a CT: it holds the values 0, 5 and 10, "):
        find_images(write(tmp_path / "a.nii", LABELS["5 and 10"]))
    with pytest.raises(UnreadableInput, match=r"it holds numbers from 0 to 0\.\d+, as label maps"):
        find_images(write(tmp_path / "a.nii", LABELS["a probability"]))


def test_of_files_given_together_the_ct_is_opened(tmp_path: Path) -> None:
    label, ct = write(tmp_path / "b.nii", organs(5)), write(tmp_path / "c.nii.gz", scanned())
    for dropped in ((label, ct), (ct, label), (tmp_path,)):
        assert choose_single_ct(dropped) == ChosenCt(ct, (label,))
    assert choose_single_ct((ct,)) == ChosenCt(ct)
    assert choose_single_ct((label,)).path == label, (
        "what is given alone is tried, so that it is told why not"
    )


def test_two_ct_given_together_are_refused_by_their_names_and_so_is_none(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a.nii", scanned()), write(tmp_path / "b.mha", scanned())
    for paths in ((first, second), (tmp_path,)):
        with pytest.raises(UnreadableInput, match=r"a\.nii and b\.mha may both be CT: open one of them"):
            choose_single_ct(paths)
    labels = write(tmp_path / "c.nii", organs(1)), write(tmp_path / "d.nii", organs(3))
    with pytest.raises(UnreadableInput, match=r"c\.nii holds the values 0 and 1 and is no CT"):
        choose_single_ct(labels)


def test_slices_of_a_series_given_together_are_their_folder(tmp_path: Path) -> None:
    slices = write_series(tmp_path / "series", (ct_like((3, 5, 4)) + 1024).astype(np.uint16))
    write(tmp_path / "series" / "label.nii", organs(2))
    series, label = tmp_path / "series", tmp_path / "series" / "label.nii"
    assert choose_single_ct(tuple(slices)) == ChosenCt(series)
    assert choose_single_ct((series,)) == ChosenCt(series, (label,))
    assert choose_single_ct((label, *slices)) == ChosenCt(series, (label,))
    assert choose_single_ct((slices[0],)) == ChosenCt(slices[0])


_FOLDERS = ("", "a", "images", "imagesTr", "labelsTr", "Mask", "label", "p1/annotations", "ct", "01 Übung")
_NAMES = ("1", "case_0000", "label0001", "img", "x_seg", "segmentation-0", "volume-0", "Ä ö", "pancreas")
_ENDINGS = (".nii", ".nii.gz", ".nrrd", ".mha")
_PLACES = st.tuples(st.sampled_from(_FOLDERS), st.sampled_from(_NAMES), st.sampled_from(_ENDINGS))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    places=st.lists(_PLACES, min_size=2, max_size=5, unique_by=lambda place: place[:2]),
    codes=st.lists(st.integers(1, 255), min_size=1, max_size=20, unique=True),
    dtype=st.sampled_from(["u1", "i2", "u2", "i4", "f4", "f8"]),
    cts=st.integers(1, 4),
)
def test_in_any_layout_every_ct_is_a_case_and_no_label_map_is(
    tmp_path_factory: pytest.TempPathFactory,
    places: list[tuple[str, str, str]],
    codes: list[int],
    dtype: str,
    cts: int,
) -> None:
    root = tmp_path_factory.mktemp("layout")
    table = np.array([0, *codes], np.dtype(dtype))
    label, paths = table[organs(len(codes))], [root / folder / f"{name}{end}" for folder, name, end in places]
    for number, path in enumerate(paths):
        write(path, scanned() + number if number < cts else label)
    found = find_images(root)
    assert {case.path for case in found.cases} == set(paths[:cts])
    assert {*found.label_maps, *(path for path, _reason in found.doubtful)} == set(paths[cts:])


@pytest.mark.parametrize("intercept", [0, -1024])
def test_masks_that_are_kept_as_dicom_series_of_ct_are_no_cases(tmp_path: Path, intercept: int) -> None:
    stored = np.moveaxis(scanned().astype(np.int32) + 1024, 2, 0).astype(np.uint16)
    write_series(tmp_path / "PATIENT_DICOM", stored)
    for name, code in (("liver", 255), ("tumour", 1)):
        mask = np.moveaxis(organs(2) == 1, 2, 0).astype(np.uint16) * code
        tags = {"SeriesInstanceUID": f"1.2.{code}", "RescaleIntercept": intercept}
        write_series(tmp_path / "MASKS_DICOM" / name, mask, **tags)
    found = find_images(tmp_path)
    assert [case.path for case in found.cases] == [tmp_path / "PATIENT_DICOM"]
    assert found.label_maps == (tmp_path / "MASKS_DICOM" / "liver", tmp_path / "MASKS_DICOM" / "tumour")


def test_nothing_but_air_is_doubtful(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii", np.full(SHAPE, -1024, np.int16))
    assert classify_image_file(path).kind == "doubtful"
