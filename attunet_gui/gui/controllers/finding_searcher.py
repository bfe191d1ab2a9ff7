"""Searches the mask on screen for places to check, in a background thread, whenever it has changed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from qtpy.QtCore import QObject

from attunet_gui.app.case_drafting import CaseDraft
from attunet_gui.app.case_opening import OpenCase
from attunet_gui.gui.controllers.edit_controller import EditController
from attunet_gui.gui.napari_adapter.mask_layer import MaskLayer
from attunet_gui.gui.qt_executor import QtDelivery
from attunet_gui.gui.qt_helpers import Signal
from attunet_gui.review.annotator_decisions import AnnotatorDecisions, DecidedPlane
from attunet_gui.review.case_evidence import CaseEvidence, make_case_evidence
from attunet_gui.review.finding_search import FindingSearchResult, find_findings
from attunet_gui.system.background_executor import SerialExecutor


class FindingSearcher(QObject):
    """Keeps the result of the last search, and searches changed slices again.

    A result for an earlier case or draft is dropped.

    Attributes:
        evidence: CT and the network's output, as the search uses them; None while they are made ready.
        result: of the last search; None until the mask has been searched.
        is_searching: whether a search runs.
        changed_slices: slices that changed since the running or the last search began.

    Signals:
        changed: there is another result, or none any more.
    """

    changed = Signal()

    def __init__(self, mask_layer: MaskLayer, correcting: EditController, parent: QObject) -> None:
        super().__init__(parent)
        self._mask_layer, self._correcting = mask_layer, correcting
        # An error is only logged: without the list of places the annotator can still work.
        self._executor = SerialExecutor("attunet-guide", QtDelivery())
        self.evidence: CaseEvidence | None = None
        self.result: FindingSearchResult | None = None
        self.is_searching = False
        self.changed_slices: set[int] = set()
        self._earlier_corrections: dict[int, DecidedPlane] = {}

    def search_case(self, case: OpenCase, draft: CaseDraft | None) -> None:
        """Search the mask of another case, or another draft of it; None searches in CT and mask alone."""
        # A search of the last case may still run; its result must not arrive.
        self._executor.cancel_all()
        self.result, self.evidence, self.is_searching = None, None, False
        self.changed_slices.clear()
        self._earlier_corrections = {}
        self._executor.submit(partial(_make_case_evidence, case, draft), self._evidence_made)

    def renew_evidence(self, case: OpenCase, draft: CaseDraft, corrected: Iterable[int]) -> None:
        """Search again with the network's output for `case`, see `ReviewController.search_again`."""
        if case.found is not None:
            began = case.found.mask
            self._earlier_corrections = {z: (began[z] != 0) != (draft.mask[z] != 0) for z in corrected}
        self._executor.cancel_all()
        self.is_searching = False
        self._executor.submit(partial(_make_case_evidence, case, draft), self._evidence_renewed)

    def search_slices(self, slices: Iterable[int]) -> None:
        """Search in `slices` again: their mask, or what is decided in them, has changed."""
        self.changed_slices |= set(slices)
        self._search()

    def close(self) -> None:
        """Stop searching for good."""
        self._executor.close()

    def _evidence_renewed(self, evidence: CaseEvidence) -> None:
        self.result = None
        self._evidence_made(evidence)
        self.changed.emit()

    def _evidence_made(self, evidence: CaseEvidence) -> None:
        self.evidence = evidence
        self._search()

    def _search(self) -> None:
        """Search for places in the background, in the slices that changed since the last search."""
        mask = self._mask_layer.voxels
        if mask is None or self.evidence is None or self.is_searching:
            return
        changed = None if self.result is None else frozenset(self.changed_slices)
        self.changed_slices.clear()
        self.is_searching = True
        decisions = self.decisions_in(range(len(mask)) if changed is None else changed)
        search = partial(find_findings, mask, self.evidence, self.result, changed, decisions)
        self._executor.submit(search, self._places_found)

    def decisions_in(self, slices: Iterable[int]) -> AnnotatorDecisions:
        """Return what the annotator decided in `slices`, now or in an earlier session."""
        work = self._correcting.work
        if work is None:
            return AnnotatorDecisions()
        strokes = work.decisions.decided_voxels(slices := frozenset(slices))
        for z in slices & self._earlier_corrections.keys():
            strokes[z] = (
                strokes[z] | self._earlier_corrections[z] if z in strokes else self._earlier_corrections[z]
            )
        return AnnotatorDecisions(strokes, work.decisions.verified_slices)

    def _places_found(self, found: FindingSearchResult) -> None:
        self.is_searching = False
        self.result = found
        self.changed.emit()
        # Slices were changed while the search ran, so its result is out of date for them.
        if self.changed_slices:
            self._search()


def _make_case_evidence(case: OpenCase, draft: CaseDraft | None) -> CaseEvidence:
    """Return the evidence for the search: CT and, if there is a draft, the network's output."""
    if draft is None:
        return make_case_evidence(case.volume)
    return make_case_evidence(case.volume, draft.prediction, draft.mask)
