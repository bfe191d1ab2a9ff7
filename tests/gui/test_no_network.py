"""The window and its child turn to no network: the whole demo, watched."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.watched_process import watch

pytestmark = pytest.mark.window


def test_the_whole_demo_reaches_for_nothing(tmp_path: Path) -> None:
    order = ["-m", "attunet_gui", "demo", "--out", str(tmp_path / "demo")]
    seen = watch(order, tmp_path / "watched", {"ATTUNET_DEMO_SCRIPTED": "1"})
    assert (tmp_path / "demo" / "phantom-7_pancreas.nii.gz").is_file()
    assert seen.processes > 1
    assert seen.attempts == ()
