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

from attunet_gui.io.result_writing import make_private_folder
from attunet_gui.network.model_bundle import CARD_FILE, ModelBundle, read_bundle, verify_weights
from attunet_gui.prediction.model_card import WeightsFile
from attunet_gui.system.atomic_write import write_atomically
from attunet_gui.system.errors import InvalidModelBundle, UnwritableOutput
from attunet_gui.system.folders import list_folder

ARCHIVE_ENDING = ".attunet-model.zip"
_WEIGHTS_FILE: str = WeightsFile.model_fields["file"].default
# Bytes at most of each file; only these two are ever written to disk.
_MAX_FILE_BYTES = {CARD_FILE: 1_000_000, _WEIGHTS_FILE: 2**31}
_BLOCK_BYTES = 2**20
# An import that was killed leaves a folder of this name, which is removed after a day, when nobody uses it.
_UNFINISHED_PREFIX, _STALE_AFTER_S = ".import-", 86400.0
# The earliest time that a zip can hold; a fixed one makes equal models equal files.
_FIXED_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def export_model(bundle: ModelBundle, path: Path) -> Path:
    """Write `bundle` as one archive; the same model gives the same bytes.

    Args:
        bundle: its weights are compared with its card first.
        path: the file, or a folder in which the file is named after the model.

    Returns:
        The path of the file.

    Raises:
        InvalidModelBundle: the weights were changed.
        UnwritableOutput: the file cannot be written.
    """
    verify_weights(bundle)
    target = path / f"{bundle.card.name}{ARCHIVE_ENDING}" if path.is_dir() else path

    def produce(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name in _MAX_FILE_BYTES:
                with (
                    (bundle.folder / name).open("rb") as source,
                    archive.open(_zip_entry(name), "w") as entry,
                ):
                    shutil.copyfileobj(source, entry, _BLOCK_BYTES)

    def check(written: Path) -> None:
        with zipfile.ZipFile(written) as archive:
            if archive.testzip() is not None:
                raise UnwritableOutput(f"{target.name} reads back differently: try another disk.")

    write_atomically(target, produce, check)
    return target


def import_model(source: Path, models: Path) -> ModelBundle:
    """Copy the model in `source`, an archive or the folder of a bundle, into the folder `models`.

    Only card and weights are taken, and nothing in them is executed. The model is there completely or not at
    all.

    Raises:
        InvalidModelBundle: `source` holds anything else, a link, too much or changed weights; or another
            model of that name exists.
        UnwritableOutput: it cannot be copied.
    """
    make_private_folder(models)
    # Beside the folder of the models: within it a half-copied model would be offered.
    temporary = models.parent / f"{_UNFINISHED_PREFIX}{secrets.token_hex(6)}"
    _clear_stale_imports(models.parent)
    try:
        temporary.mkdir()
        _copy_model_files(source, temporary)
        bundle = read_bundle(temporary)
        verify_weights(bundle)
        return _put_in_place(bundle, models / bundle.card.name)
    except OSError as error:
        raise UnwritableOutput(
            f"{source.name} was not imported ({error.strerror or error}): try again."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _clear_stale_imports(folder: Path) -> None:
    """Remove what killed imports left in `folder` more than a day ago."""
    unfinished = (
        left for left in list_folder(folder, hidden=True) if left.name.startswith(_UNFINISHED_PREFIX)
    )
    for left in unfinished:
        if left.is_dir() and time.time() - left.stat().st_mtime > _STALE_AFTER_S:
            shutil.rmtree(left, ignore_errors=True)


def _put_in_place(bundle: ModelBundle, target: Path) -> ModelBundle:
    """Move `bundle` to `target`; an identical model that is there already is returned instead."""
    if target.exists():
        if read_bundle(target).card == bundle.card:
            return read_bundle(target)
        raise InvalidModelBundle(
            f"Another model called {bundle.card.name} is there already: {target}; move it away first."
        )
    # Renaming is atomic, so nobody ever sees half of a model there.
    bundle.folder.rename(target)
    return read_bundle(target)


def _zip_entry(name: str) -> zipfile.ZipInfo:
    """Return the entry `name` with a fixed time and fixed permissions."""
    entry = zipfile.ZipInfo(name, _FIXED_ZIP_TIME)
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    return entry


def _copy_model_files(source: Path, folder: Path) -> None:
    """Copy card and weights from `source` into `folder`."""
    opened = _folder_files(source) if source.is_dir() else _archive_files(source)
    with opened as files:
        for name, file in files:
            _copy_limited(file, folder / name, _MAX_FILE_BYTES[name])


def _copy_limited(file: IO[bytes], target: Path, most: int) -> None:
    """Copy `file` to `target`; `InvalidModelBundle` after `most` bytes.

    The bytes that are read are counted, because the sizes in the headers of a zip may be wrong.
    """
    left = most
    with target.open("xb") as written:
        while block := file.read(_BLOCK_BYTES):
            left -= len(block)
            if left < 0:
                raise InvalidModelBundle(f"{target.name} is too large for a model of this program.")
            written.write(block)


@contextmanager
def _folder_files(source: Path) -> Iterator[Iterator[tuple[str, IO[bytes]]]]:
    """Yield name and content of both files in a folder; `InvalidModelBundle` if one is missing or a link."""
    for name in _MAX_FILE_BYTES:
        path = source / name
        if path.is_symlink() or not path.is_file():
            raise InvalidModelBundle(
                f"There is no {name} in {source}, or it is a link; choose the folder of a model."
            )

    def files() -> Iterator[tuple[str, IO[bytes]]]:
        for name in _MAX_FILE_BYTES:
            with (source / name).open("rb") as file:
                yield name, file

    yield files()


@contextmanager
def _archive_files(source: Path) -> Iterator[Iterator[tuple[str, IO[bytes]]]]:
    """Yield name and content of the two files in an archive; `InvalidModelBundle` if it is damaged or holds
    anything else.
    """
    if not source.is_file():
        raise InvalidModelBundle(f"There is no model at {source}; name an archive or the folder of a bundle.")
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
        raise InvalidModelBundle(f"{source.name} is damaged or no archive of a model ({error}).") from error


def _check_entries(source: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Check names, kinds and sizes of the entries; `InvalidModelBundle` if one is not a plain, unencrypted,
    stored file.
    """
    names = sorted(entry.filename for entry in entries)
    if names != sorted(_MAX_FILE_BYTES):
        shown = ", ".join(repr(name)[:60] for name in names[:3]) or "nothing"
        raise InvalidModelBundle(
            f"{source.name} is no model: expected {' and '.join(sorted(_MAX_FILE_BYTES))}, found {shown}."
        )
    for entry in entries:
        # Unix stores the file mode in the upper half; 0 means that the archive was made without one.
        kind = stat.S_IFMT(entry.external_attr >> 16)
        # Bit 0 of the flags marks an encrypted entry. Stored entries only: a compressed one may unpack to any
        # size.
        if kind not in (0, stat.S_IFREG) or entry.flag_bits & 1 or entry.compress_type != zipfile.ZIP_STORED:
            raise InvalidModelBundle(
                f"{entry.filename} in {source.name} is a link, packed or encrypted, not a plain file."
            )
        if entry.file_size > _MAX_FILE_BYTES[entry.filename]:
            raise InvalidModelBundle(
                f"{entry.filename} in {source.name} is too large for a model of this program."
            )
