"""NRRD and MetaImage through SimpleITK -> voxels with their grid."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SimpleITK import GetArrayFromImage, ImageFileReader, sitkComplexFloat32, sitkComplexFloat64

from attunet_gui.core.errors import UnreadableInput
from attunet_gui.core.grid import Grid, canonicalise
from attunet_gui.core.progress import Progress, silent
from attunet_gui.core.volume import Origin, Volume
from attunet_gui.io.hounsfield import spacing_notes, to_hu

NRRD_SUFFIXES = (".nrrd", ".nhdr")
META_SUFFIXES = (".mha", ".mhd")

_COMPLEX = (sitkComplexFloat32, sitkComplexFloat64)
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


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
    scaled = to_hu(content.stored)
    placement = canonicalise(content.grid)
    kind = "NRRD" if path.name.lower().endswith(NRRD_SUFFIXES) else "MetaImage"
    return Volume(
        hu=np.ascontiguousarray(placement.to_canonical(scaled.hu)),
        placement=placement,
        name=path.stem,
        origin=Origin(path, kind),
        notes=content.notes + spacing_notes(content.grid) + scaled.notes,
    )


def load(path: Path, progress: Progress = silent) -> ItkContent:
    """The content of `path` as stored.

    Raises:
        UnreadableInput: as for `read`.
    """
    progress(0, 1, "reading")
    reader = ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        _check_kind(reader, path)
        image = reader.Execute()
    except RuntimeError as error:
        raise UnreadableInput(
            f"{path.name} is damaged or incomplete, or a file it names is missing: copy it again."
        ) from error
    progress(1, 1, "reading")
    return ItkContent(_voxels(image), _grid(image, path), _header_notes(path))


def _check_kind(reader: Any, path: Path) -> None:
    if reader.GetNumberOfComponents() != 1 or reader.GetPixelID() in _COMPLEX:
        raise UnreadableInput(f"{path.name} holds colours, vectors or complex numbers, not CT values.")
    size = reader.GetSize()
    if len(size) < 3 or any(n != 1 for n in size[3:]):
        text = " x ".join(map(str, size))
        raise UnreadableInput(f"{path.name} is not one 3-D image: its size is {text}.")


def _voxels(image: Any) -> NDArray[Any]:
    array: NDArray[Any] = GetArrayFromImage(image)
    return array.reshape(array.shape[-3:]).transpose(2, 1, 0)


def _grid(image: Any, path: Path) -> Grid:
    dimension = image.GetDimension()
    direction = np.array(image.GetDirection()).reshape(dimension, dimension)[:3, :3]
    affine = np.eye(4)
    affine[:3, :3] = direction * np.array(image.GetSpacing()[:3])
    affine[:3, 3] = image.GetOrigin()[:3]
    size = image.GetSize()
    try:
        return Grid((size[0], size[1], size[2]), _LPS_TO_RAS @ affine)
    except ValueError as error:
        raise UnreadableInput(
            f"{path.name} does not say where its voxels lie: its directions cannot be inverted."
        ) from error


def _header_notes(path: Path) -> tuple[str, ...]:
    with path.open("rb") as file:
        text = file.read(8192).lower()
    # "scanner-xyz" and the like name a space, but not the patient's.
    patterns: tuple[bytes, ...] = (rb"\nspace: *(left|right|lps|las|ras)", rb"\nspace directions:")
    if not path.name.lower().endswith(NRRD_SUFFIXES):
        patterns = (rb"\n(transformmatrix|orientation|rotation) *=",)
    if all(re.search(pattern, text) for pattern in patterns):
        return ()
    return ("The header does not say how the patient lies: check left and right, head and feet.",)
