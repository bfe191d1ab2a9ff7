"""Reading labelled CT slices in JPEG files: two folders, `images` and `masks`, with the same file names.

This is the layout of the published 2-D extract of NIH Pancreas-CT (Roth et al. 2016, doi
10.7937/K9/TCIA.2016.tNB1kqBU): `PANCREAS_<patient>-<slice>.jpg`, gray = HU clipped to 0..255, stored upside
down (row 0 is the patient's back). The files do not say how large a pixel is, so the reader has to assume it.
Slices are numbered from the head to the feet.

Some slices may be known only in part: `index.csv` (columns `file` and `margin_unknown_px`) says how wide the
border of a picture is that is unknown and stored as 0. A folder that holds several such folders counts as one
collection.
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

from attunet_gui.core.volume import Volume, VolumeOrigin
from attunet_gui.core.voxel_grid import GridReorientation, VoxelGrid, canonical_reorientation
from attunet_gui.io.label_values import threshold_white_mask
from attunet_gui.system.errors import AttunetError, UnreadableInput
from attunet_gui.system.folders import list_folder

_NAME = re.compile(r"PANCREAS_(?P<patient>\d+)-(?P<slice>\d+)")
_IMAGES, _MASKS = "images", "masks"
# Nominal: the source collection was resampled to 1 mm, and a single slice has no distance to another.
_THICKNESS_MM = 1.0


_INDEX = "index.csv"
_FILE, _MARGIN = "file", "margin_unknown_px"


@dataclass(frozen=True)
class SliceFile:
    """The files of one slice.

    Attributes:
        patient: number of the patient, such as "0001"; folds are made of patients, never of slices.
        number: number of the slice, which grows towards the feet.
        image: file of the image; the mask is in the folder `masks` beside that of the image.
        margin_px: width in pixels of the border of the picture that is unknown; 0 for a whole slice.
    """

    patient: str
    number: int
    image: Path
    margin_px: int = 0

    @property
    def mask_path(self) -> Path:
        """File of the mask."""
        return self.image.parents[1] / _MASKS / self.image.name


@dataclass(frozen=True, eq=False)
class LabelledSlice:
    """One slice and the mask of its pancreas.

    Attributes:
        patient: number of the patient, such as "0001"; folds are made of patients, never of slices.
        name: file name without its suffix.
        volume: a volume of one slice, hu (1, y, x) int16 clipped to 0..255, with the assumed spacing in the
            plane and a nominal thickness of 1 mm.
        mask: (1, y, x) uint8, 0 or 1, on the grid of `volume`.
        known: (1, y, x) bool, False in the unknown border.
    """

    patient: str
    name: str
    volume: Volume
    mask: NDArray[np.uint8]
    known: NDArray[np.bool_]


def find_slice_files(folder: Path) -> tuple[SliceFile, ...]:
    """Return every slice in `folder`, or in the folders in it, ordered by name.

    Args:
        folder: a folder with `images` and `masks`, or with folders that have these.

    Raises:
        UnreadableInput: if there is no slice, one has no mask or does not name its patient, a name occurs
            twice, or the index is damaged.
    """
    within = [path for path in list_folder(folder) if (path / _IMAGES).is_dir()]
    folders = [folder] if (folder / _IMAGES).is_dir() or not within else within
    found = [file for each in folders for file in _slice_files_in(each)]
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


def _slice_files_in(folder: Path) -> list[SliceFile]:
    margins = _read_margins(folder / _INDEX)
    images = [path for path in list_folder(folder / _IMAGES) if path.suffix == ".jpg"]
    return [_parse_slice_file(path, margins.get(path.name, 0)) for path in images]


def _parse_slice_file(path: Path, margin: int) -> SliceFile:
    named = _NAME.fullmatch(path.stem)
    if named is None:
        raise UnreadableInput(f"{path.name} does not say whose slice it is: expected PANCREAS_0001-1106.jpg.")
    file = SliceFile(named["patient"], int(named["slice"]), path, margin)
    if not file.mask_path.is_file():
        raise UnreadableInput(f"{path.name} has no mask: {file.mask_path} was expected.")
    return file


def _read_margins(index: Path) -> dict[str, int]:
    """Read the width of the unknown border in pixels by file name; {} if there is no index."""
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


def read_labelled_slices(folder: Path, spacing_mm: float = 0.8) -> tuple[LabelledSlice, ...]:
    """Read every labelled slice of `folder`, ordered by name and on the canonical axes.

    Args:
        folder: see `find_slice_files`.
        spacing_mm: assumed size of a pixel; in the source collection it is 0.66 to 0.98 mm.

    Raises:
        UnreadableInput: see `find_slice_files`; also if a mask has another size than its image, or a file is
            not a JPEG.
        AttunetError: if Pillow, which comes with the extra `train`, is not installed.
    """
    return tuple(read_labelled_slice(file, spacing_mm) for file in find_slice_files(folder))


def read_labelled_slice(file: SliceFile, spacing_mm: float = 0.8) -> LabelledSlice:
    """Read one slice and its mask; see `read_labelled_slices` for arguments and errors."""
    image, mask = _read_gray_image(file.image), _read_gray_image(file.mask_path)
    inside = threshold_white_mask(mask, file.mask_path.name)
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
    placement = _slice_placement(image.shape, spacing_mm)
    return LabelledSlice(
        patient=file.patient,
        name=file.image.stem,
        volume=_slice_volume(file.image, image, placement),
        mask=np.ascontiguousarray(placement.to_canonical(inside & known)).view(np.uint8),
        known=np.ascontiguousarray(placement.to_canonical(known)),
    )


def _slice_volume(path: Path, image: NDArray[np.uint8], placement: GridReorientation) -> Volume:
    hu = np.ascontiguousarray(placement.to_canonical(image)).astype(np.int16)
    return Volume(hu, placement, path.stem, VolumeOrigin(path, "JPEG"))


def _slice_placement(shape: tuple[int, ...], spacing_mm: float) -> GridReorientation:
    """Return the map to the canonical grid: rows run from back to front, columns from right to left."""
    affine = np.zeros((4, 4))
    affine[2, 0] = _THICKNESS_MM
    affine[1, 1] = spacing_mm
    # RAS+: x grows to the patient's right, and columns run to the left.
    affine[0, 2] = -spacing_mm
    affine[3, 3] = 1
    return canonical_reorientation(VoxelGrid((shape[0], shape[1], shape[2]), affine))


def _read_gray_image(path: Path) -> NDArray[np.uint8]:
    """Read the gray values of a JPEG file, (1, rows, columns) uint8, as stored."""
    pillow: Any = _import_pillow()
    try:
        # JPEG alone: Pillow would otherwise try every format it knows on a file that somebody renamed.
        with pillow.open(path, formats=("JPEG",)) as picture:
            return np.asarray(picture.convert("L"))[None]
    except OSError as error:
        raise UnreadableInput(f"{path} is not a JPEG that can be read: copy it again.") from error


def _import_pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise AttunetError("JPEG slices need Pillow: install attunet-gui with its extra `train`.") from error
    return Image
