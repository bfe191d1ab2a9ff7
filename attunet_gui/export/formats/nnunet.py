"""The export format of nnU-Net v2, raw layout; the folder has to be called DatasetNNN_NAME in nnUNet_raw.

Source: nnU-Net, documentation/dataset_format.md and ignore_label.md, version 2.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attunet_gui.export.export_case import LABELS, OpenedCase
from attunet_gui.export.export_format import NIFTI_SUFFIX, ExportFormat, write_nifti_pair
from attunet_gui.export.export_manifest import ExportManifest
from attunet_gui.export.pseudonymizer import Pseudonymizer
from attunet_gui.system.progress import ProgressCallback


def _write_nnunet_case(
    opened: OpenedCase, folder: Path, _identity: Pseudonymizer, progress: ProgressCallback
) -> None:
    name = opened.case.name
    # _0000 is the number of the channel, of which CT has one.
    image = folder / "imagesTr" / f"{name}_0000{NIFTI_SUFFIX}"
    write_nifti_pair(opened, image, folder / "labelsTr" / f"{name}{NIFTI_SUFFIX}", progress)


def _nnunet_dataset_json(manifest: ExportManifest) -> dict[str, Any]:
    content: dict[str, Any] = {
        "channel_names": {"0": "CT"},
        "labels": LABELS,
        "numTraining": len(manifest.cases),
        "file_ending": NIFTI_SUFFIX,
        "description": "Pancreas in abdominal CT; slices that nobody verified are labelled ignore.",
    }
    if any(case.sheared for case in manifest.cases):
        # nnU-Net would choose SimpleITK, which refuses axes that are not at right angles.
        content["overwrite_image_reader_writer"] = "NibabelIO"
    return content


NNUNET_FORMAT = ExportFormat(
    "nnunet", "nnU-Net v2 raw data set", _write_nnunet_case, dataset=_nnunet_dataset_json
)
