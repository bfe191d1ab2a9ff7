"""Hands that do anything: after every action the screen, the journal and what is said must agree."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from qtpy.QtWidgets import QApplication

from tests.support.random_window_run import run_actions

pytestmark = pytest.mark.window
_ACTIONS = 250


@pytest.mark.parametrize("seed", [1, 2])
def test_what_the_window_says_is_so_after_any_actions(qapp: QApplication, tmp_path: Path, seed: int) -> None:
    assert "tensorflow" not in sys.modules
    report = run_actions(tmp_path, seed, _ACTIONS)
    assert not report.broken, report.broken[0]
    # A run in which nothing was drawn, drafted or saved would prove nothing.
    assert report.strokes > 5
    assert sum(report.actions.values()) == _ACTIONS
