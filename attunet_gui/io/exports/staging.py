"""How a data set comes to be whole: made in a hidden folder beside it, then put in its place by a rename.

    .NAME.attunet-export/cases/CASE/...   files of a case, where they will lie
                         cases/CASE.json  its entry, written when all of them are there
                         data/...         the data set; its manifest is written last
                         old/...          what was in the place of it before

A process killed at any point leaves the old data set, or none for the moment between two renames; the next
export goes on from the cases that are there, and finishes what only had to be renamed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from attunet_gui.core.errors import AttunetError, Cancelled, UnwritableOutput
from attunet_gui.folders import walk
from attunet_gui.io.exclusive import HeldElsewhere, Hold, hold
from attunet_gui.io.exports.manifest import CaseEntry, files_below
from attunet_gui.io.pair_collection import MANIFEST_FILE
from attunet_gui.io.writing import make_folder, write_text


@dataclass(frozen=True)
class Staging:
    """The hidden folder of one export.

    Attributes:
        target: where the data set shall be.
        root: the hidden folder.
    """

    target: Path
    root: Path

    @property
    def data(self) -> Path:
        """The data set that is being put together."""
        return self.root / "data"

    def folder_of(self, name: str) -> Path:
        """Where the files of the case `name` are made."""
        return self.root / "cases" / name

    def begin(self, name: str) -> Path:
        """The empty folder for the case `name`."""
        self._record(name).unlink(missing_ok=True)
        folder = self.folder_of(name)
        shutil.rmtree(folder, ignore_errors=True)
        make_folder(folder)
        return folder

    def finish(self, entry: CaseEntry) -> None:
        """Say that the case of `entry` is complete."""
        write_text(self._record(entry.name), entry.model_dump_json())

    def finished(self, name: str) -> CaseEntry | None:
        """The entry of a case that a stopped export had completed, if its files are still right."""
        try:
            entry = CaseEntry.model_validate_json(self._record(name).read_bytes())
        except (OSError, ValidationError):
            return None
        return entry if entry.is_in(self.folder_of(name)) else None

    def clear_data(self) -> None:
        """Begin to put the data set together."""
        shutil.rmtree(self.data, ignore_errors=True)
        make_folder(self.data)

    def take(self, folder: Path, paths: Iterable[str]) -> None:
        """Put the files `paths` of `folder` into the data set as well, as links where that is possible."""
        for path in paths:
            there = self.data / path
            make_folder(there.parent)
            try:
                os.link(folder / path, there, follow_symlinks=False)
            except (OSError, NotImplementedError):
                shutil.copy2(folder / path, there, follow_symlinks=False)

    def put_in_place(self) -> None:
        """Make the data set, whose manifest is written, the one at `target`."""
        old = self.root / "old"
        shutil.rmtree(old, ignore_errors=True)
        with suppress(FileNotFoundError):
            self.target.rename(old)
        self.data.rename(self.target)

    def _record(self, name: str) -> Path:
        return self.root / "cases" / f"{name}.json"

    def recover(self) -> None:
        """Finish what was killed between the two renames."""
        if not self.target.exists() and (self.data / MANIFEST_FILE).is_file():
            self.data.rename(self.target)
        elif not self.target.exists() and (self.root / "old").exists():
            (self.root / "old").rename(self.target)


@contextmanager
def staging(target: Path) -> Iterator[Staging]:
    """The hidden folder beside `target`, ours alone. It stays only if a failure left something for next time.

    Raises:
        UnwritableOutput: if it cannot be made or changed.
        AttunetError: if another export works on the same folder.
    """
    place = Path(os.path.realpath(target))
    root = place.with_name(f".{place.name}.attunet-export")
    make_folder(root)
    held = _held(root, target)
    try:
        stage = Staging(place, root)
        stage.recover()
        yield stage
    except Cancelled:
        _clear(root, held)
        raise
    except OSError as error:
        raise UnwritableOutput(
            f"{target} was not exported, {error.strerror or error}: the folder is as before; try again or "
            "name another."
        ) from error
    else:
        _clear(root, held)
    finally:
        if not any(each.suffix == ".json" for each in walk(root / "cases").files):
            _clear(root, held)
        held.release()


def _held(root: Path, target: Path) -> Hold:
    try:
        return hold(root / "lock")
    except HeldElsewhere as error:
        raise AttunetError(f"Another export into {target} is running: wait until it is done.") from error
    except OSError as error:
        raise UnwritableOutput(
            f"{root} cannot be written ({error.strerror}); name another folder."
        ) from error


def _clear(root: Path, held: Hold) -> None:
    held.release()
    shutil.rmtree(root, ignore_errors=True)


def strangers(folder: Path, ours: frozenset[str]) -> list[str]:
    """Files in `folder` that are not among `ours`: somebody else put them there."""
    return sorted(path for path in files_below(folder) if path not in ours)
