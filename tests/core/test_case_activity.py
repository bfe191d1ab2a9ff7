from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attunet_gui.core.case_activity import CaseActivity, UnsavedChanges, total_activity
from attunet_gui.core.draft_correction import compare_with_draft
from attunet_gui.core.edit_stroke import EditStroke
from attunet_gui.core.journal_entries import (
    FindingsAccepted,
    JournalEntry,
    MaskWritten,
    SessionClosed,
    SessionOpened,
    SlicesVerified,
    StrokeRedone,
    StrokeUndone,
)
from attunet_gui.core.journal_replay import (
    correction_since_draft,
    edit_since_draft,
    replay_entries,
    undo_redo_stacks,
)
from attunet_gui.core.mask_edit import edit_between

SHAPE = (4, 5, 6)
SAVED = MaskWritten("me", 0.0, Path("x"), 1, True)


def cube(low: int, high: int, value: int = 1) -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[low:high, 1:3, 2:4] = value
    return mask


def stroke(before: np.ndarray, after: np.ndarray, tool: str = "brush", when: float = 0.0) -> EditStroke:
    return EditStroke(edit_between(before, after), tool, tool, "me", when, 0)


EMPTY = np.zeros(SHAPE, np.uint8)
DRAFTED = stroke(EMPTY, cube(0, 3), "draft")
ADDED = stroke(cube(0, 3), cube(0, 4), "brush")
CLEARED = stroke(cube(0, 4), cube(1, 4), "erase")


# Time


def at(*times: float) -> list[JournalEntry]:
    return [SlicesVerified("me", when, frozenset()) for when in times]


@pytest.mark.parametrize(
    ("entries", "seconds"),
    [
        ([], 0),
        (at(100.0), 0),
        (at(0, 10, 25), 25),
        (at(0, 60), 60),
        (at(0, 60.1), 0),
        (at(0, 10, 500, 505), 15),
        ([*at(0, 10), SessionClosed("me", 15), SessionOpened("me", 20), *at(27)], 22),
        (at(10, 5, 8), 3),
    ],
)
def test_active_time_leaves_pauses_out(entries: list[JournalEntry], seconds: float) -> None:
    assert total_activity(entries).seconds == pytest.approx(seconds)


@given(st.lists(st.floats(0, 1e4), max_size=12), st.integers(0, 12))
def test_totals_go_on_from_earlier_totals(times: list[float], cut: int) -> None:
    strokes = [replace(ADDED, when=when, tool=f"tool {k % 3}") for k, when in enumerate(sorted(times))]

    whole = total_activity(strokes)

    assert total_activity(strokes[cut:], total_activity(strokes[:cut])) == whole
    assert sum(use.strokes for use in whole.tools.values()) == len(times)


# Tools


def test_tools_are_counted_with_what_they_changed() -> None:
    entries = [DRAFTED, ADDED, CLEARED, StrokeUndone("me", 3, "erase"), StrokeRedone("me", 4, "erase")]
    entries += [StrokeUndone("me", 5, "erase"), StrokeUndone("me", 6, "brush")]

    done = total_activity(entries)

    assert {tool: (use.strokes, use.undone, use.added, use.removed) for tool, use in done.tools.items()} == {
        "draft": (1, 0, 12, 0),
        "brush": (1, 1, 4, 0),
        "erase": (1, 1, 0, 4),
    }
    assert done.tools["draft"].changed_ml(0.5) == (6.0, 0.0)
    assert done.slices == {0, 1, 2, 3}
    assert done.users == {"me": 3}


def test_nothing_happened() -> None:
    assert total_activity([]) == CaseActivity()


# Files


@pytest.mark.parametrize(
    ("entries", "steps", "strokes", "lost"),
    [
        ([], 0, 0, False),
        ([DRAFTED], 1, 0, False),
        ([ADDED], 1, 1, True),
        ([DRAFTED, ADDED], 2, 1, True),
        ([ADDED, SAVED], 0, 0, False),
        ([ADDED, replace(SAVED, current=False)], 1, 1, True),
        ([ADDED, StrokeUndone("me", 1, "brush")], 0, 0, False),
        ([ADDED, SAVED, StrokeUndone("me", 1, "brush")], -1, -1, True),
        ([ADDED, SAVED, StrokeUndone("me", 1, "brush"), StrokeRedone("me", 2, "brush")], 0, 0, False),
        ([ADDED, SAVED, StrokeUndone("me", 1, "brush"), CLEARED], None, 2, True),
        (
            [ADDED, SAVED, StrokeUndone("me", 1, "brush"), CLEARED, StrokeUndone("me", 2, "erase")],
            None,
            1,
            True,
        ),
        ([DRAFTED, ADDED, StrokeUndone("me", 2, "brush")], 1, 0, False),
    ],
)
def test_work_that_is_in_no_file_is_known(
    entries: list[JournalEntry], steps: int | None, strokes: int, lost: bool
) -> None:
    since = UnsavedChanges()
    for entry in entries:
        since = since.after_entry(entry)

    assert since == UnsavedChanges(steps, strokes)
    assert since.loses_annotator_work == lost


# Voxels


def test_a_replay_shows_every_change_and_undo() -> None:
    entries = [
        CLEARED,
        StrokeUndone("me", 1, "erase"),
        FindingsAccepted("me", 2, frozenset("a")),
        StrokeUndone("me", 3, "brush"),
    ]
    entries += [StrokeRedone("me", 4, "brush")]

    shown = [(entry, mask.copy()) for entry, _, mask in replay_entries(cube(0, 3), entries, done=[ADDED])]

    assert [entry for entry, _ in shown] == [ADDED, CLEARED, entries[1], entries[3], entries[4]]
    masks = [cube(0, 4), cube(1, 4), cube(0, 4), cube(0, 3), cube(0, 4)]
    for (_, mask), expected in zip(shown, masks, strict=True):
        np.testing.assert_array_equal(mask, expected)


def test_the_box_of_a_replay_holds_the_change() -> None:
    before = EMPTY.copy()
    for _, box, mask in replay_entries(EMPTY, [DRAFTED, ADDED, CLEARED]):
        before[box] = mask[box]
        np.testing.assert_array_equal(before, mask)


def test_stacks_follow_from_the_entries() -> None:
    entries = [
        StrokeUndone("me", 1, "brush"),
        StrokeRedone("me", 1, "brush"),
        CLEARED,
        StrokeUndone("me", 1, "erase"),
    ]

    assert undo_redo_stacks(entries, [DRAFTED, ADDED]) == ((DRAFTED, ADDED), (CLEARED,))
    assert undo_redo_stacks([], [DRAFTED], [ADDED, CLEARED]) == ((DRAFTED,), (ADDED, CLEARED))
    assert undo_redo_stacks([StrokeRedone("me", 1, "brush")], [DRAFTED], [ADDED, CLEARED]) == (
        (DRAFTED, ADDED),
        (CLEARED,),
    )


@pytest.mark.parametrize("entry", [StrokeUndone("me", 0, "brush"), StrokeRedone("me", 0, "brush")])
def test_what_is_not_there_cannot_be_taken_back(entry: JournalEntry) -> None:
    with pytest.raises(ValueError, match="not there"):
        undo_redo_stacks([entry])


MASKS = st.lists(
    st.builds(
        lambda seed: np.random.default_rng(seed).integers(0, 2, SHAPE).astype(np.uint8), st.integers(0, 99)
    ),
    min_size=2,
    max_size=6,
)


@given(MASKS, st.integers(0, 4))
def test_what_the_human_changed_is_what_lies_between_draft_and_mask(masks: list[np.ndarray], at: int) -> None:
    tools = ["draft" if k == at else "brush" for k in range(len(masks) - 1)]
    strokes = [stroke(*pair, tool) for *pair, tool in zip(masks[:-1], masks[1:], tools, strict=True)]
    draft = masks[at + 1] if at < len(strokes) else masks[0]

    edit = edit_since_draft(masks[-1], strokes)

    again = draft.copy()
    edit.apply_to(again)
    np.testing.assert_array_equal(again, masks[-1])
    assert correction_since_draft(masks[-1], strokes) == compare_with_draft(draft, masks[-1])


def test_an_untouched_draft_agrees_with_itself() -> None:
    assert correction_since_draft(cube(0, 3), [DRAFTED]) == compare_with_draft(cube(0, 3), cube(0, 3))
    assert correction_since_draft(EMPTY, []) == compare_with_draft(EMPTY, EMPTY)
