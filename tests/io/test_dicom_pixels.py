"""Whatever the decoder, the value is in the bits that the tags name, with the sign that they name."""

from __future__ import annotations

from pathlib import Path

import gdcm
import numpy as np
import pydicom
import pytest
from numpy.testing import assert_array_equal
from pydicom import uid

from attunet_gui.io import read_ct_volume
from attunet_gui.io.formats.dicom import iter_stored_pixels, slices_in_order
from attunet_gui.system.errors import UnreadableInput
from tests.support.ct_files import write_series

SHAPE = (2, 20, 24)
NATIVE = (uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian)
PACKED = (uid.DeflatedExplicitVRLittleEndian, uid.RLELossless, uid.JPEGLSLossless)
BY_GDCM = {
    uid.JPEG2000Lossless: "JPEG2000Lossless",
    uid.JPEG2000: "JPEG2000",
    uid.JPEGLosslessSV1: "JPEGLosslessProcess14_1",
    uid.JPEGLossless: "JPEGLosslessProcess14",
}
SYNTAXES = (*NATIVE, *PACKED, *BY_GDCM)


def values(bits: int, signed: bool) -> np.ndarray:
    """int64: every voxel of a CT that `bits` can hold, both ends included."""
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    found = np.random.default_rng(bits).integers(max(low, -1024), min(high, 3000) + 1, SHAPE)
    found[:, 0, 0], found[:, -1, -1] = max(low, -(2**14)), min(high, 2**14)
    return found


def write(folder: Path, cells: np.ndarray, bits: int, signed: bool, high: int | None = None) -> list[Path]:
    """Containers of 16 bits as a native series of which only the tags say what the value is."""
    paths = write_series(folder, cells.astype(np.uint16), RescaleIntercept=0)
    for path in paths:
        data = pydicom.dcmread(path)
        data.BitsStored, data.HighBit = bits, bits - 1 if high is None else high
        data.PixelRepresentation = int(signed)
        data.save_as(path)
    return paths


def encode(path: Path, syntax: uid.UID) -> None:
    data = pydicom.dcmread(path)
    if syntax in (uid.RLELossless, uid.JPEGLSLossless):
        plugin = "pydicom" if syntax == uid.RLELossless else "pyjpegls"
        data.compress(syntax, encoding_plugin=plugin, generate_instance_uid=False)
        data.save_as(path)
    elif syntax in BY_GDCM:
        by_gdcm(path, BY_GDCM[syntax])
    else:
        data.file_meta.TransferSyntaxUID = syntax
        if syntax == uid.ExplicitVRBigEndian:
            data.PixelData = np.frombuffer(data.PixelData, "<u2").astype(">u2").tobytes()
        little = syntax != uid.ExplicitVRBigEndian
        implicit = syntax == uid.ImplicitVRLittleEndian
        pydicom.dcmwrite(path, data, implicit_vr=implicit, little_endian=little, force_encoding=True)


def by_gdcm(path: Path, syntax: str) -> None:
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(str(path))
    assert reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, syntax)))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()


def claim(path: Path, **tags: int) -> None:
    """Other tags for the same stream."""
    data = pydicom.dcmread(path)
    for keyword, value in tags.items():
        setattr(data, keyword, value)
    data.save_as(path)


@pytest.mark.parametrize("signed", [True, False], ids=["signed", "unsigned"])
@pytest.mark.parametrize("bits", range(10, 17))
@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.keyword)
def test_every_syntax_gives_the_stored_values(
    tmp_path: Path, syntax: uid.UID, bits: int, signed: bool
) -> None:
    meant = values(bits, signed)
    for path in write(tmp_path, meant & 0xFFFF if bits == 16 else meant & (2**bits - 1), bits, signed):
        encode(path, syntax)
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == syntax
    volume = read_ct_volume(tmp_path)
    assert_array_equal(volume.hu, np.maximum(meant, -1024))
    assert not [note for note in volume.notes if "bits" in note or "PixelRepresentation" in note]
    exported = list(iter_stored_pixels(slices_in_order(tmp_path)))
    assert_array_equal(np.array(exported, np.int64), meant)


@pytest.mark.parametrize("bits", range(10, 17))
@pytest.mark.parametrize("syntax", [*BY_GDCM, uid.JPEGLSLossless], ids=lambda syntax: syntax.keyword)
def test_a_stream_without_a_sign_takes_that_of_the_tags(tmp_path: Path, syntax: uid.UID, bits: int) -> None:
    meant = values(bits, signed=True)
    for path in write(tmp_path, meant & (2**bits - 1), bits, signed=False):
        encode(path, syntax)
        claim(path, PixelRepresentation=1)
    assert_array_equal(read_ct_volume(tmp_path).hu, np.maximum(meant, -1024))


def test_a_stream_wider_than_the_tags_is_cut_to_them(tmp_path: Path) -> None:
    meant = np.random.default_rng(0).integers(-1024, 389, SHAPE)
    meant[0, 0, :2] = -1024, 388
    for path in write(tmp_path, meant & 0x1FFF, 16, signed=False):
        encode(path, uid.JPEG2000Lossless)
        claim(path, BitsStored=13, HighBit=12, PixelRepresentation=1)
    hu = read_ct_volume(tmp_path).hu
    assert (hu.min(), hu.max()) == (-1024, 388)
    assert_array_equal(hu, meant)


def test_a_stream_with_a_sign_that_the_tags_deny_is_said(tmp_path: Path) -> None:
    meant = values(13, signed=True)
    for path in write(tmp_path, meant & 0xFFFF, 16, signed=True):
        encode(path, uid.JPEG2000Lossless)
        claim(path, BitsStored=13, HighBit=12, PixelRepresentation=0)
    volume = read_ct_volume(tmp_path)
    assert_array_equal(volume.hu, meant & 0x1FFF)
    assert any("values below 0" in note and "PixelRepresentation" in note for note in volume.notes)


def test_a_stream_too_narrow_for_its_sign_is_said(tmp_path: Path) -> None:
    for path in write(tmp_path, values(12, signed=True) & 0xFFF, 12, signed=False):
        encode(path, uid.JPEGLSLossless)
        claim(path, BitsStored=16, HighBit=15, PixelRepresentation=1)
    assert any("have 12 bits" in note for note in read_ct_volume(tmp_path).notes)


@pytest.mark.parametrize("signed", [True, False], ids=["signed", "unsigned"])
@pytest.mark.parametrize("syntax", [*NATIVE, uid.RLELossless], ids=lambda syntax: syntax.keyword)
@pytest.mark.parametrize("bits", range(10, 16))
def test_an_overlay_in_the_unused_bits_is_no_hu(
    tmp_path: Path, bits: int, syntax: uid.UID, signed: bool
) -> None:
    meant = values(bits, signed)
    drawn = np.random.default_rng(1).integers(0, 2, SHAPE) << bits
    for path in write(tmp_path, (meant & (2**bits - 1)) | drawn, bits, signed):
        data = pydicom.dcmread(path)
        data.add_new((0x6000, 0x0102), "US", bits)
        data.save_as(path)
        encode(path, syntax)
    volume = read_ct_volume(tmp_path)
    assert_array_equal(volume.hu, np.maximum(meant, -1024))
    assert not [note for note in volume.notes if "bits" in note]


def test_bits_that_nobody_counts_are_said(tmp_path: Path) -> None:
    meant = values(12, signed=False)
    write(tmp_path, meant | 0x4000, 12, signed=False)
    volume = read_ct_volume(tmp_path)
    assert_array_equal(volume.hu, meant)
    assert any("beside the 12" in note for note in volume.notes)


@pytest.mark.parametrize("signed", [True, False], ids=["signed", "unsigned"])
@pytest.mark.parametrize("syntax", [*NATIVE, uid.RLELossless], ids=lambda syntax: syntax.keyword)
def test_a_value_at_the_top_of_its_container_is_brought_down(
    tmp_path: Path, syntax: uid.UID, signed: bool
) -> None:
    meant = values(12, signed)
    for path in write(tmp_path, (meant << 4) & 0xFFFF, 12, signed, high=15):
        encode(path, syntax)
    volume = read_ct_volume(tmp_path)
    assert_array_equal(volume.hu, np.maximum(meant, -1024))
    assert not [note for note in volume.notes if "bits" in note]


@pytest.mark.parametrize("tags", [{"HighBit": 7}, {"HighBit": 16}, {"BitsStored": 0}, {"HighBit": 15}])
def test_bits_that_cannot_be_are_refused(tmp_path: Path, tags: dict[str, int]) -> None:
    claim(write(tmp_path, values(12, signed=False), 12, signed=False)[0], **tags)
    with pytest.raises(UnreadableInput, match=r"BitsStored and HighBit contradict each other or the|damaged"):
        read_ct_volume(tmp_path)


@pytest.mark.parametrize("padding", [-2000, 6192, 63536])
def test_padding_counts_in_the_same_bits(tmp_path: Path, padding: int) -> None:
    meant = values(13, signed=True)
    meant[1, 5, 5] = -2000
    for path in write(tmp_path, meant & 0x1FFF, 13, signed=True):
        data = pydicom.dcmread(path)
        data.add_new("PixelPaddingValue", "US" if padding > 0 else "SS", padding)
        data.RescaleIntercept = 1000
        data.save_as(path)
    assert read_ct_volume(tmp_path).hu[1, 5, 5] == -1024
