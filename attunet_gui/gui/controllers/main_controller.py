"""Carries out what the annotator asks for, between the panels, the napari layers and the session."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from operator import attrgetter
from pathlib import Path

import numpy as np
from qtpy.compat import isalive
from qtpy.QtCore import QObject, Qt, QTimer
from qtpy.QtWidgets import QApplication, QMainWindow, QWidget

from attunet_gui.app.case_drafting import CaseDraft
from attunet_gui.app.case_opening import CtFiles, LoadedCt, OpenCase, PhantomCt
from attunet_gui.app.case_saving import SaveResult
from attunet_gui.app.case_session import CaseSession
from attunet_gui.core.undo_stack import EditStroke
from attunet_gui.core.volume import Volume
from attunet_gui.editing.edit_session import EditSession, PendingJournal, delete_journal, pending_journals
from attunet_gui.gui.controllers.case_layer_guard import CaseLayerGuard
from attunet_gui.gui.controllers.edit_controller import EditController
from attunet_gui.gui.controllers.mask_review_controller import MaskReviewController
from attunet_gui.gui.controllers.propagation_controller import PropagationController
from attunet_gui.gui.controllers.tool_controller import ToolController
from attunet_gui.gui.controllers.window_dialogs import WindowDialogs
from attunet_gui.gui.dialogs import case_dialogs
from attunet_gui.gui.draft_consent import KEEP_MASK, NOT_ASKED, REPLACE_DECISIONS, REPLACE_MASK
from attunet_gui.gui.finetuning.finetuning_controller import FinetuningController
from attunet_gui.gui.gc_guard import MainThreadGC
from attunet_gui.gui.napari_adapter.case_layers import CaseLayers
from attunet_gui.gui.napari_adapter.napari_key_settings import Tool
from attunet_gui.gui.napari_adapter.napari_overrides import OURS
from attunet_gui.gui.preferences import WindowPreferences
from attunet_gui.gui.qt_helpers import Signal, is_canvas_exposed
from attunet_gui.gui.view_state import ReviewStatus, WindowView, collect_facts, decide_view
from attunet_gui.gui.worklist.worklist_controller import WorklistController
from attunet_gui.io.journal.journal import journal_path
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.plurals import counted, plural_of

_COUNT_AFTER_MS = 250
"""Pause in ms after a stroke before the voxels of the mask are counted."""
# The layer for a draft is added once the case is on screen, so that opening does not wait for it.
_READY_AFTER_MS = 400
# Pause in ms before it is checked again whether the mouse button is released.
_STROKE_MS = 30
DEMO_SEED = 7
"""Seed of the phantom that the demo opens, so that every demo shows the same abdomen."""


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
        maps_changed(overlays): the probability and gate maps of a draft have arrived.
    """

    view_changed = Signal(object)
    look_changed = Signal()
    maps_changed = Signal(object)

    def __init__(
        self, session: CaseSession, layers: CaseLayers, preferences: WindowPreferences, journal: Path
    ) -> None:
        super().__init__()
        self._sweep = MainThreadGC(self)
        self.session, self.layers, self.preferences = session, layers, preferences
        self.journal = journal
        self.edits = EditController(session, layers)
        self.edits.confirm_draft_undo = self._confirm_draft_undo
        self.review = MaskReviewController(session, layers, self.edits)
        self.propagation = PropagationController(session, layers, self.edits)
        self.toolbox = ToolController(session, layers, self.edits)
        self.window: QWidget = QWidget()
        # The main window is known only after this object was made, so it is asked for each time.
        self.review.watcher.is_window_shown = self._window_shown
        self.worklist = WorklistController(
            session, preferences, self.edits, self.review, journal, lambda: self.window
        )
        self.finetuning = FinetuningController(session, self.worklist, lambda: self.window)
        self.dialogs = WindowDialogs(session, preferences, lambda: self.window)
        self.layer_guard = CaseLayerGuard(session, layers.layer_set, lambda: self.closed, self)
        self.checked = self.closed = False
        self._draft_consent = NOT_ASKED
        self._work_to_resume: PendingJournal | None = None
        self._journal_file: Path | None = None
        self._discarded: Path | None = None
        self._after_saving: tuple[str, Callable[[], None]] | None = None
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

    def _connect_signals(self) -> None:
        """Connect the signals of session, layers and the other controllers."""
        session, layers = self.session, self.layers
        session.changed.connect(self._emit_view)
        session.case_opened.connect(self._case_opened)
        session.reader.series_needed.connect(self._series_needed)
        session.inference.draft_begun.connect(self._draft_begun)
        session.inference.slices_arrived.connect(layers.drafts.show_arrived_slices)
        session.inference.draft_dropped.connect(layers.drafts.end_arrival)
        session.inference.draft_arrived.connect(self._draft_arrived)
        session.inference.evidence_arrived.connect(self._evidence_arrived)
        session.inference.overlays_arrived.connect(self._overlays_arrived)
        session.mask_saved.connect(self._mask_saved)
        session.save_failed.connect(self._save_failed)
        self.edits.mask_changed.connect(self._mask_edited)
        self.review.changed.connect(self._emit_view)
        self.worklist.changed.connect(self._emit_view)
        self.worklist.unsaved_check_asked.connect(self.when_safe)
        self.worklist.save_accepted_asked.connect(self.save_accepted)
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
            checked=self.checked,
            places=len(guide.open_places) if known else None,
            unseen=len(guide.unseen_slices),
        )

    def _emit_view(self) -> None:
        self.view_changed.emit(self.view_state)

    def next_step(self) -> None:
        """Run the command of the big button, which depends on the state of the case."""
        # "nothing" is not among them: the button is disabled while a file is saved.
        commands: dict[str, Callable[[], None]] = {
            "open": self.open_file,
            "stop_reading": self.session.reader.stop_reading,
            "choose_model": self.dialogs.choose_model,
            "run": self.run_or_cancel,
            "cancel": self.run_or_cancel,
            "check": self.check_draft,
            "next_place": self.review.next_place,
            "next_unseen": self.review.next_unseen,
            "save": self.save,
            "accept": self.worklist.accept_case,
            "next_case": self.worklist.next_case,
        }
        command = commands.get(self.view_state.step.command)
        if command is not None:
            command()

    # Opening

    def open_file(self) -> None:
        """Ask for a CT file and open it."""
        path = case_dialogs.choose_file(self.window, self.preferences.start_folder)
        if path is not None:
            self.open_path(path)

    def open_folder(self) -> None:
        """Ask for a DICOM folder and open it."""
        path = case_dialogs.choose_folder(self.window, "Open a DICOM folder", self.preferences.start_folder)
        if path is not None:
            self.open_path(path)

    def open_path(self, path: Path) -> None:
        """Open the CT at `path`, a file or a DICOM folder, after asking about unsaved corrections."""
        self.when_safe("open another CT", lambda: self.session.open_path(path))

    def open_dropped(self, paths: tuple[Path, ...]) -> None:
        """Open the CT among the dropped `paths`, after asking about unsaved corrections."""
        self.when_safe("open another CT", lambda: self.session.open_case(CtFiles(paths)))

    def open_volume(self, volume: Volume) -> None:
        """Open a CT that is in memory already, after asking about unsaved corrections."""
        self.when_safe("open another CT", lambda: self.session.open_case(LoadedCt(volume)))

    def open_demo(self) -> None:
        """Open the phantom of the demo, after asking about unsaved corrections."""
        self.when_safe("open the demo", lambda: self.session.open_case(PhantomCt(DEMO_SEED)))

    def _series_needed(self, path: Path, choices: tuple[tuple[str, str], ...]) -> None:
        # Several CT in one folder: opening the wrong one unasked would be worse than a question.
        key = case_dialogs.choose_series(self.window, choices)
        if key is None:
            self.session.show_message("No series was chosen; nothing was opened.")
        else:
            self.session.open_path(path, series=key)

    def _case_opened(self, case: OpenCase) -> None:
        """Show `case`, resume or begin its work, and begin the review; then draft it if that is wanted."""
        self.checked, self._draft_consent = False, NOT_ASKED
        self._release_case()
        self.toolbox.deselect_tool()
        self.worklist.cases.case_arrived(case)
        work = self._open_work(case)
        # A copy, since strokes change the layer's voxels in place and must not reach the mask that was read.
        self.layers.show_case(case.volume, work.recorded_mask.copy())
        self.edits.begin_session(work)
        self.review.begin_review(case)
        self.propagation.drop_proposal()
        self.maps_changed.emit(())
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

    # What was left behind

    def offer_recovery(self) -> None:
        """Ask whether work that was left unsaved, as by a crash, is to be brought back, and open its case."""
        # What was drawn on a phantom is offered when the demo is opened again: it has no file.
        left = next((one for one in pending_journals(self.journal) if one.identity.kind != "phantom"), None)
        if left is None or self.session.case is not None:
            return
        if case_dialogs.ask_recovery(self.window, left) == "bring back":
            self._work_to_resume = left
            self.session.open_path(left.identity.path, series=left.identity.series)

    def _open_work(self, case: OpenCase) -> EditSession:
        """Return the work on `case`: unsaved earlier work if the annotator wants it back, else a new one.

        A case of a project gets its unsaved work back without a question.
        """
        user = self.session.annotator
        # Cleared at once: if this case cannot resume that work, a later one must not either.
        wanted, self._work_to_resume = self._work_to_resume, None
        if self.worklist.project_case is not None:
            wanted = self.worklist.cases.find_pending_work(case)
        left = wanted or self._find_pending_work(case)
        if left is not None and (wanted or case_dialogs.ask_recovery(self.window, left) == "bring back"):
            try:
                work = EditSession.resume_journal(left.path, case.identity, user)
            except AttunetError as error:
                self.session.show_message(str(error), problem=True)
            else:
                self._journal_file = left.path
                back = (
                    f"{counted(left.strokes, 'unsaved stroke')} {plural_of(left.strokes, 'is', 'are')} back."
                )
                words = back if left.strokes else "Your work is back."
                self.session.show_message(
                    work.note_on_opening or f"{words} Ctrl+Z still undoes what was done."
                )
                return work
        folder = self.worklist.cases.journal_folder
        self._journal_file = journal_path(folder, case.identity)
        empty = np.zeros(case.volume.grid.shape, np.uint8)
        mask = empty if case.found is None else case.found.mask
        work = EditSession.begin_session(case.identity, mask, folder, user)
        self.worklist.cases.restore_decisions(work)
        return work

    def _release_case(self) -> None:
        """Close the work on the last case, and delete its journal if the annotator chose to discard it."""
        self.edits.end_session()
        discarded, self._discarded = self._discarded, None
        if discarded is not None:
            with suppress(AttunetError):
                delete_journal(discarded)

    def end_background_work(self) -> None:
        """Stop everything that runs in the background. The window is closed already."""
        self.closed = True
        self.layer_guard.release_window()
        self._readying.stop()
        self.worklist.end_worklist()
        self.finetuning.end_finetuning()
        self.review.end_review()
        self.toolbox.end_computation()
        self._release_case()
        self._sweep.stop_collecting()

    def _find_pending_work(self, case: OpenCase) -> PendingJournal | None:
        """Return unsaved work on the same image as `case`, found by its digest; None if there is none."""
        same = (
            left
            for left in pending_journals(self.worklist.cases.journal_folder)
            if left.identity.digest == case.identity.digest
        )
        return next(same, None)

    # Drafting

    def run_or_cancel(self) -> None:
        """Start a draft, or cancel the running job. Asks first if unsaved corrections could be replaced."""
        if self.session.inference.job.state != "idle":
            self.session.inference.cancel_request()
            return
        if self.session.case is None or self.session.models.chosen is None:
            return
        if self.worklist.cases.is_drawn_blind:
            self.session.show_message(
                "This case is drawn without a draft: nobody's mask may be seen before yours."
            )
            return
        consent = REPLACE_MASK
        if self.session.mask.edited:
            answer = case_dialogs.ask_rerun(self.window)
            if answer == "stop":
                return
            consent = REPLACE_DECISIONS if answer == "replace" else KEEP_MASK
        self._draft_consent = consent
        self.session.inference.request_draft(self.layers.slice_view.current_slice)

    def _draft_begun(self) -> None:
        if not self.session.mask.edited or self._draft_consent.replaces_edits:
            self.layers.drafts.begin_arrival()

    def _draft_arrived(self, draft: CaseDraft) -> None:
        """Put a complete draft into the mask, or show it beside the mask.

        It is shown beside if the mask has unsaved edits that the annotator did not agree to replace.
        """
        # Another case was opened, or another draft begun, while this one waited for the mouse button.
        if draft is not self.session.inference.draft:
            return
        if QApplication.mouseButtons() != Qt.MouseButton.NoButton:
            # Not while a stroke is being made: it would be lost together with the old mask.
            QTimer.singleShot(_STROKE_MS, self, lambda: self._draft_arrived(draft))
            return
        self.checked = False
        self.layers.drafts.end_arrival()
        place = self._draft_consent.placement(self.session.mask.edited)
        if place == "beside":
            self.layers.drafts.show_other_draft(draft.mask)
            self._count_voxels()
            self.session.show_message("The new draft is the yellow contour; your mask is as it was.")
            return
        # Overriding locks was agreed to in the question before the draft was made.
        refused = self.edits.apply_draft(draft, override=self._draft_consent.replaces_decisions)
        self.session.draft_placed(draft)
        if self.session.case is not None:
            self.review.begin_review(self.session.case, draft)
        self.propagation.show_conflicts(refused)

    def _evidence_arrived(self, draft: CaseDraft) -> None:
        if self.session.case is not None:
            self.review.search_again(self.session.case, draft, self.worklist.cases.corrected_before)

    def _overlays_arrived(self, overlays: tuple[object, ...]) -> None:
        self.layers.appearance.show_maps(self.session.inference.overlays)
        self.maps_changed.emit(overlays)

    def check_draft(self) -> None:
        """Go to the slice with the most pancreas and select the brush."""
        self.checked = True
        self.go_to_pancreas()
        self.layers.tools.select_tool("paint")
        self._emit_view()

    # The mask

    def _confirm_draft_undo(self, words: str, verified: int) -> bool:
        """Ask whether an undo may remove a draft, given what it changed and how many slices are verified."""
        return case_dialogs.ask_take_draft_back(self.window, words, verified)

    def _mask_edited(self, _stroke: EditStroke, placed: bool) -> None:
        """Note that the mask was changed; `placed` means by a draft, which is no edit of the annotator."""
        self._schedule_voxel_count()
        if placed:
            return
        self._draft_consent = self._draft_consent.after_stroke()
        self.closed = False  # whoever still paints has not closed, whatever was answered
        self.session.mask_touched()

    def _schedule_voxel_count(self) -> None:
        """Count the voxels of the mask after a short pause, so that a series of strokes is counted once."""
        self._counting.start()

    def _count_voxels(self) -> None:
        mask = self.layers.mask
        if mask is not None and not self.closed:
            self.session.mask.count_mask(mask)

    def claim_commands(self, viewer: object) -> None:
        """Redirect napari's commands for opening, saving and changing layers to ours.

        Only in our own window.
        """
        self.layer_guard.claim_window(
            viewer, {command: attrgetter(method)(self) for command, method in OURS.items()}
        )

    def select_tool(self, tool: Tool) -> None:
        """Select a painting mode of napari for the mask."""
        self.toolbox.deselect_tool()
        self.layers.tools.select_tool(tool)

    # Saving

    def save(self) -> None:
        """Save the mask in the project of the case, else where it was saved before, else beside the CT.

        Asks for another place if a file that we did not write is there already, or the folder is not
        writable.
        """
        if self.worklist.project_case is not None:
            self._save_to(None)
            return
        known = self.session.mask.saved_to
        target = known or self.session.default_mask_path()
        # A file that this session has not written may be somebody else's mask: it is not replaced unasked.
        if target is None or (target != known and target.exists()) or not os.access(target.parent, os.W_OK):
            self.save_as()
        else:
            self._save_to(target)

    def save_accepted(self) -> None:
        """Save the mask in the project of the case, and accept the case."""
        self._save_to(None, accept=True)

    def save_as(self) -> None:
        """Ask where to save, and save there."""
        case = self.session.case
        if case is None:
            return
        suggestion = self.session.default_mask_path() or Path.home() / f"{case.volume.name}_pancreas.nii.gz"
        target = case_dialogs.choose_target(self.window, suggestion)
        if self.session.case is not case:
            self._after_saving = None
            self.session.show_message("Another CT was opened meanwhile; nothing was saved.", problem=True)
        elif target is None:
            self._after_saving = None
        else:
            self._save_to(target)

    def _save_to(self, target: Path | None, accept: bool = False) -> None:
        """Save the mask to `target`; None is a new file in the project of the case."""
        if QApplication.mouseButtons() != Qt.MouseButton.NoButton:
            # A stroke that is being made is half in the voxels and not yet in the journal.
            QTimer.singleShot(_STROKE_MS, self, lambda: self._save_to(target, accept))
            return
        work = self.edits.work
        if work is None or not self.view_state.mode.may_save or not self.edits.record_untracked_changes():
            return
        record = self.worklist.acceptance.save_record(target, accept)
        # Without either, the project was closed while the mouse button was held.
        if record is not None or target is not None:
            self.session.save_mask(work.recorded_mask, target, record)

    def _mask_saved(self, saved: SaveResult) -> None:
        """Mark the work as saved, and go on with what waited for the save, such as closing the window."""
        if self.edits.work is not None:
            self.edits.work.record_saved(saved.path, saved.mask)
        self._count_voxels()
        # Cleared first: what follows may itself wait for a save.
        after, self._after_saving = self._after_saving, None
        if after is not None:
            # Asks again if the mask was corrected while the file was written.
            self.when_safe(*after)
        self.worklist.cases.case_saved(saved)

    def _save_failed(self) -> None:
        self._after_saving = None

    def when_safe(self, doing: str, act: Callable[[], None]) -> None:
        """Call `act` if no unsaved correction can be lost, or once the annotator saved or discarded them."""
        if self._confirm_unsaved(doing, act):
            act()

    def _confirm_unsaved(self, doing: str, after_saving: Callable[[], None]) -> bool:
        """Ask about unsaved corrections and return whether nothing can be lost now.

        Args:
            doing: what is about to happen, for the question ("open another CT").
            after_saving: is called after the save if the annotator chooses to save first; the result is then
                False.
        """
        case = self.session.case
        if case is None or not self.session.mask.edited:
            return True
        answer = case_dialogs.ask_unsaved(self.window, case.volume.name, doing)
        if self.session.case is not case:
            return not self.session.mask.edited
        if answer == "save":
            self._after_saving = (doing, after_saving)
            self.save()
        self._discarded = self._journal_file if answer == "discard" else None
        return answer == "discard"

    def confirm_close(self) -> bool:
        """Return whether the window may close now.

        If corrections are saved first, it closes by itself after that.
        """
        if not self.closed:
            # Once the answer was yes, a further close event does not ask again.
            self.closed = not self._is_waiting_for_save() and self._confirm_unsaved(
                "close", self._close_window
            )
        return self.closed

    def _is_waiting_for_save(self) -> bool:
        """Return whether a save is running that the closing of the window has to wait for."""
        job = self.session.file_job
        if self._after_saving is None and job is not None and job.kind == "saving":
            self._after_saving = ("close", self._close_window)
            self.session.show_message("The window closes as soon as the mask is saved.")
        return self._after_saving is not None

    def _close_window(self) -> None:
        self.window.close()

    # The look

    def go_to_pancreas(self) -> None:
        """Go to the slice with the largest area of mask."""
        tally = self.session.mask.tally
        if tally is not None and tally.busiest is not None:
            self.layers.slice_view.go_to_slice(tally.busiest)
