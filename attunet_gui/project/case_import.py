"""Adding the CT of a folder to a project as new cases.

A CT is identified by its fingerprint (`project.ct_fingerprint`), so no voxel of it is decoded for that.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from attunet_gui.io.case_discovery import CaseRef, find_images
from attunet_gui.io.image_format_registry import files_of_image, format_of_path, strip_format_suffix
from attunet_gui.io.result_writing import make_private_folder
from attunet_gui.project.case_state import fold_events
from attunet_gui.project.ct_fingerprint import ct_fingerprint
from attunet_gui.project.database_tables import CaseRecord, EventRecord
from attunet_gui.project.event_log import event_record, read_events, update_columns
from attunet_gui.project.mask_files import mask_file_sha256
from attunet_gui.project.project_events import CaseAdded, CaseMoved, ProjectEvent
from attunet_gui.project.project_store import Project
from attunet_gui.system.atomic_write import write_atomically
from attunet_gui.system.errors import AttunetError, UnwritableOutput
from attunet_gui.system.progress import ProgressCallback, no_progress

# Cases per transaction, because every commit waits for the disk.
_BATCH = 200
# What `attunet predict` appends to the name of the CT in the files it writes.
_RESULT = re.compile(r"_(pancreas|probability|gate\d+)$")


@dataclass
class AddedCases:
    """The result of adding a folder. It is filled while the folder is being added.

    Attributes:
        added: names of the new cases.
        known: number of CT that were in the list already.
        moved: names of cases whose file was found in another place and no longer exists in the old one.
        changed: names of cases whose file now holds another image; these cases were not changed.
        left_out: number of files that are not CT, or may not be: label maps, results of this program, files
            of the project itself.
        label_maps: number of the label maps among them.
        doubtful: for each file that may be a CT or a label map, its path within the folder and a sentence.
        failed: for each file that could not be added, its name and a sentence that says why.
    """

    added: list[str] = field(default_factory=list)
    known: int = 0
    moved: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    left_out: int = 0
    label_maps: int = 0
    doubtful: list[tuple[str, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class _NewCase:
    ref: CaseRef
    fingerprint: str
    path: str


@dataclass(frozen=True)
class _KnownCase:
    id: int
    name: str
    path: str
    series: str | None
    fingerprint: str


def add_ct_folder(
    project: Project,
    folder: Path,
    *,
    actor: str,
    copy: bool = False,
    progress: ProgressCallback = no_progress,
) -> AddedCases:
    """Add every CT at `folder` that is not in the list yet. This is slow: call it from a thread.

    Label maps, as `io.image_content.classify_image_file` recognises them, and files that this program wrote
    are left out. A CT is recognised by its `fingerprint`, wherever it lies.

    Args:
        project: the project to which the cases are added.
        folder: an image file, a DICOM series, or a folder with any number of both in it and below it.
        actor: name of the person who adds them.
        copy: whether to keep copies in the project; otherwise the files stay where they are.
        progress: called once a file; it may raise `WorkCancelled`, and then what was added by then stays, and
            the next call adds the rest.

    Returns:
        What was added and what was not.

    Raises:
        UnreadableInput: if there is nothing at `folder`.
        ProjectError: if the database refuses.
    """
    found, done = find_images(folder, progress), AddedCases()
    wanted = [ref for ref in found.cases if not _is_left_out(ref, project.folder)]
    done.left_out = len(found.cases) - len(wanted) + len(found.label_maps) + len(found.doubtful)
    done.label_maps = sum(not _is_own_result(path, project.folder) for path in found.label_maps)
    done.doubtful = [
        (str(path.relative_to(folder)), reason)
        for path, reason in found.doubtful
        if not _is_in_project(path, project.folder)
    ]
    known = _CaseIndex(project)
    waiting: list[_NewCase] = []
    try:
        for number, ref in enumerate(wanted):
            progress(number, len(wanted), "cases")
            new = _match_case(project, ref, known, done, actor)
            if new is not None:
                waiting += _copied_if_wanted(project, new, copy, done)
            if len(waiting) >= _BATCH:
                _insert_cases(project, waiting, CaseAdded(copied=copy), done, actor)
                waiting = []
    finally:
        # Also after a cancel or an error: what was looked at by then is in the list.
        _insert_cases(project, waiting, CaseAdded(copied=copy), done, actor)
    progress(len(wanted), len(wanted), "cases")
    return done


def _is_left_out(ref: CaseRef, own: Path) -> bool:
    return (ref.series is None and _RESULT.search(ref.name) is not None) or _is_in_project(ref.path, own)


def _is_own_result(path: Path, own: Path) -> bool:
    return _RESULT.search(strip_format_suffix(path.name)) is not None or _is_in_project(path, own)


def _is_in_project(path: Path, own: Path) -> bool:
    return path.resolve().is_relative_to(own.resolve())


class _CaseIndex:
    """The cases of a project by the place and by the fingerprint of their CT, read from the database once."""

    def __init__(self, project: Project) -> None:
        columns = (CaseRecord.id, CaseRecord.name, CaseRecord.path, CaseRecord.series, CaseRecord.fingerprint)
        with project.database.read_session() as session:
            cases = [_KnownCase(*row) for row in session.execute(select(*columns))]
        self.by_print = {case.fingerprint: case for case in cases}
        self.by_place = {(case.path, case.series): case for case in cases}
        # Fingerprints met in this call: two equal files of one folder become one case.
        self.met: set[str] = set()


def _match_case(
    project: Project, ref: CaseRef, known: _CaseIndex, done: AddedCases, actor: str
) -> _NewCase | None:
    """Return the case to be added for `ref`; None if it is refused or in the list, which `done` records."""
    # A list outlives what was said when a case was added, so what needs a look by a person is not in it.
    if ref.refused or ref.caution:
        done.failed.append((ref.path.name, ref.refused or ref.caution))
        return None
    try:
        mark, path = ct_fingerprint(ref), str(ref.path.absolute())
    except AttunetError as error:
        done.failed.append((ref.path.name, str(error)))
        return None
    same, here = known.by_print.get(mark), known.by_place.get((path, ref.series))
    if same is not None:
        _record_found_again(project, same, path, done, actor)
    elif here is not None:
        done.changed.append(here.name)
    elif mark in known.met:
        done.known += 1
    else:
        known.met.add(mark)
        return _NewCase(ref, mark, path)
    return None


def _record_found_again(project: Project, case: _KnownCase, path: str, done: AddedCases, actor: str) -> None:
    """Record that a known CT is still there, or was moved to `path`."""
    if (project.folder / case.path).exists():
        done.known += 1
        return
    with project.database.write_session() as session:
        session.execute(update(CaseRecord).where(CaseRecord.id == case.id).values(path=path))
        session.add(event_record(case.id, ProjectEvent(actor, project.now(), None, CaseMoved())))
        session.flush()
        update_columns(session, case.id, fold_events(read_events(session, case.id)))
    done.moved.append(case.name)


def _insert_cases(
    project: Project, waiting: Sequence[_NewCase], payload: CaseAdded, done: AddedCases, actor: str
) -> None:
    """Insert the waiting cases and their first events in one transaction."""
    if not waiting:
        return
    now = project.now()
    event = ProjectEvent(actor, now, None, payload)
    with project.database.write_session() as session:
        new = _not_added_meanwhile(session, waiting)
        first = (session.execute(select(func.max(CaseRecord.id))).scalar_one() or 0) + 1
        rows = [_case_columns(first + k, each) | {"changed": now} for k, each in enumerate(new)]
        if rows:
            session.execute(insert(CaseRecord), rows)
            session.execute(insert(EventRecord), [_event_columns(row["id"], event) for row in rows])
    done.added += [str(row["name"]) for row in rows]
    done.known += len(waiting) - len(new)


def _not_added_meanwhile(session: Session, waiting: Sequence[_NewCase]) -> list[_NewCase]:
    """Return those of `waiting` whose fingerprint is not in the database.

    Another process may have added some of them since the index was read.
    """
    marks = [each.fingerprint for each in waiting]
    taken = set(session.scalars(select(CaseRecord.fingerprint).where(CaseRecord.fingerprint.in_(marks))))
    return [each for each in waiting if each.fingerprint not in taken]


def _case_columns(number: int, new: _NewCase) -> dict[str, object]:
    return {
        "id": number,
        "name": f"case-{number:04}",
        "fingerprint": new.fingerprint,
        "path": new.path,
        "series": new.ref.series,
        "file_name": new.ref.path.name,
    }


def _event_columns(case_id: object, event: ProjectEvent) -> dict[str, object]:
    payload = event.payload
    return {
        **{"case_id": case_id, "who": event.who, "when": event.when, "model": str(event.model or "")},
        **{"kind": payload.kind, "payload": payload.model_dump(mode="json")},
    }


# Copies


def _copied_if_wanted(project: Project, new: _NewCase, copy: bool, done: AddedCases) -> list[_NewCase]:
    if not copy:
        return [new]
    try:
        path = _copy_case(project, new)
    except (AttunetError, OSError) as error:
        done.failed.append((new.ref.path.name, str(error)))
        return []
    return [_NewCase(new.ref, new.fingerprint, project.relative_path(path))]


def _copy_case(project: Project, new: _NewCase) -> Path:
    """Copy the CT of `new` into the project, and return the path of the copy.

    The name of the copy is the fingerprint, which says nothing about the patient.
    """
    source, target = new.ref.path, project.copies_folder() / new.fingerprint
    # One file of a series stands for the whole of it, and so does its copy.
    if new.ref.series is not None or format_of_path(source).has_series:
        return _copy_series(source, new.ref.series, target)
    if len(files_of_image(source)) > 1:
        raise UnwritableOutput(f"{source.name} keeps its voxels in another file: add it without copying.")
    suffix = "".join(source.suffixes[-2:]) if source.name.lower().endswith(".gz") else source.suffix
    target = target.with_name(target.name + suffix.lower())
    _copy_file(source, target)
    return target


def _copy_series(source: Path, series: str | None, target: Path) -> Path:
    """Copy the files of a series to the folder `target`, numbered in place of their names."""
    from attunet_gui.io.formats.dicom_series import series_files

    files = series_files(source, series)
    # Under a hidden name until every file is there: a process killed here leaves no half of a series behind.
    unfinished = target.with_name(f".{target.name}.part")
    make_private_folder(unfinished)
    for number, file in enumerate(files, start=1):
        _copy_file(file, unfinished / f"{number:05}.dcm")
    if target.exists():
        shutil.rmtree(target)
    unfinished.replace(target)
    return target


def _copy_file(source: Path, target: Path) -> None:
    """Copy one file atomically, and compare the SHA-256 of both."""

    def produce(file: BinaryIO) -> None:
        with source.open("rb") as original:
            shutil.copyfileobj(original, file)

    def verify(written: Path) -> None:
        if mask_file_sha256(written) != mask_file_sha256(source):
            raise UnwritableOutput(f"The copy of {source.name} read back differently: try another disk.")

    write_atomically(target, produce, verify)
