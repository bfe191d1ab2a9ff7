"""`attunet predict` on a disk that is full in the middle, wherever that is: called again, it finishes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from attunet_gui.io.ct_reading import read_ct_volume
from attunet_gui.io.mask_reading import read_mask
from attunet_gui.io.result_writing import write_mask
from attunet_gui.system.errors import AttunetError
from tests.support.project_cases import write_ct
from tests.support.small_disk import fill, on_a_small_disk

_PAGE = 4096


def test_what_was_begun_on_a_full_disk_is_finished_when_there_is_room(
    tmp_path: Path, tiny_bundle: Path
) -> None:
    write_ct(tmp_path / "ct.nii.gz", 1)
    on_a_small_disk(__name__, "predict", tmp_path / "disk", tiny_bundle, tmp_path / "ct.nii.gz")


def predict_with_ever_more_room(disk: Path, bundle: Path, ct: Path) -> None:
    """Raises if a call on a full disk, or the one after it, does not leave what it should."""
    from attunet_gui.cli.predict_command import PredictCommandOptions, predict_all

    def draft() -> None:
        predict_all(ct, disk / "out", str(bundle), PredictCommandOptions(write_probability=True))

    begun = 0
    for pages in range(40):
        filler = fill(disk)
        with filler.open("r+b") as file:
            file.truncate(filler.stat().st_size - pages * _PAGE)
        failure = _failure(draft)
        filler.unlink()
        if failure is None:
            break
        assert "the disk is full" in failure or "cannot be made" in failure
        begun += (disk / "out" / "ct_pancreas.nii.gz").exists()
        draft()
        _check_whole(disk / "out", ct)
        for path in (disk / "out").iterdir():
            path.unlink()
    _check_whole(disk / "out", ct)
    assert begun, "the disk was never full behind the mask"
    _keep_theirs(disk, ct, draft)


def _failure(draft: Callable[[], None]) -> str | None:
    try:
        draft()
    except AttunetError as error:
        return str(error)
    return None


def _check_whole(out: Path, ct: Path) -> None:
    names = ("ct_pancreas.json", "ct_pancreas.nii.gz", "ct_probability.nii.gz")
    assert sorted(path.name for path in out.iterdir()) == sorted(names)
    record = json.loads((out / names[0]).read_text())
    assert (record["case"], record["input"], "unfinished" in record) == ("ct", "ct.nii.gz", False)
    voxels = np.count_nonzero(np.asarray(nib.load(out / names[1]).dataobj))
    spacing = nib.load(ct).header.get_zooms()
    assert record["volume_ml"] == pytest.approx(voxels * np.prod(spacing) / 1000, abs=1e-2)


def _keep_theirs(disk: Path, ct: Path, draft: Callable[[], None]) -> None:
    """A mask that a person made never counts as begun, though --overwrite was used on the full disk."""
    from attunet_gui.cli.predict_command import PredictCommandOptions, predict_all

    out = disk / "out"
    (out / "ct_pancreas.json").write_text("{}")
    volume = read_ct_volume(ct)
    write_mask(out / "ct_pancreas.nii.gz", np.ones(volume.grid.shape, np.uint8), volume)
    filler = fill(disk)
    with pytest.raises(AttunetError, match="the disk is full"):
        predict_all(ct, out, sys.argv[3], PredictCommandOptions(overwrite=True))
    filler.unlink()
    with pytest.raises(AttunetError, match="corrected by a person"):
        draft()
    assert read_mask(out / "ct_pancreas.nii.gz", volume).all()


if __name__ == "__main__":
    predict_with_ever_more_room(*map(Path, sys.argv[2:]))
