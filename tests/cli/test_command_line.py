"""The command line as a user types it: real processes, real files, exit codes and sentences."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from attunet_gui.prediction.postprocess import PostprocessingRule
from tests.support.cli_process import run_attunet, run_in_process
from tests.support.external_data import TOTALSEGMENTATOR


def _oblique(path: Path) -> np.ndarray:
    """A CT of noise on an oblique, left-handed, anisotropic grid with unusual codes."""
    affine = np.array([[0, 2.1, 0.3, 10], [1.9, 0.1, -0.2, -20], [0.1, -0.2, 4.0, 30], [0, 0, 0, 1]])
    hu = np.random.default_rng(0).integers(-200, 300, (30, 26, 9)).astype(np.int16)
    image = nib.Nifti1Image(hu, affine)
    image.set_sform(affine, code=2)
    image.set_qform(affine, code=3)
    nib.save(image, path)
    return affine


def test_predict_writes_mask_gates_probability_and_record_on_the_source_grid(
    tmp_path: Path, tiny_bundle: Path
) -> None:
    source, out = tmp_path / "case.nii.gz", tmp_path / "out"
    _oblique(source)
    done = run_attunet(
        "predict", source, "-o", out, "-m", tiny_bundle, "--gates", "--probability", home=tmp_path
    )
    assert done.returncode == 0, done.stderr
    names = {path.name for path in out.iterdir()}
    assert names == {"case_pancreas.json"} | {
        f"case_{what}.nii.gz" for what in ("pancreas", "probability", "gate1", "gate2")
    }
    ct = nib.load(source)
    for path in out.glob("*.nii.gz"):
        result = nib.load(path)
        assert result.shape == ct.shape
        for form in ("get_sform", "get_qform"):
            (there, code), (here, wanted) = getattr(result, form)(True), getattr(ct, form)(True)
            assert code == wanted
            assert np.array_equal(there, here), path.name
        values = np.asarray(result.dataobj)
        assert 0 <= values.min() <= values.max() <= 1
        assert values.dtype == (np.uint8 if "pancreas" in path.name else np.float32)
    record = json.loads((out / "case_pancreas.json").read_text())
    mask = np.asarray(nib.load(out / "case_pancreas.nii.gz").dataobj)
    assert record["volume_ml"] == pytest.approx(mask.sum() * abs(np.linalg.det(ct.affine)) / 1000, abs=1e-2)
    assert (
        record["model"]["sha256"] == json.loads((tiny_bundle / "card.json").read_text())["weights"]["sha256"]
    )
    assert record["source"]["shape"] == list(ct.shape)
    assert record["input"] == "case.nii.gz"
    assert record["calibration"] == {"slope": 1.0, "offset": 0.0}
    assert (record["looks"], record["gland"]["reach_mm"]) == (1, PostprocessingRule().reach_mm)
    assert {"read", "network", "write", "total"} <= set(record["seconds"])


def test_a_model_without_gates_predicts_and_writes_no_gate(tmp_path: Path, gateless_bundle: Path) -> None:
    source, out = tmp_path / "case.nii.gz", tmp_path / "out"
    _oblique(source)
    options = ("-o", out, "-m", gateless_bundle, "--gates", "--probability")
    done = run_attunet("predict", source, *options, home=tmp_path)
    assert done.returncode == 0, done.stderr
    names = {path.name for path in out.iterdir()}
    assert names == {"case_pancreas.json", "case_pancreas.nii.gz", "case_probability.nii.gz"}
    archive = tmp_path / "plain.attunet-model.zip"
    for words in (("export", gateless_bundle, "-o", archive), ("import", archive), ("verify",)):
        done = run_in_process("models", *words, home=tmp_path)
        assert done.returncode == 0, (words, done.stderr)


def test_a_bad_case_does_not_stop_the_others(tmp_path: Path, tiny_bundle: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    _oblique(folder / "good.nii.gz")
    (folder / "bad.nii.gz").write_bytes(b"no image")
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 4, 2), np.int16), np.eye(4)), folder / "time.nii")
    done = run_attunet("predict", folder, "-o", out, "-m", tiny_bundle, home=tmp_path)
    assert done.returncode == 1
    assert (out / "good_pancreas.nii.gz").exists()
    assert "2 of 3 cases failed" in done.stderr
    assert "bad:" in done.stdout
    assert "time:" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    again = run_in_process("predict", folder, "-o", folder, "-m", tiny_bundle, home=tmp_path)
    third = run_in_process("predict", folder, "-o", folder, "-m", tiny_bundle, home=tmp_path)
    assert "of 3 cases" in again.stderr
    assert "of 3 cases" in third.stderr, "its own results were taken for CT"


def test_what_a_person_made_is_not_replaced_unasked(tmp_path: Path, tiny_bundle: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    _oblique(tmp_path / "case.nii.gz")
    words = ("predict", tmp_path / "case.nii.gz", "-o", out, "-m", tiny_bundle)
    (out / "case_pancreas.nii.gz").write_bytes(b"somebody's mask")
    refused = run_in_process(*words, home=tmp_path)
    assert refused.returncode == 1
    assert "not written by attunet predict" in refused.stderr
    assert (out / "case_pancreas.nii.gz").read_bytes() == b"somebody's mask"
    assert run_attunet(*words, "--overwrite", home=tmp_path).returncode == 0
    assert run_in_process(*words, home=tmp_path).returncode == 0, "its own results may be replaced"
    (out / "case_pancreas.json").write_text("{}")
    corrected = run_in_process(*words, home=tmp_path)
    assert corrected.returncode == 1
    assert "corrected by a person" in corrected.stderr


@pytest.mark.parametrize("name", ["drüse", "dr\udcfcse", "a\x1b[31mb\x07"])
def test_a_name_that_cannot_be_printed_is_escaped_and_its_case_done(
    tmp_path: Path, tiny_bundle: Path, name: str
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    _oblique(folder / "ct.nii.gz")
    nib.save(nib.Nifti1Image(np.zeros((4, 5, 6), np.uint8), np.eye(4)), folder / f"{name}.nii")
    words = ("predict", folder, "-o", folder / "out", "-m", tiny_bundle)
    done = run_attunet(*words, home=tmp_path, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "out" / "ct_pancreas.nii.gz").exists()
    escaped = {"drüse": r"dr\xfcse", "dr\udcfcse": r"dr\udcfcse", "a\x1b[31mb\x07": r"a\x1b[31mb\x07"}[name]
    assert f"{escaped}/out/ct_pancreas.nii.gz: pancreas" in done.stdout
    assert f"{escaped}.nii was left out. It holds the value 0 everywhere" in done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("predict", "absent.nii.gz", "-o", "out"), "absent.nii.gz"),
        (("predict", "{text}", "-o", "out"), ".nii"),
        (("predict", "{empty}", "-o", "out"), "No CT was found"),
        (("predict", "{ct}", "-o", "out", "-m", "nonsense"), "no model"),
        (("models", "show", "nonsense"), "no model"),
        (("train", "absent.toml", "-o", "out"), "absent.toml"),
        (("gui",), "no display"),
        (("{ct}",), "no display"),
        (("somewhere/ct.mha",), "no display"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    places = {"text": tmp_path / "a.txt", "empty": tmp_path / "empty", "ct": tmp_path / "ct.nii"}
    places["text"].write_text("not a CT")
    places["empty"].mkdir()
    _oblique(places["ct"])
    done = run_in_process(*(word.format(**places) for word in words), home=tmp_path)
    assert done.returncode == 1
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stdout + done.stderr


def test_phantom_writes_ct_and_label(tmp_path: Path) -> None:
    done = run_in_process(
        "phantom", "-o", tmp_path, "--seed", 3, "--shape", 20, 60, 64, "--spacing", 9, 6, 6, home=tmp_path
    )
    assert done.returncode == 0, done.stderr
    ct, label = nib.load(tmp_path / "phantom-3.nii.gz"), nib.load(tmp_path / "phantom-3_label.nii.gz")
    assert ct.shape == label.shape == (64, 60, 20)
    assert np.array_equal(ct.affine, label.affine)
    assert set(np.unique(label.dataobj)) == {0, 1}
    assert np.asarray(ct.dataobj).min() < -900


def test_models_and_doctor_know_a_damaged_model(tmp_path: Path, tiny_bundle: Path) -> None:
    home = tmp_path / "home"
    copy = Path(shutil.copytree(tiny_bundle, home / "attunet-gui" / "models" / "tiny"))
    assert "tiny" in run_in_process("models", "list", home=home).stdout
    assert run_in_process("models", "verify", "tiny", home=home).returncode == 0
    assert json.loads(run_attunet("doctor", "--json", home=home).stdout)["models"]["tiny"] == "unchanged"
    weights = copy / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    verified = run_in_process("models", "verify", home=home)
    assert verified.returncode == 1
    assert "sha256" in verified.stdout
    examined = run_attunet("doctor", "--json", home=home)
    assert examined.returncode == 1
    assert "sha256" in json.loads(examined.stdout)["models"]["tiny"]


@pytest.mark.skipif(not TOTALSEGMENTATOR.is_dir(), reason="the real example CT is not on this machine")
def test_real_ct_from_nifti_and_compressed_dicom(tmp_path: Path, tiny_bundle: Path) -> None:
    out = tmp_path / "out"
    done = run_attunet("predict", TOTALSEGMENTATOR, "-o", out, "-m", tiny_bundle, "--gates", home=tmp_path)
    assert done.returncode == 0, done.stderr
    ct = nib.load(TOTALSEGMENTATOR / "ct_3mm.nii.gz")
    assert np.array_equal(nib.load(out / "ct_3mm_gate1.nii.gz").affine, ct.affine)
    assert np.array_equal(nib.load(out / "ct_3mm_pancreas.nii.gz").affine, ct.affine)
    series = nib.load(out / "dicom_series_pancreas.nii.gz")
    assert series.shape == (512, 512, 20)
    assert np.linalg.norm(series.affine[:3, :3], axis=0) == pytest.approx([0.977, 0.977, 2], abs=0.001)
