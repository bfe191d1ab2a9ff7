"""The export format of the Medical Segmentation Decathlon: layout and dataset.json as in Task07_Pancreas.

Source: Antonelli et al., The Medical Segmentation Decathlon, Nature Communications 13 (2022).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attunet_gui.core.progress import Progress
from attunet_gui.io.exports.case import LABELS, OpenedCase
from attunet_gui.io.exports.form import Format
from attunet_gui.io.exports.identity import Identity
from attunet_gui.io.exports.manifest import Manifest
from attunet_gui.io.exports.pairs import ENDING, write_pair


def _write(opened: OpenedCase, folder: Path, _identity: Identity, progress: Progress) -> None:
    file = f"{opened.case.name}{ENDING}"
    write_pair(opened, folder / "imagesTr" / file, folder / "labelsTr" / file, progress)


def _dataset(manifest: Manifest) -> dict[str, Any]:
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
            {"image": f"./imagesTr/{case.name}{ENDING}", "label": f"./labelsTr/{case.name}{ENDING}"}
            for case in manifest.cases
        ],
        "test": [],
    }


MSD = Format("msd", "Medical Segmentation Decathlon task", _write, dataset=_dataset)
