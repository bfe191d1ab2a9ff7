"""NIfTI-1 and NIfTI-2 single files, gzipped or not -> voxels with their grid and header frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from isal import igzip, isal_zlib
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from attunet_gui.core.errors import UnreadableInput
from attunet_gui.core.grid import Grid, canonicalise
from attunet_gui.core.progress import Progress, silent
from attunet_gui.core.volume import NiftiFrame, Origin, Volume
from attunet_gui.io.hounsfield import spacing_notes, to_hu
from attunet_gui.io.placing import source_grid
from attunet_gui.io.stored import MOST_UNPACKED

FRAME_FIELDS = (
    *("qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d"),
    *("qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z"),
)
"""Header fields that place the voxels; `pixdim` (first four) and `xyzt_units` (space only) go with them."""

SUFFIXES = (".nii", ".nii.gz")

_CHUNK = 8 << 20
_PART = 1 << 20
_MOST_BESIDE = 64 << 20
"""Bytes of extensions before the voxels, or of anything behind them; honest files have a few thousand."""

_MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
_HEADERS = {348: Nifti1Header, 540: Nifti2Header}


@dataclass(frozen=True, eq=False)
class NiftiContent:
    """A NIfTI file as stored.

    Attributes:
        stored: (i, j, k) in the file's dtype, before scaling; Fortran order.
        slope, intercept: value = stored * slope + intercept.
        grid: (i, j, k) -> RAS+ mm by nibabel's best affine, always millimetres.
        frame: the orientation fields.
        notes: what is unusual about the header.
    """

    stored: NDArray[Any]
    slope: float
    intercept: float
    grid: Grid
    frame: NiftiFrame
    notes: tuple[str, ...]


def read(path: Path, progress: Progress = silent) -> Volume:
    """The CT volume in `path`.

    Raises:
        UnreadableInput: if the file is damaged, not a 3-D image of real numbers, or has no usable affine.
    """
    content = load(path, progress)
    grid, frame, notes = content.grid, content.frame, content.notes
    placement = canonicalise(grid)
    scaled = to_hu(placement.to_canonical(content.stored), content.slope, content.intercept)
    del content  # what was stored must not stay alive beside its copy
    return Volume(
        hu=scaled.hu,
        placement=placement,
        name=stem(path),
        origin=Origin(path, "NIfTI", frame),
        notes=notes + spacing_notes(grid) + scaled.notes,
    )


def load(path: Path, progress: Progress = silent) -> NiftiContent:
    """The content of `path` as stored.

    Raises:
        UnreadableInput: as for `read`.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            stream = cast("BinaryIO", igzip.IGzipFile(fileobj=file)) if packed else file  # type: ignore[no-untyped-call]
            room = path.stat().st_size * MOST_UNPACKED["zlib" if packed else "raw"]
            return _parsed(_Stream(stream, room), path, progress)
    except PermissionError as error:
        raise UnreadableInput(f"You may not read {path.name}: ask for access to it.") from error
    except (EOFError, isal_zlib.error, OSError) as error:  # type: ignore[misc]
        raise _damaged(path) from error


def values(path: Path) -> Iterator[NDArray[Any]]:
    """The values in `path`, scaled, in the order of the file: (n,) a part of a megabyte, of any real dtype.

    Raises:
        UnreadableInput: if the header is damaged or the voxels end too early; the geometry is not looked at.
        OSError: if the file cannot be read.
    """
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        stream = cast("BinaryIO", igzip.IGzipFile(fileobj=file)) if packed else file  # type: ignore[no-untyped-call]
        try:
            yield from _values(stream, path)
        except (EOFError, isal_zlib.error) as error:  # type: ignore[misc]
            raise _damaged(path) from error


def _values(stream: BinaryIO, path: Path) -> Iterator[NDArray[Any]]:
    _raw, header = _header(stream, path)
    dtype = _dtype(header, path)
    slope, intercept = _scaling(header, path)
    left = int(np.prod(_spatial_shape(header, path), dtype=object)) * dtype.itemsize
    gap = _offset(header, path) - int(header["sizeof_hdr"])
    if not 0 <= gap <= _MOST_BESIDE or len(stream.read(gap)) < gap:
        raise _damaged(path)
    while left:
        block = stream.read(min(left, _PART))
        if not block or len(block) % dtype.itemsize:
            raise _damaged(path)
        left -= len(block)
        stored = np.frombuffer(block, dtype)
        yield stored if (slope, intercept) == (1.0, 0.0) else stored * slope + intercept


def stem(path: Path) -> str:
    """The file name without `.nii` or `.nii.gz`."""
    name = path.name[:-3] if path.name.lower().endswith(".gz") else path.name
    return Path(name).stem


@dataclass(frozen=True)
class _Stream:
    """Unpacked bytes, and how many of them there can be at most."""

    bytes: BinaryIO
    room: int


def _parsed(stream: _Stream, path: Path, progress: Progress) -> NiftiContent:
    raw, header = _header(stream.bytes, path)
    shape = _spatial_shape(header, path)
    frame, affine, notes = _frame(raw, header, path)
    slope, intercept = _scaling(header, path)
    grid = source_grid(shape, affine, path.name)
    stored = _voxels(stream, header, path, progress).reshape(shape, order="F")
    return NiftiContent(stored, slope, intercept, grid, frame, notes + _frame_notes(frame, shape))


def _header(stream: BinaryIO, path: Path) -> tuple[Any, Any]:
    start = stream.read(4)
    size = int.from_bytes(start, "little")
    if size not in _HEADERS:
        size = int.from_bytes(start, "big")
    if size not in _HEADERS:
        raise UnreadableInput(f"{path.name} is not a NIfTI file: its header is not one.")
    block = start + stream.read(size - 4)
    if len(block) < size:
        raise _damaged(path)
    kind = _HEADERS[size]
    try:
        raw, checked = kind(block, check=False), kind(block, check=True)
    except (HeaderDataError, ValueError, KeyError) as error:
        raise UnreadableInput(f"The header of {path.name} is damaged: copy or convert it again.") from error
    if not bytes(raw["magic"]).startswith(b"n+"):
        raise UnreadableInput(f"{path.name} is not a single-file NIfTI image: convert it to .nii.gz.")
    return raw, checked


def _spatial_shape(header: Any, path: Path) -> tuple[int, int, int]:
    shape = tuple(int(n) for n in header.get_data_shape())
    if len(shape) > 3 and any(n != 1 for n in shape[3:]):
        text = " x ".join(map(str, shape))
        raise UnreadableInput(f"{path.name} holds several volumes ({text}): save the one you need by itself.")
    full = (*shape[:3], 1, 1)[:3]
    if len(shape) < 2 or min(full) < 1:
        raise UnreadableInput(f"{path.name} is not a 3-D image: its size is {shape}.")
    return full[0], full[1], full[2]


def _scaling(header: Any, path: Path) -> tuple[float, float]:
    try:
        slope, intercept = header.get_slope_inter()
    except HeaderDataError as error:
        raise UnreadableInput(f"The header of {path.name} has a scaling that is not a number.") from error
    return (1.0, 0.0) if slope is None else (float(slope), float(intercept))


def _voxels(stream: _Stream, header: Any, path: Path, progress: Progress) -> NDArray[Any]:
    dtype = _dtype(header, path)
    count = int(np.prod([int(n) for n in header.get_data_shape()], dtype=object))
    gap = _offset(header, path) - int(header["sizeof_hdr"])
    if gap < 0 or gap > _MOST_BESIDE or count * dtype.itemsize > stream.room:
        raise _damaged(path)
    if len(stream.bytes.read(gap)) < gap:
        raise _damaged(path)
    try:
        buffer = np.empty(count * dtype.itemsize, np.uint8)
    except (MemoryError, ValueError) as error:
        raise UnreadableInput(
            f"{path.name} claims to hold {count} voxels, more than fit in memory."
        ) from error
    _fill(stream.bytes, buffer.data, path, progress)
    if isinstance(stream.bytes, igzip.IGzipFile):
        _check_end(stream.bytes, path)
    return buffer.view(dtype)


def _offset(header: Any, path: Path) -> int:
    try:
        return int(header.get_data_offset())
    except (ValueError, OverflowError) as error:
        raise _damaged(path) from error


def _check_end(stream: BinaryIO, path: Path) -> None:
    # The checksum is tested at the end of the stream only; a bomb has no end that is worth waiting for.
    for _ in range(_MOST_BESIDE // _CHUNK):
        if not stream.read(_CHUNK):
            return
    raise _damaged(path)


def _fill(stream: BinaryIO, view: memoryview, path: Path, progress: Progress) -> None:
    steps = -(-len(view) // _CHUNK)
    for step in range(steps):
        progress(step, steps, "reading")
        part = view[step * _CHUNK : (step + 1) * _CHUNK]
        while len(part):
            got = stream.readinto(part)  # type: ignore[attr-defined]
            if not got:
                raise _damaged(path)
            part = part[got:]
    progress(steps, steps, "reading")


def _dtype(header: Any, path: Path) -> np.dtype[Any]:
    try:
        dtype: np.dtype[Any] = np.dtype(header.get_data_dtype())
    except (HeaderDataError, KeyError) as error:
        raise UnreadableInput(f"{path.name} stores its voxels in an unknown number format.") from error
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise UnreadableInput(f"{path.name} holds colours or complex numbers, not CT values.")
    return dtype


def _frame(raw: Any, header: Any, path: Path) -> tuple[NiftiFrame, NDArray[np.float64], tuple[str, ...]]:
    unit = int(raw["xyzt_units"]) & 7
    scale = np.diag([_MM_PER_UNIT.get(unit, 1.0)] * 3 + [1.0])
    codes = int(raw["sform_code"]), int(raw["qform_code"])
    notes: tuple[str, ...] = ()
    try:
        qform = header.get_qform()
    except (HeaderDataError, ValueError) as error:
        if codes[1] and not codes[0]:
            raise UnreadableInput(
                f"{path.name} has a qform that is not a rotation: convert it again."
            ) from error
        qform = np.eye(4)
        notes = ("The header's qform is not a rotation: the sform is used.",) if codes[1] else ()
    affine = header.get_sform() if codes[0] else qform if codes[1] else header.get_base_affine()
    frame = NiftiFrame(scale @ header.get_sform(), codes[0], scale @ qform, codes[1], _raw_fields(raw, unit))
    return frame, scale @ affine, notes


def _raw_fields(raw: Any, unit: int) -> dict[str, NDArray[Any]]:
    fields = {name: np.array(raw[name], raw[name].dtype.newbyteorder("=")) for name in FRAME_FIELDS}
    fields["pixdim"] = np.array(raw["pixdim"][:4], raw["pixdim"].dtype.newbyteorder("="))
    fields["xyzt_units"] = np.array(unit, np.uint8)
    return fields


def _frame_notes(frame: NiftiFrame, shape: tuple[int, int, int]) -> tuple[str, ...]:
    if not frame.sform_code and not frame.qform_code:
        return ("The header does not say how the patient lies: check left and right, head and feet.",)
    if not frame.sform_code or not frame.qform_code:
        return ()
    try:
        agree = Grid(shape, frame.sform).matches(Grid(shape, frame.qform), tolerance_mm=0.1)
    except ValueError:
        agree = False
    if agree:
        return ()
    return ("The header places the voxels twice, differently (sform and qform): the sform is used.",)


def _damaged(path: Path) -> UnreadableInput:
    return UnreadableInput(f"{path.name} is damaged or incomplete: copy or download it again.")
