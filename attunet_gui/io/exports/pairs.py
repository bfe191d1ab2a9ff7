"""Writing a CT and its labels as two NIfTI files, for the formats that consist of such pairs."""

from __future__ import annotations

from pathlib import Path

from attunet_gui.core.progress import Progress
from attunet_gui.io.exports.case import OpenedCase
from attunet_gui.io.writing import make_folder, write_ct, write_labels

ENDING = ".nii.gz"


def write_pair(opened: OpenedCase, image: Path, labels: Path, progress: Progress) -> None:
    """Write the HU and the labels of `opened` on its source grid; both are read back and compared.

    HU are int16, or float32 where the source has fractions. The headers hold the geometry and nothing about
    the patient.

    Args:
        opened: the case.
        image, labels: the two files to write; their folders are made.
        progress: called between steps.

    Raises:
        UnwritableOutput: if one of them cannot be written, or reads back differently.
    """
    make_folder(image.parent)
    make_folder(labels.parent)
    write_ct(image, opened.volume, progress)
    write_labels(labels, opened.labels, opened.volume, progress)
