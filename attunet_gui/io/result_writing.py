"""Writing masks, labels, maps and CT as NIfTI on the source grid, and JSON.

Every file is read back from the disk and compared before it counts as saved.
"""

from __future__ import annotations

import gzip
import json
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from numpy.typing import NDArray

from attunet_gui.core.volume import NiftiOrientation, Volume
from attunet_gui.core.voxel_grid import VoxelGrid
from attunet_gui.io.formats import nifti
from attunet_gui.io.formats.nifti_geometry import FRAME_FIELDS
from attunet_gui.system.atomic_write import write_atomically
from attunet_gui.system.errors import UnreadableInput, UnwritableOutput
from attunet_gui.system.progress import ProgressCallback, no_progress

_GZIP_LEVEL = 1
_CHUNK = 4 << 20
# A qform may differ this much from the affine, by rounding, and is still written.
_QFORM_TOLERANCE_MM = 0.01
_MILLIMETRES = 2


def write_mask(
    path: Path, mask: NDArray[Any], volume: Volume, progress: ProgressCallback = no_progress
) -> None:
    """Write `mask` as uint8 NIfTI on the source grid of `volume`, with its sform and qform as they were.

    Args:
        path: a `.nii` or `.nii.gz` file in an existing folder.
        mask: (z, y, x) bool or integer, 0 or 1, on the canonical grid.
        volume: the volume it belongs to.
        progress: called between steps; may raise to cancel, then nothing is written.

    Raises:
        ValueError: if the mask has another shape than the volume or other values than 0 and 1.
        UnwritableOutput: if it could not be written or read back equal; an old file at `path` stays.
    """
    if mask.dtype.kind not in "biu" or (mask.size and not 0 <= mask.min() <= mask.max() <= 1):
        raise ValueError(f"a mask holds 0 and 1 only, got {mask.dtype} from {mask.min()} to {mask.max()}")
    _write_nifti(path, mask.astype(np.uint8, copy=False), volume, progress)


def write_labels(
    path: Path, labels: NDArray[np.uint8], volume: Volume, progress: ProgressCallback = no_progress
) -> None:
    """Write `labels` as uint8 NIfTI on the source grid of `volume`, as `write_mask` does.

    Args:
        path: a `.nii` or `.nii.gz` file in an existing folder.
        labels: (z, y, x) uint8 on the canonical grid, with any values.
        volume: the volume they belong to.
        progress: called between steps; may raise to cancel, then nothing is written.

    Raises:
        ValueError: if the labels have another shape than the volume or are not uint8.
        UnwritableOutput: as for `write_mask`.
    """
    if labels.dtype != np.uint8:
        raise ValueError(f"labels are uint8, got {labels.dtype}")
    _write_nifti(path, labels, volume, progress)


def write_float_map(
    path: Path, values: NDArray[np.float32], volume: Volume, progress: ProgressCallback = no_progress
) -> None:
    """Write `values` as float32 NIfTI on the source grid of `volume`.

    Args:
        path: a `.nii` or `.nii.gz` file in an existing folder.
        values: (z, y, x) float32 on the canonical grid.
        volume: the volume it belongs to.
        progress: called between steps; may raise to cancel, then nothing is written.

    Raises:
        ValueError: if the map has another shape than the volume or is not float32.
        UnwritableOutput: as for `write_mask`.
    """
    if values.dtype != np.float32:
        raise ValueError(f"a map is float32, got {values.dtype}")
    _write_nifti(path, values, volume, progress)


def write_ct(path: Path, volume: Volume, progress: ProgressCallback = no_progress) -> None:
    """Write the HU of `volume` as NIfTI, int16 or float32 as they are, on its source grid.

    Raises:
        UnwritableOutput: as for `write_mask`.
    """
    _write_nifti(path, volume.hu, volume, progress)


def make_folder(folder: Path) -> None:
    """Make `folder` and the folders above it; `UnwritableOutput` if that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnwritableOutput(
            f"The folder {folder} cannot be made ({error.strerror}); name another."
        ) from error


def make_private_folder(folder: Path) -> None:
    """Make `folder` and the folders above it, readable by their owner alone whatever the umask.

    The permissions of folders that exist already do not change.

    Raises:
        UnwritableOutput: if that fails.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        make_folder(each)
        restrict_to_owner(each)


def restrict_to_owner(path: Path) -> None:
    """Take every permission for `path` from everybody but its owner, if the file system has permissions."""
    with suppress(OSError):
        path.chmod(path.stat().st_mode & 0o700)


def write_json(path: Path, data: Any) -> None:
    """Write `data` as indented JSON in UTF-8, atomically.

    Raises:
        TypeError, ValueError: if JSON cannot hold `data`; it has no NaN and no infinity.
        UnwritableOutput: as for `write_text`.
    """
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically.

    Raises:
        UnwritableOutput: if it could not be written or read back equal; an old file at `path` stays.
    """
    # Names of files may hold bytes that are not text; in JSON this is the escape of such a byte.
    encoded = text.encode(errors="backslashreplace")

    def produce(file: BinaryIO) -> None:
        file.write(encoded)

    def verify(written: Path) -> None:
        if written.read_bytes() != encoded:
            raise _read_back_error(path)

    write_atomically(path, produce, verify)


def _write_nifti(path: Path, values: NDArray[Any], volume: Volume, progress: ProgressCallback) -> None:
    """Write `values`, (z, y, x), on the source grid of `volume`, and compare what is read back."""
    _check_output_path(path, volume)
    source = np.asfortranarray(volume.placement.to_source(values))
    header = _build_header(volume, source.dtype)

    def produce(file: BinaryIO) -> None:
        if not path.name.lower().endswith(".gz"):
            _write_header_and_voxels(file, header, source, progress)
            return
        # Without name and time in the header of gzip: the same mask gives the same bytes, and the file
        # discloses nothing.
        with gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0) as packed:
            _write_header_and_voxels(cast("BinaryIO", packed), header, source, progress)

    def verify(written: Path) -> None:
        _verify_written(path, written, values, volume, header)

    write_atomically(path, produce, verify)


def _check_output_path(path: Path, volume: Volume) -> None:
    if not path.name.lower().endswith(nifti.WRITTEN_SUFFIXES):
        raise UnwritableOutput(f"{path.name} was not saved: masks and maps are written as .nii or .nii.gz.")
    if _is_same_file(path, volume.origin.path):
        raise UnwritableOutput(f"{path.name} was not saved: it is the CT itself, choose another name.")


def _is_same_file(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:
        return False


def _write_header_and_voxels(
    file: BinaryIO, header: Any, source: NDArray[Any], progress: ProgressCallback
) -> None:
    # The four bytes after the header say that there are no extensions (nifti1.h).
    file.write(header.binaryblock + b"\0\0\0\0")
    view = source.reshape(-1, order="F").view(np.uint8).data
    steps = -(-len(view) // _CHUNK)
    for step in range(steps):
        progress(step, steps, "writing")
        file.write(view[step * _CHUNK : (step + 1) * _CHUNK])
    progress(steps, steps, "writing")


def _build_header(volume: Volume, dtype: np.dtype[Any]) -> Any:
    """Return the header: the placing fields of the source as they were, or new ones if it has none."""
    frame = volume.origin.frame
    # The affine of NIfTI-2 is in float64, which a NIfTI-1 header could not give back bit by bit.
    double = frame is not None and frame.raw and frame.raw["srow_x"].dtype.itemsize == 8
    header = (Nifti2Header if double else Nifti1Header)(endianness="<")
    header.set_data_dtype(dtype)
    header.set_data_shape(volume.placement.source.shape)
    header["scl_slope"], header["scl_inter"] = 1, 0
    header["vox_offset"] = int(header["sizeof_hdr"]) + 4
    if frame is not None and frame.raw:
        _copy_nifti_frame(header, frame)
    else:
        _set_affine(header, volume.placement.source)
    return header


def _copy_nifti_frame(header: Any, frame: NiftiOrientation) -> None:
    for name in FRAME_FIELDS:
        header[name] = frame.raw[name]
    header["pixdim"][:4] = frame.raw["pixdim"]
    header["xyzt_units"] = frame.raw["xyzt_units"]


def _set_affine(header: Any, grid: VoxelGrid) -> None:
    """Place the voxels by an sform, and by a qform if a rotation can express the affine."""
    header["xyzt_units"] = _MILLIMETRES
    header.set_sform(grid.affine, code=1)
    header.set_qform(grid.affine, code=1, strip_shears=True)
    # A rotation cannot express a sheared affine: then only the sform counts.
    if not grid.matches_grid(VoxelGrid(grid.shape, header.get_qform()), _QFORM_TOLERANCE_MM):
        header["qform_code"] = 0


def _verify_written(path: Path, written: Path, values: NDArray[Any], volume: Volume, header: Any) -> None:
    """Raise `UnwritableOutput` unless grid, placing fields and every voxel of `written` are as meant."""
    try:
        content = nifti.load_nifti(written)
    except UnreadableInput as error:
        raise _read_back_error(path) from error
    source = volume.placement.source
    same = (
        content.stored.dtype == values.dtype
        and (content.slope, content.intercept) == (1.0, 0.0)
        and content.grid.shape == source.shape
        and _has_same_fields(content.frame, header)
        and np.array_equal(content.grid.affine, _expected_affine(volume))
        and _has_same_bytes(volume.placement.to_canonical(content.stored), values)
    )
    if not same:
        raise _read_back_error(path)


def _expected_affine(volume: Volume) -> NDArray[np.float64]:
    # Without a NIfTI header to copy, the affine was written as float32.
    affine = volume.placement.source.affine
    if volume.origin.frame is not None and volume.origin.frame.raw:
        return affine
    return affine.astype(np.float32).astype(np.float64)


def _has_same_fields(frame: NiftiOrientation, header: Any) -> bool:
    placed = all(frame.raw[name].tobytes() == header[name].tobytes() for name in FRAME_FIELDS)
    # Where the sform counts, the pixdim beside it may be anything, NaN included, and is kept.
    return placed and np.array_equal(frame.raw["pixdim"], header["pixdim"][:4], equal_nan=True)


def _has_same_bytes(here: NDArray[Any], there: NDArray[Any]) -> bool:
    # Bits are compared, not values, because NaN in a map must come back as well.
    bits = {1: np.uint8, 2: np.uint16, 4: np.uint32}[here.dtype.itemsize]
    return np.array_equal(here.view(bits), there.view(bits))


def _read_back_error(path: Path) -> UnwritableOutput:
    return UnwritableOutput(
        f"{path.name} was not saved: it read back differently from what was written, so the disk or the "
        "connection to it may be failing; save to another place."
    )
