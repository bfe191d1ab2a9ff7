"""Reading the mask files of a project without the CT they belong to."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from attunet_gui.core.errors import UnreadableInput
from attunet_gui.core.grid import canonicalise
from attunet_gui.core.volume import Origin, Volume
from attunet_gui.io import nifti
from attunet_gui.io.label_values import LabelValues, pancreas_in
from attunet_gui.io.masks import scaled


def read_alone(path: Path) -> Volume:
    """Read the mask in the NIfTI file `path` as a volume of its own.

    `io.writing.write_mask` can write another mask on the grid of this volume, so the CT need not be read.

    Returns:
        A volume whose hu is (z, y, x) int16, 0 or 1, on the canonical grid.

    Raises:
        UnreadableInput: if the file is damaged or missing.
    """
    if not path.exists():
        raise UnreadableInput(f"The mask {path.name} is not where it was saved: put it back.")
    content = nifti.load(path)
    placement = canonicalise(content.grid)
    values = scaled(content.stored, content.slope, content.intercept)
    inside = pancreas_in(placement.to_canonical(values), LabelValues(), path.name).astype(np.int16)
    return Volume(inside, placement, nifti.stem(path), Origin(path, "NIfTI", content.frame))


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of the file as hexadecimal digits; `UnreadableInput` if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UnreadableInput(f"The mask {path.name} could not be read ({error.strerror}).") from error
