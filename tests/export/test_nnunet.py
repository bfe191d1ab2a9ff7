"""nnU-Net v2: every rule of its integrity check, and the check itself where it is installed.

python3.11 -m venv V && V/bin/pip install nnunetv2==2.8.1
ATTUNET_NNUNET_PYTHON=V/bin/python .venv/bin/python -m pytest tests/export/test_nnunet.py
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK

from attunet_gui.export import ExportOptions, export_dataset, export_format_named
from tests.support.export_cases import IDENTITY, KINDS, itk_array, make_case

CHECK = """
import sys
from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity

if __name__ == "__main__":
    verify_dataset_integrity(sys.argv[1], 1)
"""
PYTHON = "ATTUNET_NNUNET_PYTHON"


def exported(folder: Path, kinds: tuple[str, ...]) -> Path:
    cases = [
        make_case(
            folder / f"source-{number}", kind, f"case-{number}", frozenset({0, 2, 3}) if number % 2 else None
        )
        for number, kind in enumerate(kinds)
    ]
    out = folder / "Dataset701_Pancreas"
    report = export_dataset(cases, ExportOptions(out, export_format_named("nnunet"), IDENTITY))
    assert len(report.added) == len(kinds)
    return out


def test_the_data_set_keeps_the_rules_of_the_integrity_check(tmp_path: Path) -> None:
    folder = exported(tmp_path, KINDS[:4])
    said = json.loads((folder / "dataset.json").read_text())
    assert {"labels", "channel_names", "numTraining", "file_ending"} <= said.keys()
    assert "dataset" not in said
    assert said["channel_names"] == {"0": "CT"}
    # Consecutive, and the label to be ignored is the highest, called as nnU-Net calls it.
    assert said["labels"] == {"background": 0, "pancreas": 1, "ignore": 2}
    images = sorted(path.name for path in (folder / "imagesTr").iterdir())
    labels = sorted(path.name for path in (folder / "labelsTr").iterdir())
    ending = said["file_ending"]
    assert [name.removesuffix("_0000" + ending) for name in images] == [
        n.removesuffix(ending) for n in labels
    ]
    assert len(labels) == said["numTraining"] == 4
    for image, label in zip(images, labels, strict=True):
        ct = SimpleITK.ReadImage(str(folder / "imagesTr" / image))
        mask = SimpleITK.ReadImage(str(folder / "labelsTr" / label))
        for of in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
            assert getattr(ct, of)() == getattr(mask, of)()
        assert np.isfinite(itk_array(folder / "imagesTr" / image)).all()
        assert set(np.unique(itk_array(folder / "labelsTr" / label))) <= {0, 1, 2}
    assert "overwrite_image_reader_writer" not in said


def test_a_tilted_gantry_is_left_to_the_reader_that_can(tmp_path: Path) -> None:
    folder = exported(tmp_path, ("nifti", "tilted dicom"))
    assert json.loads((folder / "dataset.json").read_text())["overwrite_image_reader_writer"] == "NibabelIO"
    image, label = folder / "imagesTr" / "case-1_0000.nii.gz", folder / "labelsTr" / "case-1.nii.gz"
    with pytest.raises(RuntimeError, match="orthonormal"):
        SimpleITK.ReadImage(str(label))
    assert np.array_equal(nib.load(image).affine, nib.load(label).affine)


@pytest.mark.parametrize("kinds", [KINDS[:4], KINDS], ids=["upright", "with a tilted gantry"])
def test_nnunets_own_integrity_check_accepts_it(tmp_path: Path, kinds: tuple[str, ...]) -> None:
    python = os.environ.get(PYTHON)
    if not python:
        pytest.skip(f"{PYTHON} names no Python with nnunetv2; the head of this file says how to get one")
    folder = exported(tmp_path, kinds)
    (tmp_path / "check.py").write_text(CHECK)
    places = {f"nnUNet_{what}": str(tmp_path) for what in ("raw", "preprocessed", "results")}
    done = subprocess.run(
        [python, str(tmp_path / "check.py"), str(folder)],
        env=os.environ | places,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "verify_dataset_integrity Done" in done.stdout
    assert "Error" not in done.stdout
    assert "Warning" not in done.stdout
