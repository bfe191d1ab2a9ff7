"""A saved mask lies on the voxels it was drawn on, or nothing was saved."""

from __future__ import annotations

import errno
import gzip
import json
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from attunet_gui.core.volume import Volume
from attunet_gui.core.voxel_grid import GridReorientation, VoxelGrid
from attunet_gui.io import read_ct_volume, read_mask, write_ct, write_float_map, write_json, write_mask
from attunet_gui.system import atomic_write
from attunet_gui.system.errors import UnwritableOutput, WorkCancelled
from tests.support.ct_files import ct_like, marked, write_nifti, write_series, write_source
from tests.support.hypothesis_strategies import grids

AFFINE = np.array([[-0.7, 0, 0, 90], [0, 0.8, 0, -120.0], [0, 0, -2.5, -300], [0, 0, 0, 1]])
SHAPE = (4, 5, 6)
FRAME = slice(252, 328)  # qform_code .. srow_z of a NIfTI-1 header
PIXDIM = slice(76, 92)


def some_mask(volume: Volume) -> np.ndarray:
    return marked(volume.hu)


def header_bytes(path: Path) -> bytes:
    data = path.read_bytes()
    return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)[:352]


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return read_ct_volume(write_nifti(tmp_path / "ct.nii.gz", ct_like(SHAPE), AFFINE))


@settings(max_examples=60, deadline=None)
@given(grids(), st.sampled_from(["nii", "nii.gz", "nrrd", "mha"]), st.sampled_from(["nii", "nii.gz"]))
def test_a_mask_comes_back_equal_from_every_grid(grid: VoxelGrid, kind: str, ending: str) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        volume = read_ct_volume(write_source(kind, folder, grid, ct_like(grid.shape)))
        mask = some_mask(volume)
        write_mask(folder / f"mask.{ending}", mask, volume)
        assert_array_equal(read_mask(folder / f"mask.{ending}", volume), mask)
        check_with_nibabel(folder / f"mask.{ending}", mask, volume, grid)


def check_with_nibabel(path: Path, mask: np.ndarray, volume: Volume, grid: VoxelGrid) -> None:
    """What another program sees: the voxels of the source file that are marked."""
    image = nib.load(path)
    assert_array_equal(np.asarray(image.dataobj), marked(ct_like(grid.shape)))
    assert_allclose(image.affine, grid.affine, atol=1e-3)


@settings(max_examples=40, deadline=None)
@given(grids(), st.sampled_from([0, 1, 2, 4]), st.sampled_from([0, 1, 3]))
def test_orientation_bytes_are_those_of_the_source(grid: VoxelGrid, sform_code: int, qform_code: int) -> None:
    with TemporaryDirectory() as name:
        source, target = Path(name) / "ct.nii", Path(name) / "mask.nii"
        write_nifti(source, ct_like(grid.shape), grid.affine)
        data = bytearray(source.read_bytes())
        data[252:256] = np.array([qform_code, sform_code], np.int16).tobytes()
        source.write_bytes(data)
        volume = read_ct_volume(source)
        write_mask(target, some_mask(volume), volume)
        assert header_bytes(target)[FRAME] == header_bytes(source)[FRAME]
        assert header_bytes(target)[PIXDIM] == header_bytes(source)[PIXDIM]
        assert_array_equal(nib.load(target).affine, nib.load(source).affine)


def test_odd_but_legal_headers_are_copied_bit_by_bit(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "ct.nii", ct_like(SHAPE), AFFINE, xyzt_units=1)
    data = bytearray(path.read_bytes())
    data[76:80] = np.float32(0).tobytes()  # qfac 0
    path.write_bytes(data)
    volume = read_ct_volume(path)
    write_mask(tmp_path / "mask.nii", some_mask(volume), volume)
    assert header_bytes(tmp_path / "mask.nii")[PIXDIM] == header_bytes(path)[PIXDIM]
    assert header_bytes(tmp_path / "mask.nii")[123] == 1
    assert_array_equal(read_mask(tmp_path / "mask.nii", volume), some_mask(volume))


@pytest.mark.parametrize("make", ["big", "two"])
def test_big_endian_and_nifti_2_sources(tmp_path: Path, make: str) -> None:
    if make == "big":
        image = nib.Nifti1Image(ct_like(SHAPE), AFFINE, nib.Nifti1Header(endianness=">"))
    else:
        image = nib.Nifti2Image(ct_like(SHAPE), AFFINE / [1.1, 1, 1, 1])
    nib.save(image, tmp_path / "ct.nii")
    volume = read_ct_volume(tmp_path / "ct.nii")
    write_mask(tmp_path / "mask.nii.gz", some_mask(volume), volume)
    assert_array_equal(
        nib.load(tmp_path / "mask.nii.gz").affine,
        image.affine.astype(np.float64) if make == "two" else nib.load(tmp_path / "ct.nii").affine,
    )
    assert_array_equal(read_mask(tmp_path / "mask.nii.gz", volume), some_mask(volume))


@pytest.mark.parametrize(("step", "code"), [((0, 0, 2.5), 1), ((0, 1.0, 2.5), 0)], ids=["upright", "tilted"])
def test_dicom_gets_an_sform_and_where_it_can_be_said_a_qform(
    tmp_path: Path, step: tuple[float, float, float], code: int
) -> None:
    stored = (ct_like((6, 5, 4)) + 1024).astype(np.uint16)
    volume = read_ct_volume(write_series(tmp_path / "ct", stored, step)[0].parent)
    mask = some_mask(volume)
    write_mask(tmp_path / "mask.nii.gz", mask, volume)
    image = nib.load(tmp_path / "mask.nii.gz")
    assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (1, code)
    index = np.argwhere(np.asarray(image.dataobj))[3]
    world = image.affine @ [*index, 1]
    lps = np.array([-20, -30, 40]) + index[2] * np.array(step) + [index[0] * 0.7, index[1] * 0.8, 0]
    assert_allclose(world[:3] * [-1, -1, 1], lps, atol=1e-3)
    assert marked(stored[tuple(index[::-1])].astype(int) - 1024)
    assert_array_equal(read_mask(tmp_path / "mask.nii.gz", volume), mask)


def test_nothing_of_the_patient_is_copied(tmp_path: Path) -> None:
    texts = {"descrip": "Doe", "aux_file": "Doe", "intent_name": "Doe", "db_name": "Doe"}
    path = write_nifti(tmp_path / "ct.nii", ct_like(SHAPE), AFFINE, **texts)
    image = nib.load(path)
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"Doe"))
    nib.save(image, path)
    assert path.read_bytes().count(b"Doe") >= 5
    volume = read_ct_volume(path)
    write_mask(tmp_path / "mask.nii", some_mask(volume), volume)
    assert b"Doe" not in (tmp_path / "mask.nii").read_bytes()


def test_a_mask_is_one_byte_a_voxel_and_the_same_bytes_each_time(tmp_path: Path, volume: Volume) -> None:
    for name in ("a.nii.gz", "b.nii.gz"):
        write_mask(tmp_path / name, some_mask(volume), volume)
    assert nib.load(tmp_path / "a.nii.gz").get_data_dtype() == np.uint8
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


@pytest.mark.parametrize("mask", [np.zeros((6, 5, 4), bool), np.ones((6, 5, 4), np.uint8)])
def test_empty_and_full_masks(tmp_path: Path, volume: Volume, mask: np.ndarray) -> None:
    write_mask(tmp_path / "m.nii.gz", mask, volume)
    assert_array_equal(read_mask(tmp_path / "m.nii.gz", volume), mask)


def test_maps_keep_every_bit_nan_included(tmp_path: Path, volume: Volume) -> None:
    values = np.random.default_rng(0).random(volume.hu.shape).astype(np.float32)
    values[0, 0, 0] = np.nan
    write_float_map(tmp_path / "gate.nii.gz", values, volume)
    image = nib.load(tmp_path / "gate.nii.gz")
    assert_array_equal(volume.placement.to_canonical(np.asarray(image.dataobj)), values)
    assert image.get_data_dtype() == np.float32


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_a_ct_comes_back_equal_and_in_its_place(tmp_path: Path, dtype: type) -> None:
    hu = ct_like(SHAPE).astype(dtype) + dtype(0.25 if dtype is np.float32 else 0)
    volume = read_ct_volume(write_nifti(tmp_path / "ct.nii.gz", hu, AFFINE))
    assert volume.hu.dtype == dtype
    write_ct(tmp_path / "copy.nii.gz", volume)
    copy = read_ct_volume(tmp_path / "copy.nii.gz")
    assert_array_equal(copy.hu, volume.hu)
    assert copy.hu.dtype == dtype
    assert_array_equal(copy.placement.source.affine, volume.placement.source.affine)


@pytest.mark.parametrize(
    "mask",
    [np.zeros((4, 5, 6), bool), np.full((6, 5, 4), 2, np.uint8), np.full((6, 5, 4), 0.5)],
    ids=["shape", "value", "dtype"],
)
def test_what_is_no_mask_of_this_volume_is_refused(tmp_path: Path, volume: Volume, mask: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"mask holds|expected an array"):
        write_mask(tmp_path / "m.nii.gz", mask, volume)
    assert not (tmp_path / "m.nii.gz").exists()


def test_a_map_of_another_type_is_refused(tmp_path: Path, volume: Volume) -> None:
    with pytest.raises(ValueError, match="float32"):
        write_float_map(tmp_path / "m.nii.gz", np.zeros(volume.hu.shape), volume)  # type: ignore[arg-type]


# --- what can go wrong -----------------------------------------------------------------------------------


@contextmanager
def nothing_changes(folder: Path) -> Iterator[None]:
    """Every file in `folder` is there before and after, byte by byte, and no other."""
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    yield
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


@contextmanager
def small_files_only() -> Iterator[None]:
    """The kernel refuses files over 300 bytes."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


def test_a_write_the_kernel_refuses_leaves_the_old_file(tmp_path: Path, volume: Volume) -> None:
    target = tmp_path / "mask.nii"
    target.write_bytes(b"old")
    with (
        nothing_changes(tmp_path),
        pytest.raises(UnwritableOutput, match="file so large"),
        small_files_only(),
    ):
        write_mask(target, some_mask(volume), volume)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EACCES, "may not write"),
        (errno.EROFS, "only be read"),
        (errno.EIO, "Input/output error"),
    ],
)
@pytest.mark.parametrize("where", ["open", "fsync", "replace"])
def test_a_failing_disk_leaves_the_old_file(
    tmp_path: Path, volume: Volume, monkeypatch: pytest.MonkeyPatch, code: int, words: str, where: str
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(code, errno.errorcode[code] if code != errno.EIO else "Input/output error")

    (tmp_path / "mask.nii.gz").write_bytes(b"old")
    mask = some_mask(volume)
    with nothing_changes(tmp_path):
        owner = {"open": atomic_write.Path, "fsync": atomic_write.os, "replace": atomic_write.Path}[where]
        monkeypatch.setattr(owner, where, fail)
        with pytest.raises(UnwritableOutput, match=words) as caught:
            write_mask(tmp_path / "mask.nii.gz", mask, volume)
        monkeypatch.undo()
    assert "mask.nii.gz was not saved" in str(caught.value)


def test_a_missing_folder_and_a_folder_in_the_way(tmp_path: Path, volume: Volume) -> None:
    (tmp_path / "dir.nii.gz").mkdir()
    for name, words in (
        ("no/m.nii.gz", "does not exist"),
        ("ct.nii.gz/m.nii.gz", "not a folder"),
        ("dir.nii.gz", "a folder of that name"),
        ("x" * 300 + ".nii.gz", "too long"),
    ):
        with nothing_changes(tmp_path), pytest.raises(UnwritableOutput, match=words):
            write_mask(tmp_path / name, some_mask(volume), volume)


def test_the_ct_itself_is_never_overwritten(tmp_path: Path, volume: Volume) -> None:
    (tmp_path / "link.nii.gz").symlink_to(tmp_path / "ct.nii.gz")
    for name in ("ct.nii.gz", "link.nii.gz"):
        with nothing_changes(tmp_path), pytest.raises(UnwritableOutput, match="the CT itself"):
            write_mask(tmp_path / name, some_mask(volume), volume)


def test_another_ending_is_refused(tmp_path: Path, volume: Volume) -> None:
    with nothing_changes(tmp_path), pytest.raises(UnwritableOutput, match="nii"):
        write_mask(tmp_path / "mask.png", some_mask(volume), volume)


def damage_after_writing(monkeypatch: pytest.MonkeyPatch, damage: Callable[[bytearray], bytearray]) -> None:
    whole = atomic_write._write_and_sync

    def written(temporary: Path, produce: Any) -> None:
        whole(temporary, produce)
        temporary.write_bytes(damage(bytearray(temporary.read_bytes())))

    monkeypatch.setattr(atomic_write, "_write_and_sync", written)


def flip(offset: int) -> Callable[[bytearray], bytearray]:
    def damage(data: bytearray) -> bytearray:
        data[offset] ^= 1
        return data

    return damage


DAMAGES = {
    "voxel": flip(360),
    "last voxel": flip(-1),
    "srow": flip(282),
    "quaternion": flip(258),
    "offset": flip(270),
    "pixdim": flip(82),
    "code": flip(254),
    "unit": flip(123),
    "size": flip(42),
    "type": flip(70),
    "slope": flip(114),
    "cut": lambda data: data[:-10],
    "gone": lambda data: bytearray(),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_reads_back_differently_is_not_saved(
    tmp_path: Path, volume: Volume, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    target = tmp_path / "mask.nii"
    target.write_bytes(b"old")
    damage_after_writing(monkeypatch, DAMAGES[name])
    with nothing_changes(tmp_path), pytest.raises(UnwritableOutput, match="read back differently"):
        write_mask(target, some_mask(volume), volume)


def test_a_damaged_gzip_is_not_saved(tmp_path: Path, volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    damage_after_writing(monkeypatch, flip(60))
    with nothing_changes(tmp_path), pytest.raises(UnwritableOutput, match="read back differently"):
        write_mask(tmp_path / "mask.nii.gz", some_mask(volume), volume)


def test_a_mirrored_mask_is_not_saved(
    tmp_path: Path, volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = GridReorientation.to_source
    monkeypatch.setattr(GridReorientation, "to_source", lambda self, array: right(self, array)[::-1])
    with nothing_changes(tmp_path), pytest.raises(UnwritableOutput, match="read back differently"):
        write_mask(tmp_path / "mask.nii.gz", some_mask(volume), volume)


def test_cancelling_leaves_nothing_and_the_old_file(tmp_path: Path, volume: Volume) -> None:
    def stop(done: int, total: int, stage: str) -> None:
        if done == total:
            raise WorkCancelled

    (tmp_path / "mask.nii.gz").write_bytes(b"old")
    with nothing_changes(tmp_path), pytest.raises(WorkCancelled):
        write_mask(tmp_path / "mask.nii.gz", some_mask(volume), volume, progress=stop)


def test_an_old_file_is_replaced_and_a_link_stays_a_link(tmp_path: Path, volume: Volume) -> None:
    (tmp_path / "real.nii.gz").write_bytes(b"old")
    (tmp_path / "link.nii.gz").symlink_to(tmp_path / "real.nii.gz")
    write_mask(tmp_path / "link.nii.gz", some_mask(volume), volume)
    assert (tmp_path / "link.nii.gz").is_symlink()
    assert_array_equal(read_mask(tmp_path / "real.nii.gz", volume), some_mask(volume))


def test_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.json"
    write_json(path, {"volume_ml": 84.5, "who": "Žofie"})
    assert json.loads(path.read_text("utf-8")) == {"volume_ml": 84.5, "who": "Žofie"}
    with nothing_changes(tmp_path), pytest.raises(ValueError, match="JSON"):
        write_json(path, {"dice": float("nan")})
    damage_after_writing(monkeypatch, flip(5))
    with nothing_changes(tmp_path), pytest.raises(UnwritableOutput, match="read back differently"):
        write_json(path, {"volume_ml": 1})
