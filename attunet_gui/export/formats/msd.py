"""The export format of the Medical Segmentation Decathlon: layout and dataset.json as in Task07_Pancreas.

Source: Antonelli et al., The Medical Segmentation Decathlon, Nature Communications 13 (2022).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attunet_gui.export.export_case import LABELS, OpenedCase
from attunet_gui.export.export_format import NIFTI_SUFFIX, ExportFormat, write_nifti_pair
from attunet_gui.export.export_manifest import ExportManifest
from attunet_gui.export.pseudonymizer import Pseudonymizer
from attunet_gui.system.progress import ProgressCallback


def _write_msd_case(
    opened: OpenedCase, folder: Path, _identity: Pseudonymizer, progress: ProgressCallback
) -> None:
    file = f"{opened.case.name}{NIFTI_SUFFIX}"
    write_nifti_pair(opened, folder / "imagesTr" / file, folder / "labelsTr" / file, progress)


def _msd_dataset_json(manifest: ExportManifest) -> dict[str, Any]:
    """Return the content of dataset.json, in which MSD maps values to names."""
    return {
        "name": "Pancreas",
        "description": "Pancreas in abdominal CT; slices that nobody verified are labelled ignore.",
        "reference": "",
        "licence": "",
        "release": f"{manifest.made:%Y-%m-%d}",
        "tensorImageSize": "3D",
        "modality": {"0": "CT"},
        "labels": {str(value): name for name, value in LABELS.items()},
        "numTraining": len(manifest.cases),
        "numTest": 0,
        "training": [
            {
                "image": f"./imagesTr/{case.name}{NIFTI_SUFFIX}",
                "label": f"./labelsTr/{case.name}{NIFTI_SUFFIX}",
            }
            for case in manifest.cases
        ],
        "test": [],
    }


MSD_FORMAT = ExportFormat(
    "msd", "Medical Segmentation Decathlon task", _write_msd_case, dataset=_msd_dataset_json
)
