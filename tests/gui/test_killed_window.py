"""A window that is killed in the middle of the work, and the next one."""

from __future__ import annotations

import signal
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from attunet_gui.gui.main_window import RunningApplication
from tests.support.window_control import DialogAnswer, drag_in_canvas, live, mask_of, until

pytestmark = pytest.mark.window
ROOT = Path(__file__).parents[2]


def painted_and_killed(ct: Path, folder: Path, strokes: int) -> int:
    """Let another window paint so many strokes with the mouse, kill it; the checksum of the mask it had."""
    command = [sys.executable, "-m", "tests.support.painting_window", str(ct), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as painter:
        assert painter.stdout is not None
        for line in painter.stdout:
            number, crc = map(int, line.split())
            if number == strokes:
                painter.send_signal(signal.SIGKILL)
                return crc
    raise AssertionError("the other window ended by itself")


def test_a_window_killed_while_painting_loses_no_stroke(
    app: RunningApplication, ct: Path, tmp_path: Path
) -> None:
    crc = painted_and_killed(ct, tmp_path, strokes=4)
    question = DialogAnswer("Bring it back")
    app.controller.recovery.offer_recovery()
    assert question.asked is not None
    assert "case_one" in question.asked
    assert question.default == "Bring it back"
    until(lambda: app.session.case is not None)
    live(0.3)
    work = app.controller.edits.work
    assert work is not None
    if zlib.crc32(mask_of(app)) != crc:
        # It may have finished one more before it died.
        app.controller.edits.undo()
        assert zlib.crc32(mask_of(app)) == crc
    assert app.session.mask.edited
    before = mask_of(app).copy()
    app.controller.select_tool("paint")
    app.controller.layers.slice_view.go_to_slice(50)
    drag_in_canvas(app)
    assert mask_of(app)[50].any()
    app.controller.edits.undo()
    assert (mask_of(app) == before).all()
    for _ in range(4):
        app.controller.edits.undo()
    assert not mask_of(app).any()
