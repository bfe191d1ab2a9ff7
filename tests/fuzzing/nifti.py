"""Damaged NIfTI files: fields of the header, voxels, lengths, packing, names."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.nifti1 import header_dtype as dtype_1
from nibabel.nifti2 import header_dtype as dtype_2
from scipy.spatial.transform import Rotation

from tests.fuzzing import places
from tests.fuzzing.made import Made, Rng, beside, cut, flipped, lengthened, pick, punched, rng_for, zeroed

KIND = "nifti"
_SEEDS = ("anatomical.nii", "functional.nii", "standard.nii.gz", "example4d.nii.gz", "example_nifti2.nii.gz")
_SEEDS += ("reoriented_anat_moved.nii", "resampled_anat_moved.nii", "row_major.dconn.nii")
_DTYPES = ("i2", "u2", "u1", "f4", "f8", "i4", "i1", "u4", "i8")
_ODD = (0.0, -1.0, 1.0, np.nan, np.inf, -np.inf, 1e30, -1e30, 1e-30, 32767.0, -32768.0, 2**31 - 1, 1e300)
_BOMB_MB = 2048

Mutator = Callable[[bytes, Rng], bytes]


def make(seed: int, number: int, folder: Path) -> Made:
    """Input `number` of the run with `seed`, in the empty `folder`."""
    rng = rng_for(KIND, seed, number)
    name, raw = _base(rng)
    honest, steps = len(raw), [name]
    original = beside(folder) / "ct.nii"
    original.write_bytes(raw)
    for _ in range(int(rng.choice((0, 1, 2, 3), p=(0.04, 0.66, 0.2, 0.1)))):
        step = pick(rng, tuple(MUTATORS))
        raw = MUTATORS[step](raw, rng)
        steps.append(step)
    packing = pick(rng, tuple(PACKINGS)) if rng.random() < 0.2 else pick(rng, ("plain", "gzip"))
    ending, packed = PACKINGS[packing](raw, rng)
    stem = pick(rng, places.NAMES) if rng.random() < 0.15 else b"ct"
    path = places.named(folder, stem, ending)
    path.write_bytes(packed)
    steps += [packing, repr(path.name)]
    if packing.startswith("pair"):
        _split(path, packed)
    if rng.random() < 0.04:
        steps.append(places.put_in_place(path, rng))
    noticed = UNNOTICED.isdisjoint(steps)
    return Made(path, tuple(steps), max(honest, len(raw)), original if noticed else None)


# Where it starts


def _base(rng: Rng) -> tuple[str, bytes]:
    if rng.random() < 0.15:
        name = pick(rng, _SEEDS)
        return name, _seed(name)
    return "made here", _fresh(rng)


@cache
def _seed(name: str) -> bytes:
    raw = (Path(nib.__file__).parent / "tests" / "data" / name).read_bytes()
    return gzip.decompress(raw) if name.endswith(".gz") else raw


def _fresh(rng: Rng) -> bytes:
    kind = pick(rng, (nib.Nifti1Image, nib.Nifti1Image, nib.Nifti2Image))
    shape = tuple(int(n) for n in rng.integers(2, 13, 3))
    large = rng.random() < 0.02
    if large:
        shape = (320, 320, 160)
    data = _values(shape, np.dtype(pick(rng, _DTYPES)), rng)
    header = kind.header_class(endianness=pick(rng, ("<", "<", ">")))
    image = kind(data, None, header)
    image.header.set_data_dtype(data.dtype)
    affine = _affine(rng)
    image.set_sform(affine, int(rng.integers(0, 5)))
    image.set_qform(affine, int(rng.integers(0, 5)), strip_shears=True)
    image.header.set_xyzt_units(pick(rng, ("mm", "mm", "unknown", "micron", "meter")))
    return bytes(image.to_bytes())


def _values(shape: tuple[int, ...], dtype: np.dtype[Any], rng: Rng) -> np.ndarray:
    info = np.iinfo(dtype) if dtype.kind in "iu" else None
    low, high = (-1000, 1500) if info is None else (max(-1000, info.min), min(1500, int(info.max)))
    return rng.integers(low, high, shape).astype(dtype)


def _affine(rng: Rng) -> np.ndarray:
    affine = np.eye(4)
    turned = np.eye(3)[rng.permutation(3)] * rng.choice((-1, 1), 3)
    if rng.random() < 0.4:
        turned = Rotation.random(random_state=np.random.RandomState(int(rng.integers(2**31)))).as_matrix()
    affine[:3, :3] = turned * rng.uniform(0.4, 5, 3)
    affine[:3, 3] = rng.uniform(-400, 400, 3)
    return affine


# The header


def _layout(raw: bytes) -> np.dtype[Any] | None:
    for order in "<>":
        for size, dtype in ((348, dtype_1), (540, dtype_2)):
            if len(raw) >= size and int(np.frombuffer(raw[:4], f"{order}i4")[0]) == size:
                return dtype.newbyteorder(order)
    return None


def _with_fields(raw: bytes, change: Callable[[Any], None]) -> bytes:
    """`raw` with `change` made to its header, a structured array; as it is if there is no header left."""
    layout = _layout(raw)
    if layout is None:
        return raw
    header = np.frombuffer(raw[: layout.itemsize], layout).copy()
    with np.errstate(all="ignore"):
        change(header)
    return header.tobytes() + raw[layout.itemsize :]


def _into(header: Any, name: str, value: float, at: Any = ...) -> None:
    field = header[name][0]
    if field.dtype.kind in "iu":
        info = np.iinfo(field.dtype)
        value = 0 if value != value else int(np.clip(value, float(info.min), float(info.max) / 1.001))
    if field.dtype.kind in "iuf":
        header[name][0] = np.where(_chosen(field.shape, at), value, field)


def _chosen(shape: tuple[int, ...], at: Any) -> Any:
    chosen = np.zeros(shape, bool)
    chosen[at] = True
    return chosen


def _any_field(raw: bytes, rng: Rng) -> bytes:
    def change(header: Any) -> None:
        name = pick(rng, tuple(header.dtype.names))
        shape = header[name][0].shape
        at = tuple(int(rng.integers(n)) for n in shape) if shape else ...
        _into(header, name, float(pick(rng, _ODD)), at)

    return _with_fields(raw, change)


def _dims(values: tuple[int, ...]) -> Mutator:
    def mutate(raw: bytes, rng: Rng) -> bytes:
        def change(header: Any) -> None:
            every = rng.random() < 0.5
            _into(header, "dim", pick(rng, values), slice(1, 4) if every else int(rng.integers(1, 4)))

        return _with_fields(raw, change)

    return mutate


def _dimension_count(raw: bytes, rng: Rng) -> bytes:
    def change(header: Any) -> None:
        _into(header, "dim", pick(rng, (0, 1, 2, 4, 5, 7, 8, -1, 300)), 0)
        _into(header, "dim", pick(rng, (0, 1, 2, 3)), slice(4, 8))

    return _with_fields(raw, change)


def _matrix(damage: Callable[[np.ndarray, Rng], np.ndarray]) -> Mutator:
    """Through the sform, which is then the one that counts."""

    def mutate(raw: bytes, rng: Rng) -> bytes:
        def change(header: Any) -> None:
            rows = np.array([header[f"srow_{axis}"][0] for axis in "xyz"], np.float64)
            for axis, row in zip("xyz", damage(rows, rng), strict=True):
                header[f"srow_{axis}"][0] = row
            _into(header, "sform_code", 2)

        return _with_fields(raw, change)

    return mutate


def _one(value: float) -> Callable[[np.ndarray, Rng], np.ndarray]:
    def damage(rows: np.ndarray, rng: Rng) -> np.ndarray:
        rows[int(rng.integers(3)), int(rng.integers(4))] = value
        return rows

    return damage


def _singular(rows: np.ndarray, rng: Rng) -> np.ndarray:
    rows[int(rng.integers(3))] = rows[int(rng.integers(3))] * rng.integers(-1, 2)
    return rows


def _sheared(rows: np.ndarray, rng: Rng) -> np.ndarray:
    rows[:, :3] = rows[:, :3] @ (np.eye(3) + np.triu(rng.normal(0, 0.6, (3, 3)), 1))
    return rows


def _negated(rows: np.ndarray, rng: Rng) -> np.ndarray:
    return rows * np.where(rng.random(4) < 0.5, -1, 1)


def _times(factors: tuple[float, ...]) -> Callable[[np.ndarray, Rng], np.ndarray]:
    def damage(rows: np.ndarray, rng: Rng) -> np.ndarray:
        rows[:, :3] *= pick(rng, factors)
        return rows

    return damage


def _far_away(rows: np.ndarray, rng: Rng) -> np.ndarray:
    rows[:, 3] = 10.0 ** rng.uniform(4, 30, 3)
    return rows


def _pixdim(raw: bytes, rng: Rng) -> bytes:
    def change(header: Any) -> None:
        _into(header, "pixdim", float(pick(rng, _ODD)), int(rng.integers(0, 4)))
        _into(header, "sform_code", pick(rng, (0, 1)))

    return _with_fields(raw, change)


def _two_sizes(raw: bytes, rng: Rng) -> bytes:
    """A pixdim that is plausible by itself."""

    def change(header: Any) -> None:
        header["pixdim"][0][1:4] = pick(rng, ((1.0, 1.0, 1.0), (4.0, 4.0, 6.0), (0.7, 0.7, 2.5)))
        _into(header, "sform_code", pick(rng, (1, 2)))
        _into(header, "qform_code", pick(rng, (0, 1)))

    return _with_fields(raw, change)


def _quaternion(raw: bytes, rng: Rng) -> bytes:
    def change(header: Any) -> None:
        for name in ("quatern_b", "quatern_c", "quatern_d"):
            _into(header, name, float(pick(rng, (*_ODD, *rng.normal(0, 0.6, 12)))))
        _into(header, "qform_code", 1)
        _into(header, "sform_code", pick(rng, (0, 0, 1)))

    return _with_fields(raw, change)


def _set(*names: str, values: tuple[float, ...] = _ODD) -> Mutator:
    def mutate(raw: bytes, rng: Rng) -> bytes:
        def change(header: Any) -> None:
            for name in names:
                _into(header, name, float(pick(rng, values)))

        return _with_fields(raw, change)

    return mutate


def _magic(raw: bytes, rng: Rng) -> bytes:
    def change(header: Any) -> None:
        header["magic"][0] = pick(rng, (b"", b"ni1", b"ni2", b"n+1", b"n+2", b"n+9", b"\xff\xff"))

    return _with_fields(raw, change)


def _voxels(damage: Callable[[np.ndarray, Rng], None]) -> Mutator:
    """Of whatever number format the header names."""

    def mutate(raw: bytes, rng: Rng) -> bytes:
        layout = _layout(raw)
        if layout is None or len(raw) < layout.itemsize + 4 + 64:
            return raw
        code = int(np.frombuffer(raw[: layout.itemsize], layout)["datatype"][0])
        dtype = {16: "f4", 64: "f8"}.get(code, "i2")
        start = layout.itemsize + 4
        count = (len(raw) - start) // np.dtype(dtype).itemsize
        values = np.frombuffer(
            raw, np.dtype(dtype).newbyteorder(layout["vox_offset"].byteorder), count, start
        )
        values = values.copy()
        damage(values, rng)
        return raw[:start] + values.tobytes() + raw[start + values.nbytes :]

    return mutate


def _not_finite(values: np.ndarray, rng: Rng) -> None:
    where = rng.random(values.size) < pick(rng, (0.001, 0.3, 1.0))
    if values.dtype.kind == "f":
        values[where] = pick(rng, (np.nan, np.inf, -np.inf))
    else:
        values[where] = pick(rng, (-32768, 32767))


def _all_one_value(values: np.ndarray, rng: Rng) -> None:
    values[:] = pick(rng, (0, 1, -1024, 3071))


def _extension(raw: bytes, rng: Rng) -> bytes:
    layout = _layout(raw)
    if layout is None:
        return raw
    end = layout.itemsize
    size = pick(rng, (0, -16, 15, 2**31 - 1, 32))
    return raw[:end] + b"\1\0\0\0" + np.int32(size).tobytes() + np.int32(6).tobytes() + raw[end + 4 :]


MUTATORS: dict[str, Mutator] = {
    "header bytes flipped": lambda raw, rng: flipped(raw, rng, 0, 352),
    "any bytes flipped": flipped,
    "cut": cut,
    "cut in the header": lambda raw, rng: cut(raw[:360], rng),
    "too long": lengthened,
    "a piece missing": punched,
    "a block of zeros": zeroed,
    "any field odd": _any_field,
    "huge dimensions": _dims((30000, 32767, 20000, 4096, 2**31 - 1, 2**62)),
    "dimensions not positive": _dims((0, -1, -32768)),
    "dimensions one off": _dims((1, 3, 5, 7, 11, 13)),
    "number of dimensions": _dimension_count,
    "datatype": _set("datatype", values=(0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 768, 1024, 1536, 1792, 9)),
    "bits a voxel": _set("bitpix", values=(0, 1, 8, 16, 32, 64, 128, -8)),
    "affine singular": _matrix(_singular),
    "affine NaN": _matrix(_one(np.nan)),
    "affine infinite": _matrix(_one(np.inf)),
    "affine odd": _matrix(_one(1e20)),
    "affine sheared": _matrix(_sheared),
    "affine negative": _matrix(_negated),
    "affine huge": _matrix(_times((1e5, 1e20, 1e30))),
    "affine tiny": _matrix(_times((1e-4, 1e-20, 1e-38))),
    "origin far away": _matrix(_far_away),
    "spacing odd": _pixdim,
    "quaternion odd": _quaternion,
    "codes of the frame": _set("sform_code", "qform_code", values=(0, 1, 4, 5, 9, -1, 32767)),
    "unit of length": _set("xyzt_units", values=(0, 1, 2, 3, 4, 7, 10, 255)),
    "offset of the voxels": _set("vox_offset", values=(0, 16, 348, 352.7, 353, 368, 1e6, 1e18, -352, np.nan)),
    "slope and intercept odd": _set("scl_slope", "scl_inter"),
    "slope odd": _set("scl_slope"),
    "intercept odd": _set("scl_inter"),
    "plausible slope and intercept": _set("scl_slope", "scl_inter", values=(0.5, 2.0, -1.0, -1024.0, 1e4)),
    "two sizes of a voxel": _two_sizes,
    "sform empty": _matrix(lambda rows, rng: rows * 0),
    "sform an identity": _matrix(lambda rows, rng: np.eye(3, 4)),
    "magic": _magic,
    "header extension": _extension,
    "voxels not finite": _voxels(_not_finite),
    "voxels all one": _voxels(_all_one_value),
}
"""What is done to the unpacked file."""

UNNOTICED = frozenset(
    (
        *("header bytes flipped", "any bytes flipped", "a piece missing", "a block of zeros"),
        *("any field odd", "affine sheared", "affine negative", "affine odd", "quaternion odd"),
        *("unit of length", "codes of the frame", "voxels not finite"),
        *("slope and intercept odd", "slope odd", "intercept odd", "plausible slope and intercept"),
    )
)
"""What may make another sound image: other numbers where any number is as good."""


# Packing


def _split(path: Path, raw: bytes) -> None:
    """Header and voxels into files of their own; all into the first where there is no header."""
    layout = _layout(raw)
    if layout is None:
        return

    def change(header: Any) -> None:
        header["magic"][0] = b"ni1" if layout.itemsize == 348 else header["magic"][0]
        _into(header, "vox_offset", 0)

    path.write_bytes(_with_fields(raw[: layout.itemsize], change))
    path.with_suffix(".img").write_bytes(raw[layout.itemsize + 4 :])


def _zipped(raw: bytes) -> bytes:
    return gzip.compress(raw, 1, mtime=0)


@cache
def _zeros_zipped(megabytes: int) -> bytes:
    # Members behind one another are one stream: a bomb is made as fast as one of its parts.
    return gzip.compress(bytes(64 << 20), 6, mtime=0) * (megabytes // 64)


def _bomb(raw: bytes, rng: Rng) -> bytes:
    return _zipped(raw) + _zeros_zipped(pick(rng, (64, _BOMB_MB, 16 * _BOMB_MB)))


def _bomb_that_claims(raw: bytes, rng: Rng) -> bytes:
    """Few bytes that claim to be a huge image."""
    size = pick(rng, (1200, 5000, 30000))

    def change(header: Any) -> None:
        _into(header, "dim", size, slice(1, 4))

    return _zipped(_with_fields(raw, change) + bytes(1 << 20))


def _without_checksum(raw: bytes, rng: Rng) -> bytes:
    packed = _zipped(raw)
    return packed[:-8] + rng.bytes(8)


def _hidden_bytes(raw: bytes, rng: Rng) -> bytes:
    """A gzip header with every optional part, one of them without end."""
    endless = rng.random() < 0.5
    head = (
        b"\x1f\x8b\x08" + (b"\x1c" if endless else b"\x08") + bytes(6) + b"name" * 50 + b"\0" * (not endless)
    )
    return head + zlib.compress(raw)[2:-4]


PACKINGS: dict[str, Callable[[bytes, Rng], tuple[str, bytes]]] = {
    "plain": lambda raw, _: (".nii", raw),
    "gzip": lambda raw, _: (".nii.gz", _zipped(raw)),
    "upper case ending": lambda raw, _: (".NII.GZ", _zipped(raw)),
    "gzip called .nii": lambda raw, _: (".nii", _zipped(raw)),
    "plain called .nii.gz": lambda raw, _: (".nii.gz", raw),
    "gzip in gzip": lambda raw, _: (".nii.gz", _zipped(_zipped(raw))),
    "gzip cut": lambda raw, rng: (".nii.gz", cut(_zipped(raw), rng)),
    "gzip flipped": lambda raw, rng: (".nii.gz", flipped(_zipped(raw), rng)),
    "gzip with a wrong checksum": lambda raw, rng: (".nii.gz", _without_checksum(raw, rng)),
    "gzip with rubbish behind": lambda raw, rng: (".nii.gz", lengthened(_zipped(raw), rng)),
    "gzip in pieces": lambda raw, _: (".nii.gz", _zipped(raw[:100]) + _zipped(raw[100:])),
    "gzip bomb": lambda raw, rng: (".nii.gz", _bomb(raw, rng)),
    "gzip that claims too much": lambda raw, rng: (".nii.gz", _bomb_that_claims(raw, rng)),
    "gzip with odd flags": lambda raw, rng: (".nii.gz", _hidden_bytes(raw, rng)),
    "pair of two files": lambda raw, _: (".hdr", raw),
    "called .nrrd": lambda raw, _: (".nrrd", raw),
    "called .mha": lambda raw, _: (".mha", raw),
    "called .dcm": lambda raw, _: (".dcm", raw),
    "called .txt": lambda raw, _: (".txt", raw),
}
"""How it becomes a file: ending and bytes."""
