"""Running one export: writing the cases that are new or have changed, and the manifest of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from attunet_gui import __version__
from attunet_gui.core.metrics import mask_volume_ml
from attunet_gui.core.voxel_grid import VoxelGrid
from attunet_gui.export.export_case import (
    PANCREAS,
    ExportCase,
    OpenedCase,
    check_case_names,
    export_fingerprint,
    open_case,
)
from attunet_gui.export.export_format import DATASET_FILE, ExportFormat
from attunet_gui.export.export_manifest import (
    AnnotationEntry,
    ExportManifest,
    ManifestCaseEntry,
    file_entries_below,
    file_entry,
    read_export_manifest,
)
from attunet_gui.export.pseudonymizer import Pseudonymizer
from attunet_gui.export.staging import StagedExport, staged_export, unknown_files
from attunet_gui.io.datasets.pair_dataset import MANIFEST_FILE
from attunet_gui.io.result_writing import write_json, write_text
from attunet_gui.system.errors import AttunetError, UnwritableOutput
from attunet_gui.system.folders import list_folder
from attunet_gui.system.progress import ProgressCallback, no_progress

# Largest cosine between two axes that still counts as a right angle; headers in float32 round by less.
_RIGHT_ANGLE = 1e-4


@dataclass(frozen=True)
class ExportOptions:
    """The options of an export.

    Attributes:
        folder: folder of the data set; new, empty, or with an earlier export of the same kind.
        format: one of `EXPORT_FORMATS`.
        identity: how identifiers are treated.
    """

    folder: Path
    format: ExportFormat
    identity: Pseudonymizer


@dataclass(frozen=True)
class ExportReport:
    """The result of an export, by names of cases.

    Attributes:
        added: cases that were written and were not in the data set before.
        replaced: cases that were written again because they or their exported files had changed.
        unchanged: cases whose files were there already and equal, byte by byte, what the manifest says.
        others: cases of an earlier export that were not asked for now.
        refused: for each case that was not written, a sentence; its version of an earlier export stays.
    """

    added: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    refused: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _ExportPlan:
    """The entries of the cases by name.

    Attributes:
        made: cases that this export, or an interrupted one, has written.
        there: cases that are in the data set already.
        refused: for each case that cannot be exported, a sentence.
    """

    made: dict[str, ManifestCaseEntry]
    there: dict[str, ManifestCaseEntry]
    refused: dict[str, str]


def export_dataset(
    cases: Sequence[ExportCase], order: ExportOptions, progress: ProgressCallback = no_progress
) -> ExportReport:
    """Write `cases` as a data set, or update the data set that is in the folder.

    The folder holds the old data set until the new one is complete, whatever happens meanwhile. A case that
    cannot be read, or that the format cannot hold, is refused and does not stop the others.

    Args:
        cases: the cases, whose names are the pseudonyms.
        order: folder, format and treatment of identifiers.
        progress: called between steps; it may raise `WorkCancelled`, and then everything is as before.

    Raises:
        UnwritableOutput: if the data set cannot be written; the next export reuses what was done.
        AttunetError: if two cases have the same name, or something else is in the folder.
    """
    listed = tuple(cases)
    check_case_names(listed)
    with staged_export(order.folder) as stage:
        before = _read_earlier_manifest(stage.target, order)
        plan = _write_changed_cases(listed, order, before, stage, progress)
        if plan.made or not (before is None or before.has_shared_files(stage.target)):
            _assemble_dataset(plan, order, before, stage)
        return _make_report(listed, plan, before)


def _read_earlier_manifest(folder: Path, order: ExportOptions) -> ExportManifest | None:
    """Return the manifest of the data set in `folder`; None if the folder is new or empty."""
    if not folder.exists() or (folder.is_dir() and not list_folder(folder, hidden=True)):
        return None
    if not (folder / MANIFEST_FILE).is_file():
        raise AttunetError(f"{order.folder} is not empty and holds no export: name a new folder.")
    found = read_export_manifest(folder)
    if (found.format, found.identifiers) != (order.format.name, _identifier_policy(order)):
        raise AttunetError(
            f"{order.folder} holds an export as {found.format} with identifiers {found.identifiers}: name "
            "another folder for another kind."
        )
    return found


def _identifier_policy(order: ExportOptions) -> str:
    return "kept" if order.identity.kept else "removed"


def _write_changed_cases(
    cases: Sequence[ExportCase],
    order: ExportOptions,
    before: ExportManifest | None,
    stage: StagedExport,
    progress: ProgressCallback,
) -> _ExportPlan:
    """Write the cases that are new or have changed, and collect what was refused."""
    known = {} if before is None else before.cases_by_name
    plan = _ExportPlan({}, {}, {})
    for number, case in enumerate(cases):
        try:
            told = _case_progress(progress, number, len(cases))
            told(0, 1, "")
            entry = known.get(case.name)
            state = export_fingerprint(case, order.identity)
            if entry is not None and entry.fingerprint == state and entry.is_unchanged_in(stage.target):
                plan.there[case.name] = entry
            else:
                plan.made[case.name] = _write_case(case, order, state, stage, told)
        except UnwritableOutput:
            # A full disk is not a fault of this case: the next one would fail as well.
            raise
        except AttunetError as error:
            plan.refused[case.name] = str(error)
    progress(len(cases), len(cases), "cases")
    return plan


def _case_progress(progress: ProgressCallback, number: int, total: int) -> ProgressCallback:
    # Steps within a case only give the chance to cancel.
    return lambda _done, _total, _stage: progress(number, total, "cases")


def _write_case(
    case: ExportCase, order: ExportOptions, state: str, stage: StagedExport, progress: ProgressCallback
) -> ManifestCaseEntry:
    finished = stage.finished_case(case.name)
    if finished is not None and finished.fingerprint == state:
        return finished
    folder = stage.begin_case(case.name)
    opened = open_case(case, progress)
    order.format.write(opened, folder, order.identity, progress)
    entry = _with_file_entries(_case_entry(opened, order.identity, state), folder)
    stage.finish_case(entry)
    return entry


def _with_file_entries(entry: ManifestCaseEntry, folder: Path) -> ManifestCaseEntry:
    """Return `entry` with the files that are in `folder`."""
    return entry.model_copy(update={"files": file_entries_below(folder)})


def _case_entry(opened: OpenedCase, identity: Pseudonymizer, state: str) -> ManifestCaseEntry:
    """Return the entry of a case for the manifest, without its files."""
    case, volume = opened.case, opened.volume
    source = volume.placement.source
    verified = None if case.verified is None else tuple(sorted(case.verified))
    return ManifestCaseEntry(
        name=case.name,
        subject=case.subject or case.name,
        shape=source.shape,
        spacing_mm=source.spacing_mm,
        sheared=_is_sheared(source),
        pancreas_ml=mask_volume_ml(opened.labels == PANCREAS, volume.grid),
        annotation=AnnotationEntry(
            annotator=identity.pseudonym("annotator", case.annotator) or None,
            model=case.model_name or None,
            edits=dict(case.edits),
            active_seconds=case.seconds,
            time=None if case.time is None else case.time.astimezone(UTC),
            verified=verified,
            corrected=None if case.corrected is None else tuple(sorted(case.corrected)),
        ),
        files=(),
        fingerprint=state,
        source=volume.origin.path.name if identity.kept else None,
    )


def _is_sheared(grid: VoxelGrid) -> bool:
    axes = grid.affine[:3, :3] / np.linalg.norm(grid.affine[:3, :3], axis=0)
    return bool(np.abs(axes.T @ axes - np.eye(3)).max() > _RIGHT_ANGLE)


def _assemble_dataset(
    plan: _ExportPlan, order: ExportOptions, before: ExportManifest | None, stage: StagedExport
) -> None:
    """Assemble the data set in the hidden folder, its manifest last, and move it to its place."""
    stage.clear_data()
    kept = {} if before is None else {n: e for n, e in before.cases_by_name.items() if n not in plan.made}
    for name, entry in kept.items():
        if name not in plan.there and not entry.is_unchanged_in(stage.target):
            raise UnwritableOutput(
                f"{order.folder} was not changed: files of {name} in it are missing or changed, and nothing "
                "was given to make them anew; export to a new folder."
            )
        stage.link_files(stage.target, (file.path for file in entry.files))
    for name, entry in plan.made.items():
        stage.link_files(stage.case_folder(name), (file.path for file in entry.files))
    if before is not None:
        # Files that somebody else put into the data set stay in it.
        stage.link_files(stage.target, unknown_files(stage.target, before.all_paths))
    _write_manifest(kept | plan.made, order, stage.data_folder)
    stage.put_in_place()


def _write_manifest(entries: dict[str, ManifestCaseEntry], order: ExportOptions, folder: Path) -> None:
    """Write `dataset.json`, if the format has one, and the manifest."""
    manifest = ExportManifest(
        made_by=f"attunet export {__version__}",
        made=datetime.now(UTC).replace(microsecond=0),
        format=order.format.name,
        identifiers="kept" if order.identity.kept else "removed",
        labels=order.format.labels,
        cases=tuple(entries[name] for name in sorted(entries)),
    )
    dataset = order.format.dataset(manifest)
    if dataset is not None:
        write_json(folder / DATASET_FILE, dataset)
        manifest = manifest.model_copy(update={"files": (file_entry(folder, DATASET_FILE),)})
    # Written last, because a folder with a manifest counts as complete.
    write_text(folder / MANIFEST_FILE, manifest.model_dump_json(indent=2) + "\n")


def _make_report(
    cases: Sequence[ExportCase], plan: _ExportPlan, before: ExportManifest | None
) -> ExportReport:
    known = frozenset() if before is None else frozenset(before.cases_by_name)
    asked = frozenset(case.name for case in cases)
    return ExportReport(
        added=tuple(name for name in plan.made if name not in known),
        replaced=tuple(name for name in plan.made if name in known),
        unchanged=tuple(plan.there),
        others=tuple(sorted(known - asked)),
        refused=plan.refused,
    )
