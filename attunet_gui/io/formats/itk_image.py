"""Reading images whose header says where raw or packed voxels lie: NRRD and MetaImage, the formats of ITK.

ITK itself is not used: on damaged headers its readers crash the process, they wait forever on a name that is
a pipe, and where a packed file is damaged they return whatever was in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.volume import Volume, VolumeOrigin
from attunet_gui.core.voxel_grid import VoxelGrid, canonical_reorientation
from attunet_gui.io.formats.hounsfield import spacing_notes, to_hu
from attunet_gui.io.formats.image_format import ImageFormat, StoredLabels
from attunet_gui.io.formats.itk_header import ItkHeader
from attunet_gui.io.formats.source_grid_checks import checked_source_grid
from attunet_gui.io.formats.voxel_blocks import (
    has_more_than_voxels,
    iter_voxel_parts,
    read_voxel_blocks,
    surplus_notes,
)
from attunet_gui.system.errors import UnreadableInput
from attunet_gui.system.progress import ProgressCallback, no_progress

HeaderReader = Callable[[Path], ItkHeader]
"""Reads the header of a file; it raises `UnreadableInput` if it is damaged, and `OSError`."""

# The affine of a header is in LPS (`ItkHeader.affine`), that of a `VoxelGrid` in RAS+.
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


def itk_image_format(kind: str, suffixes: tuple[str, ...], read_header: HeaderReader) -> ImageFormat:
    """Return the format of which `read_header` reads the headers; all else is the same for all of them."""
    return ImageFormat(
        title=kind,
        kind=kind,
        suffixes=suffixes,
        read_ct=partial(_read_ct, kind, read_header),
        load_labels=partial(_load_labels, read_header),
        iter_values=partial(_iter_values, read_header),
        files=partial(_header_and_voxel_files, read_header),
    )


def _read_ct(
    kind: str, read_header: HeaderReader, path: Path, _series: str | None, progress: ProgressCallback
) -> Volume:
    content = _load_image(read_header, path, progress)
    grid, notes = content.grid, content.notes
    placement = canonical_reorientation(grid)
    scaled = to_hu(placement.to_canonical(content.stored), name=path.name)
    del content  # what was stored must not stay alive beside its copy
    return Volume(
        hu=scaled.hu,
        placement=placement,
        name=path.stem,
        origin=VolumeOrigin(path, kind),
        notes=notes + spacing_notes(grid) + scaled.notes,
    )


def _load_labels(read_header: HeaderReader, path: Path) -> StoredLabels:
    content = _load_image(read_header, path)
    return content.stored, content.grid


def _load_image(
    read_header: HeaderReader, path: Path, progress: ProgressCallback = no_progress
) -> StoredItkImage:
    """Read the content of `path` as stored.

    Raises:
        UnreadableInput: if the file is damaged, not a 3-D image of real numbers, or has no usable geometry.
    """
    try:
        header = read_header(path)
        grid = checked_source_grid(header.shape, _LPS_TO_RAS @ header.affine, path.name)
        voxels = read_voxel_blocks(header.pieces, header.shape, header.dtype, progress)
        surplus = has_more_than_voxels(header.pieces, header.shape, header.dtype)
    except OSError as error:
        raise UnreadableInput(f"{path.name} could not be read: ask for access to it.") from error
    notes = () if header.placed else (_NO_AXES,)
    return StoredItkImage(voxels, grid, notes + (surplus_notes(path) if surplus else ()))


def _iter_values(read_header: HeaderReader, path: Path) -> Iterator[NDArray[Any]]:
    """Return the values in the dtype of the file; the geometry is not looked at."""
    header = read_header(path)
    return iter_voxel_parts(header.pieces, header.shape, header.dtype)


def _header_and_voxel_files(read_header: HeaderReader, path: Path) -> tuple[Path, ...]:
    # A header may name itself as the file of the voxels, or one file several times.
    return tuple(dict.fromkeys((path, *(piece.path for piece in read_header(path).pieces))))
