"""The interface of an export format: a function that writes a case, and one that describes the data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from attunet_gui.export.export_case import LABELS, OpenedCase
from attunet_gui.export.export_manifest import ExportManifest
from attunet_gui.export.pseudonymizer import Pseudonymizer
from attunet_gui.io.result_writing import make_folder, write_ct, write_labels
from attunet_gui.system.progress import ProgressCallback

NIFTI_SUFFIX = ".nii.gz"


def write_nifti_pair(opened: OpenedCase, image: Path, labels: Path, progress: ProgressCallback) -> None:
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


DATASET_FILE = "dataset.json"


def no_dataset_file(_manifest: ExportManifest) -> None:
    """Return None, for formats without `dataset.json`."""


@dataclass(frozen=True)
class ExportFormat:
    """An export format.

    Attributes:
        name: its name in the command line, after `--format`.
        title: its name in a list on the screen.
        write: (case, folder, identity, progress): writes all files of the case into the empty folder, with
            the paths that they have in the export, and reads each of them back. It raises `AttunetError` on
            failure, and for a case that the format cannot hold.
        labels: value of each label by its name.
        dataset: returns the content of `dataset.json` for a manifest; None if there is no such file.
    """

    name: str
    title: str
    write: Callable[[OpenedCase, Path, Pseudonymizer, ProgressCallback], None]
    labels: Mapping[str, int] = field(default_factory=lambda: LABELS)
    dataset: Callable[[ExportManifest], Mapping[str, Any] | None] = no_dataset_file
