"""MSD: dataset.json has what Task07_Pancreas has, and names the files that are there."""

from __future__ import annotations

import json
from pathlib import Path

from attunet_gui.export import ExportOptions, export_dataset, export_format_named
from tests.support.export_cases import IDENTITY, make_case

TASK07_KEYS = {
    *("name", "description", "reference", "licence", "release", "tensorImageSize", "modality", "labels"),
    *("numTraining", "numTest", "training", "test"),
}


def test_dataset_json_is_that_of_a_task(tmp_path: Path) -> None:
    cases = [make_case(tmp_path / name, kind, name) for name, kind in (("b", "nifti"), ("a", "dicom"))]
    out = tmp_path / "Task07_Pancreas"
    export_dataset(cases, ExportOptions(out, export_format_named("msd"), IDENTITY))
    said = json.loads((out / "dataset.json").read_text())
    assert said.keys() == TASK07_KEYS
    assert said["modality"] == {"0": "CT"}
    assert said["labels"] == {"0": "background", "1": "pancreas", "2": "ignore"}
    assert (said["numTraining"], said["numTest"], said["test"]) == (2, 0, [])
    assert said["training"] == [
        {"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"} for name in "ab"
    ]
    assert all((out / path).is_file() for pair in said["training"] for path in pair.values())
