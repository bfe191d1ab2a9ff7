"""The CT of a case of a project, what was decided of its mask, and where the work on it is kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

from attunet_gui.core.volume import Volume
from attunet_gui.editing.edit_session import EditSession
from attunet_gui.io.ct_reading import read_ct_volume
from attunet_gui.io.journal.journal import CaseIdentity, identify_volume
from attunet_gui.project.case_rows import CaseRow
from attunet_gui.project.case_state import SavedMaskState
from attunet_gui.project.project_store import Project
from attunet_gui.system.progress import ProgressCallback


def restore_decisions(work: EditSession, saved: SavedMaskState) -> None:
    """Restore in `work` what was decided of its mask when it was saved in the project.

    Args:
        work: on a mask that was opened from the project. Nothing happens if it went on after the mask was
            saved, as its journal is newer then.
        saved: what the project keeps of the mask.
    """
    if work.left_at is None or saved.when.timestamp() > work.left_at:
        work.verify_slices(saved.said.declared)
        work.accept_finding(*saved.said.places)


_DIGEST = 8


@dataclass(frozen=True, eq=False)
class PreparedCt:
    """A CT in memory with the identity of its image, ready to be shown."""

    volume: Volume
    identity: CaseIdentity


def read_case_ct(row: CaseRow, progress: ProgressCallback) -> PreparedCt:
    """Return the CT of `case_row`, named by its pseudonym: nothing that is shown or kept names the patient.

    Raises:
        UnreadableInput: if it cannot be read.
        WorkCancelled: from `progress`.
    """
    volume = replace(read_ct_volume(row.path, series=row.series, progress=progress), name=row.name)
    return PreparedCt(volume, identify_volume(volume))


def project_journal_folder(folder: Path, project: Project, annotator: str) -> Path:
    """Return the folder below `folder` for the work of `annotator` on cases of `project`.

    It is apart from other work, and another one for each annotator: a second reader must not meet the strokes
    of the first, and a case of a project is not to be recovered outside of it.
    """
    # No path contains a NUL, so that folder and name cannot run into each other.
    said = f"{project.folder}\0{annotator}".encode()
    return folder / "projects" / blake2b(said, digest_size=_DIGEST).hexdigest()
