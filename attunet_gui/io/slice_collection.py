"""Single labelled CT slices that come as JPEG: two folders, `images` and `masks`, with the same file names.

This is the layout of the published 2-D extract of NIH Pancreas-CT (Roth et al. 2016, doi
10.7937/K9/TCIA.2016.tNB1kqBU): `PANCREAS_<patient>-<slice>.jpg`, gray = HU clipped to 0..255, stored upside
down (row 0 is the patient's back). The files do not say how large a pixel is, so the reader has to assume it.
Slices are numbered from the head to the feet.

Some slices may be known only as a crop: `index.csv` (columns `file` and `margin_unknown_px`) says how wide a
border of a picture is unknown; there it is stored as 0. Slices may be spread over several such folders: a
folder that holds them is one collection too.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from itertools import pairwise
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
_IMAGES, _MASKS = "images", "masks"
_THICKNESS_MM = 1.0
"""Nominal: the source collection was resampled to 1 mm, and one slice alone has no distance to another."""


_INDEX = "index.csv"
_FILE, _MARGIN = "file", "margin_unknown_px"


@dataclass(frozen=True)
class SliceFile:
    """One slice on disk.

    Attributes:
        patient: "0001"; folds are made of patients, never of slices.
        number: of the slice, rising towards the feet.
        image: its file; the mask lies in `masks` beside its folder.
        margin_px: width of the border of the picture that is unknown; 0 for a whole slice.
    """

    patient: str
    number: int
    image: Path
    margin_px: int = 0

    @property
    def mask(self) -> Path:
        """The file of its mask."""
        return self.image.parents[1] / _MASKS / self.image.name


@dataclass(frozen=True, eq=False)
class LabelledSlice:
    """One slice and its pancreas.

    Attributes:
        patient: "0001"; folds are made of patients, never of slices.
        name: the file name without its ending.
        volume: one slice, HU int16 clipped to 0..255; in-plane spacing as assumed, 1 mm nominally thick.
        mask: (1, y, x) uint8, 1 = pancreas, on the grid of `volume`.
        known: (1, y, x) bool, False in the border that nobody knows.
    """

    patient: str
    name: str
    volume: Volume
    mask: NDArray[np.uint8]
    known: NDArray[np.bool_]


def find_slices(folder: Path) -> tuple[SliceFile, ...]:
    """Every slice in `folder`, or in the folders within it, ordered by name.

    Args:
        folder: holds `images` and `masks`, or folders that hold them.

    Raises:
        UnreadableInput: no slices, one without mask or of nobody, one slice twice, or a damaged index.
    """
    within = [path for path in listed(folder) if (path / _IMAGES).is_dir()]
    folders = [folder] if (folder / _IMAGES).is_dir() or not within else within
    found = [file for each in folders for file in _files(each)]
    if not found:
        raise UnreadableInput(f"There are no slices in {folder / _IMAGES}: *.jpg were expected there.")
    found.sort(key=lambda file: file.image.name)
    for first, second in pairwise(found):
        if first.image.name == second.image.name:
            raise UnreadableInput(
                f"{first.image.name} is in {first.image.parent} and in {second.image.parent}: "
                "take one of them away."
            )
    return tuple(found)


def _files(folder: Path) -> list[SliceFile]:
    margins = _margins(folder / _INDEX)
    images = [path for path in listed(folder / _IMAGES) if path.suffix == ".jpg"]
    return [_file(path, margins.get(path.name, 0)) for path in images]


def _file(path: Path, margin: int) -> SliceFile:
    named = _NAME.fullmatch(path.stem)
    if named is None:
        raise UnreadableInput(f"{path.name} does not say whose slice it is: expected PANCREAS_0001-1106.jpg.")
    file = SliceFile(named["patient"], int(named["slice"]), path, margin)
    if not file.mask.is_file():
        raise UnreadableInput(f"{path.name} has no mask: {file.mask} was expected.")
    return file


def _margins(index: Path) -> dict[str, int]:
    """File name -> width of the unknown border, as far as the index says."""
    if not index.is_file():
        return {}
    try:
        with index.open(newline="", encoding="utf-8") as lines:
            found = {row[_FILE]: int(row[_MARGIN]) for row in csv.DictReader(lines)}
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise UnreadableInput(
            f"{index} cannot be read: a column {_FILE} and a column {_MARGIN} with whole numbers "
            "were expected."
        ) from error
    if any(margin < 0 for margin in found.values()):
        raise UnreadableInput(f"{index} has a border of less than 0 pixels: correct it.")
    return found


def read_slices(folder: Path, spacing_mm: float = 0.8) -> tuple[LabelledSlice, ...]:
    """Every labelled slice of `folder`, ordered by name, the right way up.

    Args:
        folder: as for `find_slices`.
        spacing_mm: assumed size of a pixel; the source collection has 0.66 to 0.98 mm.

    Raises:
        UnreadableInput: as for `find_slices`, or a mask of another size, or a file that is no JPEG.
        AttunetError: Pillow (extra `train`) is not installed.
    """
    return tuple(read_slice(file, spacing_mm) for file in find_slices(folder))


def read_slice(file: SliceFile, spacing_mm: float = 0.8) -> LabelledSlice:
    """The slice and its mask; arguments and errors as for `read_slices`."""
    image, mask = _gray(file.image), _gray(file.mask)
    inside = white_on_black(mask, file.mask.name)
    if image.shape != mask.shape:
        raise UnreadableInput(f"{file.image.name} is {image.shape[1:]} pixels, its mask {mask.shape[1:]}.")
    margin = file.margin_px
    if 2 * margin >= min(image.shape[1:]):
        raise UnreadableInput(
            f"{file.image.name} is {image.shape[1:]} pixels, and {_INDEX} says that a border of {margin} is "
            "unknown: nothing is left; correct it."
        )
    known = np.zeros(image.shape, bool)
    known[:, margin : image.shape[1] - margin, margin : image.shape[2] - margin] = True
    placement = _placement(image.shape, spacing_mm)
    return LabelledSlice(
        patient=file.patient,
        name=file.image.stem,
        volume=_volume(file.image, image, placement),
        mask=np.ascontiguousarray(placement.to_canonical(inside & known)).view(np.uint8),
        known=np.ascontiguousarray(placement.to_canonical(known)),
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
