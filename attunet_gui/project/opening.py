"""Choosing the mask that an annotator is shown when they open a case of a project.

It is the draft, the mask that was saved last, no mask at all, or the draft with a seeded error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from attunet_gui.io.writing import write_mask
from attunet_gui.project.chance import draw
from attunet_gui.project.errors import ProjectError
from attunet_gui.project.events import Opened, Payload, ProjectSettings, ShownKind
from attunet_gui.project.masks import read_alone
from attunet_gui.project.project import Project, check_second_reader
from attunet_gui.project.rows import CaseRow
from attunet_gui.project.seeded_errors import ERRORS
from attunet_gui.project.status import CaseState, SavedState, Status

# Hexadecimal digits in the name of a draft; as many as `drafting` takes, so that the names look alike.
_MARK = 8


@dataclass(frozen=True)
class Opening:
    """How a case is to be opened.

    Attributes:
        case: the row of the case as it is now.
        mask: the mask file to begin with, on the source grid; None for an empty mask.
        model: the model whose draft `mask` came from, as `events.model_words` formats it; "" for none.
        blind: whether no draft and nobody else's mask may be shown or made.
        saved: who saved `mask` and what was recorded with it; None if `mask` is not a saved one.
    """

    case: CaseRow
    mask: Path | None
    model: str
    blind: bool
    saved: SavedState | None = None


def open_case(project: Project, case: CaseRow) -> Opening:
    """Begin `case` or go on with it, and record that in its history.

    This takes milliseconds, except where a case is shown with a seeded error for the first time: then one
    mask is read and one is written. That happens only in projects whose settings ask for seeded errors.

    Returns:
        The mask to begin with and what is known about it.

    Raises:
        ProjectError: if it is a second read that this person may not do.
        UnreadableInput: if the draft is missing or damaged.
        UnwritableOutput: if the draft with the error cannot be written.
    """
    state = project.state(case)
    shown = _shown(project, case, state)
    error = _error_for(project, case) if shown == "seeded error" else ""
    wrong = _made_wrong(project, case, state, error) if error else ""
    if shown == "seeded error" and not wrong:
        shown = "draft"
    opened = Opened(shown=shown, mask=wrong, error=error if wrong else "")

    def rule(now: CaseState) -> Sequence[Payload]:
        # Asked again within the transaction: somebody else may have begun the second read meanwhile.
        if now.status == Status.SECOND_READ:
            check_second_reader(now, project.who)
        return (opened,)

    case = project.decide(case, rule)
    mask = _mask_of(project, state, opened)
    blind = shown == "nothing" and state.draft is not None
    saved = _saved_of(state) if shown == "saved" else None
    return Opening(case, mask, "" if mask is None else state.model, blind, saved)


def _shown(project: Project, case: CaseRow, state: CaseState) -> ShownKind:
    """Decide what the annotator is shown; `ProjectError` if they may not be the second reader."""
    settings = project.settings
    if state.status == Status.SECOND_READ:
        check_second_reader(state, project.who)
        if state.second is not None and state.second.who == project.who:
            return "saved"
        return "draft" if settings.second_reader_sees_draft and state.draft is not None else "nothing"
    if state.first is not None:
        return "saved"
    return "nothing" if state.draft is None else _by_chance(settings, case, state)


def _by_chance(settings: ProjectSettings, case: CaseRow, state: CaseState) -> ShownKind:
    """Draw what is shown of a drafted case that nobody has saved.

    The draw is the same each time a case is opened, until its seeded error is settled.
    """
    chance = draw(settings.seed, case.name, "shown")
    if chance < settings.without_draft:
        return "nothing"
    wrong = chance < settings.without_draft + settings.seeded_errors and state.check is None
    return "seeded error" if wrong else "draft"


def _error_for(project: Project, case: CaseRow) -> str:
    kinds = tuple(ERRORS)
    return kinds[int(draw(project.settings.seed, case.name, "error") * len(kinds))]


def _made_wrong(project: Project, case: CaseRow, state: CaseState, error: str) -> str:
    """Write the draft of `case` with the seeded error of the kind `error`.

    Returns:
        The path of the file, relative to the project's folder; "" if the draft is empty and so has no gland
        in which anything could be made wrong.

    Raises:
        ProjectError: if there is no draft.
        UnreadableInput, UnwritableOutput: see `open_case`.
    """
    if state.draft is None:
        raise ProjectError(f"{case.name} has no draft that an error could be put into.")
    draft = read_alone(project.folder / state.draft.mask)
    if not draft.hu.any():
        return ""
    seed = int(draw(project.settings.seed, case.name, "place") * 2**32)
    wrong = ERRORS[error](draft.hu.astype(np.uint8), draft.grid.spacing_mm, seed)
    # Named like any other draft: the name of a file must not give it away.
    mark = hashlib.blake2b(f"{case.name} {error} {seed} {state.draft.sha256}".encode()).hexdigest()[:_MARK]
    path = project.draft_path(case, mark)
    write_mask(path, wrong, draft)
    return project.relative(path)


def _mask_of(project: Project, state: CaseState, opened: Opened) -> Path | None:
    """Return the file of the mask that is shown; None for an empty mask."""
    match opened.shown:
        case "nothing":
            return None
        case "seeded error":
            return project.folder / opened.mask
        case "saved":
            saved = _saved_of(state)
            return None if saved is None else project.folder / saved.said.mask
        case "draft":
            return None if state.draft is None else project.folder / state.draft.mask


def _saved_of(state: CaseState) -> SavedState | None:
    """Return the saved mask that an annotator goes on from: the second reader's in a second read."""
    return state.second if state.status == Status.SECOND_READ else state.first
