"""Opens a case of a project: the CT, the mask that the project shows, and the next case in advance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from threading import Lock

from attunet_gui.core.prediction import ModelId
from attunet_gui.core.progress import Progress
from attunet_gui.core.volume import Volume
from attunet_gui.executor import Handlers, LatestOnlyExecutor, Task, TaskProgress
from attunet_gui.gui.qt_executor import QtDelivery
from attunet_gui.io.journal import Identity, identify
from attunet_gui.io.masks import read_mask
from attunet_gui.io.reading import read
from attunet_gui.project.opening import Opening, open_case
from attunet_gui.project.project import Project
from attunet_gui.project.rows import CaseRow
from attunet_gui.session import Case, Found

_DIGEST = 8


@dataclass(frozen=True, eq=False)
class Listed:
    """The open case of a project.

    Attributes:
        project: the project.
        case: as the session has it, with its pseudonym as name.
        opening: what the project shows with it.
    """

    project: Project
    case: Case
    opening: Opening

    @property
    def row(self) -> CaseRow:
        """The row of the list, as it was when the case was opened or last decided on."""
        return self.opening.case


@dataclass(frozen=True, eq=False)
class ReadCt:
    """A CT in memory with the identity of its image, ready to be shown."""

    volume: Volume
    identity: Identity


def read_ct(row: CaseRow, progress: Progress) -> ReadCt:
    """Return the CT of `row`, named by its pseudonym: nothing that is shown or kept names the patient.

    Raises:
        UnreadableInput: if it cannot be read.
        Cancelled: from `progress`.
    """
    volume = replace(read(row.path, series=row.series, progress=progress), name=row.name)
    return ReadCt(volume, identify(volume))


def read_listed(project: Project, row: CaseRow, ct: ReadCt) -> Listed:
    """Open `row` in its project and return it with the mask that the project shows.

    That it was opened goes into the history of the case.
    """
    opening = open_case(project, row)
    found = None
    if opening.mask is not None:
        shown = project.state(row).shown
        saved = shown is not None and shown.shown == "saved"
        mask = read_mask(opening.mask, ct.volume)
        found = Found(opening.mask, mask, _model_of(opening.model), saved)
    return Listed(project, Case(ct.volume, ct.identity, found), opening)


def _model_of(words: str) -> ModelId | None:
    name, _, sha256 = words.rpartition(" ")
    return ModelId(name, sha256, "") if name else None


def journal_folder(folder: Path, project: Project) -> Path:
    """Return the folder below `folder` for the work on cases of `project`.

    It is apart from other work, and another one for each annotator: a second reader must not meet the strokes
    of the first, and a case of a project is not to be recovered outside of it.
    """
    # No path contains a NUL, so that folder and name cannot run into each other.
    said = f"{project.folder}\0{project.who}".encode()
    return folder / "projects" / blake2b(said, digest_size=_DIGEST).hexdigest()


class Ahead:
    """Reads the next case before it is asked for; holds one at most."""

    def __init__(self) -> None:
        self._executor = LatestOnlyExecutor("attunet-ahead", QtDelivery())
        self._lock = Lock()
        self._name = ""
        self._reading: Task[ReadCt | None] | None = None

    @property
    def name(self) -> str:
        """Name of the case that is read, or being read; "" for none."""
        return self._name

    def begin(self, choose: Callable[[], CaseRow | None]) -> None:
        """Read the case that `choose` returns in the background, in place of the one that was read before."""
        with self._lock:
            self._name = ""
            self._reading = self._executor.submit_long(partial(self._read, choose), Handlers(failed=_ignore))

    def take(self, row: CaseRow) -> ReadCt | None:
        """Return the CT of `row` if it was read in advance, else None. Waits while it is being read.

        To be called from a background thread.
        """
        with self._lock:
            reading, same = self._reading, self._name == row.name
            self._reading, self._name = None, ""
            if not same:
                self._executor.cancel_all()
                return None
        try:
            return None if reading is None else reading.result()
        except Exception:
            # The case is read again when it is opened, and the error is said then.
            return None

    def _read(self, choose: Callable[[], CaseRow | None], progress: TaskProgress) -> ReadCt | None:
        """Return the CT of the case that `choose` returns; None if there is no next case."""
        row = choose()
        if row is None:
            return None
        with self._lock:
            # If it was stopped meanwhile, the name belongs to another case already.
            progress.check()
            self._name = row.name
        return read_ct(row, progress)

    def forget(self) -> None:
        """Drop what was read."""
        with self._lock:
            self._executor.cancel_all()
            self._reading, self._name = None, ""

    def end(self) -> None:
        """Stop for good."""
        self.forget()
        self._executor.close()


def _ignore(_error: Exception) -> None:
    """A case that cannot be read in advance is read when it is opened, and what is wrong is told then."""
