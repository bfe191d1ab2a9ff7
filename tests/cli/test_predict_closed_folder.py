"""`attunet predict` where one patient's folder cannot be read: the others are drafted, that one is named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from attunet_gui.cli.predict_command import PredictCommandOptions, predict_all
from attunet_gui.system.errors import AttunetError
from tests.support.ct_files import OTHER_SERIES, ct_like, write_series

STORED = (ct_like((6, 40, 40)) + 1024).astype(np.uint16)


def test_a_closed_folder_does_not_stop_its_neighbours(
    tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_series(tmp_path / "all" / "a", STORED)
    write_series(tmp_path / "all" / "b", STORED, SeriesInstanceUID=OTHER_SERIES)
    write_series(tmp_path / "all" / "closed", STORED, SeriesInstanceUID="1.2.3.4")
    listed = Path.iterdir

    def denied(path: Path) -> object:
        if path.name == "closed":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(AttunetError, match="1 of 3 cases failed; the others are written"):
        predict_all(tmp_path / "all", tmp_path / "out", str(tiny_bundle), PredictCommandOptions())
    monkeypatch.undo()
    told = " ".join(capsys.readouterr().out.split())
    assert "closed: closed could not be read, Permission denied, so images may be missing" in told
    note = "closed lies beside this CT and could not be read, Permission denied: make sure"
    assert told.count(note) == 2
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == [f"{name}_pancreas.{ending}" for name in "ab" for ending in ("json", "nii.gz")]
    for name in "ab":
        record = json.loads((tmp_path / "out" / f"{name}_pancreas.json").read_text())
        assert sum(note in each for each in record["notes"]) == 1
