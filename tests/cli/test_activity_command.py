"""`attunet activity` tells from the journals what was done, and shows it again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from attunet_gui.cli.command_line import app
from attunet_gui.core.edit_stroke import DRAFT_TOOL
from attunet_gui.core.mask_edit import edit_between
from attunet_gui.editing.edit_session import EditSession
from attunet_gui.io.journal.journal import SUFFIX, identify_volume
from attunet_gui.synthesis.phantom.abdomen_phantom import PhantomRequest, make_phantom, phantom_volume

SHAPE = (6, 24, 20)


@pytest.fixture
def journals(tmp_path: Path) -> Path:
    """A draft, two strokes ten seconds apart, one of them undone; then a long pause and a third."""
    volume = phantom_volume(make_phantom(PhantomRequest(2, SHAPE, (10.0, 10.0, 10.0))))
    now = [0.0]
    live = np.zeros(SHAPE, np.uint8)
    work = EditSession.begin_session(identify_volume(volume), live, tmp_path, "Ada", lambda: now[0])
    draft = live.copy()
    draft[2:4, 5:9, 5:9] = 1
    work.apply_edit(live, edit_between(live, draft), DRAFT_TOOL, "draft by m", 2)
    for z in (2, 3):
        live[z, 12, 10 + z] = 1
        now[0] += 10.0
        work.record_change(live, None, "brush", "brush", z, by_hand=True)
    work.undo_stroke(live)
    live[4, 5, 5] = 1
    now[0] += 5000.0
    work.record_change(live, None, "brush", "brush", 4, by_hand=True)
    work.close_journal()
    return tmp_path


def _run(*words: str) -> str:
    done = CliRunner().invoke(app, ["activity", *words], env={"COLUMNS": "200"}, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_cases_of_projects_are_told_with_the_others(journals: Path) -> None:
    (own,) = journals.glob(f"*{SUFFIX}")
    for project in ("0a", "0b"):
        below = journals / "projects" / project
        below.mkdir(parents=True)
        (below / own.name).write_bytes(own.read_bytes())
    found = json.loads(_run("--json", "--folder", str(journals)))
    assert [case["tools"]["brush"]["strokes"] for case in found] == [3, 3, 3]


def test_time_tools_and_changes_are_told_and_pauses_left_out(journals: Path) -> None:
    (case,) = json.loads(_run("--json", "--folder", str(journals)))
    assert case["users"] == {"Ada": 4}
    assert case["tools"]["brush"]["strokes"] == 3
    assert case["tools"]["brush"]["undone"] == 1
    assert case["active_seconds"] == 20.0
    assert case["added_ml"] == pytest.approx(2.0)
    assert case["removed_ml"] == 0
    assert case["dsc_with_draft"] == pytest.approx(2 * 32 / (32 + 34))
    assert "brush 3" in _run("--folder", str(journals))


def test_the_history_is_shown_again_change_by_change(journals: Path, tmp_path: Path) -> None:
    target = tmp_path / "history.gif"
    _run("--replay", "phantom-2", "-o", str(target), "--folder", str(journals))
    with Image.open(target) as shown:
        assert shown.n_frames == 5
        assert shown.size == SHAPE[:0:-1]


def test_without_any_work_that_is_said(tmp_path: Path) -> None:
    assert "No work has been kept yet" in _run("--folder", str(tmp_path))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--replay", "nobody"], "No work is kept"),
        (["--replay", "x", "-o", "x.mp4"], ".gif"),
    ],
)
def test_what_cannot_be_shown_is_said(journals: Path, words: list[str], sentence: str) -> None:
    done = CliRunner().invoke(app, ["activity", *words, "--folder", str(journals)])
    assert done.exit_code != 0
    assert sentence in str(done.exception) + done.output
