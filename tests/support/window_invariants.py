"""What has to be true of the window after every action, whatever hands have done."""

from __future__ import annotations

import numpy as np

from attunet_gui.core.journal_replay import verified_after_entries
from attunet_gui.gui.napari_adapter.layer_factory import MASK
from attunet_gui.io.journal.journal import read_journal
from attunet_gui.io.mask_reading import read_mask
from tests.support.window_driver import WindowDriver, mask_checksum


class BrokenInvariant(AssertionError):
    """Something on screen is not so."""


def check_mask(driver: WindowDriver) -> None:
    """The mask on screen is what the edit session has recorded, and holds 0 and 1 only."""
    mask, work = driver.mask, driver.app.controller.edits.work
    if mask is None or work is None:
        return
    _require(
        MASK not in driver.app.viewer.layers or driver.app.viewer.layers[MASK].data is mask,
        "another mask layer",
    )
    _require(int(mask.max()) <= 1, "the mask holds another value than 0 and 1")
    _require(np.array_equal(mask, work.history.recorded_mask), "the mask on screen is not what was recorded")


def check_journal(driver: WindowDriver) -> None:
    """The journal on disk gives the mask on screen."""
    mask, work = driver.mask, driver.app.controller.edits.work
    if mask is None or work is None or work.journal.path is None:
        return
    stored = read_journal(work.journal.path)
    _require(np.array_equal(stored.current_mask() != 0, mask != 0), "the journal on disk holds another mask")
    verified = verified_after_entries(stored.entries, stored.base.verified, stored.kept, stored.ahead)
    _require(verified == work.decisions.verified_slices, "the journal on disk holds other verified slices")


def check_saved(driver: WindowDriver) -> None:
    """What was saved is the mask on screen, or one that was on screen and no longer counts as saved.

    A tool that was still at work when the save was asked for may change the mask while the file is written.
    """
    saved, driver.saved = driver.saved, []
    shown, driver.shown_masks = driver.shown_masks, set()
    driver.remember_mask()
    mask, session = driver.mask, driver.app.session
    for path, case in saved:
        if mask is None or case is not session.case:
            continue
        found = read_mask(path, case.volume) != 0
        if np.array_equal(found, mask != 0):
            continue
        _require(mask_checksum(found) in shown, f"{path.name} holds a mask that was not on screen")
        _require(
            not session.mask.is_saved_to_disk,
            f"{path.name} holds another mask than the screen, and counts as saved",
        )


def check_seen(driver: WindowDriver) -> None:
    """Seen and verified are only slices that were drawn, with their mask, for long enough."""
    work, guide = driver.app.controller.edits.work, driver.app.controller.review
    if work is None:
        return
    seen = set(guide.review_state.seen) - driver.drawn
    _require(not seen, f"slices {sorted(seen)} count as seen and were not drawn")
    verified = set(work.decisions.verified_slices) - driver.drawn - driver.verified_before
    _require(not verified, f"slices {sorted(verified)} are verified and were not drawn")
    driver.remember_verified(frozenset(work.decisions.verified_slices))


def check_tool(driver: WindowDriver) -> None:
    """The tool that is highlighted is the one that a drag uses."""
    panel, viewer = driver.app.dock.tools, driver.app.viewer
    if driver.mask is None or MASK not in viewer.layers or not panel.isEnabled():
        return
    shown = {name for name, button in panel.tools.items() if button.isChecked()}
    kinds = {name for name, button in panel.kinds.items() if button.isChecked()}
    layer = viewer.layers[MASK]
    mode = str(layer.mode) if viewer.layers.selection.active is layer else "pan_zoom"
    toolbox = driver.app.controller.toolbox
    if toolbox.selected_kind is not None:
        _require(
            kinds == {toolbox.selected_kind.key},
            f"{toolbox.selected_kind.key} is in hand and {kinds} is highlighted",
        )
        _require(mode == "pan_zoom", f"{toolbox.selected_kind.key} is highlighted and a drag uses {mode}")
    else:
        _require(not kinds, f"{kinds} is highlighted and not in hand")
        _require(shown == {mode}, f"{shown} is highlighted and a drag uses {mode}")


def check_errors(driver: WindowDriver) -> None:
    """Nothing unexpected was raised where only the terminal would tell."""
    errors, driver.collector.errors = driver.collector.errors, []
    _require(not errors, "; ".join(errors))


ALWAYS = (check_errors, check_mask, check_saved, check_seen, check_tool)
"""Checked after every action."""
SOMETIMES = (check_journal,)
"""Checked after some actions, because they read files."""


def _require(true: bool, sentence: str) -> None:
    if not true:
        raise BrokenInvariant(sentence)
