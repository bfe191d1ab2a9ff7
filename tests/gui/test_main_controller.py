"""Correcting, review, tools and recovery on the real controller and napari's real model; no window."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from attunet_gui.core.mask_edit import MaskEdit, edit_between
from attunet_gui.core.propagation import PropagationResult
from attunet_gui.editing.edit_session import pending_journals
from attunet_gui.editing.tools.tool_types import ToolKind
from attunet_gui.gui.controllers.edit_controller import EditController
from attunet_gui.gui.dialogs import case_dialogs
from attunet_gui.gui.napari_adapter.layer_factory import CHANGES, MASK, RING
from attunet_gui.io.result_writing import write_float_map
from attunet_gui.review.case_evidence import ResampledMask
from attunet_gui.review.review_progress import open_findings
from attunet_gui.synthesis.phantom.abdomen_phantom import make_phantom, phantom_volume
from attunet_gui.system.errors import AttunetError
from tests.support.headless_window import HeadlessWindow, Z, box_mask, headless_window_in
from tests.support.scripted_network import (
    SMALL_PHANTOM,
    ct,
    prediction_of,
)

__all__ = ["ct"]


def test_a_stroke_is_one_step_with_its_name_back_and_forth(world: HeadlessWindow, ct: Path) -> None:
    world.open(ct)
    world.paint(Z, 20, 20)
    painted = world.mask.copy()
    assert painted.any()
    assert world.controller.session.mask.edited
    world.controller.layers.slice_view.go_to_slice(0)
    world.controller.edits.undo()
    assert not world.mask.any()
    assert world.said == f"Undone: brush, +{painted.sum()} voxels."
    assert world.controller.layers.slice_view.current_slice == Z, "nobody undoes what she cannot see"
    world.controller.edits.redo()
    np.testing.assert_array_equal(world.mask, painted)
    world.controller.edits.redo()
    assert world.said == "There is nothing to redo."


def test_a_change_by_a_script_is_noted_as_well(world: HeadlessWindow, ct: Path) -> None:
    world.open(ct)
    layer = world.controller.layers.viewer.layers[MASK]
    layer.data_setitem((np.array([3]), np.array([3]), np.array([3])), 1)
    layer.paint_polygon([(Z, 5, 5), (Z, 5, 20), (Z, 20, 20)], 1)
    assert world.mask[3, 3, 3] == 1
    assert world.mask[Z].any()
    world.controller.edits.undo()
    assert not world.mask[Z].any()
    world.controller.edits.undo()
    assert not world.mask.any()


def answers(world: HeadlessWindow, take: bool) -> list[tuple[str, int]]:
    """Answer the question before a whole draft is undone; what was asked."""
    asked: list[tuple[str, int]] = []

    def answer(words: str, verified: int) -> bool:
        asked.append((words, verified))
        return take

    world.controller.edits.confirm_draft_undo = answer
    return asked


def test_undo_stops_at_the_draft_unless_the_person_wants_more(world: HeadlessWindow, ct: Path) -> None:
    world.open(ct)
    world.draft(box_mask(world))
    draft = world.mask.copy()
    world.paint(Z, 5, 5)
    asked = answers(world, take=False)
    world.controller.edits.undo()
    assert asked == [], "a stroke is undone without a question"
    for _ in range(3):
        world.controller.edits.undo()
    assert asked == [(f"draft by {prediction_name(world)}, +{draft.sum()} voxels", 0)] * 3
    np.testing.assert_array_equal(world.mask, draft)
    assert world.said.startswith("Undo stopped at the draft")
    answers(world, take=True)
    world.controller.edits.undo()
    assert not world.mask.any()
    world.controller.edits.redo()
    np.testing.assert_array_equal(world.mask, draft)


def prediction_name(world: HeadlessWindow) -> str:
    draft = world.controller.session.inference.draft
    assert draft is not None
    return draft.prediction.model.name


def test_nobody_to_ask_means_that_the_draft_stays(world: HeadlessWindow, ct: Path, tmp_path: Path) -> None:
    world.open(ct)
    world.draft(box_mask(world))
    alone = EditController(world.controller.session, world.controller.layers)
    alone.begin_session(world.controller.edits.work)  # type: ignore[arg-type]
    alone.undo()
    np.testing.assert_array_equal(world.mask, box_mask(world))


def test_no_draft_with_a_contour_is_called_empty_while_it_is_counted(world: HeadlessWindow, ct: Path) -> None:
    world.open(ct)
    world.until(lambda: world.controller.session.mask.tally is not None)
    told: list[tuple[bool, str, str]] = []
    world.controller.view_changed.connect(
        lambda view: told.append((bool(world.mask.any()), view.step.hint, view.volume))
    )
    world.draft(box_mask(world))
    world.until(lambda: not world.controller.session.mask.recounting)
    drafted = [(hint, volume) for contour, hint, volume in told if contour]
    assert drafted
    for hint, volume in drafted:
        assert "no pancreas" not in hint
        assert "empty" not in hint
        assert volume != "No mask yet"


def verify(world: HeadlessWindow, *slices: int) -> None:
    for z in slices:
        world.controller.layers.slice_view.go_to_slice(z)
        world.verify()


def green(world: HeadlessWindow) -> frozenset[int]:
    """Verified slices, which all who keep them must agree on."""
    work, guide = world.controller.edits.work, world.controller.review
    assert work is not None
    assert work.decisions.verified_slices == work.decisions.mask_locks.verified == guide.review_state.verified
    return work.decisions.verified_slices


def test_a_change_of_a_verified_slice_takes_the_green_away_and_says_so(
    world: HeadlessWindow, ct: Path
) -> None:
    world.open(ct)
    world.draft(box_mask(world))
    verify(world, 4, Z, 6)
    world.controller.layers.slice_view.go_to_slice(Z)
    world.paint(Z, 5, 5)
    assert green(world) == {4, 6}
    assert world.said.endswith(f"Slice {Z + 1} has changed and is no longer verified.")
    verify(world, Z)
    world.controller.edits.undo()
    assert green(world) == {4, 6}
    assert f"Slice {Z + 1} has changed" in world.said
    verify(world, Z)
    world.controller.edits.redo()
    assert green(world) == {4, 6}
    asked = answers(world, take=True)
    world.controller.edits.undo()
    world.controller.edits.undo()
    assert [count for _words, count in asked] == [2]
    assert green(world) == frozenset()
    assert world.said.endswith("2 slices have changed and are no longer verified.")


def test_a_draft_that_replaces_verified_slices_takes_their_green_away(
    world: HeadlessWindow, ct: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.open(ct)
    world.draft(box_mask(world))
    verify(world, 4, 9)
    world.paint(Z, 5, 5)
    monkeypatch.setattr(case_dialogs, "ask_rerun", lambda _parent: "replace")
    other = box_mask(world)
    other[4] = 0
    world.controller.drafting.run_or_cancel()
    world.network.answer(len(world.network.requests), other)
    world.until(lambda: not world.mask[4].any())
    assert green(world) == {9}
    assert "Slice 5 has changed and is no longer verified." in world.said


def test_an_undone_proposal_takes_the_green_of_what_was_verified_since(
    world: HeadlessWindow, ct: Path
) -> None:
    proposed(world, ct)
    world.controller.propagation.take_all()
    changed = world.controller.edits.work.history.undo_stack.last_stroke.edit.changed_slices  # type: ignore[union-attr]
    verify(world, 2, *sorted(changed))
    world.controller.edits.undo()
    assert changed
    assert green(world) == {2}


def test_undo_after_a_restart_takes_the_green_away(
    world: HeadlessWindow, ct: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.open(ct)
    world.draft(box_mask(world))
    world.paint(Z, 5, 5)
    verify(world, 2, Z)
    world.controller.edits.undo()
    world.controller.edits.redo()
    verify(world, Z)
    world.controller.edits.end_session()
    again = headless_window_in(tmp_path)
    monkeypatch.setattr(case_dialogs, "ask_recovery", lambda _parent, _left: "bring back")
    again.controller.recovery.offer_recovery()
    again.until(lambda: again.controller.session.case is not None)
    assert green(again) == {2, Z}
    again.controller.edits.undo()
    assert green(again) == {2}
    answers(again, take=False)
    again.controller.edits.undo()
    assert again.said.startswith("Undo stopped at the draft")
    np.testing.assert_array_equal(again.mask, box_mask(again))
    again.controller.end_background_work()
    again.controller.session.close_session()


def test_undo_after_undo_stops_at_a_draft_that_replaced_corrections_too(
    world: HeadlessWindow, ct: Path
) -> None:
    world.open(ct)
    world.paint(Z, 5, 5)
    world.controller.session.mask.edited = False  # saved, say
    world.draft(box_mask(world))
    drafted = world.mask.copy()
    world.paint(7, 30, 30)
    asked = answers(world, take=False)
    world.controller.edits.undo()
    world.controller.edits.undo()
    assert len(asked) == 1
    np.testing.assert_array_equal(world.mask, drafted)


def test_undo_reaches_through_a_draft_to_the_strokes_before_it(world: HeadlessWindow, ct: Path) -> None:
    world.open(ct)
    world.paint(Z, 5, 5)
    before = world.mask.copy()
    world.controller.session.mask.edited = False  # saved, say
    world.draft(box_mask(world))
    assert world.mask[Z, 20, 20] == 1
    assert world.mask[Z, 5, 5] == 1, "what was drawn by hand stays under a draft"
    world.controller.edits.undo()
    np.testing.assert_array_equal(world.mask, before)
    world.controller.edits.undo()
    assert not world.mask.any()


def test_what_a_draft_would_change_of_the_persons_is_shown_and_left(world: HeadlessWindow, ct: Path) -> None:
    world.open(ct)
    world.paint(Z, 5, 5)
    world.controller.session.mask.edited = False
    world.draft(box_mask(world))
    assert "contradicts" in world.said
    conflict = world.controller.layers.viewer.layers[CHANGES].data
    np.testing.assert_array_equal(conflict == 3, (box_mask(world) == 0) & (world.mask == 1))


def test_the_brush_sets_only_what_lies_within_the_hu_limits(world: HeadlessWindow, ct: Path) -> None:
    world.open(ct)
    case = world.controller.session.case
    assert case is not None
    hu = case.volume.hu[Z]
    middle = float(np.median(hu[hu > -200]))
    world.controller.edits.set_hu_limits((middle, 3000.0))
    y, x = map(int, np.argwhere(hu > middle)[0])
    world.paint(Z, y, x)
    assert world.mask[Z, y, x] == 1
    assert hu[world.mask[Z] == 1].min() >= middle
    world.controller.edits.undo()
    assert not world.mask.any()


def test_a_killed_window_gives_everything_back(
    world: HeadlessWindow, ct: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.open(ct)
    world.draft(box_mask(world))
    world.paint(Z, 5, 5)
    world.paint(7, 30, 30)
    world.verify()
    kept = world.mask.copy()
    world.controller.edits.work.journal._journal.close()  # type: ignore[union-attr]  # as the system does with a dead process
    world.controller.edits.work = None

    again = headless_window_in(tmp_path)
    asked: list[str] = []
    monkeypatch.setattr(
        case_dialogs, "ask_recovery", lambda _p, left: asked.append(left.identity.name) or "bring back"
    )
    again.controller.recovery.offer_recovery()
    again.until(lambda: again.controller.session.case is not None)
    assert asked == ["case"]
    np.testing.assert_array_equal(again.mask, kept)
    assert again.controller.session.mask.edited
    assert again.controller.edits.work is not None
    assert (
        again.controller.edits.work.decisions.verified_slices == world.controller.review.review_state.verified
    )
    assert "unsaved" in again.said
    answers(again, take=True)
    for _ in range(3):
        again.controller.edits.undo()
    assert not again.mask.any()
    again.controller.end_background_work()
    again.controller.session.close_session()


def test_what_was_drawn_on_the_demo_comes_back_with_the_demo(
    world: HeadlessWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    phantom = phantom_volume(make_phantom(SMALL_PHANTOM))
    monkeypatch.setattr("attunet_gui.app.case_opening.phantom_volume", lambda _made: phantom)
    monkeypatch.setattr("attunet_gui.app.case_opening.make_phantom", lambda *_: None)
    world.controller.opener.open_demo()
    world.until(lambda: world.controller.session.case is not None)
    world.paint(Z, 5, 5)
    kept = world.mask.copy()
    world.controller.edits.end_session()
    again = headless_window_in(tmp_path)
    asked: list[str] = []
    monkeypatch.setattr(
        case_dialogs, "ask_recovery", lambda _p, left: asked.append(left.identity.name) or "bring back"
    )
    again.controller.recovery.offer_recovery()
    assert asked == []
    again.controller.opener.open_demo()
    again.until(lambda: again.controller.session.case is not None)
    assert len(asked) == 1
    np.testing.assert_array_equal(again.mask, kept)
    again.controller.end_background_work()
    again.controller.session.close_session()


def test_saved_work_is_not_offered_again_and_discarded_work_is_gone(
    world: HeadlessWindow, ct: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.open(ct)
    world.paint(Z, 5, 5)
    world.controller.saving.save()
    world.until(
        lambda: (
            world.controller.session.mask.saved_to is not None and not world.controller.session.mask.edited
        )
    )
    assert not world.controller.edits.work.has_unsaved_strokes  # type: ignore[union-attr]
    world.paint(Z, 9, 9)
    monkeypatch.setattr(case_dialogs, "ask_unsaved", lambda *_: "discard")
    case = world.controller.session.case
    world.controller.opener.open_path(ct)
    world.until(lambda: world.controller.session.case is not case)
    assert pending_journals(tmp_path / "journal") == ()
    assert world.mask[Z, 9, 9] == 0
    assert world.mask[Z, 5, 5] == 1


def test_a_tool_shows_what_it_would_do_and_does_it_in_one_step(world: HeadlessWindow, ct: Path) -> None:
    world.open(ct)
    world.draft(box_mask(world))
    before = world.mask.copy()
    world.controller.toolbox.select_tool("grow")
    world.controller.toolbox.set_value(10.0)
    world.until(lambda: CHANGES in world.controller.layers.viewer.layers)
    np.testing.assert_array_equal(world.mask, before)
    shown = world.controller.layers.viewer.layers[CHANGES].data.copy()
    world.controller.toolbox.set_value(20.0)
    world.until(lambda: (world.controller.layers.viewer.layers[CHANGES].data != shown).any())
    preview = world.controller.layers.viewer.layers[CHANGES].data.copy()
    world.controller.toolbox.apply_preview()
    world.until(lambda: (world.mask != before).any())
    np.testing.assert_array_equal(world.mask != before, preview > 0)
    assert CHANGES not in world.controller.layers.viewer.layers
    assert world.controller.edits.work.history.undo_stack.undo_text.startswith("grow 20 mm, +")  # type: ignore[union-attr]
    world.controller.edits.undo()
    np.testing.assert_array_equal(world.mask, before)


def test_a_tool_waits_for_its_click(world: HeadlessWindow, ct: Path) -> None:
    world.open(ct)
    ring = np.zeros(world.mask.shape, np.uint8)
    ring[Z, 10:20, 10:20] = 1
    ring[Z, 12:18, 12:18] = 0
    world.draft(ring)
    world.controller.toolbox.select_tool("fill")
    assert world.controller.toolbox.needs_points
    world.controller.layers.tools.points_drawn.emit(((Z, 15, 15),))
    world.until(lambda: world.mask[Z, 15, 15] == 1)
    assert world.mask[Z].sum() == 100
    world.controller.select_tool("paint")
    assert not world.controller.toolbox.needs_points


def test_no_tool_changes_what_was_drawn_or_verified(world: HeadlessWindow, ct: Path) -> None:
    world.open(ct)
    world.draft(box_mask(world))
    world.paint(Z, 20, 20, 0)
    erased = world.mask.copy()
    world.controller.toolbox.select_tool("fill-holes")
    world.until(lambda: "left as you decided" in world.said)
    np.testing.assert_array_equal(world.mask, erased)
    world.controller.layers.slice_view.go_to_slice(4)
    world.verify()
    world.controller.toolbox.select_tool("grow")
    world.controller.toolbox.apply_preview()
    world.until(lambda: "left as you decided" in world.said or "changes nothing" in world.said)
    np.testing.assert_array_equal(world.mask, erased)


def test_a_correction_is_carried_to_the_slices_around_it(world: HeadlessWindow, tmp_path: Path) -> None:
    thin = phantom_volume(make_phantom(replace(SMALL_PHANTOM, spacing_mm=(2.5, 2.0, 2.0))))
    write_float_map(tmp_path / "thin.nii.gz", thin.hu.astype(np.float32), thin)
    world.open(tmp_path / "thin.nii.gz")
    world.draft(box_mask(world))
    world.controller.toolbox.press_tool_key("neighbours")
    world.until(lambda: "Nothing was corrected" in world.said)
    for x in (14, 18, 22, 26):
        world.paint(Z, 12, x)
    corrected = world.mask.copy()
    world.controller.toolbox.press_tool_key("neighbours")
    world.until(lambda: world.said.startswith("Carry to neighbours, +"))
    changed = set(np.flatnonzero((world.mask != corrected).any(axis=(1, 2))))
    assert changed
    assert changed <= {Z - 3, Z - 2, Z - 1, Z + 1, Z + 2, Z + 3}
    carried = world.mask.copy()
    world.paint(Z + 1, 30, 30)
    world.controller.propagation.ask()
    asked = world.network.requests[-1]
    assert asked.slices == (Z, Z + 1)
    np.testing.assert_array_equal(asked.before[Z], box_mask(world)[Z])
    np.testing.assert_array_equal(asked.before[Z + 1], carried[Z + 1])
    world.controller.edits.undo()
    world.controller.edits.undo()
    np.testing.assert_array_equal(world.mask, corrected)


def test_between_two_corrected_slices_all_follow_and_the_next_to_correct_is_found(
    world: HeadlessWindow, ct: Path
) -> None:
    world.open(ct)
    world.draft(box_mask(world))
    toolbox, view = world.controller.toolbox, world.controller.layers.slice_view
    toolbox.go_to_next_correction()
    world.until(lambda: "first and the last slice" in world.said)
    for z in (3, 7):
        view.go_to_slice(z)
        world.paint(z, 27, 20)
    before = world.mask.copy()
    toolbox.press_tool_key("interpolate-corrections")
    world.until(lambda: (world.mask != before).any())
    assert world.mask[4:7, 26, 20].all(), "what was added at both ends is added between"
    assert np.array_equal(world.mask[[3, 7]], before[[3, 7]])
    assert world.said.startswith("Interpolate corrections")
    toolbox.go_to_next_correction()
    world.until(lambda: view.current_slice in (4, 5, 6))
    world.controller.edits.undo()
    assert np.array_equal(world.mask, before), "one step"


def test_a_tool_without_what_it_needs_says_so(world: HeadlessWindow, ct: Path) -> None:
    world.open(ct)
    world.controller.toolbox.select_tool("take-draft")
    assert "draft" in world.said
    assert world.controller.toolbox.selected_kind is None


@dataclass
class FailingTool:
    """A tool with an error that nobody foresaw."""

    error: Exception
    action_text: str = "fail"

    def compute_edit(self, scene: object) -> MaskEdit:
        raise self.error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (IndexError("secret"), "An unexpected IndexError came up while using the tool; try again."),
        (MemoryError(), "There is not enough memory for this; work in one slice."),
        (AttunetError("There is nothing here."), "There is nothing here."),
    ],
)
def test_a_tool_that_fails_says_so_and_leaves_the_mask(
    world: HeadlessWindow, ct: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    world.open(ct)
    world.draft(box_mask(world))
    monkeypatch.setattr(ToolKind, "make_tool", lambda kind, options: FailingTool(error))
    world.controller.toolbox.select_tool("fill-holes")
    world.until(lambda: world.said == said)
    np.testing.assert_array_equal(world.mask, box_mask(world))


def holed(world: HeadlessWindow) -> np.ndarray:
    """A box mask with a slice left out."""
    mask = box_mask(world)
    mask[Z] = 0
    return mask


def test_the_list_leads_to_a_place_and_closes_it(world: HeadlessWindow, ct: Path) -> None:
    world.open(ct)
    world.draft(holed(world))
    guide = world.controller.review
    assert guide.open_places
    assert world.controller.view_state.step.command == "next_place"
    world.controller.next_step()
    first = guide.current_place_key
    assert first == guide.open_places[0].key
    assert RING in world.controller.layers.viewer.layers
    assert world.controller.layers.slice_view.current_slice == guide.open_places[0].slice
    others = [place.key for place in guide.open_places[1:]]
    guide.accept_place()
    assert [place.key for place in guide.open_places][: len(others)] == others
    assert first not in {place.key for place in guide.open_places}
    assert first in world.controller.edits.work.accepted_keys  # type: ignore[union-attr]


def test_an_edit_closes_the_place_it_touches(world: HeadlessWindow, ct: Path) -> None:
    world.open(ct)
    world.draft(holed(world))
    world.controller.review.next_place()
    place = next(
        p for p in world.controller.review.open_places if p.key == world.controller.review.current_place_key
    )
    y, x = (round(c) for c in place.box_centre)
    world.paint(place.slice, y, x, 1 - int(world.mask[place.slice, y, x]))
    assert place.key not in {p.key for p in world.controller.review.open_places}
    assert RING not in world.controller.layers.viewer.layers


def test_every_correction_counts_by_any_tool_in_any_plane_and_removals(
    world: HeadlessWindow, ct: Path
) -> None:
    world.open(ct)
    world.draft(box_mask(world))
    assert (
        world.controller.propagation.status_text
        == "0 slices are corrected or verified. Two or more are needed."
    )
    removed = world.mask.copy()
    removed[3:7, 15:18] = 0
    world.controller.edits.apply_edit(edit_between(world.mask, removed), "remove", "remove this")
    assert world.controller.propagation.status_text == "4 slices are corrected or verified."
    assert world.controller.propagation.can_propagate
    assert (
        world.controller.edits.corrected_slices == world.controller.review.review_state.edited == {3, 4, 5, 6}
    )
    world.controller.propagation.ask()
    asked = world.network.requests[-1]
    assert asked.slices == (3, 4, 5, 6)
    np.testing.assert_array_equal(asked.before, box_mask(world))
    world.controller.edits.undo()
    assert world.controller.propagation.status_text.startswith("0 slices are")
    layer = world.controller.layers.viewer.layers[MASK]
    column = np.arange(1, 4)  # as a stroke in a sagittal plane
    layer.data_setitem((column, np.full(3, 5), np.full(3, 5)), 1)
    assert world.controller.edits.corrected_slices == {1, 2, 3}
    world.paint(6, 20, 20, 0)
    assert world.controller.edits.corrected_slices == {1, 2, 3, 6}
    world.controller.edits.undo()
    world.controller.edits.undo()
    verify(world, 9)
    assert (
        world.controller.propagation.status_text
        == "1 slice is corrected or verified. Two or more are needed."
    )


def test_an_accepted_place_stays_away_after_a_restart_until_its_mask_changes(
    world: HeadlessWindow, ct: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.open(ct)
    world.draft(holed(world))
    world.paint(8, 30, 30)
    guide = world.controller.review
    guide.next_place()
    place = next(p for p in guide.open_places if p.key == guide.current_place_key)
    guide.accept_place()
    world.controller.edits.end_session()
    again = headless_window_in(tmp_path)
    monkeypatch.setattr(case_dialogs, "ask_recovery", lambda _parent, _left: "bring back")
    again.controller.recovery.offer_recovery()
    again.until(lambda: again.controller.session.case is not None)
    (decided,) = again.controller.review.review_state.decided
    assert (decided.key, decided.box) == (place.key, place.box)
    assert decided.covers_finding(place)
    assert open_findings((place,), again.controller.review.review_state) == ()
    again.paint(8, 30, 30, 0)
    assert again.controller.review.review_state.decided == (decided,), "elsewhere"
    y, x = (round(c) for c in place.box_centre)
    again.paint(place.slice, y, x, 1 - int(again.mask[place.slice, y, x]))
    assert again.controller.review.review_state.decided == ()
    assert again.controller.edits.work is not None
    assert again.controller.edits.work.accepted_keys == frozenset()
    again.controller.end_background_work()
    again.controller.session.close_session()


def test_the_search_knows_what_was_decided(world: HeadlessWindow, ct: Path) -> None:
    world.open(ct)
    world.draft(box_mask(world))
    guide = world.controller.review

    def searched() -> ResampledMask:
        world.until(
            lambda: (
                guide.search.result is not None
                and not guide.search.is_searching
                and not guide.search.changed_slices
            )
        )
        assert guide.search.result is not None
        return guide.search.result.resampled

    assert not searched().kept.any()
    removed = world.mask.copy()
    removed[3:5, 15:18] = 0
    world.controller.edits.apply_edit(edit_between(world.mask, removed), "remove", "remove this")
    verify(world, 6)
    found = searched()
    assert set(np.flatnonzero(found.erased.any(axis=(1, 2)))) == {3, 4}
    assert set(np.flatnonzero(found.free.any(axis=(1, 2)))) == {3, 4, 6}
    assert set(np.flatnonzero(found.kept.any(axis=(1, 2)))) == {6}
    world.controller.layers.slice_view.go_to_slice(6)
    world.controller.review.verify_slice()
    world.controller.edits.undo()
    found = searched()
    assert not (found.kept | found.free | found.erased).any()


def test_a_case_is_reviewed_when_nothing_is_open_and_everything_was_seen(
    world: HeadlessWindow, ct: Path
) -> None:
    world.open(ct)
    world.draft(box_mask(world))
    guide = world.controller.review
    while guide.open_places:
        guide.next_place()
        guide.accept_place()
    assert not guide.is_reviewed
    assert world.controller.view_state.step.command == "next_unseen"
    while guide.unseen_slices:
        unseen = guide.unseen_slices
        world.controller.next_step()
        world.until(lambda seen=unseen: guide.unseen_slices != seen)
    assert guide.is_reviewed
    assert world.controller.view_state.step.command == "save"
    strip = guide.strip_data
    assert strip is not None
    assert strip.seen[3:8].all()


def proposal_for(world: HeadlessWindow, mask: np.ndarray) -> PropagationResult:
    case = world.controller.session.case
    assert case is not None
    changed = tuple(np.flatnonzero((mask != world.mask).any(axis=(1, 2))).tolist())
    model = prediction_of(case.volume).model
    return PropagationResult(mask, (3, 4), changed, True, "It helps.", model, 0.5, 0.8, 1.0)


def proposed(world: HeadlessWindow, ct: Path) -> np.ndarray:
    """Two corrected slices, and a proposal that would also change one of them."""
    world.open(ct)
    world.draft(box_mask(world))
    world.paint(3, 5, 5)
    assert not world.controller.propagation.can_propagate
    world.paint(4, 5, 5)
    world.controller.propagation.ask()
    wanted = box_mask(world)
    wanted[5:8, 25:28, 12:30] = 1
    world.network.propagation_finished.emit(len(world.network.requests), proposal_for(world, wanted))
    world.until(lambda: CHANGES in world.controller.layers.viewer.layers)
    return wanted


def test_a_proposal_is_a_coloured_diff_taken_by_slice_or_whole(world: HeadlessWindow, ct: Path) -> None:
    wanted = proposed(world, ct)
    before = world.mask.copy()
    shown = world.controller.layers.viewer.layers[CHANGES].data
    np.testing.assert_array_equal(shown == 1, (wanted == 1) & (before == 0))
    assert (shown[3:5] == 3).sum() == (before[3:5] & ~box_mask(world)[3:5] & 1).sum()
    world.controller.layers.slice_view.go_to_slice(6)
    world.controller.propagation.take_slice()
    np.testing.assert_array_equal(world.mask[6], wanted[6])
    np.testing.assert_array_equal(world.mask[7], before[7])
    world.controller.propagation.take_all()
    np.testing.assert_array_equal(world.mask[5:8], wanted[5:8])
    np.testing.assert_array_equal(world.mask[3:5], before[3:5])
    world.controller.edits.undo()
    world.controller.edits.undo()
    np.testing.assert_array_equal(world.mask, before)


def test_a_rejected_proposal_leaves_everything(world: HeadlessWindow, ct: Path) -> None:
    proposed(world, ct)
    before = world.mask.copy()
    world.controller.propagation.reject()
    np.testing.assert_array_equal(world.mask, before)
    assert CHANGES not in world.controller.layers.viewer.layers
    assert world.controller.propagation.proposal is None
