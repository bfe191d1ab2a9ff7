"""NIH Pancreas-CT as distributed: every label on its organ, or one sentence."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from attunet_gui.io.datasets.jpeg_slices import read_labelled_slices
from attunet_gui.io.datasets.label_orientation import LabelFit, check_orientation_votes, measure_label_fit
from attunet_gui.io.datasets.tcia_pancreas_ct import find_collection_patients, read_collection_patient
from attunet_gui.synthesis.phantom.abdomen_phantom import Phantom
from attunet_gui.system.errors import UnreadableInput
from tests.support.external_data import NIH_SLICES
from tests.support.nih_pancreas_clone import LABELS, phantom_of, stored, write_ct, write_label, write_patient

NUMBERS = (1, 4, 5, 7)
WRONG = {
    "rows": lambda slices: slices[:, ::-1],
    "slices": lambda slices: slices[::-1],
    "both": lambda slices: slices[::-1, ::-1],
}


@pytest.fixture(scope="module")
def phantoms() -> dict[int, Phantom]:
    return {number: phantom_of(number) for number in NUMBERS}


@pytest.fixture(scope="module")
def collection(phantoms: dict[int, Phantom], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With what is left of patients 25 and 70: an empty folder, and labels without a CT."""
    root = tmp_path_factory.mktemp("collection")
    for number, phantom in phantoms.items():
        write_patient(root, number, phantom)
    (root / "Pancreas-CT" / "PANCREAS_0025").mkdir()
    for number in (25, 70):
        write_label(root, number, stored(phantoms[1].pancreas_mask))
    return root


@pytest.fixture
def one(collection: Path, tmp_path: Path) -> Path:
    """A copy with patient 1 only, to spoil."""
    for part in (Path("Pancreas-CT", "PANCREAS_0001"), Path(LABELS, "label0001.nii.gz")):
        (tmp_path / part).parent.mkdir(parents=True)
        copy = shutil.copytree if (collection / part).is_dir() else shutil.copy
        copy(collection / part, tmp_path / part)
    return tmp_path


def test_every_label_comes_back_as_it_was_drawn(collection: Path, phantoms: dict[int, Phantom]) -> None:
    patients = find_collection_patients(collection)
    assert [patient.number for patient in patients] == [f"{number:04d}" for number in NUMBERS]
    for patient in patients:
        volume, mask = read_collection_patient(patient)
        phantom = phantoms[int(patient.number)]
        assert np.array_equal(volume.hu, phantom.hu)
        assert np.array_equal(mask, phantom.pancreas_mask)
        assert mask.dtype == np.uint8
        assert mask.flags.c_contiguous
        assert volume.grid.spacing_mm == pytest.approx(phantom.request.spacing_mm)


def test_a_label_follows_the_numbers_of_the_slices_not_their_names_or_places(
    phantoms: dict[int, Phantom], tmp_path: Path
) -> None:
    """A copy whose numbers run from the feet up would have its labels in that order too."""
    phantom = phantoms[4]
    write_ct(tmp_path, 4, phantom.hu[::-1])
    write_label(tmp_path, 4, stored(phantom.pancreas_mask[::-1]))
    for path in tmp_path.rglob("*.dcm"):
        path.rename(path.with_name(f"{hash(path.name) % 10**9:09d}.dcm"))
    volume, mask = read_collection_patient(find_collection_patients(tmp_path)[0])
    assert np.array_equal(volume.hu[::-1], phantom.hu)
    assert np.array_equal(mask[::-1], phantom.pancreas_mask)


@pytest.mark.parametrize("way", WRONG)
def test_labels_the_wrong_way_round_are_refused(
    collection: Path, phantoms: dict[int, Phantom], tmp_path: Path, way: str
) -> None:
    right, wrong = {}, {}
    for patient in find_collection_patients(collection):
        phantom = phantoms[int(patient.number)]
        label = write_label(tmp_path, int(patient.number), WRONG[way](stored(phantom.pancreas_mask)))
        # One that ends up in air is refused by itself.
        with suppress(UnreadableInput):
            volume, mask = read_collection_patient(replace(patient, label=label))
            assert not np.array_equal(mask, phantom.pancreas_mask)
            wrong[patient.folder_name] = measure_label_fit(volume.hu, mask)
            right[patient.folder_name] = measure_label_fit(volume.hu, phantom.pancreas_mask)
    assert wrong
    check_orientation_votes(right)
    with pytest.raises(UnreadableInput, match="in reverse order"):
        check_orientation_votes(wrong)


def test_one_odd_patient_does_not_stop_the_others() -> None:
    good, odd = LabelFit(0.9, 0.5, 0.4, 0.5), LabelFit(0.5, 0.6, 0.4, 0.3)
    check_orientation_votes({"a": good, "b": good, "c": odd})
    with pytest.raises(UnreadableInput, match=r"2 of 3 labels, such as that of b, .* their rows in reverse"):
        check_orientation_votes({"a": good, "b": odd, "c": odd})


def test_a_label_in_air_is_refused(one: Path, phantoms: dict[int, Phantom]) -> None:
    beside = np.zeros_like(phantoms[1].pancreas_mask)
    beside[10:20, :4, :4] = 1
    write_label(one, 1, stored(beside))
    with pytest.raises(UnreadableInput, match=r"label0001.nii.gz lies in air \(median -\d+ HU\)"):
        read_collection_patient(find_collection_patients(one)[0])


def test_an_empty_label_is_refused(one: Path, phantoms: dict[int, Phantom]) -> None:
    write_label(one, 1, np.zeros_like(phantoms[1].pancreas_mask))
    with pytest.raises(UnreadableInput, match=r"label0001.nii.gz is empty"):
        read_collection_patient(find_collection_patients(one)[0])


def test_a_label_with_other_organs_is_refused(one: Path, phantoms: dict[int, Phantom]) -> None:
    write_label(one, 1, stored(phantoms[1].organs))
    with pytest.raises(UnreadableInput, match="several labels"):
        read_collection_patient(find_collection_patients(one)[0])


def test_a_missing_label_is_named(one: Path) -> None:
    (one / LABELS / "label0001.nii.gz").unlink()
    with pytest.raises(UnreadableInput, match=r"PANCREAS_0001 has no label: label0001.nii.gz was expected"):
        find_collection_patients(one)


def test_a_label_of_another_size_is_refused(one: Path, phantoms: dict[int, Phantom]) -> None:
    write_label(one, 1, stored(phantoms[1].pancreas_mask)[:-1])
    with pytest.raises(
        UnreadableInput, match=r"label0001.nii.gz has 64 x 64 x 31 voxels, the CT PANCREAS_0001"
    ):
        read_collection_patient(find_collection_patients(one)[0])


def test_slices_without_numbers_are_refused(phantoms: dict[int, Phantom], one: Path) -> None:
    for path in one.rglob("*.dcm"):
        data = pydicom.dcmread(path)
        data.InstanceNumber = 1
        data.save_as(path)
    with pytest.raises(UnreadableInput, match="no InstanceNumber each of their own"):
        read_collection_patient(find_collection_patients(one)[0])


def test_what_is_there_twice_is_refused(one: Path) -> None:
    shutil.copytree(one / LABELS, one / "other")
    with pytest.raises(UnreadableInput, match=r"label0001.nii.gz is there twice"):
        find_collection_patients(one)


def test_a_folder_without_patients_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput, match="There is no patient"):
        find_collection_patients(tmp_path)


@pytest.mark.skipif(not NIH_SLICES.is_dir(), reason="the real slices are not on this machine")
def test_on_real_ct_a_label_fits_best_as_it_was_drawn() -> None:
    slices = read_labelled_slices(NIH_SLICES)
    patients = sorted({one.patient for one in slices})
    fits = {}
    for patient in patients:
        of_patient = [one for one in slices if one.patient == patient]
        hu = np.concatenate([one.volume.hu for one in of_patient])
        fits[patient] = measure_label_fit(hu, np.concatenate([one.mask for one in of_patient]))
    assert len(fits) == 50
    assert all(found.placed > found.rows for found in fits.values())
    upside_down = {name: LabelFit(found.rows, found.placed, 0.0, 0.0) for name, found in fits.items()}
    with pytest.raises(UnreadableInput, match="50 of 50"):
        check_orientation_votes(upside_down)
