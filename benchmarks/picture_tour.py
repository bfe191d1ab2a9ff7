"""Takes the pictures of the user guide: worklist, every tool before and after, strip, recovery.

    xvfb-run -a -s "-screen 0 1400x900x24 +extension GLX" python -m benchmarks.picture_tour OUT

Works on phantoms, whose true pancreas is known, so that corrections can be made without an annotator.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QMessageBox
from scipy.ndimage import binary_dilation, binary_erosion

from attunet_gui.app.model_finetuning import FinetuningOptions
from attunet_gui.cli import run_command_line
from attunet_gui.core.edit_stroke import NEIGHBOURS_TOOL
from attunet_gui.core.mask_edit import edit_between
from attunet_gui.core.volume import Volume
from attunet_gui.editing.tools.tool_registry import TOOLS
from attunet_gui.editing.tools.tool_types import ToolKind
from attunet_gui.gui.controllers.case_opener import DEMO_SEED
from attunet_gui.gui.demo_recorder import DemoRecorder, run_demo
from attunet_gui.gui.dialogs.case_dialogs import ask_recovery
from attunet_gui.gui.napari_adapter.layer_factory import CHANGES, MASK
from attunet_gui.io.ct_reading import read_ct_volume
from attunet_gui.io.journal.journal import PendingJournal
from attunet_gui.io.result_writing import write_float_map, write_mask
from attunet_gui.project.case_commands import MaskReview, accept_case, record_saved_mask
from attunet_gui.project.case_import import add_ct_folder
from attunet_gui.project.case_state import CaseStatus
from attunet_gui.project.project_store import Project, create_project
from attunet_gui.synthesis.phantom.abdomen_phantom import PhantomRequest, make_phantom, phantom_volume
from attunet_gui.training.finetuning.finetune_config import FinetuneBudget, ReplayConfig
from benchmarks.domain_shift import make_shifted_phantom, unenhanced_seeds

_CASES = 6
_FIRST_SEED = 900
_PATIENCE_S = 1200.0
_OPTIONS = FinetuningOptions(effort=FinetuneBudget(steps=60), replay=ReplayConfig(phantoms=3, judging=2))


def show_finetuning(film: DemoRecorder, options: FinetuningOptions = _OPTIONS) -> None:
    """Fine-tune the model on accepted cases of a scanner that it does not know, and take pictures."""
    worklist, learning = film.app.controller.worklist, film.app.controller.finetuning
    with tempfile.TemporaryDirectory() as folder:
        _make_corrected_project(Path(folder)).close()
        worklist.projects.show_project(Path(folder) / "cone-beam-study")
        film.wait_until(
            lambda: worklist.current_facts.counts.get(CaseStatus.ACCEPTED) == _CASES, "opening the project"
        )
        learning.ask()
        dialog = learning.dialog
        assert dialog is not None
        film.take_widget_screenshot(dialog, "improve_asked")
        learning.options = options
        learning.begin_finetuning()
        film.wait_until(lambda: len(learning.current_facts.curve.scores) > 2, "learning", _PATIENCE_S)
        film.take_widget_screenshot(dialog, "improve_learning")
        film.wait_until(lambda: learning.current_facts.learnt is not None, "judging", _PATIENCE_S)
        if learning.current_facts.learnt is not None and learning.current_facts.learnt.verdict.passed:
            film.wait_until(lambda: learning.current_facts.differences is not None, "comparing", _PATIENCE_S)
        film.take_widget_screenshot(dialog, "improve_judges")
        dialog.results.setCurrentIndex(1)
        film.take_widget_screenshot(dialog, "improve_accepted")
        dialog.close()
        worklist.close_project()
        film.wait_until(lambda: worklist.project is None, "closing the project")


def _make_corrected_project(folder: Path) -> Project:
    """Return a new project with cases of another scanner whose true masks are accepted."""
    truth = {}
    (folder / "ct").mkdir()
    for seed in unenhanced_seeds(_FIRST_SEED, _CASES):
        volume, mask = make_shifted_phantom(seed)
        _write_ct(folder / "ct" / f"{volume.name}.nii.gz", volume)
        truth[f"{volume.name}.nii.gz"] = mask
    project = create_project(folder / "cone-beam-study")
    add_ct_folder(project, folder / "ct", actor="Ada")
    for case in project.list_cases():
        path = project.new_mask_path(case)
        write_mask(path, truth[case.file_name], read_ct_volume(case.path))
        record_saved_mask(project, case, path, MaskReview(finished=True), actor="Ada")
        accept_case(project, project.reload_case(case), actor="Ada")
    return project


def _write_ct(path: Path, volume: Volume) -> None:
    write_float_map(path, volume.hu.astype(np.float32), volume)


_SEEDS = range(11, 17)
_SHAPE, _SPACING_MM = (64, 176, 176), (3.5, 2.1, 2.1)


def show_worklist(film: DemoRecorder) -> None:
    """Import phantoms, draft them, accept one and show the next; the project is closed afterwards."""
    app = film.app
    worklist = app.controller.worklist
    with tempfile.TemporaryDirectory() as folder:
        ct, project = Path(folder) / "ct", Path(folder) / "pancreas-study"
        _write_phantoms(ct)
        worklist.projects.show_project(project, make=True)
        film.wait_until(lambda: worklist.project is not None, "making the project")
        worklist.jobs.import_folder(ct, copy=False)
        film.wait_until(lambda: worklist.current_facts.found == len(_SEEDS), "importing")
        film.take_screenshot("worklist_imported")
        worklist.jobs.draft_list()
        film.wait_until(
            lambda: worklist.current_facts.counts.get(CaseStatus.DRAFTED) == len(_SEEDS), "drafting the list"
        )
        _annotate_two_cases(film)
        film.take_screenshot("worklist")
        worklist.close_project()
        film.wait_until(lambda: worklist.project is None, "closing the project")


def _write_phantoms(folder: Path) -> None:
    folder.mkdir()
    for seed in _SEEDS:
        volume = phantom_volume(make_phantom(PhantomRequest(seed, _SHAPE, _SPACING_MM)))
        write_float_map(folder / f"phantom-{seed}.nii.gz", volume.hu.astype(np.float32), volume)


def _annotate_two_cases(film: DemoRecorder) -> None:
    """Assign, note and reject cases, accept the first case and open the second."""
    worklist, session = film.app.controller.worklist, film.app.session
    project = worklist.project
    assert project is not None
    rows = project.list_cases()
    worklist.decisions.assign_cases(rows[3:5], "Berta")
    worklist.decisions.set_note(rows[1], "fatty pancreas")
    worklist.decisions.reject_case(rows[5], "liver only")
    before = session.case
    worklist.next_case()
    film.wait_until(
        lambda: session.case is not before and film.app.controller.review.is_searched, "the first case"
    )
    first = session.case
    # There is no annotator who could answer the question.
    worklist.acceptance.confirm_accept = lambda _name, _left, _unseen: True
    worklist.accept_case()
    film.wait_until(
        lambda: session.case is not first and film.app.controller.review.is_searched, "the second case"
    )
    film.app.controller.go_to_pancreas()
    film.wait_until(lambda: worklist.current_facts.counts.get(CaseStatus.ACCEPTED) == 1, "the list")
    film.wait_until(
        lambda: bool(session.inference.overlays) and not session.inference.is_mapping_evidence, "the maps"
    )
    film.wait_until(lambda: film.app.controller.review.is_searched, "the places")


_CORRECTED = 3
_SCANNER_SEED = 95018
_DIALOG_MS = 400
_GAP = 4
"""Number of slices from the middle to each of the two that are drawn by hand."""
_ISLAND = (slice(40, 46), slice(120, 126))


class PictureTour(DemoRecorder):
    """Drives an application through everything that corrects a mask, and takes the pictures of the guide."""

    def record_all(self) -> None:
        """Take all pictures, in the order of the guide."""
        self.truth = make_phantom(PhantomRequest(DEMO_SEED)).pancreas_mask
        self._open_phantom()
        self._draft_pancreas()
        self._show_places()
        for kind in TOOLS:
            self._show_tool(kind)
        self._show_propagation()
        self._verify_slices()
        self._show_recovery()
        self._save_mask()
        show_worklist(self)
        show_finetuning(self)

    @property
    def shown_mask(self) -> NDArray[np.uint8]:
        """The voxels of the mask on screen, uint8 (z, y, x), not a copy."""
        mask = self.app.controller.layers.mask
        assert mask is not None
        return mask

    def _show_places(self) -> None:
        guide = self.app.controller.review
        self.wait_until(lambda: guide.is_searched, "searching")
        guide.next_place()
        self.take_screenshot("place")
        guide.accept_place()
        self.take_screenshot("place_accepted")

    def _show_tool(self, kind: ToolKind) -> None:
        """Take pictures before and after the use of a tool, and of its preview if it has one.

        Then undo everything.
        """
        controller = self.app.controller
        before = self.shown_mask.copy()
        self._prepare_mask_for(kind)
        prepared = self.shown_mask.copy()
        controller.layers.markers.hide_place()
        self._take_tool_screenshot(kind, "before")
        controller.toolbox.select_tool(kind.key)
        if controller.toolbox.needs_points:
            controller.layers.tools.points_drawn.emit((self._click_voxel(kind),))
        elif controller.toolbox.selected_kind is not None:
            self.wait_until(lambda: CHANGES in self.app.viewer.layers, f"the preview of {kind.title}")
            self.take_screenshot(f"{kind.key}_preview", canvas_only=True)
            controller.toolbox.apply_preview()
        self.wait_until(lambda: (self.shown_mask != prepared).any(), kind.title)
        self._take_tool_screenshot(kind, "after")
        controller.toolbox.deselect_tool()
        while (self.shown_mask != before).any():
            controller.edits.undo()

    def _take_tool_screenshot(self, kind: ToolKind, moment: str) -> None:
        """Take a picture of the slice in which the tool changes something, which may be the next one."""
        layers = self.app.controller.layers
        here = layers.slice_view.current_slice
        layers.slice_view.go_to_slice(here + (kind.key == NEIGHBOURS_TOOL))
        self.take_screenshot(f"{kind.key}_{moment}", canvas_only=True)
        layers.slice_view.go_to_slice(here)

    def _prepare_mask_for(self, kind: ToolKind) -> None:
        """Change the mask to one that this tool is good for, and go to the slice."""
        busiest = int(self.truth.sum(axis=(1, 2)).argmax())
        if kind.key.startswith(("interpolate", "copy")):
            self._decide_two_slices(busiest)
        elif kind.key == NEIGHBOURS_TOOL:
            self._decide_one_slice(busiest)
        else:
            wanted = self.shown_mask.copy()
            wanted[busiest] = self.truth[busiest]
            if kind.key in _SPOILED:
                wanted[busiest] = _SPOILED[kind.key](wanted[busiest])
            self._set_mask(wanted)
        offset = {"copy-above": _GAP - 1, "copy-below": 1 - _GAP}.get(kind.key, 0)
        self.app.controller.layers.slice_view.go_to_slice(busiest + offset)

    def _decide_two_slices(self, middle: int) -> None:
        """Draw two slices by hand, and leave none between them."""
        wanted = self.shown_mask.copy()
        wanted[middle - _GAP : middle + _GAP + 1] = 0
        self._set_mask(wanted)
        for z in (middle - _GAP, middle + _GAP):
            wanted[z] = self.truth[z]
        self._draw_by_hand(wanted)

    def _decide_one_slice(self, middle: int) -> None:
        """Draw one slice by hand; the same half is missing in those around it."""
        wanted = self.shown_mask.copy()
        for z in range(middle - _GAP, middle + _GAP + 1):
            wanted[z] = _left_half(self.truth[z])
        self._set_mask(wanted)
        wanted[middle] = self.truth[middle]
        self._draw_by_hand(wanted)

    def _set_mask(self, wanted: NDArray[np.uint8]) -> None:
        self.app.controller.edits.apply_edit(edit_between(self.shown_mask, wanted), "tour", "prepare")

    def _draw_by_hand(self, wanted: NDArray[np.uint8]) -> None:
        """Change the mask to `wanted` through napari's layer, which counts as drawn by hand."""
        places = np.nonzero(self.shown_mask != wanted)
        self.app.viewer.layers[MASK].data_setitem(places, wanted[places])

    def _click_voxel(self, kind: ToolKind) -> tuple[int, int, int]:
        """Return a voxel (z, y, x) at which the tool has something to do."""
        z = self.app.controller.layers.slice_view.current_slice
        inside = np.argwhere((self.truth[z] != 0) & (self.shown_mask[z] == 0))
        if kind.key in ("remove-this", "remove-piece"):
            y, x = ((side.start + side.stop) // 2 for side in _ISLAND)
            return z, y, x
        if not len(inside):
            inside = np.argwhere(self.truth[z] != 0)
        row, column = map(int, inside[len(inside) // 2])
        return z, row, column

    def _show_propagation(self) -> None:
        """Correct a draft of another scanner's CT, adapt the network to it, and accept what it proposes."""
        self._draft_another_scanner()
        controller, session = self.app.controller, self.app.session
        wrong = (self.shown_mask != self.truth).sum(axis=(1, 2))
        wanted = self.shown_mask.copy()
        parts = np.array_split(np.flatnonzero(wrong), _CORRECTED)
        chosen = [int(part[wrong[part].argmax()]) for part in parts]
        wanted[chosen] = self.truth[chosen]
        self._draw_by_hand(wanted)
        wrong[chosen] = 0
        controller.layers.slice_view.go_to_slice(int(wrong.argmax()))
        self.take_screenshot("carry_before")
        controller.propagation.ask()
        self.wait_until(lambda: session.inference.job.state != "idle", "starting to learn")
        self.take_screenshot("carry_learning")
        self.wait_until(lambda: session.inference.job.state == "idle", "learning")
        self.take_screenshot("carry_proposed")
        if controller.propagation.proposal is not None:
            controller.propagation.take_all()
            self.take_screenshot("carry_accepted")

    def _draft_another_scanner(self) -> None:
        """Write a phantom with the look of another scanner, open it and draft it."""
        volume, self.truth = make_shifted_phantom(_SCANNER_SEED)
        path = self.out / "another_scanner.nii.gz"
        write_float_map(path, volume.hu.astype(np.float32), volume)
        session, before = self.app.session, self.app.session.case
        session.open_path(path)
        self.wait_until(lambda: session.case is not before and session.mask.tally is not None, "opening")
        self.app.controller.drafting.run_or_cancel()
        self.wait_until(lambda: session.inference.draft is not None, "drafting")

    def _verify_slices(self) -> None:
        guide, layers = self.app.controller.review, self.app.controller.layers
        for _ in range(3):
            # Only what has been on screen for a while can be verified.
            self.wait_until(
                lambda: layers.slice_view.current_slice in guide.review_state.seen, "looking at a slice"
            )
            guide.verify_slice()
            self.app.controller.layers.slice_view.step_up()
        self.take_screenshot("verified")

    def _show_recovery(self) -> None:
        """Take a picture of the dialog that offers unsaved work after a crash."""
        case = self.app.session.case
        assert case is not None
        left = PendingJournal(Path(), case.identity, 1_790_000_000.0, 23, "Ada")
        QTimer.singleShot(_DIALOG_MS, self._take_dialog_screenshot)
        ask_recovery(self.app.window, left)

    def _take_dialog_screenshot(self) -> None:
        box = QApplication.activeModalWidget()
        if isinstance(box, QMessageBox):
            self.take_widget_screenshot(box, "recovery")
            box.reject()


def _hollow_slice(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the outline of `plane` (y, x), two pixels wide."""
    rim: NDArray[np.uint8] = plane * ~binary_erosion(plane, iterations=2)
    return rim


def _roughen_outline(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return `plane` (y, x) with a rough outline."""
    rim = binary_dilation(plane) & ~binary_erosion(plane)
    rough = plane.copy()
    rough[rim & (np.random.default_rng(0).random(plane.shape) < 0.4)] ^= 1
    return rough


def _left_half(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return `plane` (y, x) without the part right of its middle column."""
    columns = np.flatnonzero(plane.any(axis=0))
    kept = plane.copy()
    kept[:, int(columns.mean()) :] = 0
    return kept


def _add_island(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return `plane` (y, x) with a square that belongs to nothing."""
    spoiled = plane.copy()
    spoiled[_ISLAND] = 1
    return spoiled


_SPOILED: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    "fill": _hollow_slice,
    "fill-holes": _hollow_slice,
    "islands": _add_island,
    "largest": _add_island,
    "remove-this": _add_island,
    "remove-piece": _add_island,
    "add-this": _left_half,
    "smooth": _roughen_outline,
    "take-draft": np.zeros_like,
}
"""Tool, and the change of a true slice that gives the tool something to correct."""


def main() -> None:
    """Take the pictures in the folder that the command line names."""
    parser = argparse.ArgumentParser(description="Photograph every tool of the window, without hands.")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for the pictures")
    out: Path = parser.parse_args().out
    run_command_line(lambda: run_demo(out, PictureTour))


if __name__ == "__main__":
    main()
