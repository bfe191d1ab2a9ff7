"""The hidden folder in which a data set is assembled before a rename moves it to its place.

    .NAME.attunet-export/cases/CASE/...   files of a case, with their paths in the data set
                         cases/CASE.json  its entry, written when all of them are complete
                         data/...         the new data set; its manifest is written last
                         old/...          the old data set

A process that is killed at any point leaves the old data set in place, or none if it was killed between two
renames. The next export continues from the cases that are complete, and finishes an interrupted rename.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from attunet_gui.export.export_manifest import ManifestCaseEntry, files_below
from attunet_gui.io.datasets.pair_dataset import MANIFEST_FILE
from attunet_gui.io.result_writing import make_folder, write_text
from attunet_gui.system.errors import AttunetError, UnwritableOutput, WorkCancelled
from attunet_gui.system.file_lock import FileLock, LockHeldElsewhere, acquire_file_lock
from attunet_gui.system.folders import walk_folder


@dataclass(frozen=True)
class StagedExport:
    """The hidden folder of one export.

    Attributes:
        target: the folder of the data set.
        root: the hidden folder beside it.
    """

    target: Path
    root: Path

    @property
    def data_folder(self) -> Path:
        """Folder of the data set that is being assembled."""
        return self.root / "data"

    def case_folder(self, name: str) -> Path:
        """Return the folder in which the files of the case `name` are written."""
        return self.root / "cases" / name

    def begin_case(self, name: str) -> Path:
        """Make an empty folder for the case `name` and return it."""
        # The entry first: without it whatever is left in the folder no longer counts as complete.
        self._record_path(name).unlink(missing_ok=True)
        folder = self.case_folder(name)
        shutil.rmtree(folder, ignore_errors=True)
        make_folder(folder)
        return folder

    def finish_case(self, entry: ManifestCaseEntry) -> None:
        """Record that the files of the case of `entry` are complete."""
        write_text(self._record_path(entry.name), entry.model_dump_json())

    def finished_case(self, name: str) -> ManifestCaseEntry | None:
        """Return the entry of a case that an interrupted export completed; None if its files have changed."""
        try:
            entry = ManifestCaseEntry.model_validate_json(self._record_path(name).read_bytes())
        except (OSError, ValidationError):
            return None
        return entry if entry.is_unchanged_in(self.case_folder(name)) else None

    def clear_data(self) -> None:
        """Begin the data set anew with an empty folder."""
        shutil.rmtree(self.data_folder, ignore_errors=True)
        make_folder(self.data_folder)

    def link_files(self, folder: Path, paths: Iterable[str]) -> None:
        """Add the files `paths` of `folder` to the data set, as hard links if the file system has them."""
        for path in paths:
            there = self.data_folder / path
            make_folder(there.parent)
            try:
                os.link(folder / path, there, follow_symlinks=False)
            except (OSError, NotImplementedError):
                shutil.copy2(folder / path, there, follow_symlinks=False)

    def put_in_place(self) -> None:
        """Move the assembled data set, whose manifest is written, to `target`."""
        old = self.root / "old"
        shutil.rmtree(old, ignore_errors=True)
        with suppress(FileNotFoundError):
            self.target.rename(old)
        self.data_folder.rename(self.target)

    def _record_path(self, name: str) -> Path:
        return self.root / "cases" / f"{name}.json"

    def recover_interrupted(self) -> None:
        """Finish the move of an export that was killed between its two renames."""
        # The manifest is written last, so a data set that has one is complete.
        if not self.target.exists() and (self.data_folder / MANIFEST_FILE).is_file():
            self.data_folder.rename(self.target)
        elif not self.target.exists() and (self.root / "old").exists():
            (self.root / "old").rename(self.target)


@contextmanager
def staged_export(target: Path) -> Iterator[StagedExport]:
    """Open the hidden folder beside `target` for this process alone.

    At the end it is removed, unless a failure leaves complete cases that the next export can use.

    Raises:
        UnwritableOutput: if it cannot be made or written.
        AttunetError: if another export works on the same folder.
    """
    # Resolved, so that two ways to one folder have one lock, and a link to it is not replaced by the rename.
    place = Path(os.path.realpath(target))
    root = place.with_name(f".{place.name}.attunet-export")
    make_folder(root)
    held = _lock_staging(root, target)
    try:
        stage = StagedExport(place, root)
        stage.recover_interrupted()
        yield stage
    except WorkCancelled:
        _remove_staging(root, held)
        raise
    except OSError as error:
        raise UnwritableOutput(
            f"{target} was not exported, {error.strerror or error}: the folder is as before; try again or "
            "name another."
        ) from error
    else:
        _remove_staging(root, held)
    finally:
        if not any(each.suffix == ".json" for each in walk_folder(root / "cases").files):
            _remove_staging(root, held)
        held.release()


def _lock_staging(root: Path, target: Path) -> FileLock:
    try:
        return acquire_file_lock(root / "lock")
    except LockHeldElsewhere as error:
        raise AttunetError(f"Another export into {target} is running: wait until it is done.") from error
    except OSError as error:
        raise UnwritableOutput(
            f"{root} cannot be written ({error.strerror}); name another folder."
        ) from error


def _remove_staging(root: Path, held: FileLock) -> None:
    # Windows does not remove a file that is open.
    held.release()
    shutil.rmtree(root, ignore_errors=True)


def unknown_files(folder: Path, ours: frozenset[str]) -> list[str]:
    """Return the paths of the files in `folder` that are not among `ours`, which somebody else put there."""
    return sorted(path for path in files_below(folder) if path not in ours)
