"""A CT volume, its origin, and what its file says of orientation. Arrays are (z, y, x), canonical."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.voxel_grid import GridReorientation, VoxelGrid


@dataclass(frozen=True, eq=False)
class LabelMap:
    """The labelled structures of one subject, in canonical orientation.

    Attributes:
        codes: (z, y, x) uint8 or uint16, 0 for no label; z grows to the head, y to the back, x to the left.
        names: code -> name of the structure as in TotalSegmentator (`liver`, `kidney_left`, ...).
        spacing_mm: (z, y, x) voxel size in mm.
        subject: identifier of the subject.
    """

    codes: NDArray[np.unsignedinteger]
    names: Mapping[int, str]
    spacing_mm: tuple[float, float, float]
    subject: str


@dataclass(frozen=True, eq=False)
class NiftiOrientation:
    """The orientation fields of a NIfTI header, kept so that a mask is written with the same ones.

    Attributes:
        sform: (4, 4) float64, index (i, j, k) -> RAS+ mm; meaningful if `sform_code` > 0.
        qform: (4, 4) float64, index (i, j, k) -> RAS+ mm; meaningful if `qform_code` > 0.
        sform_code, qform_code: NIfTI-1 codes from 0 (unknown) to 5.
        raw: NIfTI name -> header field exactly as stored; empty if unknown. It is kept beside the matrices
            because computing the quaternion back from a matrix would round it.
    """

    sform: NDArray[np.float64]
    sform_code: int
    qform: NDArray[np.float64]
    qform_code: int
    raw: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class VolumeOrigin:
    """The origin of a volume.

    Attributes:
        path: the file or folder that was opened.
        kind: "NIfTI", "DICOM", "NRRD", "MetaImage" or "phantom".
        frame: the NIfTI orientation fields; None for other formats.
        series: the key of the DICOM series if the folder held several; None otherwise.
    """

    path: Path
    kind: str
    frame: NiftiOrientation | None = None
    series: str | None = None


@dataclass(frozen=True, eq=False)
class Volume:
    """A CT volume on the canonical grid, with the map back to its source grid.

    Attributes:
        hu: (z, y, x) int16 or float32, Hounsfield units; the array is made read-only.
        placement: the source grid, the canonical grid and the exact map between them.
        name: a name for lists and output files. It holds nothing of the patient that was not in the file
            name.
        origin: the file or folder that it was read from.
        notes: sentences for the user on what was unusual in the file but could be handled.

    Raises:
        ValueError: if the shape of `hu` is not that of the canonical grid.
    """

    hu: NDArray[np.int16] | NDArray[np.float32]
    placement: GridReorientation
    name: str
    origin: VolumeOrigin
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.hu.shape != self.grid.shape:
            raise ValueError(f"voxels {self.hu.shape} do not fit the grid {self.grid.shape}")
        # The window, the background threads and the tools read the same array.
        self.hu.setflags(write=False)

    @property
    def grid(self) -> VoxelGrid:
        """The canonical grid."""
        return self.placement.canonical

    @cached_property
    def hu_range(self) -> tuple[float, float]:
        """The smallest and the largest HU of the volume."""
        return float(self.hu.min()), float(self.hu.max())

    @property
    def lowest_hu(self) -> float:
        """The smallest HU of the volume."""
        return self.hu_range[0]
