"""Reading label maps: a file with a code for each structure, or a folder with a mask for each structure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.volume import LabelMap
from attunet_gui.core.voxel_grid import canonical_reorientation
from attunet_gui.io.formats import nifti
from attunet_gui.io.label_values import distinct_labels
from attunet_gui.io.mask_reading import load_stored_labels
from attunet_gui.system.errors import UnreadableInput
from attunet_gui.system.folders import list_folder

BTCV: Mapping[int, str] = {
    1: "spleen",
    2: "kidney_right",
    3: "kidney_left",
    4: "gallbladder",
    5: "esophagus",
    6: "liver",
    7: "stomach",
    8: "aorta",
    9: "inferior_vena_cava",
    10: "portal_vein_and_splenic_vein",
    11: "pancreas",
    12: "adrenal_gland_right",
    13: "adrenal_gland_left",
}
"""Names of the codes of the BTCV abdomen challenge (Landman et al. 2015)."""

HRA: Mapping[int, str] = {
    1: "skin",
    2: "pelvis",
    3: "colon",
    4: "small_bowel",
    5: "heart_surface",
    6: "thymus",
    7: "cord",
    8: "urinary_bladder",
    9: "liver",
    10: "spleen",
    11: "kidney_left",
    12: "kidney_right",
    13: "pancreas",
}
"""Names of the codes of voxelised bodies of the Human Reference Atlas.

Their heart is partly a mere surface and their spinal cord a fragment. They have other names than the organs,
so that a synthetic patient borrows both from a donor instead.
"""

CODINGS: Mapping[str, Mapping[int, str]] = {"btcv": BTCV, "hra": HRA}
_SIDECAR = "labels.json"
# Litres. No organ of BTCV is larger, not even a liver: then the codes are those of another coding.
_LARGEST_ORGAN_L = 5.0


@dataclass(frozen=True)
class LabelMapSource:
    """The place of a label map and its coding; both are arguments of `read_label_map`.

    Attributes:
        path: a file or a folder.
        coding: a name in `CODINGS`, or None.
    """

    path: Path
    coding: str | None = None

    def read_map(self) -> LabelMap:
        """Read the map.

        Raises:
            UnreadableInput: see `read_label_map`.
        """
        return read_label_map(self.path, coding=self.coding)


def read_label_map(path: Path, *, coding: str | None = None) -> LabelMap:
    """Read the label map at `path` on the canonical axes.

    Args:
        path: a NIfTI file with one code for each structure, or a folder of TotalSegmentator with one NIfTI
            mask for each structure, in it or in its `segmentations`.
        coding: a name in `CODINGS`; None reads the `labels.json` beside the file. If there is none, a file
            counts as BTCV if its name or folder says so, its largest code is 13, and no structure is larger
            than a liver.

    Raises:
        UnreadableInput: if there is nothing to read, or nothing says what the codes mean.
    """
    if path.is_dir():
        return _read_mask_folder(path)
    stored, grid = load_stored_labels(path)
    placement = canonical_reorientation(grid)
    codes = _as_unsigned_codes(np.ascontiguousarray(placement.to_canonical(stored)), path)
    spacing_mm = placement.canonical.spacing_mm
    names = _code_names(path, coding)
    if names is None and _is_named_btcv(path) and _has_btcv_codes(codes, spacing_mm):
        names = BTCV
    if names is None:
        raise UnreadableInput(
            f"Nothing says what the codes in {path.name} mean: put a {_SIDECAR} beside it or name its coding."
        )
    return LabelMap(codes, names, spacing_mm, nifti.name_without_suffix(path))


def _read_mask_folder(folder: Path) -> LabelMap:
    """Read a folder with one mask for each structure, of which each gets the name of its file."""
    masks = folder / "segmentations" if (folder / "segmentations").is_dir() else folder
    files = [file for file in list_folder(masks) if file.name.lower().endswith(nifti.WRITTEN_SUFFIXES)]
    if not files:
        raise UnreadableInput(f"{folder.name} holds no NIfTI masks: choose a folder with one a structure.")
    _, first = load_stored_labels(files[0])
    placement = canonical_reorientation(first)
    # In the order of the file names: where two masks overlap the later one wins, every time.
    codes = np.zeros(placement.canonical.shape, np.uint16)
    # Codes begin at 1, because 0 is the background.
    for code, file in enumerate(files, start=1):
        stored, grid = load_stored_labels(file)
        if not grid.matches_grid(first, tolerance_mm=1e-2):
            raise UnreadableInput(f"{file.name} lies on another voxel grid than {files[0].name}.")
        if len(distinct_labels(stored, file.name)) > 1:
            raise UnreadableInput(
                f"{file.name} holds several labels, and a folder has a mask a structure: name the file "
                "itself if it is a label map."
            )
        codes[placement.to_canonical(stored) != 0] = code
    names = {code: nifti.name_without_suffix(file) for code, file in enumerate(files, start=1)}
    return LabelMap(codes, names, placement.canonical.spacing_mm, folder.name)


def _as_unsigned_codes(values: NDArray[Any], path: Path) -> NDArray[np.unsignedinteger]:
    whole = values.astype(np.uint16)
    if not np.array_equal(whole, values):
        raise UnreadableInput(f"{path.name} is no label map: its values are not whole numbers from 0 on.")
    return whole


def _code_names(path: Path, coding: str | None) -> Mapping[int, str] | None:
    """Return the names of the codes by `coding` or by the file beside `path`; None if there is neither."""
    if coding is not None:
        if coding not in CODINGS:
            raise UnreadableInput(f"{coding} is no known coding: use one of {', '.join(sorted(CODINGS))}.")
        return CODINGS[coding]
    sidecar = path.parent / _SIDECAR
    return _read_sidecar(sidecar) if sidecar.is_file() else None


def _is_named_btcv(path: Path) -> bool:
    """Whether the name of the file, or of a folder in which it lies, contains "btcv"."""
    return any("btcv" in part.lower() for part in path.absolute().parts)


def _has_btcv_codes(codes: NDArray[np.unsignedinteger], spacing_mm: tuple[float, float, float]) -> bool:
    if codes.max() != max(BTCV):
        return False
    litres = np.bincount(codes.ravel())[1:] * np.prod(spacing_mm) / 1e6
    return bool(litres.max() <= _LARGEST_ORGAN_L)


def _read_sidecar(sidecar: Path) -> dict[int, str]:
    try:
        table = json.loads(sidecar.read_text(encoding="utf-8"))
        return {int(code): str(name) for code, name in table.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise UnreadableInput(f"{sidecar} is not a table of codes and names.") from error
