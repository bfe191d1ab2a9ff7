"""Files and volumes for the io tests, made by other software than the code under test where there is any."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import SimpleITK
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian, generate_uid

from attunet_gui.core.volume import Volume
from attunet_gui.core.voxel_grid import VoxelGrid

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SERIES = generate_uid(entropy_srcs=["attunet-gui", "series"])
OTHER_SERIES = generate_uid(entropy_srcs=["attunet-gui", "other series"])


def ct_like(shape: tuple[int, ...]) -> np.ndarray:
    """int16, every voxel different, from air to bone."""
    return (np.arange(np.prod(shape)).reshape(shape) * 7 - 1000).astype(np.int16)


def marked(values: np.ndarray) -> np.ndarray:
    """bool: a pattern over the values of `ct_like` that no flip or exchange of axes leaves as it is."""
    return np.asarray(np.sin(values.astype(np.float64) ** 2) > 0.2)


def write_source(kind: str, folder: Path, grid: VoxelGrid, array: np.ndarray) -> Path:
    """`array` (i, j, k) on `grid` as a file of `kind`: "nii.gz", "nrrd" or "mha"."""
    path = folder / f"ct.{kind}"
    if kind.startswith("nii"):
        return write_nifti(path, array, grid.affine)
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(array.T))
    affine = LPS @ grid.affine
    image.SetSpacing(grid.spacing_mm)
    image.SetDirection((affine[:3, :3] / grid.spacing_mm).ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    SimpleITK.WriteImage(image, str(path), useCompression=True)
    return path


def write_nifti(path: Path, array: np.ndarray, affine: np.ndarray, **fields: Any) -> Path:
    """A NIfTI-1 file with sform code 2 and qform code 1; `fields` go into its header."""
    image = nib.Nifti1Image(array, affine)
    image.set_sform(affine, 2)
    image.set_qform(affine, 1)
    for name, value in fields.items():
        image.header[name] = value
    nib.save(image, path)
    return path


def lps_of_values(volume: Volume) -> dict[int, np.ndarray]:
    """HU -> position in the patient, LPS mm, of every voxel."""
    index = np.array(list(np.ndindex(volume.hu.shape))).T
    world = (LPS @ volume.grid.affine)[:3] @ np.vstack([index, np.ones(index.shape[1])])
    return {int(volume.hu[tuple(at)]): place for at, place in zip(index.T, world.T, strict=True)}


def ct_header(**tags: Any) -> Dataset:
    """What every image of a synthetic series says; a value of None removes the tag."""
    data = Dataset()
    data.SOPClassUID = CTImageStorage
    data.SOPInstanceUID = generate_uid()
    data.SeriesInstanceUID = SERIES
    data.Modality = "CT"
    data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.PatientName = "Doe^Jane"
    data.PatientID = "4711"
    data.SeriesNumber = 3
    data.SeriesDescription = "abdomen"
    data.ImageOrientationPatient = list(AXIAL)
    data.PixelSpacing = [0.8, 0.7]
    data.SliceThickness = 2.0
    data.RescaleSlope, data.RescaleIntercept = 1, -1024
    for name, value in tags.items():
        if value is None:
            delattr(data, name)
        else:
            setattr(data, name, value)
    return data


def write_slice(path: Path, stored: np.ndarray, position: Any, **tags: Any) -> Path:
    """One CT image; `stored` is (rows, columns) uint16 or int16, `position` LPS mm."""
    data = ct_header(**({"ImagePositionPatient": [f"{x:.9g}" for x in position]} | tags))
    _set_pixels(data, stored)
    return _save(path, data)


def write_series(folder: Path, stored: np.ndarray, normal_step: Any = (0, 0, 2.0), **tags: Any) -> list[Path]:
    """`stored` (slices, rows, columns) as files whose names do not follow the positions."""
    folder.mkdir(parents=True, exist_ok=True)
    origin = np.array([-20.0, -30.0, 40.0])
    names = np.random.default_rng(1).permutation(len(stored))
    return [
        write_slice(folder / f"im{names[k]:03d}", image, origin + k * np.array(normal_step), **tags)
        for k, image in enumerate(stored)
    ]


def write_enhanced(path: Path, stored: np.ndarray, positions: list[tuple[float, float, float]]) -> Path:
    """`stored` (frames, rows, columns) as one enhanced CT object."""
    drop = ("ImageOrientationPatient", "PixelSpacing", "SliceThickness", "RescaleSlope", "RescaleIntercept")
    data = ct_header(SOPClassUID=EnhancedCTImageStorage, **dict.fromkeys(drop))
    shared = Dataset()
    shared.PlaneOrientationSequence = _item(ImageOrientationPatient=list(AXIAL))
    shared.PixelMeasuresSequence = _item(PixelSpacing=[0.8, 0.7], SliceThickness=2.0)
    shared.PixelValueTransformationSequence = _item(RescaleSlope=1, RescaleIntercept=-1024)
    data.SharedFunctionalGroupsSequence = Sequence([shared])
    frames = []
    for position in positions:
        frame = Dataset()
        frame.PlanePositionSequence = _item(ImagePositionPatient=list(position))
        frames.append(frame)
    data.PerFrameFunctionalGroupsSequence = Sequence(frames)
    data.NumberOfFrames = len(positions)
    _set_pixels(data, stored)
    return _save(path, data)


def _item(**tags: Any) -> Sequence:
    item = Dataset()
    for name, value in tags.items():
        setattr(item, name, value)
    return Sequence([item])


def _set_pixels(data: Dataset, stored: np.ndarray) -> None:
    data.Rows, data.Columns = stored.shape[-2:]
    data.SamplesPerPixel = 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit = 15
    data.PixelRepresentation = int(stored.dtype.kind == "i")
    data.PixelData = np.ascontiguousarray(stored).tobytes()


def _save(path: Path, data: Dataset) -> Path:
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.get("SOPClassUID") or CTImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.save_as(path, enforce_file_format=True)
    return path
