"""Benchmarks that read label files take the value of the pancreas as every other command does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from attunet_gui.evaluation.labelled_cases import LabelledCase
from attunet_gui.system.errors import UnreadableInput
from benchmarks import next_case, propagation
from tests.support.ct_files import ct_like, write_nifti

AFFINE = np.diag([-0.8, -0.8, 2.5, 1.0])


def of_propagation(folder: Path, *words: str) -> list[LabelledCase]:
    wanted = propagation._wanted(["--pairs", str(folder), *words])
    ((_name, cases),) = propagation._groups(wanted)
    return cases


def of_next_case(folder: Path, *words: str) -> list[LabelledCase]:
    return next_case._chosen(next_case._wanted([str(folder), "--cases", "1", *words]))


@pytest.mark.parametrize("cases_of", [of_propagation, of_next_case])
def test_the_value_of_the_pancreas_is_chosen(
    tmp_path: Path, cases_of: Callable[..., list[LabelledCase]]
) -> None:
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    write_nifti(tmp_path / "images" / "a.nii.gz", ct_like((4, 5, 6)), AFFINE)
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[0], labels[1, :2] = 3, 10
    write_nifti(tmp_path / "labels" / "a.nii.gz", labels, AFFINE)
    with pytest.raises(
        UnreadableInput, match="several labels \\(3, 10\\): name the pancreas with --label VALUE"
    ):
        cases_of(tmp_path)[0].load()
    for value, voxels in ((10, 12), (3, 30)):
        (case,) = cases_of(tmp_path, "--label", str(value))
        assert np.count_nonzero(case.load()[1]) == voxels
