"""A checkpoint is replaced whole or not at all; no TensorFlow is needed."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from attunet_gui.network.training_checkpoint import TrainingProgress, read_checkpoint, write_checkpoint
from attunet_gui.system.errors import UnwritableOutput


def test_a_checkpoint_comes_back_as_it_was_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path, arrays = tmp_path / "run" / "checkpoint.safetensors", {"a": np.arange(6, dtype=np.float32)[::2]}
    write_checkpoint(path, arrays, TrainingProgress(step=4), "run-1")
    found = read_checkpoint(path, "run-1")
    assert found is not None
    np.testing.assert_array_equal(found[0]["a"], [0, 2, 4])
    assert found[1] == TrainingProgress(step=4)
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_full_disk_leaves_the_checkpoint_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, arrays = tmp_path / "checkpoint.safetensors", {"a": np.ones(3, np.float32)}
    write_checkpoint(path, arrays, TrainingProgress(step=1), "run-1")

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UnwritableOutput, match=r"checkpoint\.safetensors was not saved, the disk is full"):
        write_checkpoint(path, arrays, TrainingProgress(step=2), "run-1")
    found = read_checkpoint(path, "run-1")
    assert found is not None
    assert found[1].step == 1
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
