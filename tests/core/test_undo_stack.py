from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attunet_gui.core.edit_stroke import EditStroke
from attunet_gui.core.mask_edit import NO_EDIT, MaskEdit, edit_between
from attunet_gui.core.undo_stack import UndoStack


def stroke(number: int, packed: int = 0) -> EditStroke:
    return EditStroke(
        MaskEdit((0, 0, 0), (1, 1, 1), b"." * packed, 1, 0), "brush", f"stroke {number}", "me", number, 0
    )


@given(st.lists(st.sampled_from(["push", "undo", "redo"]), max_size=30))
def test_undo_and_redo_walk_along_one_line(steps: list[str]) -> None:
    history, done, ahead = UndoStack(), [], []
    for number, step in enumerate(steps):
        if step == "push":
            history.push_stroke(stroke(number))
            done, ahead = [*done, number], []
        elif step == "undo":
            expected = done[-1] if done else None
            assert getattr(history.undo(), "when", None) == expected
            done, ahead = done[:-1], done[-1:] + ahead
        else:
            expected = ahead[0] if ahead else None
            assert getattr(history.redo(), "when", None) == expected
            done, ahead = done + ahead[:1], ahead[1:]

        assert [one.when for one in history.undoable_strokes] == done
        assert [one.when for one in history.redoable_strokes] == ahead


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=30), st.integers(0, 20_000))
def test_the_oldest_strokes_go_until_the_rest_fits(sizes: list[int], limit: int) -> None:
    history, gone = UndoStack(limit), []
    for number, size in enumerate(sizes):
        gone += history.push_stroke(stroke(number, size))

    assert [one.when for one in (*gone, *history.undoable_strokes)] == list(range(len(sizes)))
    assert history.memory_bytes == sum(one.memory_bytes for one in history.undoable_strokes)
    assert history.memory_bytes <= limit or len(history.undoable_strokes) == 1
    # Nothing went that would have fitted.
    assert (
        not gone or history.memory_bytes + gone[-1].memory_bytes > limit or len(history.undoable_strokes) == 1
    )


def test_a_new_stroke_frees_the_memory_of_what_could_be_redone() -> None:
    history = UndoStack(10_000)
    for number in range(3):
        history.push_stroke(stroke(number, 2000))
    history.undo()
    history.undo()

    assert history.push_stroke(stroke(3, 4000)) == ()
    assert [one.when for one in history.undoable_strokes] == [0, 3]
    assert not history.redoable_strokes
    assert history.memory_bytes == sum(one.memory_bytes for one in history.undoable_strokes)


def test_a_history_goes_on_where_it_was_read() -> None:
    strokes = [stroke(number, 1000) for number in range(5)]

    history, dropped = UndoStack.from_strokes(strokes[:3], strokes[3:], limit=7000)

    assert dropped == (strokes[0],)
    assert history.undo() is strokes[2]
    assert (history.redo(), history.redo(), history.redo(), history.redo()) == (*strokes[2:], None)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ([0, 0, 0], [1, 1, 0], "grow 2 mm, +2 voxels"),
        ([1, 1, 0], [0, 1, 0], "grow 2 mm, -1 voxel"),
        ([1, 0, 0], [0, 1, 1], "grow 2 mm, +2 -1 voxels"),
        ([1, 0, 0], [1, 0, 0], "grow 2 mm, +0 voxels"),
    ],
)
def test_a_stroke_says_what_it_did(before: list[int], after: list[int], words: str) -> None:
    edit = edit_between(np.array([[before]]), np.array([[after]]))
    history = UndoStack()
    history.push_stroke(EditStroke(edit, "grow", "grow 2 mm", "me", 0.0, 0))

    assert (history.undo_text, history.redo_text) == (words, "")
    history.undo()
    assert (history.undo_text, history.redo_text) == ("", words)


def test_an_empty_history_has_nothing_to_say() -> None:
    history = UndoStack()

    assert (history.undo(), history.redo(), history.undo_text, history.redo_text) == (None, None, "", "")
    assert NO_EDIT.changed_voxels == history.memory_bytes == 0
