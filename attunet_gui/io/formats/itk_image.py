"""Reading NRRD and MetaImage, the formats of ITK.

ITK itself is not used: on damaged headers its readers crash the process, they wait forever on a name that is
a pipe, and where a packed file is damaged they return whatever was in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.grid import VoxelGrid, canonical_reorientation
from attunet_gui.core.volume import Volume, VolumeOrigin
from attunet_gui.io.formats import metaimage, nrrd
from attunet_gui.io.formats.geometry_checks import checked_source_grid
from attunet_gui.io.formats.hounsfield import spacing_notes, to_hu
from attunet_gui.io.formats.itk_header import ItkHeader
from attunet_gui.io.formats.voxel_blocks import iter_voxel_parts, read_voxel_blocks
from attunet_gui.system.errors import UnreadableInput
from attunet_gui.system.progress import ProgressCallback, no_progress

NRRD_SUFFIXES = (".nrrd", ".nhdr")
META_SUFFIXES = (".mha", ".mhd")

# The affine of a header is in LPS (`Described.affine`), that of a `VoxelGrid` in RAS+.
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_NO_AXES = "The header does not say how the patient lies: check left and right, head and feet."


@dataclass(frozen=True, eq=False)
class StoredItkImage:
    """The content of an image file, as stored.

    Attributes:
        stored: (i, j, k) in the dtype of the file and in Fortran order.
        grid: the grid, voxel (i, j, k) -> RAS+ mm.
        notes: sentences for the user about what is unusual in the header.
    """

    stored: NDArray[Any]
    grid: VoxelGrid
    notes: tuple[str, ...]


def read_itk(path: Path, progress: ProgressCallback = no_progress) -> Volume:
    """Read the CT volume in the file `path` (.nrrd, .nhdr, .mha, .mhd).

    Raises:
        UnreadableInput: if the file is damaged, not a 3-D image of real numbers, or has no usable geometry.
    """
    content = load_itk(path, progress)
    grid, notes = content.grid, content.notes
    placement = canonical_reorientation(grid)
    scaled = to_hu(placement.to_canonical(content.stored), name=path.name)
    del content  # what was stored must not stay alive beside its copy
    kind = "NRRD" if _is_nrrd(path) else "MetaImage"
    return Volume(
        hu=scaled.hu,
        placement=placement,
        name=path.stem,
        origin=VolumeOrigin(path, kind),
        notes=notes + spacing_notes(grid) + scaled.notes,
    )


def load_itk(path: Path, progress: ProgressCallback = no_progress) -> StoredItkImage:
    """Read the content of `path` as stored.

    Raises:
        UnreadableInput: see `read_itk`.
    """
    try:
        header = _read_itk_header(path)
        grid = checked_source_grid(header.shape, _LPS_TO_RAS @ header.affine, path.name)
        voxels = read_voxel_blocks(header.pieces, header.shape, header.dtype, progress)
    except OSError as error:
        raise UnreadableInput(f"{path.name} could not be read: ask for access to it.") from error
    return StoredItkImage(voxels, grid, () if header.placed else (_NO_AXES,))


def iter_itk_values(path: Path) -> Iterator[NDArray[Any]]:
    """Yield the values in `path` in the order of the file, as (n,) arrays of a megabyte in the file's dtype.

    Raises:
        UnreadableInput: see `read_itk`; the geometry is not looked at.
        OSError: if a file cannot be read.
    """
    header = _read_itk_header(path)
    return iter_voxel_parts(header.pieces, header.shape, header.dtype)


def _read_itk_header(path: Path) -> ItkHeader:
    return nrrd.read_nrrd_header(path) if _is_nrrd(path) else metaimage.read_metaimage_header(path)


def _is_nrrd(path: Path) -> bool:
    return path.name.lower().endswith(NRRD_SUFFIXES)
