"""The export format of plain pairs: images/NAME.nii.gz and labels/NAME.nii.gz; see
`io.datasets.pair_dataset`.
"""

from __future__ import annotations

from pathlib import Path

from attunet_gui.export.export_case import OpenedCase
from attunet_gui.export.export_format import ExportFormat, write_nifti_pair
from attunet_gui.export.pseudonymizer import Pseudonymizer
from attunet_gui.io.datasets.pair_dataset import pair_paths
from attunet_gui.system.progress import ProgressCallback


def _write_pair_case(
    opened: OpenedCase, folder: Path, _identity: Pseudonymizer, progress: ProgressCallback
) -> None:
    pair = pair_paths(folder, opened.case.name, ())
    write_nifti_pair(opened, pair.image, pair.label, progress)


NIFTI_FORMAT = ExportFormat("nifti", "NIfTI pairs on the grid of the source", _write_pair_case)
