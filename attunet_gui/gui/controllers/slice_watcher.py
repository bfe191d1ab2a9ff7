"""Watches whether the slice on screen can be seen, and for how long."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject

from attunet_gui.core.mask_edit import VoxelBox
from attunet_gui.gui.napari_adapter.slice_view import SliceView
from attunet_gui.gui.qt_helpers import ResponsiveTimer, Signal
from attunet_gui.review.slice_visibility import SEEN_AFTER_S, SliceVisibility, reason_not_seen


class SliceWatcher(QObject):
    """Says when a slice has been on screen long enough to count as seen.

    Attributes:
        is_window_shown: tells whether the picture can be on a screen at all; yes until a window sets it.

    Signals:
        time_over: nothing that is on screen has changed for `SEEN_AFTER_S` seconds.
    """

    time_over = Signal()

    def __init__(self, view: SliceView, parent: QObject) -> None:
        super().__init__(parent)
        self._view = view
        self.is_window_shown: Callable[[], bool] = lambda: True
        self._was_window_shown = False
        self._timer = ResponsiveTimer(SEEN_AFTER_S, self)
        self._timer.timeout.connect(self.time_over.emit)
        view.sight_changed.connect(self.restart)

    def restart(self) -> None:
        """Begin the time anew: what is on screen has changed."""
        self._was_window_shown = self.is_window_shown()
        self._timer.start()

    def stop(self) -> None:
        """Stop watching for good."""
        self._view.sight_changed.disconnect(self.restart)
        self._timer.stop()

    def confirm_seen(self) -> bool:
        """Return whether the mask of the slice was in sight for the whole time; if not, begin it anew."""
        sight = self.slice_visibility()
        if sight is None:
            return False
        if reason_not_seen(sight) or not self._was_window_shown:
            # No event tells that a window which was minimised is shown again, so the time begins anew.
            self.restart()
            return False
        return True

    def slice_visibility(self, box: VoxelBox | None = None) -> SliceVisibility | None:
        """Return how much of the slice can be seen, or of `box` in it; None if no case is open."""
        return self._view.slice_visibility(self.is_window_shown(), box)

    def reason_not_visible(self) -> str:
        """Return why the mask of the slice on screen cannot be seen now; "" if it can."""
        sight = self.slice_visibility()
        return "no CT is open" if sight is None else reason_not_seen(sight)

    def slice_of_visible_edit(self, box: VoxelBox) -> int:
        """Return the index of the slice in which a change within `box` was visible when it was made.

        -1 means that it was not visible in any slice.
        """
        sight = self.slice_visibility(box)
        return -1 if sight is None or reason_not_seen(sight) else self._view.current_slice
