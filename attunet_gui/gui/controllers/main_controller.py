"""Carries out what the annotator asks for, between the panels, the napari layers and the session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QMainWindow, QWidget

from attunet_gui.app.case_opening import OpenCase
from attunet_gui.app.case_session import CaseSession
from attunet_gui.core.edit_stroke import EditStroke
from attunet_gui.gui.controllers.case_layer_guard import CaseLayerGuard
from attunet_gui.gui.controllers.case_opener import CaseOpener
from attunet_gui.gui.controllers.draft_controller import DraftController
from attunet_gui.gui.controllers.edit_controller import EditController
from attunet_gui.gui.controllers.mask_review_controller import MaskReviewController
from attunet_gui.gui.controllers.propagation_controller import PropagationController
from attunet_gui.gui.controllers.save_controller import SaveController
from attunet_gui.gui.controllers.tool_controller import ToolController
from attunet_gui.gui.controllers.unsaved_work_guard import UnsavedWorkGuard
from attunet_gui.gui.controllers.window_dialogs import WindowDialogs
from attunet_gui.gui.controllers.work_recovery import WorkRecovery
from attunet_gui.gui.finetuning.finetuning_controller import FinetuningController
from attunet_gui.gui.gc_guard import MainThreadGC
from attunet_gui.gui.napari_adapter.case_layers import CaseLayers
from attunet_gui.gui.napari_adapter.napari_key_settings import Tool
from attunet_gui.gui.napari_adapter.napari_overrides import OURS
from attunet_gui.gui.preferences import WindowPreferences
from attunet_gui.gui.qt_helpers import Signal, is_canvas_exposed
from attunet_gui.gui.view_state import ReviewStatus, StepCommand, WindowView, collect_facts, decide_view
from attunet_gui.gui.worklist.worklist_controller import WorklistController

_COUNT_AFTER_MS = 250
"""Pause in ms after a stroke before the voxels of the mask are counted."""
# The layer for a draft is added once the case is on screen, so that opening does not wait for it.
_READY_AFTER_MS = 400


class MainController(QObject):
    """Asks the annotator where something could be lost, then tells session and layers what to do.

    Args:
        session: the open case, its draft and the running job.
        layers: the napari layers of the case.
        preferences: what the window remembers between sessions.
        journal: folder in which the work on each case is kept.

    Signals:
        view_changed(View): what the panels should show now.
        look_changed: visibility, opacity, HU window or tool of the layers has changed.
    """

    view_changed = Signal(object)
    look_changed = Signal()

    # Declared, because the table of commands, which this module needs, names the methods of these parts.
    session: CaseSession
    layers: CaseLayers
    edits: EditController
    review: MaskReviewController
    propagation: PropagationController
    toolbox: ToolController
    worklist: WorklistController
    finetuning: FinetuningController
    dialogs: WindowDialogs
    drafting: DraftController
    recovery: WorkRecovery
    saving: SaveController
    guard: UnsavedWorkGuard
    opener: CaseOpener

    def __init__(
        self, session: CaseSession, layers: CaseLayers, preferences: WindowPreferences, journal: Path
    ) -> None:
        super().__init__()
        self._sweep = MainThreadGC(self)
        self.session, self.layers, self.preferences = session, layers, preferences
        self.edits = EditController(session, layers)
        self.review = MaskReviewController(session, layers, self.edits)
        self.propagation = PropagationController(session, layers, self.edits)
        self.toolbox = ToolController(session, layers, self.edits)
        self.window: QWidget = QWidget()
        self.review.watcher.is_window_shown = self._window_shown
        self.worklist = WorklistController(
            session, preferences, self.edits, self.review, journal, self._get_window
        )
        self.finetuning = FinetuningController(session, self.worklist, self._get_window)
        self.dialogs = WindowDialogs(session, preferences, self._get_window)
        self._make_case_parts(journal)
        self._counting = QTimer(self)
        # Each start() begins the pause anew, so that a series of strokes is counted once.
        self._counting.setSingleShot(True)
        self._counting.setInterval(_COUNT_AFTER_MS)
        self._counting.timeout.connect(self._count_voxels)
        self._readying = QTimer(self)
        self._readying.setSingleShot(True)
        self._readying.setInterval(_READY_AFTER_MS)
        self._readying.timeout.connect(layers.drafts.prepare_arriving_layer)
        if preferences.annotator:
            session.annotator = preferences.annotator
        self._connect_signals()

    def _make_case_parts(self, journal: Path) -> None:
        """Make what opens, drafts, saves and closes the case; `journal` is the folder of the journals."""
        session, layers, cases, get_window = self.session, self.layers, self.worklist.cases, self._get_window
        self.drafting = DraftController(
            session, layers, self.edits, self.review, self.propagation, cases, get_window, self
        )
        self.recovery = WorkRecovery(session, cases, journal, get_window)
        self.saving = SaveController(session, self.edits, self.worklist, self._may_save, get_window, self)
        # Before the guard connects: what it goes on with after a save may close the window.
        self.saving.work_saved.connect(self._count_voxels)
        self.guard = UnsavedWorkGuard(session, self.saving, self.recovery, get_window, self)
        self.opener = CaseOpener(session, self.preferences, self.guard, get_window)
        self.layer_guard = CaseLayerGuard(session, layers.layer_set, lambda: self.guard.closed, self)

    def _get_window(self) -> QWidget:
        # The main window is known only after this object was made, so it is asked for each time.
        return self.window

    def _may_save(self) -> bool:
        return self.view_state.mode.may_save

    def _connect_signals(self) -> None:
        """Connect the signals of session, layers and the other controllers."""
        session, layers = self.session, self.layers
        session.changed.connect(self._emit_view)
        session.case_opened.connect(self._case_opened)
        self.edits.mask_changed.connect(self._mask_edited)
        self.drafting.shown_beside.connect(self._count_voxels)
        self.review.changed.connect(self._emit_view)
        self.worklist.changed.connect(self._emit_view)
        self.worklist.unsaved_check_asked.connect(self.guard.when_safe)
        self.worklist.save_accepted_asked.connect(self.saving.save_accepted)
        layers.slice_view.slice_changed.connect(
            lambda: session.inference.prioritise_slice(layers.slice_view.current_slice)
        )
        layers.mask_layer.mask_drawn.connect(self._schedule_voxel_count)
        layers.layer_set.look_changed.connect(self.look_changed.emit)
        layers.keys.tool_asked.connect(self.select_tool)
        layers.keys.deselect_asked.connect(self.toolbox.deselect_tool)
        layers.layer_set.refused.connect(session.show_message)

    def _window_shown(self) -> bool:
        """Return whether the picture can be on a screen.

        Without a main window, as in a script, this cannot be known and counts as yes.
        """
        if not isinstance(self.window, QMainWindow):
            return True
        return bool(isalive(self.window)) and is_canvas_exposed(self.window)  # type: ignore[no-untyped-call]

    @property
    def view_state(self) -> WindowView:
        """What the panels should show now."""
        return decide_view(collect_facts(self.session, self._review_status(), self.worklist.worklist_status))

    def _review_status(self) -> ReviewStatus:
        """Return how far the review is.

        The count of places is None while a search or the network still works.
        """
        guide = self.review
        # While the network looks at a mask, "no place" may only mean "not found yet".
        known = guide.is_searched and (
            bool(guide.open_places) or not self.session.inference.is_mapping_evidence
        )
        return ReviewStatus(
            checked=self.drafting.checked,
            places=len(guide.open_places) if known else None,
            unseen=len(guide.unseen_slices),
        )

    def _emit_view(self) -> None:
        self.view_changed.emit(self.view_state)

    def next_step(self) -> None:
        """Run the command of the big button, which depends on the state of the case."""
        # "nothing" is not among them: the button is disabled while a file is saved.
        commands: dict[StepCommand, Callable[[], None]] = {
            "open": self.opener.open_file,
            "stop_reading": self.session.reader.stop_reading,
            "choose_model": self.dialogs.choose_model,
            "run": self.drafting.run_or_cancel,
            "cancel": self.drafting.run_or_cancel,
            "check": self.check_draft,
            "next_place": self.review.next_place,
            "next_unseen": self.review.next_unseen,
            "save": self.saving.save,
            "accept": self.worklist.accept_case,
            "next_case": self.worklist.next_case,
        }
        command = commands.get(self.view_state.step.command)
        if command is not None:
            command()

    def _case_opened(self, case: OpenCase) -> None:
        """Show `case`, resume or begin its work, and begin the review; then draft it if that is wanted."""
        self.drafting.begin_case()
        self._release_case()
        self.toolbox.deselect_tool()
        self.worklist.cases.case_arrived(case)
        work = self.recovery.open_work(case)
        # A copy, since strokes change the layer's voxels in place and must not reach the mask that was read.
        self.layers.show_case(case.volume, work.history.recorded_mask.copy())
        self.edits.begin_session(work)
        self.review.begin_review(case)
        self.propagation.drop_proposal()
        self.drafting.maps_changed.emit(())
        self._readying.start()
        if work.has_unsaved_strokes:
            self.session.mask_touched()
        self._count_voxels()
        # A phantom has no file to open again, and a case of a project is opened from its list.
        if case.volume.origin.kind != "phantom" and self.worklist.project_case is None:
            self.preferences.remember_path(case.volume.origin.path)
        if (
            self.worklist.project_case is not None
            and case.found is not None
            and not self.worklist.cases.is_drawn_blind
        ):
            self.session.inference.request_evidence(self.layers.slice_view.current_slice)
        # A mask that is there already is not replaced unasked; a second reader must see no draft.
        if self.preferences.draft_on_open and case.found is None and not self.worklist.cases.is_drawn_blind:
            self.session.inference.request_draft(self.layers.slice_view.current_slice)

    def _release_case(self) -> None:
        """Close the work on the last case, and delete its journal if the annotator chose to discard it."""
        self.edits.end_session()
        self.recovery.delete_discarded()

    def end_background_work(self) -> None:
        """Stop everything that runs in the background. The window is closed already."""
        self.guard.closed = True
        self.layer_guard.release_window()
        self._readying.stop()
        self.worklist.end_worklist()
        self.finetuning.end_finetuning()
        self.review.end_review()
        self.toolbox.end_computation()
        self._release_case()
        self._sweep.stop_collecting()

    def check_draft(self) -> None:
        """Go to the slice with the most pancreas and select the brush."""
        self.drafting.checked = True
        self.go_to_pancreas()
        self.layers.tools.select_tool("paint")
        self._emit_view()

    def _mask_edited(self, _stroke: EditStroke, placed: bool) -> None:
        """Note that the mask was changed; `placed` means by a draft, which is no edit of the annotator."""
        self._schedule_voxel_count()
        if placed:
            return
        self.guard.closed = False  # whoever still paints has not closed, whatever was answered
        self.session.mask_touched()

    def _schedule_voxel_count(self) -> None:
        """Count the voxels of the mask after a short pause, so that a series of strokes is counted once."""
        self._counting.start()

    def _count_voxels(self) -> None:
        mask = self.layers.mask
        if mask is not None and not self.guard.closed:
            self.session.mask.count_mask(mask)

    def claim_commands(self, viewer: object) -> None:
        """Redirect napari's commands for opening, saving and changing layers to ours.

        Only in our own window.
        """
        self.layer_guard.claim_window(
            viewer, {command: ours.find_method(self) for command, ours in OURS.items()}
        )

    def select_tool(self, tool: Tool) -> None:
        """Select a painting mode of napari for the mask."""
        self.toolbox.deselect_tool()
        self.layers.tools.select_tool(tool)

    def go_to_pancreas(self) -> None:
        """Go to the slice with the largest area of mask."""
        tally = self.session.mask.tally
        if tally is not None and tally.busiest is not None:
            self.layers.slice_view.go_to_slice(tally.busiest)
