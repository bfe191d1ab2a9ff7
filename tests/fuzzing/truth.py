"""Whether a mask lies where it was drawn, according to readers that are not the product's."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Iterator
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import SimpleITK
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from attunet_gui.core.volume import Volume

_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_LARGEST = 256 << 20
_OFF_GRID = 0.2
_AIR = -1024.0
_ITK_SECONDS = 20.0
_AS_STORED = {"RescaleSlope": 1, "RescaleIntercept": 0}
_FLAT = 1e-9
_MM_APART = 1.0
_UNIT = re.compile(rb'(?im)^(?:space units *: *"|DistanceUnits *= *)(\w+)')
"""ITK reads coordinates as they are written, whatever they are in."""
_MM = {b"mm": 1.0, b"cm": 10.0, b"um": 0.001}


class NoSecondOpinion(Exception):
    """The other reader cannot open the source."""


def threshold(volume: Volume) -> float:
    """HU that divides the voxels of `volume`, between two whole numbers."""
    return float(np.floor(np.median(volume.hu))) + 0.5


def fault(path: Path, volume: Volume, written: Path, limit: float) -> str:
    """What is wrong with the mask in `written`, drawn where `volume` is above `limit`; "" if nothing.

    Raises:
        NoSecondOpinion: if nobody else can open `path`.
    """
    mask = nib.load(written)
    if volume.origin.kind == "DICOM":
        return _dicom_fault(path, mask, limit)
    values, affine = (_nifti if volume.origin.kind == "NIfTI" else _itk)(path)
    return _grid_fault(mask, values, affine) or _values_fault(np.asarray(mask.dataobj), values, limit)


def unlike(found: Volume, original: Volume) -> str:
    """In what `found`, which opened without a note, differs from `original`; "" if in nothing."""
    if found.hu.shape != original.hu.shape:
        return f"{found.hu.shape} voxels, and the original has {original.hu.shape}"
    # Positions may be rounded to whole mm in DICOM, and to float32 in NIfTI.
    corners = np.array(list(product(*((0, n - 1) for n in found.hu.shape), (1,)))).T
    apart = np.linalg.norm((found.grid.affine @ corners - original.grid.affine @ corners)[:3], axis=0).max()
    if apart > _MM_APART:
        return f"lies up to {apart:.2f} mm from the original"
    wrong = int(np.count_nonzero(np.abs(found.hu.astype(float) - original.hu) > 1))
    return f"{wrong} of {found.hu.size} voxels have other HU than the original" if wrong else ""


def _grid_fault(mask: Any, values: np.ndarray, affine: np.ndarray) -> str:
    if mask.shape != values.shape:
        return f"the mask has {mask.shape} voxels, the source {values.shape}"
    largest = np.abs(affine).max()
    if not np.allclose(mask.affine, affine, rtol=1e-5, atol=1e-6 * largest):
        return f"the mask lies at {mask.affine.tolist()}, the source at {affine.tolist()}"
    return ""


def _values_fault(mask: np.ndarray, values: np.ndarray, limit: float) -> str:
    with np.errstate(all="ignore"):
        hu = values.astype(np.float32).astype(np.float64)
    hu = np.maximum(np.where(np.isfinite(hu), hu, _AIR), _AIR)
    clear = np.abs(hu - limit) > 1e-5 * np.maximum(np.abs(hu), 1)
    wrong = int(np.count_nonzero(((hu > limit) != (mask != 0)) & clear))
    return f"{wrong} of {hu.size} voxels of the mask are elsewhere" if wrong else ""


def _nifti(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        if path.name.endswith(".hdr"):
            image = nib.Nifti1Pair.from_filename(path)
            return _three_axes(np.asarray(image.dataobj)), _affine_of(image)
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            raw = file.read(_LARGEST)
        kind = nib.Nifti1Image if 348 in (_int(raw, "little"), _int(raw, "big")) else nib.Nifti2Image
        image = kind.from_bytes(raw)
        values = np.asarray(image.dataobj)
    except Exception as error:
        raise NoSecondOpinion from error
    return _three_axes(values), _affine_of(image)


def _three_axes(values: np.ndarray) -> np.ndarray:
    return values.reshape((*values.shape[:3], 1, 1)[:3])


def _affine_of(image: Any) -> np.ndarray:
    """nibabel's, but for an sform that is empty or damaged beside a qform: then the qform's."""
    affine = image.affine
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    said = np.isfinite(affine).all() and steps.min() > 0
    if said and abs(np.linalg.det(affine[:3, :3] / steps)) > _FLAT:
        return affine
    return image.header.get_qform() if image.header["qform_code"] else affine


def _int(raw: bytes, order: Any) -> int:
    return int.from_bytes(raw[:4], order)


def _itk(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """In a process of its own: ITK does not survive every damaged header."""
    with TemporaryDirectory() as folder:
        found = Path(folder) / "found.npz"
        other = get_context("fork").Process(target=_itk_to, args=(path, found))
        other.start()
        other.join(_ITK_SECONDS)
        other.kill()
        if not found.exists():
            raise NoSecondOpinion
        with np.load(found) as arrays:
            return arrays["values"], arrays["affine"]


def _itk_to(path: Path, found: Path) -> None:
    image = SimpleITK.ReadImage(str(path))
    head = path.read_bytes()[:4096]
    if b"CompressedData = True" in head and b"CompressedDataSize" not in head:
        raise ValueError("ITK unpacks nothing then, and hands out whatever was in memory")
    found_unit = _UNIT.search(head)
    factor = _MM.get(found_unit[1] if found_unit else b"mm", 1.0)
    values = SimpleITK.GetArrayFromImage(image)
    corner = np.array(image.TransformIndexToPhysicalPoint((0,) * image.GetDimension()))
    affine = np.eye(4)
    for axis in range(3):
        step = [0] * image.GetDimension()
        step[axis] = 1
        affine[:3, axis] = (np.array(image.TransformIndexToPhysicalPoint(step)) - corner)[:3]
    affine[:3, 3] = corner[:3]
    affine[:3] *= factor
    unfinished = found.with_suffix(".part.npz")
    np.savez(
        unfinished,
        values=values.reshape(values.shape[-3:]).T,
        affine=_LPS @ affine,
    )
    unfinished.rename(found)


# DICOM: pixel by pixel, as PS3.3 C.7.6.2.1.1 places them


def _dicom_fault(path: Path, mask: Any, limit: float) -> str:
    """The mask has to lie exactly on one of the series that are there; which one, the product has said."""
    found = _series_at(path)
    parts = [part for series in found for part in _parts(series)]
    alone: dict[tuple[int, int], list[Any]] = {}
    for series in found:
        if len(series) == 1:
            alone.setdefault((series[0].Rows, series[0].Columns), []).append(series[0])
    faults = [_series_fault(series, mask, limit) for series in (*found, *parts, *alone.values())]
    return "" if "" in faults else "; ".join(faults) or "there is no series"


_PADDED = -(2**15)
"""Below everything that was measured: what was filled in is air."""


def _stored(data: Any) -> np.ndarray:
    """What pydicom decodes: the bits that the tags name, with their sign (PS3.5, 8.1.1)."""
    bits, high = int(data.BitsStored), int(data.get("HighBit", data.BitsStored - 1))
    if data.file_meta.TransferSyntaxUID.is_compressed:
        values = np.asarray(data.pixel_array).astype(np.int64) % 2**bits
    elif high == bits - 1:
        return np.asarray(data.pixel_array)
    else:
        cells = pydicom.pixels.pixel_array(data, raw=True, correct_unused_bits=False).astype(np.int64)
        values = cells % 2**data.BitsAllocated // 2 ** (high + 1 - bits) % 2**bits
    negative = data.PixelRepresentation * (values >= 2 ** (bits - 1))
    padding = data.get("PixelPaddingValue")
    filled = np.zeros(values.shape, bool) if padding is None else values == int(padding) % 2**bits
    return np.where(filled, _PADDED, values - negative * 2**bits)


def _parts(series: list[Any]) -> list[list[Any]]:
    """What may be one scan of several in a series: what shares an acquisition, a folder, or a number."""
    by: dict[tuple[str, str], list[Any]] = {}
    for data in series:
        by.setdefault(("acquisition", str(data.get("AcquisitionNumber"))), []).append(data)
        by.setdefault(("folder", str(Path(data.filename).parent)), []).append(data)
        if not data.get("SeriesInstanceUID"):
            by.setdefault(("number", str(data.get("SeriesNumber"))), []).append(data)
    return list(by.values())


def _series_fault(series: list[Any], mask: Any, limit: float) -> str:
    units = {str(_of(data, 0, "RescaleType", "")).strip() for data in series}
    if units - {"", "HU", "HU_MOD", "US"}:
        return f"the values are {units}, not HU"
    to_voxel = np.linalg.inv(_LPS @ mask.affine)
    drawn = np.asarray(mask.dataobj)
    claimed = np.zeros(mask.shape, bool)
    for values, places in _placed_pixels(series):
        found = (to_voxel @ places)[:3]
        at = np.rint(found).astype(int)
        size = np.array(mask.shape)[:, None]
        if np.abs(found - at).max() > _OFF_GRID or (at < 0).any() or (at >= size).any():
            return "a slice of the series lies beside the grid of the mask"
        wrong = _values_fault(drawn[tuple(at)], values, limit)
        if wrong:
            return wrong
        claimed[tuple(at)] = True
    return "" if claimed.all() else "the mask has slices that are not in the series"


def _placed_pixels(series: list[Any]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """HU (n,) and places (4, n) in LPS mm of every image of `series`."""
    for data in series:
        try:
            if "TransferSyntaxUID" not in data.file_meta:
                implicit = data.original_encoding[0]
                data.file_meta.TransferSyntaxUID = (
                    ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
                )
            stored = np.atleast_3d(_stored(data).T).T
            for frame, image in enumerate(stored):
                slope, intercept = (
                    float(_of(data, frame, f"Rescale{word}")) for word in ("Slope", "Intercept")
                )
                yield (image * slope + intercept).ravel(), _places(data, frame, image.shape)
        except Exception as error:
            raise NoSecondOpinion from error


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield from path.parent.iterdir()
        return
    for folder, _folders, names in os.walk(path, followlinks=True):
        yield from (Path(folder) / name for name in names)


def _series_at(path: Path) -> list[list[Any]]:
    found: dict[str, list[Any]] = {}
    for file in sorted(_files(path)):
        if not file.is_file() or any(
            part.startswith(".") for part in file.relative_to(path.parent).parts[1:]
        ):
            continue
        try:
            data = pydicom.dcmread(file, force=True)
            object_kind = data.get("SOPClassUID") or data.file_meta.get("MediaStorageSOPClassUID")
            kind = data.get("Modality") or ("CT" if "1.4.1.1.2" in str(object_kind) else "")
            image = "Rows" in data and kind == "CT" and data.get("SamplesPerPixel") == 1
            key = str(data.get("SeriesInstanceUID") or file.parent)
        except Exception:
            continue
        if image:
            found.setdefault(key, []).append(data)
    return list(found.values())


def _of(data: Any, frame: int, keyword: str, absent: Any = None) -> Any:
    per_frame = data.get("PerFrameFunctionalGroupsSequence") or []
    shared = data.get("SharedFunctionalGroupsSequence") or []
    for group in (*per_frame[frame : frame + 1], *shared[:1]):
        for sequence in group:
            if sequence.VR == "SQ" and sequence.value and keyword in sequence.value[0]:
                return sequence.value[0].get(keyword)
    if keyword in _AS_STORED and not any(data.get(each) for each in _AS_STORED):
        return _AS_STORED[keyword]
    return data[keyword].value if absent is None else data.get(keyword, absent)


def _places(data: Any, frame: int, shape: tuple[int, ...]) -> np.ndarray:
    cosines = np.array(_of(data, frame, "ImageOrientationPatient"), float)
    between_rows, between_columns = (float(step) for step in _of(data, frame, "PixelSpacing"))
    corner = np.array(_of(data, frame, "ImagePositionPatient"), float)
    row, column = (index.ravel() for index in np.indices(shape))
    along = cosines[:3, None] * between_columns * column + cosines[3:, None] * between_rows * row
    return np.vstack([corner[:, None] + along, np.ones(row.size)])
