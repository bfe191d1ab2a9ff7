"""What holds for every image format in the registry, and for one that a single entry adds."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml
from numpy.testing import assert_allclose, assert_array_equal

from attunet_gui.cli import _insert_gui_command
from attunet_gui.core.volume import Volume, VolumeOrigin
from attunet_gui.core.voxel_grid import VoxelGrid, canonical_reorientation
from attunet_gui.evaluation.pair_matching import PairComparisonOptions, compare_pair_files
from attunet_gui.export import ExportCase, ExportOptions, export_dataset, export_format_named
from attunet_gui.export.export_case import export_fingerprint
from attunet_gui.gui.dialogs.case_dialogs import ct_file_filter
from attunet_gui.io import image_format_registry, read_ct_volume, read_mask
from attunet_gui.io.case_discovery import CaseRef, choose_single_ct, find_images
from attunet_gui.io.formats.hounsfield import to_hu
from attunet_gui.io.formats.image_format import ImageFormat
from attunet_gui.io.formats.nifti import WRITTEN_SUFFIXES
from attunet_gui.io.image_content import classify_image_file
from attunet_gui.io.image_format_registry import IMAGE_FORMATS
from attunet_gui.project.case_import import add_ct_folder
from attunet_gui.project.ct_fingerprint import ct_fingerprint
from attunet_gui.project.project_store import create_project
from attunet_gui.system.errors import UnreadableInput
from attunet_gui.system.progress import ProgressCallback
from tests.support.ct_files import ct_like, marked, write_nifti, write_series, write_source
from tests.support.export_cases import IDENTITY

SHAPE = (4, 5, 6)  # (i, j, k)
# The grid on which `write_series` places its slices.
GRID = VoxelGrid(SHAPE, np.array([[-0.7, 0, 0, 20], [0, -0.8, 0, 30], [0, 0, 2, 40], [0, 0, 0, 1.0]]))
HU = ct_like(SHAPE)
INSIDE = marked(HU).astype(np.uint8)


# A made-up format: a header in JSON, and the voxels in a file of their own.


def _made_up_header(path: Path) -> tuple[np.dtype, VoxelGrid, Path]:
    try:
        told = json.loads(path.read_text())
    except ValueError as error:
        raise UnreadableInput(f"The header of {path.name} is damaged: copy it again.") from error
    return (
        np.dtype(told["dtype"]),
        VoxelGrid(told["shape"], np.array(told["affine"])),
        path.parent / told["at"],
    )


def _made_up_voxels(path: Path) -> tuple[np.ndarray, VoxelGrid]:
    dtype, grid, at = _made_up_header(path)
    values = np.fromfile(at, dtype)
    if values.size != np.prod(grid.shape):
        raise UnreadableInput(f"{path.name} has too few voxels: copy it again.")
    return values.reshape(grid.shape, order="F"), grid


def _read_made_up(path: Path, _series: str | None, _progress: ProgressCallback) -> Volume:
    values, grid = _made_up_voxels(path)
    placement = canonical_reorientation(grid)
    hu = to_hu(placement.to_canonical(values), name=path.name).hu
    return Volume(hu, placement, path.stem, VolumeOrigin(path, "Made-up"))


def _iter_made_up(path: Path) -> Iterator[np.ndarray]:
    yield _made_up_voxels(path)[0].ravel(order="F")


def _made_up_files(path: Path) -> tuple[Path, ...]:
    return path, _made_up_header(path)[2]


MADE_UP = ImageFormat(
    title="Made-up",
    kind="Made-up",
    suffixes=(".madeup",),
    read_ct=_read_made_up,
    load_labels=_made_up_voxels,
    iter_values=_iter_made_up,
    files=_made_up_files,
)


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_format_registry, "IMAGE_FORMATS", (*IMAGE_FORMATS, MADE_UP))


# Writers, by other software than the readers


def _write_pair(folder: Path, array: np.ndarray) -> Path:
    image = nib.Nifti1Pair(array, GRID.affine)
    nib.save(image, folder / "ct.hdr")
    return folder / "ct.hdr"


def _write_dicom(folder: Path, array: np.ndarray) -> Path:
    write_series(folder / "ct", (array.T.astype(np.int32) + 1024).astype(np.uint16))
    return folder / "ct"


def _write_made_up(folder: Path, array: np.ndarray) -> Path:
    told = {"dtype": array.dtype.str, "shape": SHAPE, "affine": GRID.affine.tolist(), "at": "voxels.bin"}
    (folder / "ct.madeup").write_text(json.dumps(told))
    (folder / "voxels.bin").write_bytes(array.tobytes(order="F"))
    return folder / "ct.madeup"


WRITERS: dict[str, Callable[[Path, np.ndarray], Path]] = {
    "NIfTI": lambda folder, array: write_source("nii.gz", folder, GRID, array),
    "NIfTI pair, Analyze": _write_pair,
    "NRRD": lambda folder, array: write_source("nhdr", folder, GRID, array),
    "MetaImage": lambda folder, array: write_source("mhd", folder, GRID, array),
    "DICOM": _write_dicom,
    "Made-up": _write_made_up,
}
"""(folder, values (i, j, k)) -> path of an image on `GRID`. A format that is added needs an entry here."""

every_format = pytest.mark.parametrize("form", [*IMAGE_FORMATS, MADE_UP], ids=lambda form: form.title)


def write(form: ImageFormat, folder: Path, array: np.ndarray = HU) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return WRITERS[form.title](folder, array)


@every_format
def test_suffixes_are_lower_case_and_belong_to_one_format(form: ImageFormat) -> None:
    others = [each for each in (*IMAGE_FORMATS, MADE_UP) if each is not form]
    for suffix in form.dialog_suffixes:
        assert suffix == suffix.lower()
        assert suffix.startswith(".")
        assert not any(suffix in each.dialog_suffixes for each in others)
    assert set(form.voxel_suffixes) < set(form.suffixes) or not form.voxel_suffixes


@every_format
def test_a_ct_opens_where_it_lies(form: ImageFormat, tmp_path: Path) -> None:
    volume = read_ct_volume(write(form, tmp_path))
    assert volume.origin.kind == form.kind
    assert_allclose(volume.placement.source.affine, GRID.affine, atol=1e-5)
    assert_array_equal(volume.placement.to_source(volume.hu), HU)
    assert_array_equal(volume.hu, HU.T)


@every_format
def test_labels_open_on_the_grid_of_their_ct(form: ImageFormat, tmp_path: Path) -> None:
    volume = read_ct_volume(write_nifti(tmp_path / "ct.nii", HU, GRID.affine))
    path = write(form, tmp_path / "labels", INSIDE)
    if form.load_labels is None:
        said = f"{path.name} is not a label file: open NIfTI, NRRD, MetaImage or Made-up."
        with pytest.raises(UnreadableInput, match=said):
            read_mask(path, volume)
    else:
        assert_array_equal(read_mask(path, volume), marked(volume.hu))


@every_format
def test_values_are_looked_at_in_the_order_of_the_file(form: ImageFormat, tmp_path: Path) -> None:
    path = write(form, tmp_path)
    if form.iter_values is not None:
        assert_array_equal(np.concatenate(list(form.iter_values(path))), HU.ravel(order="F"))
    assert classify_image_file(path).kind == "CT"
    labels = write(form, tmp_path / "labels", INSIDE)
    assert classify_image_file(labels).kind == ("CT" if form.iter_values is None else "labels")


@every_format
def test_a_folder_holds_one_case_however_many_files_it_has(form: ImageFormat, tmp_path: Path) -> None:
    path = write(form, tmp_path)
    found = find_images(tmp_path)
    assert [(ref.path, ref.name) for ref in found.cases] == [(path, "ct")]
    assert (found.label_maps, found.doubtful) == ((), ())
    if form.suffixes:
        assert find_images(path).cases == (CaseRef(path, None, "ct"),)
        labels = write(form, tmp_path / "labels", INSIDE)
        assert choose_single_ct((labels, path)).path == path


@every_format
def test_all_files_of_an_image_are_known(form: ImageFormat, tmp_path: Path) -> None:
    path = write(form, tmp_path)
    files = form.files(path)
    assert sorted(files) == sorted(each for each in tmp_path.rglob("*") if each.is_file())
    if form.suffixes:
        assert files[0] == path


@every_format
def test_half_a_file_is_refused_in_a_sentence(form: ImageFormat, tmp_path: Path) -> None:
    for number in range(len(form.files(write(form, tmp_path / "whole")))):
        path = write(form, tmp_path / str(number))
        file = form.files(path)[number]
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        with pytest.raises(UnreadableInput):
            read_ct_volume(path)


@every_format
def test_an_export_is_written_again_after_any_of_its_files_changed(form: ImageFormat, tmp_path: Path) -> None:
    path = write(form, tmp_path / "ct")
    mask = write_nifti(tmp_path / "mask.nii", INSIDE, GRID.affine)
    case = ExportCase("case-1", path, mask)
    seen = {export_fingerprint(case, IDENTITY)}
    files = form.files(path)
    for file in files:
        os.utime(file, (1, 1))
        seen.add(export_fingerprint(case, IDENTITY))
    assert len(seen) == len(files) + 1


@every_format
def test_it_is_exported(form: ImageFormat, tmp_path: Path) -> None:
    path = write(form, tmp_path / "ct")
    mask = write_nifti(tmp_path / "mask.nii", INSIDE, GRID.affine)
    options = ExportOptions(tmp_path / "out", export_format_named("nifti"), IDENTITY)
    export_dataset((ExportCase("case-1", path, mask),), options)
    for kind, values in (("images", HU), ("labels", INSIDE)):
        written = nib.load(tmp_path / "out" / kind / "case-1.nii.gz")
        assert_array_equal(np.asarray(written.dataobj), values)
        assert_allclose(written.affine, GRID.affine, atol=1e-5)


@every_format
def test_label_files_are_compared_as_pairs(form: ImageFormat, tmp_path: Path) -> None:
    if form.load_labels is None:
        return
    write(form, tmp_path / "pred", INSIDE)
    write(form, tmp_path / "truth", INSIDE)
    rows = [
        each.row for each in compare_pair_files(PairComparisonOptions(tmp_path / "pred", tmp_path / "truth"))
    ]
    assert [(row.name, row.scores.dsc) for row in rows] == [("ct", 1.0)]


@every_format
def test_two_ct_that_differ_in_one_voxel_are_two_cases(form: ImageFormat, tmp_path: Path) -> None:
    if not form.suffixes:
        return  # a series is known by its key
    other = HU.copy()
    other[-1, -1, -1] -= 1
    paths = [write(form, tmp_path / name, array) for name, array in (("a", HU), ("b", other))]
    assert len({ct_fingerprint(CaseRef(path, None, "ct")) for path in paths}) == 2


@every_format
def test_a_copy_of_a_case_is_whole_or_refused(form: ImageFormat, tmp_path: Path) -> None:
    path = write(form, tmp_path / "ct")
    project = create_project(tmp_path / "project")
    done = add_ct_folder(project, tmp_path / "ct", actor="anna", copy=True)
    if form.suffixes and len(form.files(path)) > 1:
        said = f"{path.name} keeps its voxels in another file: add it without copying."
        assert (done.added, done.failed) == ([], [(path.name, said)])
        return
    assert done.failed == []
    (case,) = project.list_cases()
    assert_array_equal(read_ct_volume(case.path, series=case.series).hu, read_ct_volume(path).hu)


@every_format
def test_it_is_offered_where_a_file_is_chosen(form: ImageFormat) -> None:
    offered = ct_file_filter().partition("(")[2].partition(")")[0].split()
    assert {f"*{suffix}" for suffix in form.dialog_suffixes} <= set(offered)
    for suffix in form.dialog_suffixes:
        assert _insert_gui_command([f"gone{suffix}"], ()) == ["gui", f"gone{suffix}"]


def test_the_manifest_of_the_plugin_names_the_same_suffixes() -> None:
    told = yaml.safe_load((resources.files("attunet_gui") / "napari.yaml").read_text())["contributions"]
    patterns = told["readers"][0]["filename_patterns"]
    suffixes = [suffix for form in IMAGE_FORMATS for suffix in form.dialog_suffixes]
    # "*" stands for DICOM files without a suffix.
    assert sorted(patterns) == sorted(["*", *(f"*{suffix}" for suffix in suffixes)])
    assert sorted(told["writers"][0]["filename_extensions"]) == sorted(WRITTEN_SUFFIXES)


def test_an_unknown_file_is_refused_with_every_suffix(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x" * 300)
    with pytest.raises(UnreadableInput, match=r"open \.nii, .*\.mhd, \.madeup or DICOM\.$"):
        read_ct_volume(tmp_path / "notes.txt")
