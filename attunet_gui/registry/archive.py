"""Models as one file: a zip of card and weights, both uncompressed. A foreign archive is not trusted."""

from __future__ import annotations

import secrets
import shutil
import stat
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from attunet_gui.core.card import WeightsFile
from attunet_gui.core.errors import BadModel, UnwritableOutput
from attunet_gui.folders import listed
from attunet_gui.io.atomic import write_atomically
from attunet_gui.io.writing import make_private_folder
from attunet_gui.network.bundle import CARD_FILE, Bundle, read_bundle, verify

ARCHIVE_ENDING = ".attunet-model.zip"
_WEIGHTS_FILE: str = WeightsFile.model_fields["file"].default
# Bytes at most of each file; only these two are ever written to disk.
_LARGEST = {CARD_FILE: 1_000_000, _WEIGHTS_FILE: 2**31}
_BLOCK = 2**20
# An import that was killed leaves a folder of this name, which is removed after a day, when nobody uses it.
_UNFINISHED, _DAY_S = ".import-", 86400.0
# The earliest time that a zip can hold; a fixed one makes equal models equal files.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


def export_model(bundle: Bundle, path: Path) -> Path:
    """Write `bundle` as one archive; the same model gives the same bytes.

    Args:
        bundle: its weights are compared with its card first.
        path: the file, or a folder in which the file is named after the model.

    Returns:
        The path of the file.

    Raises:
        BadModel: the weights were changed.
        UnwritableOutput: the file cannot be written.
    """
    verify(bundle)
    target = path / f"{bundle.card.name}{ARCHIVE_ENDING}" if path.is_dir() else path

    def produce(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name in _LARGEST:
                with (bundle.folder / name).open("rb") as source, archive.open(_entry(name), "w") as entry:
                    shutil.copyfileobj(source, entry, _BLOCK)

    def check(written: Path) -> None:
        with zipfile.ZipFile(written) as archive:
            if archive.testzip() is not None:
                raise UnwritableOutput(f"{target.name} reads back differently: try another disk.")

    write_atomically(target, produce, check)
    return target


def import_model(source: Path, models: Path) -> Bundle:
    """Copy the model in `source`, an archive or the folder of a bundle, into the folder `models`.

    Only card and weights are taken, and nothing in them is executed. The model is there completely or not at
    all.

    Raises:
        BadModel: `source` holds anything else, a link, too much or changed weights; or another model of that
            name exists.
        UnwritableOutput: it cannot be copied.
    """
    make_private_folder(models)
    # Beside the folder of the models: within it a half-copied model would be offered.
    temporary = models.parent / f"{_UNFINISHED}{secrets.token_hex(6)}"
    _clear_left(models.parent)
    try:
        temporary.mkdir()
        _fill(source, temporary)
        bundle = read_bundle(temporary)
        verify(bundle)
        return _put_in_place(bundle, models / bundle.card.name)
    except OSError as error:
        raise UnwritableOutput(
            f"{source.name} was not imported ({error.strerror or error}): try again."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _clear_left(folder: Path) -> None:
    """Remove what killed imports left in `folder` more than a day ago."""
    unfinished = (left for left in listed(folder, hidden=True) if left.name.startswith(_UNFINISHED))
    for left in unfinished:
        if left.is_dir() and time.time() - left.stat().st_mtime > _DAY_S:
            shutil.rmtree(left, ignore_errors=True)


def _put_in_place(bundle: Bundle, target: Path) -> Bundle:
    """Move `bundle` to `target`; an identical model that is there already is returned instead."""
    if target.exists():
        if read_bundle(target).card == bundle.card:
            return read_bundle(target)
        raise BadModel(
            f"Another model called {bundle.card.name} is there already: {target}; move it away first."
        )
    # Renaming is atomic, so nobody ever sees half of a model there.
    bundle.folder.rename(target)
    return read_bundle(target)


def _entry(name: str) -> zipfile.ZipInfo:
    """Return the entry `name` with a fixed time and fixed permissions."""
    entry = zipfile.ZipInfo(name, _NO_TIME)
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    return entry


def _fill(source: Path, folder: Path) -> None:
    """Copy card and weights from `source` into `folder`."""
    opened = _folder_files(source) if source.is_dir() else _archive_files(source)
    with opened as files:
        for name, file in files:
            _copy(file, folder / name, _LARGEST[name])


def _copy(file: IO[bytes], target: Path, most: int) -> None:
    """Copy `file` to `target`; `BadModel` after `most` bytes.

    The bytes that are read are counted, because the sizes in the headers of a zip may be wrong.
    """
    left = most
    with target.open("xb") as written:
        while block := file.read(_BLOCK):
            left -= len(block)
            if left < 0:
                raise BadModel(f"{target.name} is too large for a model of this program.")
            written.write(block)


@contextmanager
def _folder_files(source: Path) -> Iterator[Iterator[tuple[str, IO[bytes]]]]:
    """Yield name and content of the two files in a folder; `BadModel` if one is missing or a link."""
    for name in _LARGEST:
        path = source / name
        if path.is_symlink() or not path.is_file():
            raise BadModel(f"There is no {name} in {source}, or it is a link; choose the folder of a model.")

    def files() -> Iterator[tuple[str, IO[bytes]]]:
        for name in _LARGEST:
            with (source / name).open("rb") as file:
                yield name, file

    yield files()


@contextmanager
def _archive_files(source: Path) -> Iterator[Iterator[tuple[str, IO[bytes]]]]:
    """Yield name and content of the two files in an archive; `BadModel` if it is damaged or holds anything
    else.
    """
    if not source.is_file():
        raise BadModel(f"There is no model at {source}; name an archive or the folder of a bundle.")
    try:
        with zipfile.ZipFile(source) as archive:
            entries = archive.infolist()
            _check_entries(source, entries)

            def files() -> Iterator[tuple[str, IO[bytes]]]:
                for entry in entries:
                    with archive.open(entry) as file:
                        yield entry.filename, file

            yield files()
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise BadModel(f"{source.name} is damaged or no archive of a model ({error}).") from error


def _check_entries(source: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Check names, kinds and sizes of the entries; `BadModel` if one is not a plain, unencrypted, stored
    file.
    """
    names = sorted(entry.filename for entry in entries)
    if names != sorted(_LARGEST):
        shown = ", ".join(repr(name)[:60] for name in names[:3]) or "nothing"
        raise BadModel(
            f"{source.name} is no model: expected {' and '.join(sorted(_LARGEST))}, found {shown}."
        )
    for entry in entries:
        # Unix stores the file mode in the upper half; 0 means that the archive was made without one.
        kind = stat.S_IFMT(entry.external_attr >> 16)
        # Bit 0 of the flags marks an encrypted entry. Stored entries only: a compressed one may unpack to any
        # size.
        if kind not in (0, stat.S_IFREG) or entry.flag_bits & 1 or entry.compress_type != zipfile.ZIP_STORED:
            raise BadModel(
                f"{entry.filename} in {source.name} is a link, packed or encrypted, not a plain file."
            )
        if entry.file_size > _LARGEST[entry.filename]:
            raise BadModel(f"{entry.filename} in {source.name} is too large for a model of this program.")
