"""Damaged DICOM series: tags, bytes, files, folders."""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from struct import pack, unpack

import nibabel as nib
import numpy as np
import pydicom
from pydicom import encaps, uid
from scipy.spatial.transform import Rotation

from tests.fuzzing import places
from tests.fuzzing.made import Made, Rng, beside, cut, flipped, lengthened, pick, punched, rng_for, zeroed
from tests.support.ct_files import OTHER_SERIES, SERIES, ct_header, write_enhanced, write_slice

KIND = "dicom"
_LARGEST_SEED = 200_000
_LARGEST_DEFLATED = 40_000
_DECIMALS = (
    b"0",
    b"-1",
    b"nan",
    b"inf",
    b"-inf",
    b"1e308",
    b"1e-308",
    b"1e400",
    b"abc",
    b"",
    b"1,5",
    b"0x10",
)
_DECIMALS += (b"1\\2", b"1\\2\\3\\4\\5\\6\\7", b"\xff\xfe", b"1\n", b"   ", b"9" * 60, b"-0", b"1e30")
_COUNTS = (0, 1, 2, 7, 255, 32767, 65535)
_TEXT_TAGS = {
    "ImagePositionPatient": 0x00200032,
    "ImageOrientationPatient": 0x00200037,
    "PixelSpacing": 0x00280030,
    "SliceThickness": 0x00180050,
    "RescaleSlope": 0x00281053,
    "RescaleIntercept": 0x00281052,
    "NumberOfFrames": 0x00280008,
    "SeriesNumber": 0x00200011,
}
_COUNT_TAGS = {
    "Rows": 0x00280010,
    "Columns": 0x00280011,
    "SamplesPerPixel": 0x00280002,
    "BitsAllocated": 0x00280100,
    "BitsStored": 0x00280101,
    "HighBit": 0x00280102,
    "PixelRepresentation": 0x00280103,
}
_OTHER_TAGS = {
    "Modality": 0x00080060,
    "SOPClassUID": 0x00080016,
    "SeriesInstanceUID": 0x0020000E,
    "PhotometricInterpretation": 0x00280004,
    "ImageType": 0x00080008,
    "PixelData": 0x7FE00010,
    "SeriesDescription": 0x0008103E,
    "PatientName": 0x00100010,
}
_TAGS = _TEXT_TAGS | _COUNT_TAGS | _OTHER_TAGS
_UNDECODABLE = (
    uid.MPEG2MPML,
    uid.HEVCMP51,
    uid.JPIPHTJ2KReferenced,
    uid.HTJ2KLossless,
    uid.SMPTEST211020UncompressedProgressiveActiveVideo,
)
_SYNTAXES = (
    *_UNDECODABLE,
    uid.RLELossless,
    uid.JPEG2000Lossless,
    uid.JPEGBaseline8Bit,
    uid.ExplicitVRBigEndian,
)
_SYNTAXES += (uid.ImplicitVRLittleEndian, uid.DeflatedExplicitVRLittleEndian, uid.UID("1.2.3.4"), uid.UID(""))

Files = list[Path]
Mutator = Callable[[Path, Files, Rng], None]


def make(seed: int, number: int, folder: Path) -> Made:
    """Input `number` of the run with `seed`, in the empty `folder`."""
    rng = rng_for(KIND, seed, number)
    series = places.named(folder, pick(rng, places.NAMES) if rng.random() < 0.1 else b"series", "")
    series.mkdir()
    name, files = _base(series, rng)
    honest, steps = _size(series) + _unpacked(files), [name]
    original = Path(shutil.copytree(series, beside(folder), dirs_exist_ok=True))
    for _ in range(int(rng.choice((0, 1, 2, 3), p=(0.04, 0.66, 0.2, 0.1)))):
        step = pick(rng, tuple(MUTATORS))
        MUTATORS[step](series, files, rng)
        steps.append(step)
    left = [file for file in files if os.path.lexists(file)]
    path = pick(rng, tuple(left)) if left and rng.random() < 0.2 else series
    noticed = UNNOTICED.isdisjoint(steps) and (path == series or OF_ONE_FILE.isdisjoint(steps))
    steps.append("a file" if path != series else "the folder")
    return Made(path, tuple(steps), honest, original if noticed else None)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _unpacked(files: Files) -> int:
    """Bytes of the voxels of a compressed base."""
    total = 0
    for file in files:
        try:
            data = pydicom.dcmread(file, stop_before_pixels=True)
            total += int(data.Rows) * int(data.Columns) * int(data.get("NumberOfFrames") or 1) * 4
        except Exception:
            continue
    return total


# Where it starts


@cache
def _seeds() -> tuple[Path, ...]:
    inside = (
        Path(pydicom.__file__).parent / "data" / "test_files",
        Path(nib.__file__).parent / "tests" / "data",
    )
    found = [*inside[0].rglob("*"), *inside[1].glob("*.dcm")]
    return tuple(sorted(one for one in found if one.is_file() and one.stat().st_size < _LARGEST_SEED))


def _base(series: Path, rng: Rng) -> tuple[str, Files]:
    kind = rng.random()
    if kind < 0.15:
        chosen = pick(rng, _seeds())
        return chosen.name, [Path(shutil.copyfile(chosen, series / chosen.name))]
    if kind < 0.25:
        return _borrowed(series, rng)
    stored = rng.integers(0, 3000, (int(rng.integers(2, 8)), *rng.integers(4, 14, 2))).astype(np.uint16)
    if kind < 0.33:
        positions = [(-20.0, -30.0, 40.0 + 2 * k) for k in range(len(stored))]
        return "enhanced", [_with_number(write_enhanced(series / "enhanced", stored, positions), rng)]
    if kind < 0.35:
        stored = rng.integers(0, 3000, (12, 512, 512)).astype(np.uint16)
    files = _series(series, stored, rng)
    if rng.random() < 0.1:
        syntax = pick(rng, (uid.RLELossless, uid.JPEGLSLossless))
        for file in files:
            _compress(file, syntax)
        return f"made here, {syntax.name}", files
    return "made here", files


def _number(rng: Rng) -> uid.UID:
    return uid.generate_uid(entropy_srcs=[str(rng.integers(2**62))])


def _with_number(path: Path, rng: Rng) -> Path:
    """With a number that follows from `rng`, where the one it was made with did not."""
    data = pydicom.dcmread(path)
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = _number(rng)
    data.save_as(path)
    return path


def _series(series: Path, stored: np.ndarray, rng: Rng, **tags: object) -> Files:
    turn = np.eye(3)
    if rng.random() < 0.5:
        turn = Rotation.random(random_state=np.random.RandomState(int(rng.integers(2**31)))).as_matrix()
    origin, gap = rng.uniform(-300, 300, 3), float(rng.uniform(0.5, 6))
    names = rng.permutation(len(stored))
    cosines = [f"{value:.9f}" for value in turn[:, :2].T.ravel()]
    made = []
    for k, image in enumerate(stored):
        own = {"ImageOrientationPatient": cosines, "SOPInstanceUID": _number(rng), "InstanceNumber": k + 1}
        place = origin + k * gap * turn[:, 2]
        made.append(write_slice(series / f"im{names[k]:03d}.dcm", image, place, **(own | tags)))
    return made


def _compress(path: Path, syntax: uid.UID) -> None:
    data = pydicom.dcmread(path)
    plugin = "pydicom" if syntax == uid.RLELossless else ""
    with suppress(RuntimeError):  # an encoder does not take every small picture
        data.compress(syntax, encoding_plugin=plugin, generate_instance_uid=False)
    data.save_as(path)


@cache
def _compressed_seeds() -> tuple[Path, ...]:
    return tuple(path for path in _seeds() if _is_compressed(path))


def _is_compressed(path: Path) -> bool:
    try:
        data = pydicom.dcmread(path, stop_before_pixels=True)
        return bool(data.file_meta.TransferSyntaxUID.is_compressed and data.SamplesPerPixel == 1)
    except Exception:
        return False


def _borrowed(series: Path, rng: Rng) -> tuple[str, Files]:
    """Somebody's compressed pixels in a CT: three slices that look alike."""
    chosen = pick(rng, _compressed_seeds())
    files = []
    for k in range(3):
        data = pydicom.dcmread(chosen)
        own = ct_header(ImagePositionPatient=[0, 0, 2 * k], SOPInstanceUID=_number(rng))
        own.file_meta = data.file_meta
        own.file_meta.MediaStorageSOPClassUID = own.SOPClassUID
        for element in data.group_dataset(0x0028):
            own.setdefault(element.tag, element)
        own.PixelData, own.RescaleIntercept = data.PixelData, -1024
        own["PixelData"].is_undefined_length = True
        files.append(series / f"im{k}.dcm")
        own.save_as(files[-1])
    return f"pixels of {chosen.name}", files


# Bytes of a tag, explicit little endian: written as no honest program would


def _tag_at(raw: bytes, tag: int) -> tuple[int, int, int] | None:
    """Where the element, its value and the next element begin."""
    key = pack("<HH", tag >> 16, tag & 0xFFFF)
    start = raw.find(key, 132)
    if start < 0 or start + 12 > len(raw):
        return None
    if raw[start + 4 : start + 6] in (b"OB", b"OW", b"SQ", b"UN", b"UT", b"OF"):
        (length,) = unpack("<I", raw[start + 8 : start + 12])
        return start, start + 12, min(len(raw), start + 12 + length)
    (length,) = unpack("<H", raw[start + 6 : start + 8])
    return start, start + 8, min(len(raw), start + 8 + length)


def with_value(raw: bytes, tag: int, value: bytes) -> bytes:
    """`raw` with another value of a tag with a short length; as it is where the tag is not found."""
    at = _tag_at(raw, tag)
    if at is None:
        return raw
    value += b" " * (len(value) % 2)
    return raw[: at[0] + 6] + pack("<H", len(value)) + value + raw[at[2] :]


def without_tag(raw: bytes, tag: int) -> bytes:
    """`raw` without a tag."""
    at = _tag_at(raw, tag)
    return raw if at is None else raw[: at[0]] + raw[at[2] :]


def _on_bytes(change: Callable[[bytes, Rng], bytes]) -> Mutator:
    """On one file, some, or all in the same way."""

    def mutate(_series: Path, files: Files, rng: Rng) -> None:
        seed, several = int(rng.integers(2**31)), pick(rng, (1, 1, 2, len(files)))
        for file in [files[int(k)] for k in rng.permutation(len(files))[:several]]:
            if file.is_file() and not file.is_symlink():
                file.write_bytes(change(file.read_bytes(), np.random.default_rng(seed)))

    return mutate


def _missing_tag(raw: bytes, rng: Rng) -> bytes:
    return without_tag(raw, _TAGS[pick(rng, tuple(_TAGS))])


def _odd_decimal(raw: bytes, rng: Rng) -> bytes:
    tag = _TEXT_TAGS[pick(rng, tuple(_TEXT_TAGS))]
    at = _tag_at(raw, tag)
    if at is None:
        return raw
    values, odd = raw[at[1] : at[2]].split(b"\\"), pick(rng, _DECIMALS)
    if rng.random() < 0.6:
        values[int(rng.integers(len(values)))] = odd
    else:
        values = [odd] * pick(rng, (1, len(values)))
    return with_value(raw, tag, b"\\".join(values))


def _odd_count(raw: bytes, rng: Rng) -> bytes:
    tag = _COUNT_TAGS[pick(rng, tuple(_COUNT_TAGS))]
    return with_value(raw, tag, pack("<H", pick(rng, _COUNTS)))


def _huge(raw: bytes, rng: Rng) -> bytes:
    for name in ("Rows", "Columns"):
        raw = with_value(raw, _COUNT_TAGS[name], pack("<H", pick(rng, (30000, 65535))))
    return raw


def _many_frames(raw: bytes, rng: Rng) -> bytes:
    value = pick(rng, (b"2", b"1000000", b"2147483647", b"999999999999", b"0", b"-5"))
    if _tag_at(raw, 0x00280008) is not None:
        return with_value(raw, 0x00280008, value)
    at = _tag_at(raw, 0x00280010)
    value += b" " * (len(value) % 2)
    element = b"\x28\x00\x08\x00IS" + pack("<H", len(value)) + value
    return raw if at is None else raw[: at[0]] + element + raw[at[0] :]


def _odd_length(raw: bytes, rng: Rng) -> bytes:
    at = _tag_at(raw, _TAGS[pick(rng, tuple(_TAGS))])
    if at is None:
        return raw
    length = pick(rng, (0, 1, 3, 255, 65535))
    return raw[: at[0] + 6] + pack("<H", length) + raw[at[0] + 8 :]


def _pixel_length(raw: bytes, rng: Rng) -> bytes:
    at = _tag_at(raw, _TAGS["PixelData"])
    if at is None:
        return raw
    return (
        raw[: at[0] + 8] + pack("<I", pick(rng, (0, 1, 10, 2**31, 2**32 - 2, 2**32 - 1))) + raw[at[0] + 12 :]
    )


def _text(raw: bytes, rng: Rng) -> bytes:
    for tag in (0x0008103E, 0x00100010):
        raw = with_value(raw, tag, pick(rng, places.NAMES)[:60])
    charset = pick(rng, (b"ISO_IR 192", b"ISO 2022 IR 87", b"GB18030", b"no such", b"", b"\\ISO 2022 IR 159"))
    at = _tag_at(raw, 0x00080008)
    element = b"\x08\x00\x05\x00CS" + pack("<H", len(charset) + len(charset) % 2) + charset
    element += b" " * (len(charset) % 2)
    return raw if at is None else raw[: at[0]] + element + raw[at[0] :]


def _private(raw: bytes, rng: Rng) -> bytes:
    size = int(rng.integers(0, 3000)) * 2
    creator = b"\x09\x00\x10\x00LO" + pack("<H", 8) + b"SOMEBODY"
    value = (
        b"\x09\x00\x01\x10" + pick(rng, (b"UN", b"OB", b"SQ")) + b"\0\0" + pack("<I", size) + rng.bytes(size)
    )
    at = _tag_at(raw, 0x00100010)
    return raw if at is None else raw[: at[0]] + creator + value + raw[at[0] :]


def _deep(raw: bytes, rng: Rng) -> bytes:
    """Sequences in sequences, deeper than a parser likes to go."""
    depth = pick(rng, (50, 1500, 20000))
    opened = b"\x09\x00\x02\x10SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * depth
    at = _tag_at(raw, 0x00100010)
    return raw if at is None else raw[: at[0]] + opened + raw[at[0] :]


def _syntax(raw: bytes, rng: Rng) -> bytes:
    return with_value(raw, 0x00020010, pick(rng, _SYNTAXES).encode() + b"\0")


def _pixels_flipped(raw: bytes, rng: Rng) -> bytes:
    at = _tag_at(raw, _TAGS["PixelData"])
    return raw if at is None else flipped(raw, rng, at[1])


def _pixels_cut(raw: bytes, rng: Rng) -> bytes:
    at = _tag_at(raw, _TAGS["PixelData"])
    return raw if at is None else raw[: int(rng.integers(at[1], len(raw) + 1))]


def _no_preamble(raw: bytes, _rng: Rng) -> bytes:
    return raw[132:]


def _no_meta(raw: bytes, _rng: Rng) -> bytes:
    at = _tag_at(raw, 0x00080008)
    return raw if at is None else raw[at[0] :]


# Whole data sets


def _on_data(change: Callable[[pydicom.Dataset, Rng], None]) -> Mutator:
    """Files that pydicom cannot read or write again stay as they are."""

    def once(raw: bytes, rng: Rng) -> bytes:
        if len(raw) > _LARGEST_DEFLATED and uid.DeflatedExplicitVRLittleEndian.encode() in raw[:2000]:
            return raw  # pydicom would unpack a bomb, and take minutes for it
        buffer = pydicom.filebase.DicomBytesIO(raw)
        try:
            data = pydicom.dcmread(buffer, force=True)
            change(data, rng)
            out = pydicom.filebase.DicomBytesIO()
            data.save_as(out, implicit_vr=None, enforce_file_format=False)
        except Exception:
            return raw
        return bytes(out.getvalue())

    return _on_bytes(once)


def _moved(data: pydicom.Dataset, rng: Rng) -> None:
    data.ImagePositionPatient = [
        float(x) + float(d) for x, d in zip(data.ImagePositionPatient, rng.normal(0, 3, 3), strict=True)
    ]


def _turned(data: pydicom.Dataset, rng: Rng) -> None:
    data.ImageOrientationPatient = pick(
        rng, ([0, 1, 0, 0, 0, -1], [1, 0, 0, 0, -1, 0], [1, 0, 0, 1, 0, 0], [2, 0, 0, 0, 1, 0])
    )


def _mirrored(data: pydicom.Dataset, rng: Rng) -> None:
    data.ImageOrientationPatient = [-x for x in data.ImageOrientationPatient]


def _unplaceable_pixels(data: pydicom.Dataset, rng: Rng) -> None:
    data.PixelData = encaps.encapsulate([rng.bytes(100)])
    data["PixelData"].is_undefined_length = True
    data.file_meta.TransferSyntaxUID = pick(
        rng, (*_UNDECODABLE, uid.JPEG2000Lossless, uid.JPEGLSLossless, uid.RLELossless)
    )


def _colour(data: pydicom.Dataset, rng: Rng) -> None:
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PlanarConfiguration = 3, "RGB", 0
    data.PixelData = data.PixelData * 3


def _deflated(data: pydicom.Dataset, rng: Rng) -> None:
    data.file_meta.TransferSyntaxUID = uid.DeflatedExplicitVRLittleEndian


def _deflate_bomb(_series: Path, files: Files, rng: Rng) -> None:
    """A deflated data set: a little CT, and behind it zeros without end."""
    file = files[int(rng.integers(len(files)))]
    if not file.is_file() or file.is_symlink():
        return
    raw = file.read_bytes()
    at = _tag_at(raw, 0x00080008) or (len(raw),)
    meta = with_value(raw[: at[0]], 0x00020010, uid.DeflatedExplicitVRLittleEndian.encode())
    size = pick(rng, (64, 1024)) << 20
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    head = packer.compress(raw[at[0] :] + b"\xfc\xff\xfc\xffOB\0\0" + pack("<I", size))
    head += packer.flush(zlib.Z_FULL_FLUSH)
    # What follows a full flush stands for itself: the bomb is made as fast as one of its parts.
    part = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    file.write_bytes(meta + head + part * (size >> 20) + packer.flush())


def _other_bits(data: pydicom.Dataset, rng: Rng) -> None:
    """Fewer bits, now and then with a sign, and now and then with something drawn in those that are left."""
    bits, signed = int(rng.integers(10, 16)), bool(rng.random() < 0.5)
    cells = np.frombuffer(data.PixelData, "<u2") & (2**bits - 1)
    if rng.random() < 0.5:
        cells = cells | (rng.integers(0, 2, cells.size) << bits).astype(np.uint16)
    data.BitsStored, data.HighBit, data.PixelRepresentation = bits, bits - 1, int(signed)
    data.PixelData = cells.astype("<u2").tobytes()


def _units(data: pydicom.Dataset, rng: Rng) -> None:
    data.RescaleType = pick(rng, ("HU", "HU_MOD", "US", "", "Z_EFF", "MGML", "ED", "PCT"))


def _no_scale(data: pydicom.Dataset, rng: Rng) -> None:
    del data.RescaleSlope, data.RescaleIntercept
    data.PixelRepresentation = int(rng.random() < 0.7)
    hu = np.frombuffer(data.PixelData, "<u2").astype(np.int32) - 1024
    data.PixelData = hu.astype("<i2").tobytes()


def _few_decimals(data: pydicom.Dataset, rng: Rng) -> None:
    # Whole mm are coarser than a pixel: the slices of a series lie where no single position says.
    decimals = int(rng.integers(1, 4))
    data.ImagePositionPatient = [f"{float(x):.{decimals}f}" for x in data.ImagePositionPatient]


def _emptied(data: pydicom.Dataset, rng: Rng) -> None:
    for keyword in pick(rng, (("Modality",), ("Modality", "SOPClassUID"), ("SeriesInstanceUID",))):
        setattr(data, keyword, "")


def _own_series(data: pydicom.Dataset, rng: Rng) -> None:
    data.SeriesInstanceUID = _number(rng)


def _on_each(change: Callable[[pydicom.Dataset, Rng], None]) -> Mutator:
    """On every file, each in its own way."""

    def mutate(series: Path, files: Files, rng: Rng) -> None:
        for file in files:
            _on_data(change)(series, [file], rng)

    return mutate


# Files and folders


def _acquisitions(series: Path, files: Files, rng: Rng) -> None:
    """A second pass, in the same folder or its own, over the same part or beginning between its slices."""
    shift, below = float(pick(rng, (0, 0.5, 1, 4))), series / "late" if rng.random() < 0.5 else series
    below.mkdir(exist_ok=True)
    for number, file in enumerate(list(files)):
        with suppress(Exception):
            data = pydicom.dcmread(file)
            data.AcquisitionNumber = 1
            data.save_as(file)
            data.AcquisitionNumber = int(rng.integers(1, 3)) if rng.random() < 0.1 else 2
            normal = np.cross(data.ImageOrientationPatient[:3], data.ImageOrientationPatient[3:])
            place = np.array(data.ImagePositionPatient, float) + shift * normal
            data.ImagePositionPatient = [f"{x:.9g}" for x in place]
            data.PixelData = bytes(reversed(data.PixelData))
            files.append(below / f"late{number}.dcm")
            data.save_as(files[-1])


def _half_linked(series: Path, files: Files, rng: Rng) -> None:
    """Some of the slices lie in a folder that is a link; now and then the link leads nowhere."""
    outside = series.parent / "outside"
    outside.mkdir(exist_ok=True)
    for k in rng.permutation(len(files))[: len(files) // 2]:
        if files[int(k)].is_file():
            files[int(k)] = files[int(k)].rename(outside / files[int(k)].name)
    with suppress(FileExistsError):
        (series / "linked").symlink_to(outside if rng.random() < 0.7 else "nowhere")


def _left_by_systems(series: Path, files: Files, rng: Rng) -> None:
    for name in ("Thumbs.db", ".DS_Store", f"._{files[0].name}"):
        (series / name).write_bytes(b"\0\5\x16\7" + rng.bytes(200))


def _lost(_series: Path, files: Files, rng: Rng) -> None:
    for _ in range(pick(rng, (1, 1, 2))):
        if len(files) > 1:
            files.pop(int(rng.integers(len(files)))).unlink()


def _doubled(series: Path, files: Files, rng: Rng) -> None:
    chosen = files[int(rng.integers(len(files)))]
    if chosen.is_file():
        files.append(Path(shutil.copyfile(chosen, series / f"copy{len(files)}")))


def _doubled_and_changed(series: Path, files: Files, rng: Rng) -> None:
    _doubled(series, files, rng)
    _on_bytes(_pixels_flipped)(series, files[-1:], rng)


def _shuffled(_series: Path, files: Files, rng: Rng) -> None:
    """The names go to other files; the positions stay where they are."""
    contents = [file.read_bytes() for file in files if file.is_file()]
    if len(contents) == len(files):
        for file, k in zip(files, rng.permutation(len(files)), strict=True):
            file.write_bytes(contents[int(k)])


def _pixels_exchanged(_series: Path, files: Files, rng: Rng) -> None:
    """Two files exchange positions: the instance numbers no longer follow them."""
    chosen = [files[int(k)] for k in rng.permutation(len(files))[:2]]
    if len(chosen) < 2 or not all(file.is_file() for file in chosen):
        return
    raws = [file.read_bytes() for file in chosen]
    ats = [_tag_at(raw, _TEXT_TAGS["ImagePositionPatient"]) for raw in raws]
    if ats[0] is None or ats[1] is None:
        return
    values = [raw[at[1] : at[2]] for raw, at in zip(raws, ats, strict=True) if at is not None]
    for file, raw, value in zip(chosen, raws, reversed(values), strict=True):
        file.write_bytes(with_value(raw, _TEXT_TAGS["ImagePositionPatient"], value))


def _mixed(series: Path, files: Files, rng: Rng) -> None:
    """A second series in the same folder; of the same number now and then."""
    stored = rng.integers(0, 3000, (3, 6, 5)).astype(np.uint16)
    below = series / "below" if rng.random() < 0.5 else series
    below.mkdir(exist_ok=True)
    key, made_in = pick(rng, (OTHER_SERIES, SERIES, "")), series.parent / "other"
    made_in.mkdir(exist_ok=True)
    made = _series(made_in, stored, rng, SeriesInstanceUID=key)
    files += [file.rename(below / f"other{file.name}") for file in made]


def _stranger(series: Path, files: Files, rng: Rng) -> None:
    chosen = pick(rng, _seeds())
    shutil.copyfile(chosen, series / f"stranger_{chosen.name}")


def _odd_entry(series: Path, files: Files, rng: Rng) -> None:
    path = places.named(series, pick(rng, places.NAMES), pick(rng, ("", ".dcm")))
    if not os.path.lexists(path):
        places.put_in_place(path, rng)


def _replaced(_series: Path, files: Files, rng: Rng) -> None:
    places.put_in_place(files[int(rng.integers(len(files)))], rng)


def _named(_series: Path, files: Files, rng: Rng) -> None:
    at = int(rng.integers(len(files)))
    path = places.named(files[at].parent, pick(rng, places.NAMES), pick(rng, ("", ".dcm")))
    if not os.path.lexists(path):
        files[at] = files[at].rename(path)


MUTATORS: dict[str, Mutator] = {
    "any bytes flipped": _on_bytes(flipped),
    "header bytes flipped": _on_bytes(lambda raw, rng: flipped(raw, rng, 132, 900)),
    "cut": _on_bytes(cut),
    "too long": _on_bytes(lengthened),
    "a piece missing": _on_bytes(punched),
    "a block of zeros": _on_bytes(zeroed),
    "a tag missing": _on_bytes(_missing_tag),
    "a decimal odd": _on_bytes(_odd_decimal),
    "a count odd": _on_bytes(_odd_count),
    "huge rows and columns": _on_bytes(_huge),
    "many frames": _on_bytes(_many_frames),
    "a length odd": _on_bytes(_odd_length),
    "length of the pixels odd": _on_bytes(_pixel_length),
    "texts and their alphabet": _on_bytes(_text),
    "private tags": _on_bytes(_private),
    "sequences too deep": _on_bytes(_deep),
    "another syntax claimed": _on_bytes(_syntax),
    "pixels flipped": _on_bytes(_pixels_flipped),
    "pixels cut": _on_bytes(_pixels_cut),
    "no preamble": _on_bytes(_no_preamble),
    "no file meta": _on_bytes(_no_meta),
    "a slice moved": _on_data(_moved),
    "directions odd": _on_data(_turned),
    "directions mirrored": _on_data(_mirrored),
    "pixels nobody can decode": _on_data(_unplaceable_pixels),
    "colour": _on_data(_colour),
    "deflated": _on_data(_deflated),
    "deflate bomb": _deflate_bomb,
    "other bits": _on_data(_other_bits),
    "units": _on_data(_units),
    "no scale": _on_each(_no_scale),
    "few decimals": _on_each(_few_decimals),
    "emptied tags": _on_each(_emptied),
    "a series a slice": _on_each(_own_series),
    "two acquisitions": _acquisitions,
    "half in a linked folder": _half_linked,
    "left by other systems": _left_by_systems,
    "slices missing": _lost,
    "a slice twice": _doubled,
    "a slice twice, differently": _doubled_and_changed,
    "files exchanged": _shuffled,
    "positions exchanged": _pixels_exchanged,
    "two series": _mixed,
    "a stranger beside": _stranger,
    "an odd entry beside": _odd_entry,
    "no file in a file's place": _replaced,
    "a file with an odd name": _named,
}
"""What is done to the series in a folder."""

UNNOTICED = frozenset(
    (
        *("any bytes flipped", "header bytes flipped", "a piece missing", "a block of zeros"),
        *("pixels flipped", "a decimal odd", "a slice moved", "directions odd", "directions mirrored"),
        *("other bits", "positions exchanged", "slices missing", "no file in a file's place"),
    )
)
"""What may make another sound image: other numbers where any number is as good, the last slice gone."""

OF_ONE_FILE = frozenset(
    (
        *("two series", "two acquisitions", "half in a linked folder"),
        *("emptied tags", "a series a slice", "texts and their alphabet"),
    )
)
"""After these a file by itself may stand for less than its folder, or for something else in it."""
