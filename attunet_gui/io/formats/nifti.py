"""Reading NIfTI-1, NIfTI-2 and Analyze 7.5, as single files and as pairs, gzipped or not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from isal import igzip, isal_zlib
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from attunet_gui.core.volume import NiftiOrientation, Volume, VolumeOrigin
from attunet_gui.core.voxel_grid import VoxelGrid, canonical_reorientation
from attunet_gui.io.formats.hounsfield import spacing_notes, to_hu
from attunet_gui.io.formats.image_format import ImageFormat, StoredLabels
from attunet_gui.io.formats.nifti_geometry import read_placement
from attunet_gui.io.formats.nifti_header import (
    PAIR_SUFFIXES,
    SINGLE_SUFFIXES,
    VOXEL_SUFFIXES,
    NiftiHeaderFields,
    damaged_nifti_error,
    find_pair_files,
    is_pair,
    looks_like_nifti_header,
    read_header,
)
from attunet_gui.io.formats.source_grid_checks import checked_source_grid
from attunet_gui.io.formats.voxel_blocks import MOST_UNPACKED, surplus_notes
from attunet_gui.system.errors import UnreadableInput
from attunet_gui.system.progress import ProgressCallback, no_progress

WRITTEN_SUFFIXES = SINGLE_SUFFIXES
"""Suffixes of the files that are written; pairs are only read."""

_CHUNK = 8 << 20
_PART = 1 << 20
# Most bytes of extensions before the voxels, or of anything behind them; real files have a few thousand.
_MOST_BESIDE = 64 << 20


@dataclass(frozen=True, eq=False)
class StoredNiftiImage:
    """The content of a NIfTI file, as stored.

    Attributes:
        stored: (i, j, k) in the dtype of the file, before scaling and in Fortran order.
        slope, intercept: value = stored * slope + intercept.
        grid: the grid, voxel (i, j, k) -> RAS+ mm, whatever unit the header uses.
        frame: the fields of the header that place the voxels.
        notes: sentences for the user about what is unusual in the header.
    """

    stored: NDArray[Any]
    slope: float
    intercept: float
    grid: VoxelGrid
    frame: NiftiOrientation
    notes: tuple[str, ...]


def read_nifti(path: Path, progress: ProgressCallback = no_progress) -> Volume:
    """Read the CT volume in the file `path`.

    Raises:
        UnreadableInput: if the file is damaged, not a 3-D image of real numbers, or has no usable affine.
    """
    content = load_nifti(path, progress)
    grid, frame, notes = content.grid, content.frame, content.notes
    placement = canonical_reorientation(grid)
    scaled = to_hu(placement.to_canonical(content.stored), content.slope, content.intercept, name=path.name)
    del content  # what was stored must not stay alive beside its copy
    return Volume(
        hu=scaled.hu,
        placement=placement,
        name=name_without_suffix(path),
        origin=VolumeOrigin(path, "NIfTI", frame),
        notes=notes + spacing_notes(grid) + scaled.notes,
    )


def load_nifti(path: Path, progress: ProgressCallback = no_progress) -> StoredNiftiImage:
    """Read the content of `path` as stored.

    Raises:
        UnreadableInput: see `read_nifti`.
    """
    try:
        with _open_nifti(path) as source:
            return _read_content(source, path, progress)
    except PermissionError as error:
        raise UnreadableInput(f"You may not read {path.name}: ask for access to it.") from error
    except (EOFError, isal_zlib.error, OSError) as error:  # type: ignore[misc]
        raise damaged_nifti_error(path) from error


def load_nifti_labels(path: Path) -> StoredLabels:
    """Read the scaled values of `path` as (i, j, k), and the grid on which they lie; see `load_nifti`."""
    content = load_nifti(path)
    return apply_scaling(content.stored, content.slope, content.intercept), content.grid


def apply_scaling(stored: NDArray[Any], slope: float, intercept: float) -> NDArray[Any]:
    """Return `stored` * `slope` + `intercept` as float32, or `stored` itself if that changes nothing."""
    if slope == 1.0 and intercept == 0.0:
        return stored
    return stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)


def iter_nifti_values(path: Path) -> Iterator[NDArray[Any]]:
    """Yield the scaled values in `path` in the order of the file, as (n,) arrays of a megabyte.

    Raises:
        UnreadableInput: if the header is damaged or the voxels end too early; the geometry is not looked at.
        OSError: if the file cannot be read.
    """
    try:
        with _open_nifti(path) as source:
            yield from _iter_scaled_values(source, path)
    except (EOFError, isal_zlib.error) as error:  # type: ignore[misc]
        raise damaged_nifti_error(path) from error


def _iter_scaled_values(source: _OpenedNifti, path: Path) -> Iterator[NDArray[Any]]:
    """Yield the scaled values of an opened file in parts; see `iter_nifti_values`."""
    header, stream = source.header.checked, source.stream.bytes
    dtype = _voxel_dtype(header, path)
    slope, intercept = _value_scaling(header, path)
    left = int(np.prod(_spatial_shape(header, path), dtype=object)) * dtype.itemsize
    gap = _voxel_offset(header, path) - source.start
    if not 0 <= gap <= _MOST_BESIDE or len(stream.read(gap)) < gap:
        raise damaged_nifti_error(path)
    while left:
        block = stream.read(min(left, _PART))
        if not block or len(block) % dtype.itemsize:
            raise damaged_nifti_error(path)
        left -= len(block)
        stored = np.frombuffer(block, dtype)
        yield stored if (slope, intercept) == (1.0, 0.0) else stored * slope + intercept


def name_without_suffix(path: Path) -> str:
    """Return the name of the file `path` without its suffix."""
    name = path.name[:-3] if path.name.lower().endswith(".gz") else path.name
    return Path(name).stem


@dataclass(frozen=True)
class _UnpackedStream:
    """A stream of unpacked bytes, and the largest number of them that the size of the file allows."""

    bytes: BinaryIO
    room: int


@dataclass(frozen=True)
class _OpenedNifti:
    """A header, the stream that holds the voxels, and the offset of the byte that comes next in it."""

    header: NiftiHeaderFields
    stream: _UnpackedStream
    start: int


@contextmanager
def _open_nifti(path: Path) -> Iterator[_OpenedNifti]:
    """Read the header of `path`, and open the file that holds the voxels: of a pair, the second one."""
    if not is_pair(path):
        with _open_unpacked(path) as stream:
            header = read_header(stream.bytes, path)
            yield _OpenedNifti(header, stream, int(header.checked["sizeof_hdr"]))
        return
    first, second = find_pair_files(path)
    with _open_unpacked(first) as stream:
        header = read_header(stream.bytes, first)
    with _open_unpacked(second) as stream:
        yield _OpenedNifti(header, stream, 0)


@contextmanager
def _open_unpacked(path: Path) -> Iterator[_UnpackedStream]:
    if not path.is_file():
        # A pipe beside the header would keep the reader waiting for ever.
        raise damaged_nifti_error(path)
    with path.open("rb") as file:
        # By the magic number of gzip: the suffix of a file may say otherwise.
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        stream = cast("BinaryIO", igzip.IGzipFile(fileobj=file)) if packed else file  # type: ignore[no-untyped-call]
        yield _UnpackedStream(stream, path.stat().st_size * MOST_UNPACKED["zlib" if packed else "raw"])


def _read_content(source: _OpenedNifti, path: Path, progress: ProgressCallback) -> StoredNiftiImage:
    header = source.header.checked
    shape = _spatial_shape(header, path)
    found = read_placement(source.header, shape, path.name)
    slope, intercept = _value_scaling(header, path)
    grid = checked_source_grid(shape, found.affine, path.name)
    stored = _read_voxels(source, path, progress).reshape(shape, order="F")
    notes = found.notes + (surplus_notes(path) if _is_more(source.stream.bytes, path) else ())
    return StoredNiftiImage(stored, slope, intercept, grid, found.frame, notes)


def _spatial_shape(header: Any, path: Path) -> tuple[int, int, int]:
    """Return (i, j, k); `UnreadableInput` for several volumes or fewer than two axes."""
    shape = tuple(int(n) for n in header.get_data_shape())
    if len(shape) > 3 and any(n != 1 for n in shape[3:]):
        text = " x ".join(map(str, shape))
        raise UnreadableInput(f"{path.name} holds several volumes ({text}): save the one you need by itself.")
    full = (*shape[:3], 1, 1)[:3]
    if len(shape) < 2 or min(full) < 1:
        raise UnreadableInput(f"{path.name} is not a 3-D image: its size is {shape}.")
    return full[0], full[1], full[2]


def _value_scaling(header: Any, path: Path) -> tuple[float, float]:
    try:
        slope, intercept = header.get_slope_inter()
    except HeaderDataError as error:
        raise UnreadableInput(f"The header of {path.name} has a scaling that is not a number.") from error
    return (1.0, 0.0) if slope is None else (float(slope), float(intercept))


def _read_voxels(source: _OpenedNifti, path: Path, progress: ProgressCallback) -> NDArray[Any]:
    """Read all voxels as (n,) in the dtype of the file; memory is taken only if the file can hold them."""
    header, stream = source.header.checked, source.stream
    dtype = _voxel_dtype(header, path)
    count = int(np.prod([int(n) for n in header.get_data_shape()], dtype=object))
    gap = _voxel_offset(header, path) - source.start
    if gap < 0 or gap > _MOST_BESIDE or count * dtype.itemsize > stream.room:
        raise damaged_nifti_error(path)
    if len(stream.bytes.read(gap)) < gap:
        raise damaged_nifti_error(path)
    # Beyond what the file can hold it was refused above; a large CT may still not fit the memory.
    try:
        buffer = np.empty(count * dtype.itemsize, np.uint8)
    except (MemoryError, ValueError) as error:
        raise UnreadableInput(
            f"{path.name} claims to hold {count} voxels, more than fit in memory."
        ) from error
    _fill_buffer(stream.bytes, buffer.data, path, progress)
    return buffer.view(dtype)


def _voxel_offset(header: Any, path: Path) -> int:
    try:
        return int(header.get_data_offset())
    except (ValueError, OverflowError) as error:
        raise damaged_nifti_error(path) from error


def _is_more(stream: BinaryIO, path: Path) -> bool:
    """Return whether anything lies behind the voxels."""
    found = bool(stream.read(1))
    if not isinstance(stream, igzip.IGzipFile) or not found:
        return found
    # The checksum is only tested at the end of the stream, so the stream is read to its end; a file that goes
    # on for long after the voxels is refused instead.
    for _ in range(_MOST_BESIDE // _CHUNK):
        if not stream.read(_CHUNK):
            return True
    raise damaged_nifti_error(path)


def _fill_buffer(stream: BinaryIO, view: memoryview, path: Path, progress: ProgressCallback) -> None:
    steps = -(-len(view) // _CHUNK)
    for step in range(steps):
        progress(step, steps, "reading")
        part = view[step * _CHUNK : (step + 1) * _CHUNK]
        while len(part):
            got = stream.readinto(part)  # type: ignore[attr-defined]
            if not got:
                raise damaged_nifti_error(path)
            part = part[got:]
    progress(steps, steps, "reading")


def _voxel_dtype(header: Any, path: Path) -> np.dtype[Any]:
    """Return the dtype of the stored voxels; `UnreadableInput` if it is not one of real numbers."""
    try:
        dtype: np.dtype[Any] = np.dtype(header.get_data_dtype())
    except (HeaderDataError, KeyError) as error:
        raise UnreadableInput(f"{path.name} stores its voxels in an unknown number format.") from error
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise UnreadableInput(f"{path.name} holds colours or complex numbers, not CT values.")
    return dtype


def _read_ct(path: Path, _series: str | None, progress: ProgressCallback) -> Volume:
    return read_nifti(path, progress)


def _is_pair_header(path: Path) -> bool:
    return path.is_file() and looks_like_nifti_header(path)


NIFTI = ImageFormat(
    title="NIfTI",
    kind="NIfTI",
    suffixes=SINGLE_SUFFIXES,
    read_ct=_read_ct,
    load_labels=load_nifti_labels,
    iter_values=iter_nifti_values,
)
NIFTI_PAIR = ImageFormat(
    title="NIfTI pair, Analyze",
    kind="NIfTI",
    suffixes=PAIR_SUFFIXES,
    read_ct=_read_ct,
    recognises=_is_pair_header,
    load_labels=load_nifti_labels,
    iter_values=iter_nifti_values,
    files=find_pair_files,
    voxel_suffixes=VOXEL_SUFFIXES,
)
