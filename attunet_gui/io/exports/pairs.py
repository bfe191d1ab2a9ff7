"""What the formats made of CT and label files share."""

from __future__ import annotations

from pathlib import Path

from attunet_gui.core.progress import Progress
from attunet_gui.io.exports.case import OpenedCase
from attunet_gui.io.writing import make_folder, write_ct, write_labels

ENDING = ".nii.gz"


def write_pair(opened: OpenedCase, image: Path, labels: Path, progress: Progress) -> None:
    """Write HU and labels of `opened` on its source grid, read back and compared.

    HU are int16, or float32 where the source has fractions. The headers say where the voxels lie and nothing
    else.

    Raises:
        UnwritableOutput: if one of them cannot be written, or reads back differently.
    """
    make_folder(image.parent)
    make_folder(labels.parent)
    write_ct(image, opened.volume, progress)
    write_labels(labels, opened.labels, opened.volume, progress)
