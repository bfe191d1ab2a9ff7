"""Runs the correction tools of the registry by button, key or click; those with a number have a preview."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from qtpy.QtCore import QObject, QTimer

from attunet_gui.app.case_session import CaseSession
from attunet_gui.core.mask_edit import MaskEdit
from attunet_gui.editing.tools.correction_interpolation import next_slice_to_correct
from attunet_gui.editing.tools.tool_registry import tool_kind_by_key
from attunet_gui.editing.tools.tool_scene import VoxelPoint
from attunet_gui.editing.tools.tool_types import EditingTool, ToolKind, ToolNeed, ToolOptions
from attunet_gui.gui.controllers.edit_controller import EditController
from attunet_gui.gui.napari_adapter.case_layers import CaseLayers
from attunet_gui.gui.qt_executor import QtDelivery
from attunet_gui.gui.qt_helpers import Signal
from attunet_gui.system.background_executor import LatestOnlyExecutor
from attunet_gui.system.errors import AttunetError, failure_sentence
from attunet_gui.system.plurals import counted

T = TypeVar("T")
_PREVIEW_AFTER_MS = 60
"""Pause in ms before a preview, so that turning the number computes one preview and not ten."""


class ToolController(QObject):
    """Runs the selected tool in the background and applies its result as one undoable step.

    Attributes:
        selected_kind: the selected tool of the registry; None for none.
        options: number, points and reach that it is run with.

    Signals:
        changed: another tool is selected, or its number or reach has changed.
    """

    changed = Signal()

    def __init__(self, session: CaseSession, layers: CaseLayers, correcting: EditController) -> None:
        super().__init__()
        self._session, self._layers, self._correcting = session, layers, correcting
        self._executor = LatestOnlyExecutor("attunet-tools", QtDelivery())
        self._revision = 0
        self.selected_kind: ToolKind | None = None
        self.options = ToolOptions()
        self._preview_timer = QTimer(self)
        self._preview_timer.setSingleShot(True)
        self._preview_timer.setInterval(_PREVIEW_AFTER_MS)
        self._preview_timer.timeout.connect(self._show_preview)
        layers.tools.points_drawn.connect(self._points_drawn)
        layers.tools.click_mode_changed.connect(self._click_mode_changed)
        layers.slice_view.slice_changed.connect(self._schedule_preview)
        correcting.mask_changed.connect(self._mask_changed)

    def end_computation(self) -> None:
        """Deselect the tool and stop computing for good."""
        # With no tool selected, events of layers that napari removes while it closes start no preview.
        self.selected_kind = None
        self._preview_timer.stop()
        self._executor.close()

    @property
    def needs_points(self) -> bool:
        """Whether the selected tool is run by a click or a short line."""
        return self.selected_kind is not None and ToolNeed.POINTS in self.selected_kind.needs

    # In hand

    def select_tool(self, key: str) -> None:
        """Select the tool `key`.

        One without a number or a click is run at once; another one waits for them.
        """
        kind = tool_kind_by_key(key)
        scene = self._correcting.tool_scene()
        if scene is None:
            return
        lack = kind.unavailable_reason(scene)
        if lack:
            self._session.show_message(lack)
            self.changed.emit()
            return
        # There is nothing to wait for: the tool is run, and no tool is selected afterwards.
        if kind.parameter is None and ToolNeed.POINTS not in kind.needs:
            self.deselect_tool()
            self.changed.emit()
            self._run_tool(kind, ToolOptions(in_3d=self.options.in_3d), partial(self._apply_edit, kind))
            return
        value = None if kind.parameter is None else kind.parameter.default
        self.deselect_tool()
        # A click on the picture gives points from now on, or moves the picture again.
        self._layers.tools.set_drawing_points(ToolNeed.POINTS in kind.needs)
        self.selected_kind, self.options = kind, ToolOptions(value, in_3d=self.options.in_3d)
        if ToolNeed.POINTS in kind.needs:
            self._session.show_message(f"{kind.title}: click, or draw a short line.")
        self._schedule_preview()
        self.changed.emit()

    def press_tool_key(self, key: str) -> None:
        """Select the tool `key` by its shortcut; one that needs a point is run at the cursor at once."""
        kind = tool_kind_by_key(key)
        cursor = self._layers.slice_view.cursor_voxel
        if ToolNeed.POINTS in kind.needs and cursor is not None:
            self._run_tool(
                kind, ToolOptions(points=(cursor,), in_3d=self.options.in_3d), partial(self._apply_edit, kind)
            )
        else:
            self.select_tool(key)

    def deselect_tool(self) -> None:
        """Deselect the tool and remove its preview."""
        if self.selected_kind is not None:
            self.selected_kind = None
            self._executor.cancel_all()
            self._layers.tools.stop_drawing_points()
            self._layers.markers.hide_changes()
            self.changed.emit()

    def _click_mode_changed(self, hand: str) -> None:
        """Deselect the tool if a click does something else now, as after another layer was selected."""
        if hand != ("points" if self.needs_points else "pan_zoom"):
            self.deselect_tool()

    def set_value(self, value: float) -> None:
        """Set the number of the selected tool and show the preview for it."""
        self.options = replace(self.options, value=value)
        self._schedule_preview()

    def set_in_3d(self, wanted: bool) -> None:
        """Set whether tools work in all slices, where they can."""
        self.options = replace(self.options, in_3d=wanted)
        self._schedule_preview()
        self.changed.emit()

    def apply_preview(self) -> None:
        """Apply the selected tool with its number, as the preview shows it."""
        kind, options = self.selected_kind, self.options
        self.deselect_tool()
        if kind is not None:
            self._run_tool(kind, options, partial(self._apply_edit, kind))

    def go_to_next_correction(self) -> None:
        """Go to the slice whose correction tells most of the others; it is looked for in the background."""
        scene = self._correcting.tool_scene()
        if scene is None:
            return
        self.deselect_tool()
        if_current = partial(self._if_current, self._revision, self.go_to_next_correction)
        self._executor.submit(
            partial(next_slice_to_correct, scene),
            partial(if_current, self._layers.slice_view.go_to_slice),
            partial(if_current, self._report_failure),
        )

    # At work

    def _points_drawn(self, points: tuple[VoxelPoint, ...]) -> None:
        if self.needs_points and self.selected_kind is not None:
            self._run_tool(
                self.selected_kind,
                replace(self.options, points=points),
                partial(self._apply_edit, self.selected_kind),
            )

    def _run_tool(
        self, kind: ToolKind, options: ToolOptions, then: Callable[[EditingTool, MaskEdit], None]
    ) -> None:
        """Run `selected_kind` in the background and call `then` with the tool and its edit.

        Say why it cannot be run.
        """
        scene = self._correcting.tool_scene()
        if scene is None:
            return
        self._executor.cancel_all()
        try:
            tool = kind.make_tool(options)
        except (AttunetError, ValueError) as error:
            self._session.show_message(str(error))
            return
        again = partial(self._run_tool, kind, options, then)
        if_current = partial(self._if_current, self._revision, again)
        work = partial(tool.compute_edit, scene)
        self._executor.submit(
            work, partial(if_current, partial(then, tool)), partial(if_current, self._report_failure)
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

    def _report_failure(self, error: Exception) -> None:
        if isinstance(error, MemoryError):
            self._session.show_message("There is not enough memory for this; work in one slice.")
        else:
            self._session.show_message(failure_sentence(error, "using the tool"))

    def _apply_edit(self, kind: ToolKind, tool: EditingTool, edit: MaskEdit) -> None:
        self._correcting.apply_edit(edit, kind.key, tool.action_text)

    # The preview

    def _mask_changed(self) -> None:
        # A result that was computed on the mask before must not be applied to this one.
        self._revision += 1
        self._schedule_preview()

    def _schedule_preview(self) -> None:
        if self.selected_kind is not None and not self.needs_points:
            self._preview_timer.start()

    def _show_preview(self) -> None:
        if self.selected_kind is not None:
            self._run_tool(self.selected_kind, self.options, self._draw_preview)

    def _draw_preview(self, _tool: EditingTool, edit: MaskEdit) -> None:
        """Show what the tool would change, and say how much that is."""
        mask = self._layers.mask
        if mask is None or self.selected_kind is None:
            return
        # The preview leaves out locked voxels, as applying will.
        free, _held = self._correcting.voxel_locks.split_by_locks(edit, mask)
        self._layers.markers.show_changes(free)
        ml = voxels_to_ml(self._session, edit.changed_voxels)
        self._session.show_message(
            f"Would change {counted(edit.changed_voxels, 'voxel')}, {ml:.2f} ml: green is added, red taken "
            "away."
        )


def voxels_to_ml(session: CaseSession, voxels: int) -> float:
    """Return the volume in ml of `voxels` voxels of the open case; 0 without a case."""
    return 0.0 if session.case is None else voxels * session.case.volume.grid.voxel_volume_ml
