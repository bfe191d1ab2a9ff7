from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attunet_gui.core.edit import NOTHING, Edit, edit_between
from attunet_gui.core.history import History, Stroke


def stroke(number: int, packed: int = 0) -> Stroke:
    return Stroke(
        Edit((0, 0, 0), (1, 1, 1), b"." * packed, 1, 0), "brush", f"stroke {number}", "me", number, 0
    )


@given(st.lists(st.sampled_from(["push", "undo", "redo"]), max_size=30))
def test_undo_and_redo_walk_along_one_line(steps: list[str]) -> None:
    history, done, ahead = History(), [], []
    for number, step in enumerate(steps):
        if step == "push":
            history.push(stroke(number))
            done, ahead = [*done, number], []
        elif step == "undo":
            expected = done[-1] if done else None
            assert getattr(history.undo(), "when", None) == expected
            done, ahead = done[:-1], done[-1:] + ahead
        else:
            expected = ahead[0] if ahead else None
            assert getattr(history.redo(), "when", None) == expected
            done, ahead = done + ahead[:1], ahead[1:]

        assert [one.when for one in history.done] == done
        assert [one.when for one in history.ahead] == ahead


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=30), st.integers(0, 20_000))
def test_the_oldest_strokes_go_until_the_rest_fits(sizes: list[int], limit: int) -> None:
    history, gone = History(limit), []
    for number, size in enumerate(sizes):
        gone += history.push(stroke(number, size))

    assert [one.when for one in (*gone, *history.done)] == list(range(len(sizes)))
    assert history.size == sum(one.size for one in history.done)
    assert history.size <= limit or len(history.done) == 1
    # Nothing went that would have fitted.
    assert not gone or history.size + gone[-1].size > limit or len(history.done) == 1


def test_a_new_stroke_frees_the_memory_of_what_could_be_redone() -> None:
    history = History(10_000)
    for number in range(3):
        history.push(stroke(number, 2000))
    history.undo()
    history.undo()

    assert history.push(stroke(3, 4000)) == ()
    assert [one.when for one in history.done] == [0, 3]
    assert not history.ahead
    assert history.size == sum(one.size for one in history.done)


def test_a_history_goes_on_where_it_was_read() -> None:
    strokes = [stroke(number, 1000) for number in range(5)]

    history, dropped = History.of(strokes[:3], strokes[3:], limit=7000)

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
    history = History()
    history.push(Stroke(edit, "grow", "grow 2 mm", "me", 0.0, 0))

    assert (history.undo_words, history.redo_words) == (words, "")
    history.undo()
    assert (history.undo_words, history.redo_words) == ("", words)


def test_an_empty_history_has_nothing_to_say() -> None:
    history = History()

    assert (history.undo(), history.redo(), history.undo_words, history.redo_words) == (None, None, "", "")
    assert NOTHING.changes == history.size == 0
