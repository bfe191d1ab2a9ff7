"""Import, drafting and export as functions of a `ProgressCallback` that return a sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from attunet_gui.app.project_messages import first_names_text
from attunet_gui.core.provenance import ModelId
from attunet_gui.export import (
    ExportOptions,
    ExportReport,
    Pseudonymizer,
    export_dataset,
    export_format_named,
    read_export_key,
)
from attunet_gui.gui.worklist.case_formatting import count_cases_text
from attunet_gui.network.model_bundle import ModelBundle
from attunet_gui.project.batch_drafting import CaseDrafter, ChildProcessDrafter, draft_waiting_cases
from attunet_gui.project.case_import import AddedCases, add_ct_folder
from attunet_gui.project.case_rows import CaseQuery
from attunet_gui.project.case_state import CaseStatus
from attunet_gui.project.project_export import export_cases_of, export_key_path
from attunet_gui.project.project_store import Project
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.plurals import counted
from attunet_gui.system.progress import ProgressCallback
from attunet_gui.workers.inference_process import InferenceProcess

DrafterFactory = Callable[[ModelBundle], "ClosingDrafter"]


class ClosingDrafter(CaseDrafter):
    """A drafter that holds resources, and is closed after the list."""

    def close(self) -> None:
        """Release what the drafter holds, such as its child process."""


def make_child_drafter(bundle: ModelBundle) -> ClosingDrafter:
    """Return a drafter with a child process of its own, so that the open case need not wait for the list."""
    drafter: ClosingDrafter = ChildProcessDrafter(  # type: ignore[assignment]
        InferenceProcess(), bundle.folder, ModelId(bundle.card.name, bundle.card.weights_sha256)
    )
    return drafter


def import_ct_folder(
    project: Project, folder: Path, copy: bool, progress: ProgressCallback, *, actor: str
) -> str:
    """Add every CT below `folder` to the project.

    Args:
        project: the project.
        folder: with the CT.
        copy: whether the CT are copied into the project.
        progress: is told of each case.
        actor: name of the person who adds them.

    Raises:
        AttunetError: after the import, if one or more files could not be added.
        WorkCancelled: from `progress`.
    """
    done = add_ct_folder(project, folder, actor=actor, copy=copy, progress=progress)
    if done.failed:
        # Raised last: every other file is added.
        raise AttunetError(f"{_import_message(done)} {_failure_message('was not added', done.failed)}")
    return _import_message(done)


def _import_message(done: AddedCases) -> str:
    """Return what an import did, in sentences."""
    words = [f"{count_cases_text(len(done.added))} added, {done.known} were in the list already."]
    if done.left_out:
        words.append(f"{counted(done.left_out, 'file')} left out: labels or results.")
    if done.doubtful:
        words.append(_failure_message("was not added", done.doubtful))
    if done.moved:
        words.append(f"Found in another place: {first_names_text(done.moved)}.")
    if done.changed:
        words.append(f"Another image now, left as it was: {first_names_text(done.changed)}.")
    return " ".join(words)


def _failure_message(what: str, failed: list[tuple[str, str]]) -> str:
    name, reason = failed[0]
    more = f" And {count_cases_text(len(failed) - 1)} more." if len(failed) > 1 else ""
    return f"{name} {what}: {reason}{more}"


def draft_worklist(
    project: Project, bundle: ModelBundle, drafting: DrafterFactory, progress: ProgressCallback
) -> str:
    """Draft every case that has no draft and that nobody has begun.

    Raises:
        AttunetError: after the list, if one or more cases could not be drafted.
        WorkCancelled: from `progress`.
    """
    drafter = drafting(bundle)
    try:
        outcome = draft_waiting_cases(project, drafter, progress)
    finally:
        drafter.close()
    words = f"{count_cases_text(len(outcome.done))} drafted by {bundle.card.title}."
    if outcome.failed:
        # Raised last: every other case is drafted.
        raise AttunetError(f"{words} {_failure_message('was not drafted', outcome.failed)}")
    return words


@dataclass(frozen=True)
class WorklistExportOptions:
    """What is exported, and where to.

    Attributes:
        format: name of a format of `export.format_registry.EXPORT_FORMATS`.
        status: the cases with one of these are exported.
        folder: of the data set.
        keep_identifiers: whether names and UIDs of the source are written too.
    """

    format: str
    status: frozenset[CaseStatus]
    folder: Path
    keep_identifiers: bool = False


def export_shown_cases(project: Project, options: WorklistExportOptions, progress: ProgressCallback) -> str:
    """Write the data set that `options` describes, or bring the one that is there up to date.

    Raises:
        AttunetError: if there is nothing to export, or after the export, if cases were refused.
        WorkCancelled: from `progress`.
    """
    rows = project.list_cases(CaseQuery(status=options.status))
    found = export_cases_of(project, rows)
    if not found:
        said = " or ".join(sorted(options.status))
        raise AttunetError(f"No case that is {said} has a saved mask: there is nothing to export yet.")
    form = export_format_named(options.format)
    identity = Pseudonymizer(read_export_key(export_key_path(project)), options.keep_identifiers)
    report = export_dataset(found, ExportOptions(options.folder, form, identity), progress)
    return _export_message(report, options.folder, len(rows) - len(found))


def _export_message(report: ExportReport, folder: Path, unsaved: int) -> str:
    """Return what an export did, in a sentence.

    Raises:
        AttunetError: with that sentence and the first refusal, if cases were refused.
    """
    done = len(report.added) + len(report.replaced) + len(report.unchanged)
    words = (
        f"{count_cases_text(done)} in {folder}: {len(report.added)} added, {len(report.replaced)} replaced, "
        f"{len(report.unchanged)} unchanged."
    )
    if unsaved:
        words += f" {count_cases_text(unsaved)} without a saved mask left out."
    if report.refused:
        raise AttunetError(f"{words} {_failure_message('was not exported', list(report.refused.items()))}")
    return words
