"""Choosing the mask that an annotator is shown when they open a case of a project.

It is the draft, the mask that was saved last, no mask at all, or the draft with a seeded error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from attunet_gui.core.provenance import ModelId
from attunet_gui.io.result_writing import write_mask
from attunet_gui.project.case_rows import CaseRow
from attunet_gui.project.case_state import CaseState, CaseStatus, SavedMaskState, check_second_reader
from attunet_gui.project.deterministic_sampling import draw_uniform
from attunet_gui.project.mask_files import read_mask_without_ct
from attunet_gui.project.project_events import CaseOpened, EventPayload, ProjectSettings, ShownKind
from attunet_gui.project.project_store import Project
from attunet_gui.project.seeded_errors import SEEDED_ERRORS
from attunet_gui.system.errors import ProjectError

# Hexadecimal digits in the name of a draft; as many as `drafting` takes, so that the names look alike.
_MARK = 8


@dataclass(frozen=True)
class CaseOpening:
    """How a case is to be opened.

    Attributes:
        case: the row of the case as it is now.
        mask: the mask file to begin with, on the source grid; None for an empty mask.
        model: the model whose draft `mask` came from; None for none.
        blind: whether no draft and nobody else's mask may be shown or made.
        saved: who saved `mask` and what was recorded with it; None if `mask` is not a saved one.
    """

    case: CaseRow
    mask: Path | None
    model: ModelId | None
    blind: bool
    saved: SavedMaskState | None = None


def begin_case(project: Project, case: CaseRow, *, actor: str) -> CaseOpening:
    """Begin `case` or go on with it, and record that in its history.

    This takes milliseconds, except where a case is shown with a seeded error for the first time: then one
    mask is read and one is written. That happens only in projects whose settings ask for seeded errors.

    Args:
        project: the project of the case.
        case: the case.
        actor: name of the annotator who opens it.

    Returns:
        The mask to begin with and what is known about it.

    Raises:
        ProjectError: if it is a second read that this person may not do.
        UnreadableInput: if the draft is missing or damaged.
        UnwritableOutput: if the draft with the error cannot be written.
    """
    state = project.case_state(case)
    shown = _choose_shown(project, case, state, actor)
    error = _draw_error_kind(project, case) if shown == "seeded error" else ""
    wrong = _write_seeded_error(project, case, state, error) if error else ""
    if shown == "seeded error" and not wrong:
        shown = "draft"
    opened = CaseOpened(shown=shown, mask=wrong, error=error if wrong else "")

    def rule(now: CaseState) -> Sequence[EventPayload]:
        # Asked again within the transaction: somebody else may have begun the second read meanwhile.
        if now.status == CaseStatus.SECOND_READ:
            check_second_reader(now, actor)
        return (opened,)

    case = project.apply_rule(case, rule, actor=actor)
    mask = _mask_to_show(project, state, opened)
    blind = shown == "nothing" and state.draft is not None
    saved = _resumed_mask(state) if shown == "saved" else None
    return CaseOpening(case, mask, None if mask is None else state.draft_model, blind, saved)


def _choose_shown(project: Project, case: CaseRow, state: CaseState, actor: str) -> ShownKind:
    """Decide what the annotator is shown; `ProjectError` if they may not be the second reader."""
    settings = project.settings
    if state.status == CaseStatus.SECOND_READ:
        check_second_reader(state, actor)
        if state.second is not None and state.second.who == actor:
            return "saved"
        return "draft" if settings.second_reader_sees_draft and state.draft is not None else "nothing"
    if state.first is not None:
        return "saved"
    return "nothing" if state.draft is None else _draw_shown(settings, case, state)


def _draw_shown(settings: ProjectSettings, case: CaseRow, state: CaseState) -> ShownKind:
    """Draw what is shown of a drafted case that nobody has saved.

    The draw is the same each time a case is opened, until its seeded error is settled.
    """
    chance = draw_uniform(settings.seed, case.name, "shown")
    if chance < settings.without_draft:
        return "nothing"
    wrong = chance < settings.without_draft + settings.seeded_errors and state.check is None
    return "seeded error" if wrong else "draft"


def _draw_error_kind(project: Project, case: CaseRow) -> str:
    kinds = tuple(SEEDED_ERRORS)
    return kinds[int(draw_uniform(project.settings.seed, case.name, "error") * len(kinds))]


def _write_seeded_error(project: Project, case: CaseRow, state: CaseState, error: str) -> str:
    """Write the draft of `case` with the seeded error of the kind `error`.

    Returns:
        The path of the file, relative to the project's folder; "" if the draft is empty and so has no gland
        in which anything could be made wrong.

    Raises:
        ProjectError: if there is no draft.
        UnreadableInput, UnwritableOutput: see `begin_case`.
    """
    if state.draft is None:
        raise ProjectError(f"{case.name} has no draft that an error could be put into.")
    draft = read_mask_without_ct(project.folder / state.draft.mask)
    if not draft.hu.any():
        return ""
    seed = int(draw_uniform(project.settings.seed, case.name, "place") * 2**32)
    wrong = SEEDED_ERRORS[error](draft.hu.astype(np.uint8), draft.grid.spacing_mm, seed)
    # Named like any other draft: the name of a file must not give it away.
    mark = hashlib.blake2b(f"{case.name} {error} {seed} {state.draft.sha256}".encode()).hexdigest()[:_MARK]
    path = project.new_draft_path(case, mark)
    write_mask(path, wrong, draft)
    return project.relative_path(path)


def _mask_to_show(project: Project, state: CaseState, opened: CaseOpened) -> Path | None:
    """Return the file of the mask that is shown; None for an empty mask."""
    match opened.shown:
        case "nothing":
            return None
        case "seeded error":
            return project.folder / opened.mask
        case "saved":
            saved = _resumed_mask(state)
            return None if saved is None else project.folder / saved.said.mask
        case "draft":
            return None if state.draft is None else project.folder / state.draft.mask


def _resumed_mask(state: CaseState) -> SavedMaskState | None:
    """Return the saved mask that an annotator goes on from: the second reader's in a second read."""
    return state.second if state.status == CaseStatus.SECOND_READ else state.first
