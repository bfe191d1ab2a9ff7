"""NIfTI: what the header says is what the patient gets, and what it does not say is told."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from attunet_gui.io import read_ct_volume, read_mask
from attunet_gui.io.case_discovery import find_cases
from attunet_gui.io.formats import nifti
from attunet_gui.io.result_writing import write_mask
from attunet_gui.system.errors import UnreadableInput, WorkCancelled
from tests.support.ct_files import ct_like, lps_of_values, write_nifti

AFFINE = np.array([[-0.7, 0, 0, 90], [0, -0.8, 0, 120.0], [0, 0, 2.5, -300], [0, 0, 0, 1]])
SHAPE = (4, 5, 6)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".NII.GZ"])
def test_voxels_and_positions(tmp_path: Path, suffix: str) -> None:
    stored = ct_like(SHAPE)
    volume = read_ct_volume(write_nifti(tmp_path / f"case 1{suffix}", stored, AFFINE))
    places = lps_of_values(volume)
    for index in np.ndindex(SHAPE):
        right, front, head = AFFINE[:3, :3] @ index + AFFINE[:3, 3]
        assert_allclose(places[stored[index]], [-right, -front, head], atol=1e-4)
    assert (volume.name, volume.origin.kind, volume.hu.dtype) == ("case 1", "NIfTI", np.int16)


def test_left_is_right_in_the_array_and_back_is_down(tmp_path: Path) -> None:
    # LPS storage order: i to the left, j to the back, k to the head. Nothing but a transpose may happen.
    stored = ct_like(SHAPE)
    affine = np.diag([-0.7, -0.8, 2.5, 1])
    assert_array_equal(
        read_ct_volume(write_nifti(tmp_path / "a.nii", stored, affine)).hu, stored.transpose(2, 1, 0)
    )


@pytest.mark.parametrize(("slope", "intercept"), [(1, -1024), (2, 3), (0.5, 0), (0, 7), (np.nan, 0)])
def test_scaling_is_as_nibabel_does_it(tmp_path: Path, slope: float, intercept: float) -> None:
    stored = ct_like(SHAPE)
    image = nib.Nifti1Image(stored, np.diag([-1, -1, 1, 1]))
    image.header["scl_slope"], image.header["scl_inter"] = slope, intercept
    path = tmp_path / "a.nii"
    with path.open("wb") as file:
        file.write(image.header.binaryblock + b"\0" * 4 + stored.tobytes(order="F"))
    set_bytes(path, 108, np.float32(352).tobytes())
    meant = np.maximum(nib.load(path).get_fdata(), -1024).transpose(2, 1, 0)
    assert_array_equal(read_ct_volume(path).hu, meant.astype(np.float32))


def test_big_endian_and_nifti_2(tmp_path: Path) -> None:
    stored = ct_like(SHAPE)
    big = nib.Nifti1Image(stored, AFFINE, nib.Nifti1Header(endianness=">"))
    nib.save(big, tmp_path / "big.nii")
    nib.save(nib.Nifti2Image(stored, AFFINE), tmp_path / "two.nii.gz")
    plain = read_ct_volume(write_nifti(tmp_path / "plain.nii", stored, AFFINE))
    for name in ("big.nii", "two.nii.gz"):
        other = read_ct_volume(tmp_path / name)
        assert_array_equal(other.hu, plain.hu)
        assert_allclose(other.grid.affine, plain.grid.affine, atol=1e-5)


@pytest.mark.parametrize(("unit", "factor"), [(1, 1000.0), (2, 1.0), (3, 0.001)])
def test_units_of_length_become_millimetres(tmp_path: Path, unit: int, factor: float) -> None:
    affine = AFFINE.copy()
    affine[:3] /= factor
    volume = read_ct_volume(write_nifti(tmp_path / "a.nii", ct_like(SHAPE), affine, xyzt_units=unit + 8))
    assert_allclose(volume.grid.spacing_mm, (2.5, 0.8, 0.7), rtol=1e-6)
    assert not volume.notes


def test_a_fourth_axis_of_one_is_dropped_and_of_two_refused(tmp_path: Path) -> None:
    stored = ct_like(SHAPE)
    assert read_ct_volume(write_nifti(tmp_path / "one.nii", stored[..., None], AFFINE)).hu.shape == (6, 5, 4)
    with pytest.raises(UnreadableInput, match="several volumes"):
        read_ct_volume(write_nifti(tmp_path / "two.nii", np.stack([stored, stored], -1), AFFINE))


def test_a_single_slice(tmp_path: Path) -> None:
    assert read_ct_volume(write_nifti(tmp_path / "a.nii", ct_like((4, 5)), AFFINE)).hu.shape == (1, 5, 4)


def test_the_frame_is_kept(tmp_path: Path) -> None:
    frame = read_ct_volume(write_nifti(tmp_path / "a.nii", ct_like(SHAPE), AFFINE)).origin.frame
    assert frame is not None
    assert (frame.sform_code, frame.qform_code) == (2, 1)
    assert_allclose(frame.sform, AFFINE, atol=1e-4)
    assert_allclose(frame.qform, AFFINE, atol=1e-4)


def set_frame(path: Path, sform_code: int, qform_code: int, turned: np.ndarray) -> Path:
    image = nib.Nifti1Image(ct_like(SHAPE), None)
    image.header.set_zooms((1, 1, 1))
    image.header.set_sform(AFFINE, sform_code)
    image.header.set_qform(turned, qform_code)
    path.write_bytes(
        image.header.binaryblock[:108]
        + np.float32(352).tobytes()
        + image.header.binaryblock[112:]
        + b"\0" * 4
        + ct_like(SHAPE).tobytes(order="F")
    )
    return path


@pytest.mark.parametrize(("sform_code", "qform_code"), [(0, 0), (0, 1), (1, 0), (1, 1), (4, 2)])
def test_the_affine_is_nibabels_best(tmp_path: Path, sform_code: int, qform_code: int) -> None:
    turned = np.diag([1.0, -1, -1, 1]) @ AFFINE
    path = set_frame(tmp_path / "a.nii", sform_code, qform_code, turned)
    volume = read_ct_volume(path)
    assert_array_equal(volume.placement.source.affine, nib.load(path).affine)
    words = {(0, 0): "how the patient lies", (1, 1): "twice, differently", (4, 2): "twice, differently"}
    if (sform_code, qform_code) in words:
        assert any(words[sform_code, qform_code] in note for note in volume.notes)


def test_sform_and_qform_that_agree_raise_no_note(tmp_path: Path) -> None:
    assert nifti.load_nifti(write_nifti(tmp_path / "a.nii", ct_like(SHAPE), AFFINE)).notes == ()


def test_a_broken_qform_matters_only_where_it_is_used(tmp_path: Path) -> None:
    path = set_frame(tmp_path / "a.nii", 1, 1, AFFINE)
    set_bytes(path, 256, np.float32(3).tobytes())
    assert any("not a rotation" in note for note in read_ct_volume(path).notes)
    set_bytes(path, 254, np.int16(0).tobytes())
    with pytest.raises(UnreadableInput, match="not a rotation"):
        read_ct_volume(path)


def set_bytes(path: Path, offset: int, new: bytes) -> None:
    data = bytearray(path.read_bytes())
    data[offset : offset + len(new)] = new
    path.write_bytes(data)


def nan_affine(path: Path) -> None:
    write_nifti(path, ct_like(SHAPE), AFFINE, qform_code=0)
    set_bytes(path, 280, np.array([np.nan, 0, 0, 0], np.float32).tobytes())


def zero_affine(path: Path) -> None:
    write_nifti(path, ct_like(SHAPE), AFFINE, qform_code=0)
    set_bytes(path, 280, bytes(16))


def colours(path: Path) -> None:
    dtype = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(nib.Nifti1Image(np.zeros(SHAPE, dtype), AFFINE), path)


def complex_numbers(path: Path) -> None:
    nib.save(nib.Nifti1Image(np.zeros(SHAPE, np.complex64), AFFINE), path)


def text(path: Path) -> None:
    path.write_text("not an image at all, but long enough to hold a header " * 20)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    write_nifti(path, ct_like(SHAPE), AFFINE)
    path.write_bytes(path.read_bytes()[:-20])


def cut_header(path: Path) -> None:
    write_nifti(path, ct_like(SHAPE), AFFINE)
    path.write_bytes(path.read_bytes()[:200])


def cut_gzip(path: Path) -> None:
    write_nifti(path, ct_like(SHAPE), AFFINE)
    path.write_bytes(gzip.compress(path.read_bytes())[:-20])


def flipped_bit_in_gzip(path: Path) -> None:
    write_nifti(path, ct_like(SHAPE), AFFINE)
    packed = bytearray(gzip.compress(path.read_bytes(), 0))
    packed[500] ^= 1
    path.write_bytes(packed)


def absurd_size(path: Path) -> None:
    write_nifti(path, ct_like(SHAPE), AFFINE)
    set_bytes(path, 42, np.array([32767] * 3, np.int16).tobytes())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (nan_affine, "affine cannot be inverted"),
        (zero_affine, "affine cannot be inverted"),
        (colours, "colours"),
        (complex_numbers, "complex"),
        (text, "not a NIfTI"),
        (empty, "not a NIfTI"),
        (cut, "damaged or incomplete"),
        (cut_header, "damaged or incomplete"),
        (cut_gzip, "damaged or incomplete"),
        (flipped_bit_in_gzip, "damaged or incomplete"),
        (absurd_size, "more than fit in memory|damaged or incomplete"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(
    tmp_path: Path, make: Callable[[Path], None], words: str
) -> None:
    path = tmp_path / "ct.nii"
    make(path)
    with pytest.raises(UnreadableInput, match=words) as caught:
        read_ct_volume(path)
    assert str(caught.value).startswith("ct.nii ")


# Two sizes of a voxel


def with_header(path: Path, shape: tuple[int, ...] = SHAPE, **fields: object) -> Path:
    """A NIfTI-1 file with sform and qform of `AFFINE`; then `fields` are put into its header as they are."""
    image = nib.Nifti1Image(ct_like(shape), AFFINE)
    image.set_sform(AFFINE, 2)
    image.set_qform(AFFINE, 1)
    header = image.header.copy()
    for name, value in fields.items():
        if name == "pixdim":
            header["pixdim"][1:4] = value
        else:
            header[name] = value
    header["vox_offset"], header["magic"] = 352, b"n+1"
    path.write_bytes(header.binaryblock + b"\0" * 4 + ct_like(shape).tobytes(order="F"))
    return path


IDENTITY = {"srow_x": (1, 0, 0, 0), "srow_y": (0, 1, 0, 0), "srow_z": (0, 0, 1, 0)}
EMPTY = dict.fromkeys(IDENTITY, (0, 0, 0, 0))


@pytest.mark.parametrize(
    ("fields", "sizes"),
    [
        (IDENTITY | {"qform_code": 0, "pixdim": (4, 4, 6)}, "1 x 1 x 1 mm by its sform and 4 x 4 x 6 mm"),
        (IDENTITY | {"sform_code": 1, "pixdim": (4, 4, 6)}, "1 x 1 x 1 mm by its sform and 4 x 4 x 6 mm"),
        ({"pixdim": (1, 1, 1)}, "0.7 x 0.8 x 2.5 mm by its sform and 1 x 1 x 1 mm"),
        ({"pixdim": (0.7, 0.8, 2.53)}, "0.7 x 0.8 x 2.5 mm by its sform and 0.7 x 0.8 x 2.53 mm"),
        (
            {"pixdim": (1, 1, 1), "qform_code": 0, "sform_code": 0},
            "0.7 x 0.8 x 2.5 mm by its sform and 1 x 1",
        ),
        (
            {"pixdim": (0.7, 0.8, 2500), "xyzt_units": 2},
            "0.7 x 0.8 x 2.5 mm by its sform and 0.7 x 0.8",
        ),
    ],
)
def test_two_sizes_of_a_voxel_are_refused_with_both(tmp_path: Path, fields: dict, sizes: str) -> None:
    with pytest.raises(UnreadableInput, match=f"ct.nii gives the size of a voxel twice, {sizes}") as caught:
        read_ct_volume(with_header(tmp_path / "ct.nii", **fields))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"pixdim": (0.7, 0.8, 2.51)},
        {"pixdim": (-0.7, -0.8, 2.5)},
        {"pixdim": (0, 0, 0)},
        {"pixdim": (np.nan, np.inf, 2.5)},
        {"qform_code": 0},
        {"sform_code": 0},
        IDENTITY | {"sform_code": 0},
        EMPTY | {"sform_code": 0},
    ],
)
def test_one_size_that_is_rounded_or_missing_beside_a_good_one_is_none_too_many(
    tmp_path: Path, fields: dict
) -> None:
    volume = read_ct_volume(with_header(tmp_path / "ct.nii", **fields))
    assert_allclose(volume.grid.spacing_mm, (2.5, 0.8, 0.7), rtol=5e-3)
    assert not volume.notes


@pytest.mark.parametrize(
    "fields",
    [
        EMPTY,
        {"srow_x": (0, 0, 0, 0)},
        {"srow_z": (0, 0, np.nan, 3)},
        {"srow_x": (np.inf, 0, 0, 0)},
        {"srow_y": AFFINE[0]},
    ],
)
def test_an_sform_that_nobody_can_use_gives_way_to_a_good_qform(tmp_path: Path, fields: dict) -> None:
    plain = read_ct_volume(with_header(tmp_path / "plain.nii"))
    volume = read_ct_volume(with_header(tmp_path / "ct.nii", **fields))
    assert_allclose(volume.grid.affine, plain.grid.affine, atol=1e-5)
    assert volume.notes == ("The header's sform is empty or damaged: the qform is used.",)
    write_mask(tmp_path / "mask.nii.gz", (volume.hu > 0).astype(np.uint8), volume)
    written = nib.load(tmp_path / "mask.nii.gz")
    assert_allclose(written.affine, AFFINE, atol=1e-5)
    assert (written.header["sform_code"], written.header["qform_code"]) == (0, 1)
    with pytest.raises(UnreadableInput, match="cannot be inverted"):
        read_ct_volume(with_header(tmp_path / "none.nii", **fields, qform_code=0))


@pytest.mark.parametrize("codes", [(0, 0), (0, 1), (1, 1)])
@pytest.mark.parametrize("pixdim", [(0.7, 0.8, 0), (0, 0, 0), (0.7, np.nan, 2.5), (np.inf, 0.8, 2.5)])
@pytest.mark.parametrize("shape", [SHAPE, (4, 5, 1), (4, 5)])
def test_a_voxel_size_that_is_nowhere_said_is_not_made_up(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    codes: tuple[int, int],
    pixdim: tuple[float, ...],
    shape: tuple[int, ...],
) -> None:
    fields = EMPTY | {"pixdim": pixdim, "sform_code": codes[0], "qform_code": codes[1]}
    with pytest.raises(UnreadableInput, match="does not say how large a voxel is, or how thick"):
        read_ct_volume(with_header(tmp_path / "ct.nii", shape, **fields))
    assert capfd.readouterr() == ("", "")


def test_the_thickness_of_a_single_slice_that_the_sform_alone_gives_is_said(tmp_path: Path) -> None:
    volume = read_ct_volume(with_header(tmp_path / "ct.nii", (4, 5, 1), pixdim=(0.7, 0.8, 0), qform_code=0))
    assert_allclose(volume.grid.spacing_mm, (2.5, 0.8, 0.7), rtol=1e-6)
    assert volume.notes[0].startswith("The only slice counts as 2.5 mm thick")
    write_mask(tmp_path / "mask.nii.gz", np.ones((1, 5, 4), np.uint8), volume)


def test_a_mask_of_a_flat_image_can_be_saved_and_read(tmp_path: Path) -> None:
    volume = read_ct_volume(write_nifti(tmp_path / "a.nii", ct_like((4, 5)), AFFINE))
    write_mask(tmp_path / "mask.nii.gz", np.ones((1, 5, 4), np.uint8), volume)
    assert read_mask(tmp_path / "mask.nii.gz", volume).all()


@pytest.mark.parametrize(
    "stored",
    [
        np.full(SHAPE, 40, np.int16),
        np.zeros(SHAPE, np.uint8),
        np.full(SHAPE, np.nan, np.float32),
        np.full(SHAPE, -np.inf, np.float32),
        np.full(SHAPE, -5000, np.int16),
    ],
)
def test_a_ct_in_which_nothing_was_measured_is_refused(tmp_path: Path, stored: np.ndarray) -> None:
    with pytest.raises(UnreadableInput, match=r"nothing that was measured: .* one value, -?\d+"):
        read_ct_volume(write_nifti(tmp_path / "ct.nii", stored, AFFINE))


# Pairs of two files


@pytest.mark.parametrize("names", [("ct.hdr", "ct.img"), ("CT.HDR", "CT.IMG"), ("ct.hdr.gz", "ct.img.gz")])
def test_either_file_of_a_pair_opens_it(tmp_path: Path, names: tuple[str, str]) -> None:
    stored = ct_like(SHAPE)
    image = nib.Nifti1Pair(stored, AFFINE)
    image.set_sform(AFFINE, 2)
    image.set_qform(AFFINE, 1)
    nib.save(image, tmp_path / "made.hdr")
    for name, made in zip(names, ("made.hdr", "made.img"), strict=True):
        content = (tmp_path / made).read_bytes()
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    plain = read_ct_volume(write_nifti(tmp_path / "plain.nii", stored, AFFINE))
    for name in names:
        volume = read_ct_volume(tmp_path / name)
        assert_array_equal(volume.hu, plain.hu)
        assert_allclose(volume.grid.affine, plain.grid.affine, atol=1e-5)
        assert (volume.name.lower(), volume.origin.kind, volume.notes) == ("ct", "NIfTI", ())
        write_mask(tmp_path / "mask.nii.gz", (volume.hu > 0).astype(np.uint8), volume)
        assert_array_equal(read_mask(tmp_path / "mask.nii.gz", volume), plain.hu > 0)


def analyze(path: Path, kind: type = nib.AnalyzeImage, **fields: object) -> Path:
    image = kind(ct_like(SHAPE), np.diag([0.7, 0.8, 2.5, 1]))
    image.header.set_zooms((0.7, 0.8, 2.5))
    for name, value in fields.items():
        image.header[name] = value
    nib.save(image, path)
    (path.with_suffix(".mat")).unlink(missing_ok=True)
    return path


@pytest.mark.parametrize("kind", [nib.AnalyzeImage, nib.Spm99AnalyzeImage])
def test_analyze_opens_with_its_spacing_and_a_note(tmp_path: Path, kind: type) -> None:
    volume = read_ct_volume(analyze(tmp_path / "ct.img", kind))
    assert_allclose(volume.grid.spacing_mm, (2.5, 0.8, 0.7), rtol=1e-6)
    assert_array_equal(np.sort(volume.hu.ravel()), ct_like(SHAPE).ravel())
    assert_array_equal(volume.placement.to_source(volume.hu), ct_like(SHAPE))
    assert volume.notes == (
        "The header does not say how the patient lies: check left and right, head and feet.",
    )


@pytest.mark.parametrize(("unit", "factor"), [(b"mm", 1), (b"cm", 10), (b"um", 0.001)])
def test_analyze_in_other_units(tmp_path: Path, unit: bytes, factor: float) -> None:
    volume = read_ct_volume(analyze(tmp_path / "ct.img", vox_units=unit))
    assert_allclose(volume.grid.spacing_mm, np.array((2.5, 0.8, 0.7)) * factor, rtol=1e-6)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"funused1": 0.5}, "stores its values scaled"),
        ({"vox_units": b"inch"}, "gives its spacing in 'inch', not in mm"),
        ({"orient": b"\2"}, "coronal or sagittal"),
    ],
)
def test_analyze_that_says_too_little_is_refused(tmp_path: Path, fields: dict, words: str) -> None:
    with pytest.raises(UnreadableInput, match=f"ct.hdr .*{words}"):
        read_ct_volume(analyze(tmp_path / "ct.hdr", **fields))


@pytest.mark.parametrize("gone", [".hdr", ".img"])
def test_half_a_pair_is_refused(tmp_path: Path, gone: str) -> None:
    path = analyze(tmp_path / "ct.hdr")
    path.with_suffix(gone).unlink()
    left = path.with_suffix(".img" if gone == ".hdr" else ".hdr")
    with pytest.raises(UnreadableInput, match=f"{left.name} is one of a pair of .hdr and .img"):
        read_ct_volume(left)


def test_an_img_of_another_program_is_no_ct(tmp_path: Path) -> None:
    (tmp_path / "disk.img").write_bytes(b"x" * 5000)
    (tmp_path / "disk.hdr").write_bytes(b"ENVI\ndescription = {}\n")
    with pytest.raises(UnreadableInput, match="is not a CT image this program knows"):
        read_ct_volume(tmp_path / "disk.img")


def test_a_pair_in_a_folder_is_one_case(tmp_path: Path) -> None:
    analyze(tmp_path / "ct.img")
    (tmp_path / "disk.img").write_bytes(b"x" * 5000)
    (tmp_path / "disk.hdr").write_bytes(b"ENVI\n")
    assert [(case.path.name, case.name) for case in find_cases(tmp_path)] == [("ct.hdr", "ct")]


def test_reading_can_be_cancelled(tmp_path: Path) -> None:
    def stop(done: int, total: int, stage: str) -> None:
        raise WorkCancelled

    with pytest.raises(WorkCancelled):
        read_ct_volume(write_nifti(tmp_path / "a.nii", ct_like(SHAPE), AFFINE), progress=stop)


LEFT = (
    "holds more than the voxels that its header describes: make sure that the picture is not shifted or torn."
)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_bytes_behind_the_voxels_are_said(tmp_path: Path, ending: str) -> None:
    path = write_nifti(tmp_path / "ct.nii", ct_like((4, 5, 6)), np.diag([-0.8, -0.8, 2.5, 1]))
    raw = path.read_bytes()
    given = tmp_path / f"given{ending}"
    pack = gzip.compress if ending.endswith("gz") else bytes
    given.write_bytes(pack(raw))
    assert read_ct_volume(given).notes == ()
    given.write_bytes(pack(raw + b"12345678"))
    assert read_ct_volume(given).notes == (f"given{ending} {LEFT}",)
    # An extension that somebody put in without moving the voxels in the header: every voxel is 4 places off.
    given.write_bytes(pack(raw[:348] + b"\1\0\0\0" + b"\x20\0\0\0\6\0\0\0" + raw[352:]))
    assert read_ct_volume(given).notes == (f"given{ending} {LEFT}",)
