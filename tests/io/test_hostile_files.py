"""What no honest program writes: refused in one sentence, without waiting and without taking memory."""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK
from numpy.testing import assert_array_equal
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEGLSLossless, RLELossless

from attunet_gui.core.voxel_grid import VoxelGrid
from attunet_gui.io import read_ct_volume, read_mask, write_json, write_mask
from attunet_gui.io.formats.dicom_pixels import decode_frame
from attunet_gui.io.formats.voxel_blocks import MOST_UNPACKED
from attunet_gui.system.errors import SeriesChoiceNeeded, UnreadableInput
from tests.support.ct_files import OTHER_SERIES, ct_like, marked, write_nifti, write_series, write_source

AFFINE = np.diag([-1.0, -1.0, 2.0, 1.0])
SHAPE = (4, 5, 6)
STORED = (ct_like((3, 5, 4)) + 1024).astype(np.uint16)


def refusal(path: Path) -> str:
    with pytest.raises(UnreadableInput) as caught:
        read_ct_volume(path)
    return str(caught.value)


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz", "ct.mha", "ct.dcm", "ct"])
def test_a_pipe_is_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    assert "neither a file nor a folder" in refusal(tmp_path / name)


def test_voxels_in_a_pipe_are_not_waited_for(tmp_path: Path) -> None:
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(ct_like(SHAPE)), str(tmp_path / "ct.mhd"))
    (tmp_path / "ct.raw").unlink()
    os.mkfifo(tmp_path / "ct.raw")
    assert "a file it names is missing" in refusal(tmp_path / "ct.mhd")


@pytest.mark.parametrize("name", [b"\xff\xfe", b"two\nlines", "\u202egnp".encode()])
def test_names_that_are_no_text_are_told_so_that_they_can_be_shown(tmp_path: Path, name: bytes) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name + b".nii"))
    path.write_bytes(b"x" * 400)
    assert refusal(path).isprintable()
    good = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name + b"2.nii"))
    write_nifti(tmp_path / "ct.nii", ct_like(SHAPE), AFFINE).rename(good)
    assert read_ct_volume(good).name.isprintable()
    write_json(tmp_path / "record.json", {"source": good.name})
    assert b"\n" in (tmp_path / "record.json").read_bytes()


def test_series_are_offered_in_words_that_can_be_shown(tmp_path: Path) -> None:
    write_series(tmp_path / "a", STORED, SeriesDescription="ab\ndomen")
    write_series(tmp_path / "b", STORED, SeriesInstanceUID=OTHER_SERIES)
    with pytest.raises(SeriesChoiceNeeded) as caught:
        read_ct_volume(tmp_path)
    assert all(words.isprintable() for _key, words in caught.value.choices)


# NIfTI


def huge(path: Path, size: int, packed: bool) -> Path:
    write_nifti(path, ct_like(SHAPE), AFFINE)
    raw = bytearray(path.read_bytes())
    raw[42:48] = struct.pack("<3h", size, size, size)
    path.write_bytes(gzip.compress(raw) if packed else raw)
    return path


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("size", [300, 30000])
def test_huge_dimensions_are_refused_before_memory_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, packed: bool
) -> None:
    path = huge(tmp_path / "ct.nii", size, packed)
    monkeypatch.setattr(np, "empty", lambda *_: pytest.fail("memory was taken"))
    assert "damaged or incomplete" in refusal(path)


def test_deflate_cannot_pack_tighter_than_is_assumed() -> None:
    zeros = bytes(1 << 24)
    assert len(zlib.compress(zeros, 9)) * MOST_UNPACKED["zlib"] >= len(zeros)


def test_a_gzip_bomb_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "ct.nii.gz", ct_like(SHAPE), AFFINE)
    path.write_bytes(path.read_bytes() + gzip.compress(bytes(1 << 20)) * 100)
    assert "damaged or incomplete" in refusal(path)


def test_a_little_behind_the_voxels_is_fine(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "ct.nii.gz", ct_like(SHAPE), AFFINE)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + bytes(5000)))
    assert read_ct_volume(path).hu.shape == SHAPE[::-1]


@pytest.mark.parametrize("offset", [1e18, float("nan"), float("inf")])
def test_an_offset_that_is_none_takes_no_memory(tmp_path: Path, offset: float) -> None:
    path = write_nifti(tmp_path / "ct.nii", ct_like(SHAPE), AFFINE)
    raw = bytearray(path.read_bytes())
    raw[108:112] = struct.pack("<f", offset)
    path.write_bytes(raw)
    assert "damaged or incomplete" in refusal(path)


def test_a_mask_is_saved_beside_a_spacing_that_nobody_needs(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "ct.nii", ct_like(SHAPE), AFFINE)
    raw = bytearray(path.read_bytes())
    raw[80:84] = struct.pack("<f", float("nan"))
    path.write_bytes(raw)
    volume = read_ct_volume(path)
    write_mask(tmp_path / "mask.nii.gz", marked(volume.hu), volume)
    assert_array_equal(read_mask(tmp_path / "mask.nii.gz", volume), marked(volume.hu))


@pytest.mark.parametrize("factor", [1e-6, 1e7])
@pytest.mark.parametrize("kind", ["nii", "nrrd", "mha"])
def test_no_patient_is_so_small_or_so_large(tmp_path: Path, kind: str, factor: float) -> None:
    affine = np.diag([factor, factor, factor, 1.0])
    assert "no patient can be" in refusal(
        write_source(kind, tmp_path, VoxelGrid(SHAPE, affine), ct_like(SHAPE))
    )


# NRRD and MetaImage


def metaimage(path: Path, **fields: str) -> Path:
    lines = {
        **{"ObjectType": "Image", "NDims": "3", "DimSize": "4 5 6", "ElementType": "MET_SHORT"},
        **fields,
        **{"ElementDataFile": fields.get("ElementDataFile", "LOCAL")},
    }
    header = "".join(f"{name} = {value}\n" for name, value in lines.items())
    path.write_bytes(header.encode() + ct_like(SHAPE).tobytes(order="F"))
    return path


@pytest.mark.parametrize(
    "fields",
    [
        {"NDims": "17", "DimSize": "4 5 6"},
        {"NDims": "0"},
        {"NDims": "x"},
        {"DimSize": "30000 30000 30000"},
        {"DimSize": "99999999999999999999 1 1"},
        {"DimSize": "4 5"},
        {"Offset": "1 2"},
        {"Offset": "nan 0 0"},
        {"ElementType": "MET_OTHER"},
        {"ElementDataFile": "/dev/zero"},
        {"ElementDataFile": "x%d%d.raw 1 3 1"},
        {"ElementDataFile": "x%d.raw 1 999999999 1"},
        {"CompressedData": "True"},
        {"DimSize": "4 5 6\nDimSize = 5 4 6"},
    ],
)
def test_a_metaimage_that_crashes_itk_is_refused(tmp_path: Path, fields: dict[str, str]) -> None:
    assert "is damaged or incomplete" in refusal(metaimage(tmp_path / "ct.mha", **fields))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"ElementNumberOfChannels": "3"}, "colours"),
        ({"ElementSpacing": "1 -1 1"}, "not positive"),
        ({"BinaryData": "False"}, "as text"),
        ({"ElementToIntensityFunctionSlope": "2"}, "scaled"),
        ({"TransformMatrix": "0 0 0 0 0 0 0 0 0"}, "cannot be inverted"),
    ],
)
def test_other_metaimages_are_refused_for_what_they_are(
    tmp_path: Path, fields: dict[str, str], words: str
) -> None:
    assert words in refusal(metaimage(tmp_path / "ct.mha", **fields))


def in_slices(path: Path, element: str) -> Path:
    metaimage(path, ElementDataFile=element)
    for k, image in enumerate(np.moveaxis(ct_like(SHAPE), 2, 0), 1):
        path.with_name(f"s{k}.raw").write_bytes(image.tobytes(order="F"))
    return path


def test_voxels_in_a_file_a_slice(tmp_path: Path) -> None:
    listed = in_slices(tmp_path / "a.mhd", "LIST")
    header = listed.read_bytes().split(b"LIST\n")[0]
    listed.write_bytes(header + b"LIST\n" + b"".join(b"s%d.raw\n" % k for k in range(1, 7)))
    counted = in_slices(tmp_path / "b.mhd", "s%d.raw 1 6 1")
    for path in (listed, counted):
        assert_array_equal(read_ct_volume(path).placement.to_source(read_ct_volume(path).hu), ct_like(SHAPE))
    (tmp_path / "s3.raw").write_bytes(b"short")
    assert "damaged" in refusal(listed)


@pytest.mark.parametrize("suffix", [".nrrd", ".nhdr", ".mha", ".mhd"])
@pytest.mark.parametrize("where", [0.5, 0.99])
def test_a_flipped_byte_in_packed_voxels_is_noticed(tmp_path: Path, suffix: str, where: float) -> None:
    stored = np.random.default_rng(1).integers(-1000, 1000, (9, 10, 11)).astype(np.int16)
    path = tmp_path / f"ct{suffix}"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(stored), str(path), useCompression=True)
    assert_array_equal(np.sort(read_ct_volume(path).hu.ravel()), np.sort(stored.ravel()))
    voxels = max(tmp_path.iterdir(), key=lambda file: file.stat().st_size)
    raw = bytearray(voxels.read_bytes())
    raw[-3 if where > 0.9 else int(where * len(raw))] ^= 0x55
    voxels.write_bytes(raw)
    assert "damaged or incomplete" in refusal(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"sizes: 6 5 4", b"sizes: 6 5"),
        (b"sizes: 6 5 4", b"sizes: 30000 30000 30000"),
        (b"dimension: 3", b"dimension: 99999"),
        (b"(1,0,0)", b"(1e999,0,0)"),
        (b"(1,0,0)", b"none"),
        (b"type: short", b"type: block"),
        (b"endian: little", b"endian: sideways"),
        (b"encoding: raw", b"encoding: gzip"),
    ],
)
def test_a_nrrd_that_is_not_what_it_says_is_refused(tmp_path: Path, old: bytes, new: bytes) -> None:
    path = tmp_path / "ct.nrrd"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(ct_like((4, 5, 6))), str(path))
    raw = path.read_bytes()
    assert old in raw
    path.write_bytes(raw.replace(old, new, 1))
    assert "is damaged or incomplete" in refusal(path)


def test_a_file_of_another_kind_under_their_names_is_refused(tmp_path: Path) -> None:
    picture = SimpleITK.GetImageFromArray(np.zeros((8, 8), np.uint8))
    for suffix in (".nrrd", ".mha"):
        SimpleITK.WriteImage(picture, str(tmp_path / "picture.png"))
        (tmp_path / "picture.png").rename(tmp_path / f"ct{suffix}")
        refusal(tmp_path / f"ct{suffix}")


# DICOM


def changed(folder: Path, change: Callable[[pydicom.Dataset], None], only: int | None = None) -> Path:
    for number, path in enumerate(write_series(folder, STORED)):
        if only in (None, number):
            data = pydicom.dcmread(path)
            change(data)
            data.save_as(path)
    return folder


def test_huge_rows_and_columns_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    def claim(data: pydicom.Dataset) -> None:
        data.Rows = data.Columns = 65535

    assert "damaged or incomplete" in refusal(changed(tmp_path, claim))


def test_runs_are_not_unpacked_into_a_size_that_is_only_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pack(data: pydicom.Dataset) -> None:
        data.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)

    def claim(data: pydicom.Dataset) -> None:
        pack(data)
        data.Rows = data.Columns = 30000

    assert_array_equal(read_ct_volume(changed(tmp_path / "a", pack)).hu, STORED.astype(np.int16) - 1024)

    def decode(*_args: object, **_named: object) -> None:
        raise AssertionError("the decoder takes memory for what is claimed")

    monkeypatch.setattr("attunet_gui.io.formats.dicom_pixels.pixel_array", decode)
    with pytest.raises(ValueError, match="runs cannot be the image"):
        decode_frame(pydicom.dcmread(next(changed(tmp_path / "b", claim).iterdir())), 0)


def test_a_deflated_series_opens_and_a_bomb_does_not(tmp_path: Path) -> None:
    def deflate(data: pydicom.Dataset) -> None:
        data.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian

    def swell(data: pydicom.Dataset) -> None:
        deflate(data)
        data.add_new(0xFFFCFFFC, "OB", bytes(40 << 20))

    assert_array_equal(read_ct_volume(changed(tmp_path / "a", deflate)).hu, STORED.astype(np.int16) - 1024)
    assert "damaged DICOM file" in refusal(changed(tmp_path / "b", swell, only=1))


def test_more_frames_than_positions_are_not_counted_through(tmp_path: Path) -> None:
    def claim(data: pydicom.Dataset) -> None:
        data.NumberOfFrames = 2_000_000_000
        data.PerFrameFunctionalGroupsSequence = [pydicom.Dataset()]

    assert "NumberOfFrames" in refusal(changed(tmp_path, claim))


@pytest.mark.parametrize("tag", [b"\x18\x00\x50\x00DS", b"\x20\x00\x11\x00IS"])
def test_a_malformed_tag_that_is_not_needed_keeps_nobody_from_the_ct(tmp_path: Path, tag: bytes) -> None:
    for path in write_series(tmp_path, STORED):
        raw = bytearray(path.read_bytes())
        at = raw.index(tag)
        raw[at + 8] = 0xFF
        path.write_bytes(raw)
    assert_array_equal(read_ct_volume(tmp_path).hu, STORED.astype(np.int16) - 1024)


def test_a_single_slice_of_endless_thickness_is_refused(tmp_path: Path) -> None:
    for path in write_series(tmp_path, STORED[:1], SliceThickness="1e6"):
        assert "no patient can be" in refusal(path)


@pytest.mark.parametrize(("tag", "value"), [("Rows", 7), ("Columns", 65535), ("BitsAllocated", 32)])
def test_tags_that_describe_another_image_than_the_stream_are_refused(
    tmp_path: Path, tag: str, value: int
) -> None:
    def compress(data: pydicom.Dataset) -> None:
        data.compress(JPEGLSLossless)

    def claim(data: pydicom.Dataset) -> None:
        compress(data)
        data[tag].value = value

    assert_array_equal(read_ct_volume(changed(tmp_path / "a", compress)).hu, STORED.astype(np.int16) - 1024)
    assert "damaged or incomplete" in refusal(changed(tmp_path / "b", claim))


@pytest.mark.parametrize("more", [1, STORED[0].nbytes - 2, STORED[0].nbytes])
def test_a_little_padding_is_fine_and_a_whole_image_more_is_not(tmp_path: Path, more: int) -> None:
    def lengthen(data: pydicom.Dataset) -> None:
        data.PixelData += bytes(more + more % 2)

    folder = changed(tmp_path, lengthen)
    if more < STORED[0].nbytes:
        assert_array_equal(read_ct_volume(folder).hu, STORED.astype(np.int16) - 1024)
    else:
        assert "damaged or incomplete" in refusal(folder)


def test_a_syntax_without_a_name_is_told(tmp_path: Path) -> None:
    folder = changed(tmp_path, lambda _: None)
    for path in folder.iterdir():
        raw = path.read_bytes()
        path.write_bytes(raw.replace(b"1.2.840.10008.1.2.1\0", b"\0" * 20, 1))
    assert "compressed as something without a name" in refusal(folder)
