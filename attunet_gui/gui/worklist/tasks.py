"""Import, drafting and export as functions of a `Progress` that return a sentence for the annotator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from attunet_gui.core.counting import counted
from attunet_gui.core.errors import AttunetError
from attunet_gui.core.progress import Progress
from attunet_gui.gui.worklist.words import cases, few
from attunet_gui.io.exports import Identity, Order, Report, export, export_format, read_key
from attunet_gui.jobs.runner import Runner
from attunet_gui.network.bundle import Bundle
from attunet_gui.project.adding import AddedCases, add_folder
from attunet_gui.project.drafting import ChildDrafter, Drafter, draft_cases
from attunet_gui.project.exporting import export_cases, key_path
from attunet_gui.project.project import Project
from attunet_gui.project.rows import CaseQuery
from attunet_gui.project.status import Status

Drafting = Callable[[Bundle], "ClosingDrafter"]


class ClosingDrafter(Drafter):
    """A drafter that holds resources, and is closed after the list."""

    def close(self) -> None:
        """Release what the drafter holds, such as its child process."""


def child_drafter(bundle: Bundle) -> ClosingDrafter:
    """Return a drafter with a child process of its own, so that the open case need not wait for the list."""
    drafter: ClosingDrafter = ChildDrafter(  # type: ignore[assignment]
        Runner(), bundle.folder, (bundle.card.name, bundle.card.sha256)
    )
    return drafter


def import_folder(project: Project, folder: Path, copy: bool, progress: Progress) -> str:
    """Add every CT below `folder` to the project.

    Args:
        project: the project.
        folder: with the CT.
        copy: whether the CT are copied into the project.
        progress: is told of each case.

    Raises:
        AttunetError: after the import, if one or more files could not be added.
        Cancelled: from `progress`.
    """
    done = add_folder(project, folder, copy=copy, progress=progress)
    if done.failed:
        # Raised last: every other file is added.
        raise AttunetError(f"{_added(done)} {_failed('was not added', done.failed)}")
    return _added(done)


def _added(done: AddedCases) -> str:
    """Return what an import did, in sentences."""
    words = [f"{cases(len(done.added))} added, {done.known} were in the list already."]
    if done.left_out:
        words.append(f"{counted(done.left_out, 'file')} left out: labels or results.")
    if done.doubtful:
        words.append(_failed("was not added", done.doubtful))
    if done.moved:
        words.append(f"Found in another place: {few(done.moved)}.")
    if done.changed:
        words.append(f"Another image now, left as it was: {few(done.changed)}.")
    return " ".join(words)


def _failed(what: str, failed: list[tuple[str, str]]) -> str:
    name, reason = failed[0]
    more = f" And {cases(len(failed) - 1)} more." if len(failed) > 1 else ""
    return f"{name} {what}: {reason}{more}"


def draft_list(project: Project, bundle: Bundle, drafting: Drafting, progress: Progress) -> str:
    """Draft every case that has no draft and that nobody has begun.

    Raises:
        AttunetError: after the list, if one or more cases could not be drafted.
        Cancelled: from `progress`.
    """
    drafter = drafting(bundle)
    try:
        outcome = draft_cases(project, drafter, progress)
    finally:
        drafter.close()
    words = f"{cases(len(outcome.done))} drafted by {bundle.card.title}."
    if outcome.failed:
        # Raised last: every other case is drafted.
        raise AttunetError(f"{words} {_failed('was not drafted', outcome.failed)}")
    return words


@dataclass(frozen=True)
class ExportWish:
    """What is exported, and where to.

    Attributes:
        format: name of a format of `io.exports.EXPORTS`.
        status: the cases with one of these are exported.
        folder: of the data set.
        keep_identifiers: whether names and UIDs of the source are written too.
    """

    format: str
    status: frozenset[Status]
    folder: Path
    keep_identifiers: bool = False


def export_list(project: Project, wish: ExportWish, progress: Progress) -> str:
    """Write the data set that `wish` describes, or bring the one that is there up to date.

    Raises:
        AttunetError: if there is nothing to export, or after the export, if cases were refused.
        Cancelled: from `progress`.
    """
    rows = project.cases(CaseQuery(status=wish.status))
    found = export_cases(project, rows)
    if not found:
        said = " or ".join(sorted(wish.status))
        raise AttunetError(f"No case that is {said} has a saved mask: there is nothing to export yet.")
    form = export_format(wish.format)
    identity = Identity(read_key(key_path(project)), wish.keep_identifiers)
    report = export(found, Order(wish.folder, form, identity), progress)
    return _exported(report, wish.folder, len(rows) - len(found))


def _exported(report: Report, folder: Path, unsaved: int) -> str:
    """Return what an export did, in a sentence.

    Raises:
        AttunetError: with that sentence and the first refusal, if cases were refused.
    """
    done = len(report.added) + len(report.replaced) + len(report.unchanged)
    words = (
        f"{cases(done)} in {folder}: {len(report.added)} added, {len(report.replaced)} replaced, "
        f"{len(report.unchanged)} unchanged."
    )
    if unsaved:
        words += f" {cases(unsaved)} without a saved mask left out."
    if report.refused:
        raise AttunetError(f"{words} {_failed('was not exported', list(report.refused.items()))}")
    return words
