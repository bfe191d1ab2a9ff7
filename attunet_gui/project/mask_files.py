"""Reading the mask files of a project without the CT they belong to."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from attunet_gui.core.volume import Volume, VolumeOrigin
from attunet_gui.core.voxel_grid import canonical_reorientation
from attunet_gui.io.formats import nifti
from attunet_gui.io.label_values import LabelValues, pancreas_mask
from attunet_gui.system.errors import UnreadableInput
from attunet_gui.system.hashing import sha256_of_file


def read_mask_without_ct(path: Path) -> Volume:
    """Read the mask in the NIfTI file `path` as a volume of its own.

    `io.result_writing.write_mask` can write another mask on the grid of this volume, so the CT need not be
    read.

    Returns:
        A volume whose hu is (z, y, x) int16, 0 or 1, on the canonical grid.

    Raises:
        UnreadableInput: if the file is damaged or missing.
    """
    if not path.exists():
        raise UnreadableInput(f"The mask {path.name} is not where it was saved: put it back.")
    content = nifti.load_nifti(path)
    placement = canonical_reorientation(content.grid)
    values = nifti.apply_scaling(content.stored, content.slope, content.intercept)
    inside = pancreas_mask(placement.to_canonical(values), LabelValues(), path.name).astype(np.int16)
    return Volume(
        inside, placement, nifti.name_without_suffix(path), VolumeOrigin(path, "NIfTI", content.frame)
    )


def mask_file_sha256(path: Path) -> str:
    """Return the SHA-256 of the file as hexadecimal digits; `UnreadableInput` if it cannot be read."""
    try:
        return sha256_of_file(path)
    except OSError as error:
        raise UnreadableInput(f"The mask {path.name} could not be read ({error.strerror}).") from error
