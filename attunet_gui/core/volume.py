"""The values that travel through the product. All frozen; arrays are (z, y, x), canonical."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.grid import Grid, Reorientation


@dataclass(frozen=True, eq=False)
class NiftiFrame:
    """What a NIfTI header says of orientation, kept to be written back unchanged.

    Attributes:
        sform: (4, 4) float64, index (i, j, k) -> RAS+ mm; meaningful where `sform_code` > 0.
        qform: (4, 4) float64, likewise; meaningful where `qform_code` > 0.
        sform_code, qform_code: NIfTI-1 codes, 0 (unknown) to 5.
        raw: the header fields these came from, by NIfTI name, exactly as stored; empty where unknown.
            Going through the matrices would round the quaternion.
    """

    sform: NDArray[np.float64]
    sform_code: int
    qform: NDArray[np.float64]
    qform_code: int
    raw: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Origin:
    """Where a volume came from.

    Attributes:
        path: the file or folder that was opened.
        kind: "NIfTI", "DICOM", "NRRD", "MetaImage" or "phantom".
        frame: the NIfTI orientation fields, for NIfTI sources only.
        series: the DICOM series key where a folder held several.
    """

    path: Path
    kind: str
    frame: NiftiFrame | None = None
    series: str | None = None


@dataclass(frozen=True, eq=False)
class Volume:
    """A CT volume on the canonical grid, with the way back to its source grid.

    Attributes:
        hu: (z, y, x) int16 or float32, Hounsfield units; read-only.
        placement: source grid, canonical grid and the exact map between them.
        name: a name for lists and output files, without anything of the patient that was not in
            the file name.
        origin: where it came from.
        notes: sentences for the user on what was unusual but could be handled.
    """

    hu: NDArray[np.int16] | NDArray[np.float32]
    placement: Reorientation
    name: str
    origin: Origin
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.hu.shape != self.grid.shape:
            raise ValueError(f"voxels {self.hu.shape} do not fit the grid {self.grid.shape}")
        self.hu.setflags(write=False)

    @property
    def grid(self) -> Grid:
        """The canonical grid."""
        return self.placement.canonical

    @cached_property
    def hu_range(self) -> tuple[float, float]:
        """Smallest and largest HU."""
        return float(self.hu.min()), float(self.hu.max())

    @property
    def lowest_hu(self) -> float:
        """The darkest voxel."""
        return self.hu_range[0]
