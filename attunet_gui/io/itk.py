"""NRRD and MetaImage, the formats of ITK -> voxels with their grid.

Read here and not by ITK: on damaged headers its readers crash the process, wait for ever on a name that is
no file, and hand out whatever was in memory where a packed file is damaged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.errors import UnreadableInput
from attunet_gui.core.grid import Grid, canonicalise
from attunet_gui.core.progress import Progress, silent
from attunet_gui.core.volume import Origin, Volume
from attunet_gui.io import metaimage, nrrd
from attunet_gui.io.hounsfield import spacing_notes, to_hu
from attunet_gui.io.placing import source_grid
from attunet_gui.io.stored import parts, stored

NRRD_SUFFIXES = (".nrrd", ".nhdr")
META_SUFFIXES = (".mha", ".mhd")

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_NO_AXES = "The header does not say how the patient lies: check left and right, head and feet."


@dataclass(frozen=True, eq=False)
class ItkContent:
    """An image file as stored.

    Attributes:
        stored: (i, j, k) in the file's dtype; Fortran order.
        grid: (i, j, k) -> RAS+ mm.
        notes: what is unusual about the header.
    """

    stored: NDArray[Any]
    grid: Grid
    notes: tuple[str, ...]


def read(path: Path, progress: Progress = silent) -> Volume:
    """The CT volume in `path` (.nrrd, .nhdr, .mha, .mhd).

    Raises:
        UnreadableInput: if the file is damaged, not a 3-D image of real numbers, or has no usable geometry.
    """
    content = load(path, progress)
    grid, notes = content.grid, content.notes
    placement = canonicalise(grid)
    scaled = to_hu(placement.to_canonical(content.stored), name=path.name)
    del content  # what was stored must not stay alive beside its copy
    kind = "NRRD" if _is_nrrd(path) else "MetaImage"
    return Volume(
        hu=scaled.hu,
        placement=placement,
        name=path.stem,
        origin=Origin(path, kind),
        notes=notes + spacing_notes(grid) + scaled.notes,
    )


def load(path: Path, progress: Progress = silent) -> ItkContent:
    """The content of `path` as stored.

    Raises:
        UnreadableInput: as for `read`.
    """
    try:
        header = (nrrd if _is_nrrd(path) else metaimage).header(path)
        grid = source_grid(header.shape, _LPS_TO_RAS @ header.affine, path.name)
        voxels = stored(header.pieces, header.shape, header.dtype, progress)
    except OSError as error:
        raise UnreadableInput(f"{path.name} could not be read: ask for access to it.") from error
    return ItkContent(voxels, grid, () if header.placed else (_NO_AXES,))


def values(path: Path) -> Iterator[NDArray[Any]]:
    """The values in `path` in the order of the file: (n,) a part of a megabyte, in the file's dtype.

    Raises:
        UnreadableInput: as for `read`; the geometry is not looked at.
        OSError: if a file cannot be read.
    """
    header = (nrrd if _is_nrrd(path) else metaimage).header(path)
    return parts(header.pieces, header.shape, header.dtype)


def _is_nrrd(path: Path) -> bool:
    return path.name.lower().endswith(NRRD_SUFFIXES)
