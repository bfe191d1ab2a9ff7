"""Single labelled CT slices that come as JPEG: two folders, `images` and `masks`, with the same file names.

This is the layout of the published 2-D extract of NIH Pancreas-CT (Roth et al. 2016, doi
10.7937/K9/TCIA.2016.tNB1kqBU): `PANCREAS_<patient>-<slice>.jpg`, gray = HU clipped to 0..255, stored upside
down (row 0 is the patient's back). The files do not say how large a pixel is, so the reader has to assume it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.errors import AttunetError, UnreadableInput
from attunet_gui.core.grid import Grid, Reorientation, canonicalise
from attunet_gui.core.volume import Origin, Volume
from attunet_gui.folders import listed
from attunet_gui.io.label_values import white_on_black

_NAME = re.compile(r"PANCREAS_(?P<patient>\d+)-(?P<slice>\d+)")
_THICKNESS_MM = 1.0
"""Nominal: the source collection was resampled to 1 mm, and one slice alone has no distance to another."""


@dataclass(frozen=True, eq=False)
class LabelledSlice:
    """One slice and its pancreas.

    Attributes:
        patient: "0001"; folds are made of patients, never of slices.
        name: the file name without its ending.
        volume: one slice, HU int16 clipped to 0..255; in-plane spacing as assumed, 1 mm nominally thick.
        mask: (1, y, x) uint8, 1 = pancreas, on the grid of `volume`.
    """

    patient: str
    name: str
    volume: Volume
    mask: NDArray[np.uint8]


def read_slices(folder: Path, spacing_mm: float = 0.8) -> tuple[LabelledSlice, ...]:
    """Every labelled slice in `folder`, ordered by name, the right way up.

    Args:
        folder: holds `images` and `masks`.
        spacing_mm: assumed size of a pixel; the source collection has 0.66 to 0.98 mm.

    Raises:
        UnreadableInput: no slices, a slice without mask or of another size, or a file that is no JPEG.
        AttunetError: Pillow (extra `train`) is not installed.
    """
    images = [path for path in listed(folder / "images") if path.suffix == ".jpg"]
    if not images:
        raise UnreadableInput(f"There are no slices in {folder / 'images'}: *.jpg were expected there.")
    return tuple(_labelled(path, spacing_mm) for path in images)


def _labelled(path: Path, spacing_mm: float) -> LabelledSlice:
    found = _NAME.fullmatch(path.stem)
    if found is None:
        raise UnreadableInput(f"{path.name} does not say whose slice it is: expected PANCREAS_0001-1106.jpg.")
    mask_path = path.parents[1] / "masks" / path.name
    if not mask_path.is_file():
        raise UnreadableInput(f"{path.name} has no mask: {mask_path} was expected.")
    image, mask = _gray(path), _gray(mask_path)
    inside = white_on_black(mask, mask_path.name)
    if image.shape != mask.shape:
        raise UnreadableInput(f"{path.name} is {image.shape[1:]} pixels, its mask {mask.shape[1:]}.")
    placement = _placement(image.shape, spacing_mm)
    return LabelledSlice(
        patient=found["patient"],
        name=path.stem,
        volume=_volume(path, image, placement),
        mask=np.ascontiguousarray(placement.to_canonical(inside)).view(np.uint8),
    )


def _volume(path: Path, image: NDArray[np.uint8], placement: Reorientation) -> Volume:
    hu = np.ascontiguousarray(placement.to_canonical(image)).astype(np.int16)
    return Volume(hu, placement, path.stem, Origin(path, "JPEG"))


def _placement(shape: tuple[int, ...], spacing_mm: float) -> Reorientation:
    """Rows as stored run from the patient's back to the front, columns from right to left."""
    affine = np.zeros((4, 4))
    affine[2, 0] = _THICKNESS_MM
    affine[1, 1] = spacing_mm
    affine[0, 2] = -spacing_mm
    affine[3, 3] = 1
    return canonicalise(Grid((shape[0], shape[1], shape[2]), affine))


def _gray(path: Path) -> NDArray[np.uint8]:
    """(1, rows, columns) gray values as stored."""
    pillow: Any = _pillow()
    try:
        with pillow.open(path, formats=("JPEG",)) as picture:
            return np.asarray(picture.convert("L"))[None]
    except OSError as error:
        raise UnreadableInput(f"{path} is not a JPEG that can be read: copy it again.") from error


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise AttunetError("JPEG slices need Pillow: install attunet-gui with its extra `train`.") from error
    return Image
