"""Slices of a patient become one case: laid where the patient lies, with neighbours where there are any."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from attunet_gui.evaluation.labelled_cases import slice_cases
from attunet_gui.network.batch_sampling import IGNORED_LABEL, TrainingCase, make_training_case
from attunet_gui.prediction.preprocess import PreprocessingConfig
from attunet_gui.synthesis.phantom.abdomen_phantom import Phantom, PhantomRequest, make_phantom
from attunet_gui.system.errors import UnreadableInput
from attunet_gui.training.recipe_sources import find_patient_slices, load_patient_slices

_WANTED = PreprocessingConfig(size=(48, 64), spacing_mm=4.0)
_MARGIN = 20
_OFFSETS = np.array([-1, 0, 1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two collections in one folder, as pictures of a phantom that lies off the middle; rows upside down.

    Patient 0001 has slices 1001, 1003, 1004 and 1010, of which 1003 is cut; 0002 has one.
    """
    phantom = make_phantom(PhantomRequest(3, (9, 200, 256), (5.0, 1.6, 1.6)))
    home = tmp_path_factory.mktemp("slices")
    for name, z in (("0001-1001", 5), ("0001-1004", 4), ("0001-1010", 2), ("0002-1001", 4)):
        _write(home / "whole", f"PANCREAS_{name}", phantom, z)
    _write(home / "more", "PANCREAS_0001-1003", phantom, 3, _MARGIN)
    (home / "more" / "index.csv").write_text(f"file,margin_unknown_px\nPANCREAS_0001-1003.jpg,{_MARGIN}\n")
    return home


def _write(home: Path, name: str, phantom: Phantom, z: int, margin: int = 0) -> None:
    shifted = np.roll(np.clip(phantom.hu[z], 0, 255), 12, axis=1).astype(np.uint8)
    mask = np.roll(phantom.pancreas_mask[z] * np.uint8(255), 12, axis=1)
    for part, picture in (("images", shifted), ("masks", mask)):
        (home / part).mkdir(parents=True, exist_ok=True)
        cut = np.zeros_like(picture)
        inner = np.s_[margin : picture.shape[0] - margin, margin : picture.shape[1] - margin]
        cut[inner] = picture[inner]
        Image.fromarray(cut[::-1]).save(home / part / f"{name}.jpg", quality=98)


@pytest.fixture(scope="module")
def case(folder: Path) -> TrainingCase:
    """Patient 0001, from the feet to the head: 1010, 1004, 1003, 1001."""
    return load_patient_slices(find_patient_slices(folder)[0], _WANTED)


def test_a_case_is_a_patient_of_all_folders_from_the_feet_to_the_head(folder: Path) -> None:
    assert [[file.number for file in files] for files in find_patient_slices(folder)] == [
        [1010, 1004, 1003, 1001],
        [1001],
    ]


def test_slices_are_neighbours_only_where_they_lie_side_by_side(case: TrainingCase) -> None:
    assert case.people == ("0001",)
    assert case.stretches == (0, 1, 1, 1)
    lone = case.neighbour_stack(0, _OFFSETS)
    assert all(np.array_equal(each, case.images[0]) for each in lone)
    assert np.array_equal(case.neighbour_stack(3, _OFFSETS)[2], case.images[3])
    first = case.neighbour_stack(1, _OFFSETS)
    assert np.array_equal(first[0], first[1])
    assert not np.array_equal(first[1], first[2])


def test_a_cut_slice_is_laid_as_the_whole_ones_beside_it(folder: Path, case: TrainingCase) -> None:
    (stretch,) = {case.truth[z].shape for z in (1, 2, 3)}
    assert stretch == _WANTED.size
    whole = [each.load() for each in slice_cases(folder) if each.patient_name == "0001"]
    outline = np.concatenate([whole[0][0].hu, whole[1][0].hu])
    expected = make_training_case(*whole[0], _WANTED, outline=outline)
    assert np.array_equal(case.images[3], expected.images[0])
    # Where the cut slice is known it shows nearly what its neighbours show, so it lies as they do.
    known = case.truth[2] != IGNORED_LABEL
    cut, beside = case.images[2].astype(int), case.images[1].astype(int)
    near, far = (np.abs(cut - np.roll(beside, by, axis=1))[known].mean() for by in (0, 4))
    assert near < 0.7 * far


def test_nothing_is_learnt_from_an_unknown_border_and_a_neighbour_does_not_show_it(
    case: TrainingCase,
) -> None:
    ignored = case.truth == IGNORED_LABEL
    assert ignored[2].any()
    assert not ignored[2].all()
    assert not ignored[[0, 1, 3]].any()
    above = case.neighbour_stack(1, _OFFSETS)[2]
    assert np.array_equal(above[ignored[2]], case.images[1][ignored[2]])
    assert np.array_equal(above[~ignored[2]], case.images[2][~ignored[2]])


def test_a_patient_without_a_whole_slice_is_refused_by_name(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "more").symlink_to(folder / "more")
    with pytest.raises(UnreadableInput, match=r"1003.jpg is cut at its border.*patient 0001 lies"):
        load_patient_slices(find_patient_slices(tmp_path)[0], _WANTED)


def test_only_whole_slices_are_measured_on(folder: Path) -> None:
    assert [each.name for each in slice_cases(folder)] == [
        "PANCREAS_0001-1001",
        "PANCREAS_0001-1004",
        "PANCREAS_0001-1010",
        "PANCREAS_0002-1001",
    ]


def test_neighbours_at_a_distance_are_found_by_slice_number(folder: Path, case: TrainingCase) -> None:
    wanted = _WANTED.model_copy(update={"neighbour_distance_mm": 1.5})  # two numbers of 0.75 mm
    apart = load_patient_slices(find_patient_slices(folder)[0], wanted)
    assert case.positions == ()
    assert np.array_equal(apart.images, case.images)
    lone, first, middle, last = (apart.neighbour_stack(z, _OFFSETS)[[0, 2]] for z in range(4))
    shown = [(0, 0), (1, 3), (1, 3), (2, 3)]
    for found, (before, after), z in zip((lone, first, middle, last), shown, range(4), strict=True):
        known = (apart.truth[[before, after]] != IGNORED_LABEL) & (apart.truth[z] != IGNORED_LABEL)
        assert np.array_equal(found[known], apart.images[[before, after]][known])
