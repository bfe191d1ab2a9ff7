"""Runs the correction tools of the registry by button, key or click; those with a number have a preview."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from qtpy.QtCore import QObject, QTimer

from attunet_gui.core.counting import counted
from attunet_gui.core.edit import Edit
from attunet_gui.core.errors import AttunetError
from attunet_gui.executor import LatestOnlyExecutor
from attunet_gui.gui.correcting import Correcting
from attunet_gui.gui.qt import Signal
from attunet_gui.gui.qt_executor import QtDelivery, failure_sentence
from attunet_gui.gui.viewer import CaseLayers
from attunet_gui.session import Session
from attunet_gui.tools.registry import tool_kind
from attunet_gui.tools.scene import Point
from attunet_gui.tools.tool import Need, Tool, ToolKind, Wish

T = TypeVar("T")
_PREVIEW_AFTER_MS = 60
"""Pause in ms before a preview, so that turning the number computes one preview and not ten."""


class Toolbox(QObject):
    """Runs the selected tool in the background and applies its result as one undoable step.

    Attributes:
        kind: the selected tool of the registry; None for none.
        wish: number, points and reach that it is run with.

    Signals:
        changed: another tool is selected, or its number or reach has changed.
    """

    changed = Signal()

    def __init__(self, session: Session, layers: CaseLayers, correcting: Correcting) -> None:
        super().__init__()
        self._session, self._layers, self._correcting = session, layers, correcting
        self._executor = LatestOnlyExecutor("attunet-tools", QtDelivery(), self._failed)
        self._revision = 0
        self.kind: ToolKind | None = None
        self.wish = Wish()
        self._preview = QTimer(self)
        self._preview.setSingleShot(True)
        self._preview.setInterval(_PREVIEW_AFTER_MS)
        self._preview.timeout.connect(self._show_preview)
        layers.points_drawn.connect(self._points_drawn)
        layers.hand_changed.connect(self._hand_changed)
        layers.slice_changed.connect(self._preview_soon)
        correcting.mask_changed.connect(self._mask_changed)

    def end(self) -> None:
        """Deselect the tool and stop computing for good."""
        # With no tool selected, events of layers that napari removes while it closes start no preview.
        self.kind = None
        self._preview.stop()
        self._executor.close()

    @property
    def waits_for_click(self) -> bool:
        """Whether the selected tool is run by a click or a short line."""
        return self.kind is not None and Need.POINTS in self.kind.needs

    # In hand

    def take(self, key: str) -> None:
        """Select the tool `key`.

        One without a number or a click is run at once; another one waits for them.
        """
        kind = tool_kind(key)
        scene = self._correcting.scene()
        if scene is None:
            return
        lack = kind.lacks(scene)
        if lack:
            self._session.say(lack)
            self.changed.emit()
            return
        # There is nothing to wait for: the tool is run, and no tool is selected afterwards.
        if kind.parameter is None and Need.POINTS not in kind.needs:
            self.put_away()
            self.changed.emit()
            self._run(kind, Wish(in_3d=self.wish.in_3d), partial(self._apply, kind))
            return
        value = None if kind.parameter is None else kind.parameter.default
        self.put_away()
        # A click on the picture gives points from now on, or moves the picture again.
        self._layers.set_drawing_points(Need.POINTS in kind.needs)
        self.kind, self.wish = kind, Wish(value, in_3d=self.wish.in_3d)
        if Need.POINTS in kind.needs:
            self._session.say(f"{kind.title}: click, or draw a short line.")
        self._preview_soon()
        self.changed.emit()

    def press(self, key: str) -> None:
        """Select the tool `key` by its shortcut; one that needs a point is run at the cursor at once."""
        kind = tool_kind(key)
        cursor = self._layers.cursor
        if Need.POINTS in kind.needs and cursor is not None:
            self._run(kind, Wish(points=(cursor,), in_3d=self.wish.in_3d), partial(self._apply, kind))
        else:
            self.take(key)

    def put_away(self) -> None:
        """Deselect the tool and remove its preview."""
        if self.kind is not None:
            self.kind = None
            self._executor.cancel_all()
            self._layers.stop_drawing_points()
            self._layers.hide_changes()
            self.changed.emit()

    def _hand_changed(self, hand: str) -> None:
        """Deselect the tool if a click does something else now, as after another layer was selected."""
        if hand != ("points" if self.waits_for_click else "pan_zoom"):
            self.put_away()

    def set_value(self, value: float) -> None:
        """Set the number of the selected tool and show the preview for it."""
        self.wish = replace(self.wish, value=value)
        self._preview_soon()

    def set_in_3d(self, wanted: bool) -> None:
        """Set whether tools work in all slices, where they can."""
        self.wish = replace(self.wish, in_3d=wanted)
        self._preview_soon()
        self.changed.emit()

    def apply(self) -> None:
        """Apply the selected tool with its number, as the preview shows it."""
        kind, wish = self.kind, self.wish
        self.put_away()
        if kind is not None:
            self._run(kind, wish, partial(self._apply, kind))

    # At work

    def _points_drawn(self, points: tuple[Point, ...]) -> None:
        if self.waits_for_click and self.kind is not None:
            self._run(self.kind, replace(self.wish, points=points), partial(self._apply, self.kind))

    def _run(self, kind: ToolKind, wish: Wish, then: Callable[[Tool, Edit], None]) -> None:
        """Run `kind` in the background and call `then` with the tool and its edit.

        Say why it cannot be run.
        """
        scene = self._correcting.scene()
        if scene is None:
            return
        self._executor.cancel_all()
        try:
            tool = kind.make(wish)
        except (AttunetError, ValueError) as error:
            self._session.say(str(error))
            return
        again = partial(self._run, kind, wish, then)
        if_current = partial(self._if_current, self._revision, again)
        work = partial(tool.apply, scene)
        self._executor.submit(
            work, partial(if_current, partial(then, tool)), partial(if_current, self._failed)
        )

    def _if_current(
        self, revision: int, again: Callable[[], None], use: Callable[[T], None], found: T
    ) -> None:
        """Use a result if the mask is still the one that it was computed on, else compute it again.

        Args:
            revision: of the mask when the computation began.
            again: begins the computation anew.
            use: is called with the result.
            found: the result, or the error.
        """
        if revision == self._revision:
            use(found)
        else:
            again()

    def _failed(self, error: Exception) -> None:
        if isinstance(error, MemoryError):
            self._session.say("There is not enough memory for this; work in one slice.")
        else:
            self._session.say(failure_sentence(error, "using the tool"))

    def _apply(self, kind: ToolKind, tool: Tool, edit: Edit) -> None:
        self._correcting.change(edit, kind.key, tool.words)

    # The preview

    def _mask_changed(self) -> None:
        # A result that was computed on the mask before must not be applied to this one.
        self._revision += 1
        self._preview_soon()

    def _preview_soon(self) -> None:
        if self.kind is not None and not self.waits_for_click:
            self._preview.start()

    def _show_preview(self) -> None:
        if self.kind is not None:
            self._run(self.kind, self.wish, self._draw)

    def _draw(self, _tool: Tool, edit: Edit) -> None:
        """Show what the tool would change, and say how much that is."""
        mask = self._layers.mask
        if mask is None or self.kind is None:
            return
        # The preview leaves out locked voxels, as applying will.
        free, _held = self._correcting.locks.divide(edit, mask)
        self._layers.show_changes(free)
        ml = mask_ml(self._session, edit.changes)
        self._session.say(
            f"Would change {counted(edit.changes, 'voxel')}, {ml:.2f} ml: green is added, red taken away."
        )


def mask_ml(session: Session, voxels: int) -> float:
    """Return the volume in ml of `voxels` voxels of the open case; 0 without a case."""
    return 0.0 if session.case is None else voxels * session.case.volume.grid.voxel_volume_ml
