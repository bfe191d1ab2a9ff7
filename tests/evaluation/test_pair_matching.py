"""Two folders of masks: matched by name, compared on one grid, reported."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attunet_gui.evaluation.pair_matching import PairComparisonOptions, compare_pair_files
from attunet_gui.evaluation.pair_report import PairReport, pair_report_html
from attunet_gui.evaluation.pair_scores import PairScores, compare_masks
from attunet_gui.evaluation.pair_table import PAIR_MEASURES, PairRow, pair_table_csv, summarise_pairs
from attunet_gui.system.errors import AttunetError, UnreadableInput

AFFINE = np.diag([-1.5, -1.5, 3.0, 1.0])
unit = st.floats(0, 1)
scores = st.builds(
    PairScores,
    unit,
    unit,
    unit,
    st.none() | unit,
    st.none() | unit,
    unit,
    st.floats(0, 200),
    st.floats(0, 200),
)


def _write(path: Path, values: np.ndarray, affine: np.ndarray = AFFINE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values.astype(np.uint8), affine), path)


def _organ(first: int = 4) -> np.ndarray:
    """(i, j, k) with a block of pancreas."""
    values = np.zeros((20, 18, 9), np.uint8)
    values[first : first + 8, 5:12, 2:7] = 1
    return values


def _rows(drafts: Path, truths: Path, **more: object) -> list[PairRow]:
    return [pair.row for pair in compare_pair_files(PairComparisonOptions(drafts, truths, **more))]  # type: ignore[arg-type]


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for name, shift in (("a", 0), ("b", 2)):
        _write(tmp_path / "truth" / f"{name}.nii.gz", _organ())
        _write(tmp_path / "pred" / f"{name}_pancreas.nii.gz", _organ(4 + shift))
    _write(tmp_path / "pred" / "a_probability.nii.gz", _organ())
    return tmp_path / "pred", tmp_path / "truth"


def test_files_are_matched_by_the_name_of_the_case(folders: tuple[Path, Path]) -> None:
    a, b = _rows(*folders)
    assert (a.name, a.scores.dsc, b.name) == ("a", 1.0, "b")
    assert b.scores.dsc == pytest.approx(6 / 8)
    assert b.scores.hd95_mm == pytest.approx(3.0)


def test_the_same_voxels_stored_along_other_axes_are_the_same(folders: tuple[Path, Path]) -> None:
    pred, truth = folders
    turned = nib.load(truth / "a.nii.gz").as_reoriented(np.array([[2, 1], [0, -1], [1, 1]]))
    nib.save(turned, pred / "a_pancreas.nii.gz")
    assert _rows(pred, truth)[0].scores.dsc == 1.0


@pytest.mark.parametrize("moved", [False, True])
def test_another_grid_is_refused_in_one_sentence(folders: tuple[Path, Path], moved: bool) -> None:
    pred, truth = folders
    affine = AFFINE.copy()
    affine[0, 3] = 1.0
    _write(pred / "a_pancreas.nii.gz", _organ() if moved else _organ()[1:], affine if moved else AFFINE)
    with pytest.raises(UnreadableInput, match="does not lie on the grid of") as told:
        _rows(pred, truth)
    assert "\n" not in str(told.value)


def test_a_truth_without_a_draft_is_named(folders: tuple[Path, Path]) -> None:
    pred, truth = folders
    (pred / "b_pancreas.nii.gz").unlink()
    with pytest.raises(AttunetError, match=r"1 of 2 cases .* such as b"):
        _rows(pred, truth)


def test_what_nobody_judged_does_not_count(tmp_path: Path) -> None:
    truth = _organ()
    truth[..., 5:] = 2
    _write(tmp_path / "set" / "labelsTr" / "a.nii.gz", truth)
    labels = {"background": 0, "pancreas": 1, "ignore": 2}
    (tmp_path / "set" / "dataset.json").write_text(json.dumps({"labels": labels}))
    draft = _organ()
    draft[0, 0, 8] = 1
    _write(tmp_path / "pred" / "a.nii.gz", draft)
    (row,) = _rows(tmp_path / "pred", tmp_path / "set")
    assert row.scores.dsc == 1.0
    (strict,) = _rows(tmp_path / "pred", tmp_path / "set", ignore=9)
    assert strict.scores.dsc < 1.0


def test_labels_of_any_number_are_compared_as_what_they_are(folders: tuple[Path, Path]) -> None:
    pred, truth = folders
    _write(truth / "a.nii.gz", _organ() * 255)
    _write(pred / "a_pancreas.nii.gz", _organ() * 7)
    a, b = _rows(pred, truth)
    assert (a.scores.dsc, b.scores.dsc) == (1.0, pytest.approx(6 / 8))


def _organs() -> np.ndarray:
    values = _organ() * 10
    values[:2] = 5
    return values


def test_of_several_labels_the_pancreas_is_named_not_guessed(folders: tuple[Path, Path]) -> None:
    pred, truth = folders
    for name in "ab":
        _write(truth / f"{name}.nii.gz", _organs())
    with pytest.raises(UnreadableInput, match=r"several labels \(5, 10\)"):
        _rows(pred, truth)
    with pytest.raises(UnreadableInput, match=r"the label 1 alone, not 10: .* --pred-label VALUE"):
        _rows(pred, truth, label=10)
    a, b = _rows(pred, truth, label=10, draft_label=1)
    assert (a.scores.dsc, b.scores.dsc) == (1.0, pytest.approx(6 / 8))
    for name in "ab":
        _write(pred / f"{name}_pancreas.nii.gz", _organs())
    assert [row.scores.dsc for row in _rows(pred, truth, label=10)] == [1.0, 1.0]
    (pred / "dataset.json").write_text(
        json.dumps({"labels": {"0": "background", "5": "liver", "10": "pancreas"}})
    )
    (truth / "dataset.json").write_text((pred / "dataset.json").read_text())
    assert [row.scores.dsc for row in _rows(pred, truth)] == [1.0, 1.0]


def test_soft_drafts_are_refused(folders: tuple[Path, Path]) -> None:
    pred, truth = folders
    nib.save(nib.Nifti1Image(_organ() * np.float32(0.9), AFFINE), pred / "a_pancreas.nii.gz")
    with pytest.raises(UnreadableInput, match=r"not whole numbers, such as 0\.9"):
        _rows(pred, truth)


@pytest.mark.parametrize("cut_out", ["truth", "draft"])
def test_a_mask_cut_out_of_the_grid_of_the_other_is_compared(
    folders: tuple[Path, Path], cut_out: str
) -> None:
    pred, truth = folders
    affine = AFFINE.copy()
    affine[:, 3] = AFFINE @ (2, 3, 1, 1)
    path = truth / "b.nii.gz" if cut_out == "truth" else pred / "b_pancreas.nii.gz"
    _write(path, nib.load(path).get_fdata()[2:18, 3:14, 1:8], affine)
    assert _rows(pred, truth)[1].scores.dsc == pytest.approx(6 / 8)


def test_intervals_resample_people_whom_the_manifest_names(folders: tuple[Path, Path]) -> None:
    pred, truth = folders
    cases = [{"name": name, "subject": "one and the same"} for name in "ab"]
    (truth / "manifest.json").write_text(json.dumps({"cases": cases}))
    dsc = summarise_pairs(_rows(pred, truth))[0].estimate
    assert dsc is not None
    assert dsc.interval is None
    assert dsc.mean == pytest.approx((1 + 6 / 8) / 2)


def test_a_case_without_distances_is_left_out_of_their_mean_and_counted() -> None:
    something, nothing = np.ones((2, 2, 2)), np.zeros((2, 2, 2))
    rows = [
        PairRow(n, n, compare_masks(d, something, (1, 1, 1))) for n, d in (("a", something), ("b", nothing))
    ]
    found = {summary.measure.name: summary for summary in summarise_pairs(rows)}
    assert found["dsc"].estimate is not None
    assert (found["dsc"].estimate.mean, found["dsc"].undefined) == (0.5, 0)
    assert found["hd95_mm"].estimate is not None
    assert (found["hd95_mm"].estimate.mean, found["hd95_mm"].undefined) == (0.0, 1)


@given(st.lists(scores, min_size=1, max_size=6))
def test_csv_says_what_the_rows_say(found: list[PairScores]) -> None:
    rows = [PairRow(f'case "{n}", x', f"p{n}", each) for n, each in enumerate(found)]
    read = list(csv.DictReader(pair_table_csv(rows).splitlines()))
    assert [line["case"] for line in read] == [row.name for row in rows]
    for line, row in zip(read, rows, strict=True):
        for measure in PAIR_MEASURES:
            value = row.score_of(measure)
            assert (float(line[measure.name]) if line[measure.name] else None) == value


def test_the_report_is_one_file_and_escapes_names(folders: tuple[Path, Path]) -> None:
    pairs = list(compare_pair_files(PairComparisonOptions(*folders)))
    rows = tuple(PairRow("<script>alert(1)</script>", "p", pair.row.scores) for pair in pairs)
    page = pair_report_html(PairReport("drafts against truth", rows, tuple(pair.view for pair in pairs)))
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert page.count("<svg") == 2
    assert "data:image/png;base64," in page
    assert 'src="http' not in page
