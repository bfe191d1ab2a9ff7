"""Cases to export: CT of every format with a mask, written by other software than the code under test."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK

from attunet_gui.core.voxel_grid import VoxelGrid
from attunet_gui.export import ExportCase, Pseudonymizer
from attunet_gui.export.export_manifest import ManifestFileEntry
from tests.support.ct_files import ct_like, write_nifti, write_series, write_source

SHAPE = (6, 5, 4)
"""(k, j, i): slices, rows, columns."""
STORED = (ct_like(SHAPE) + 1024).astype(np.uint16)
MASK = np.zeros(SHAPE, np.uint8)
MASK[1:4, 1:3, 0:3] = MASK[2, 4, 3] = 1
"""(k, j, i), like `STORED`; no flip or exchange of axes leaves it as it is."""

AFFINE = np.array([[-0.7, 0, 0, 20.0], [0, -0.8, 0, 30], [0, 0, 2.0, 40], [0, 0, 0, 1]])
"""Where `tests.support.ct_files.write_series` puts its voxels, (i, j, k) -> RAS+ mm."""
TILTED = np.array([[-0.7, 0, 0, 20.0], [0, -0.8, -0.5, 30], [0, 0, 2.0, 40], [0, 0, 0, 1]])

IDENTITY = Pseudonymizer(b"a key that only tests have" * 2)
WHEN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
KINDS = ("nifti", "nrrd", "mha", "dicom", "tilted dicom")


def make_case(
    folder: Path, kind: str, name: str = "case-1", verified: frozenset[int] | None = None
) -> ExportCase:
    """A case of `kind` whose voxels are `STORED` - 1024 and `MASK`."""
    folder.mkdir(parents=True, exist_ok=True)
    tilted = kind.startswith("tilted")
    affine = TILTED if tilted else AFFINE
    hu = STORED.astype(np.int16) - 1024
    if kind.endswith("dicom"):
        image = folder / "series"
        # In LPS, x and y grow the other way.
        write_series(image, STORED, (0, 0.5, 2.0) if tilted else (0, 0, 2.0))
    else:
        image = write_source(
            "nii.gz" if kind == "nifti" else kind, folder, VoxelGrid(SHAPE[::-1], affine), hu.T
        )
    mask = write_nifti(folder / "mask.nii.gz", MASK.T, affine)
    done = {"annotator": "Ann Other", "model": "/home/ann/models/starter-2 c0ffee", "edits": {"brush": 3}}
    return ExportCase(name, image, mask, verified, seconds=61.5, time=WHEN, **done)


def expected_labels(verified: frozenset[int] | None) -> np.ndarray:
    """(k, j, i): what a label file has to say of `MASK`; canonical slices of all kinds here are k."""
    labels = MASK.copy()
    if verified is not None:
        labels[[k for k in range(len(MASK)) if k not in verified]] = 2
    return labels


def itk_array(path: Path) -> np.ndarray:
    """(k, j, i) as SimpleITK has it."""
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))


def nib_array(path: Path) -> np.ndarray:
    """(k, j, i) as nibabel has it."""
    return np.asarray(nib.load(path).dataobj).T


def every_file(folder: Path) -> dict[str, bytes]:
    """Path within `folder` -> bytes, of all files, hidden ones too."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def unpacked(content: bytes) -> bytes:
    """What is in a gzip file; other bytes as they are."""
    return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


def listed(entries: tuple[ManifestFileEntry, ...]) -> dict[str, str]:
    return {entry.path: entry.sha256 for entry in entries}
