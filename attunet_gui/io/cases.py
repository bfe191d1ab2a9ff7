"""Finding every CT below a folder, for batch work."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from attunet_gui.core.progress import Progress, silent
from attunet_gui.io.reading import READERS, reader_for
from attunet_gui.io.showable import showable_errors

_NAME_LENGTH = 100


@dataclass(frozen=True)
class CaseRef:
    """One CT that `read(path, series=series)` opens.

    Attributes:
        path: file, or folder of a DICOM series.
        series: key of the DICOM series, None for files.
        name: unique among the cases found together (upper and lower case count as one), fit for a file
            name, without suffix.
    """

    path: Path
    series: str | None
    name: str


@showable_errors()
def find_cases(path: Path, progress: Progress = silent) -> tuple[CaseRef, ...]:
    """Every CT at `path`: the file itself, or all image files and DICOM series in the folder and below it.

    Hidden files are passed over. The order is that of the paths, so it is the same every time.

    Raises:
        UnreadableInput: if there is nothing at `path`, or it is a file of an unknown kind.
    """
    if not path.is_dir():
        reader_for(path)
        return _named([(path, None, _without_suffix(path.name))])
    found = [*_image_files(path), *_dicom_series(path, progress)]
    return _named(sorted(found, key=lambda case: (str(case[0]), case[2])))


def _image_files(root: Path) -> Iterator[tuple[Path, None, str]]:
    suffixes = tuple(suffix for reader in READERS for suffix in reader.suffixes)
    for path in root.rglob("*"):
        inside = path.relative_to(root)
        hidden = any(part.startswith(".") for part in inside.parts)
        if path.name.lower().endswith(suffixes) and path.is_file() and not hidden:
            yield path, None, _without_suffix("_".join(inside.parts))


def _dicom_series(root: Path, progress: Progress) -> Iterator[tuple[Path, str, str]]:
    from attunet_gui.io.dicom import list_series

    listed = list_series(root, progress)
    folders = [series.folder for series in listed]
    for series in listed:
        name = "_".join(series.folder.relative_to(root).parts) or root.resolve().name
        several = folders.count(series.folder) > 1
        yield series.folder, series.key, f"{name}_series{series.number}" if several else name


def _without_suffix(name: str) -> str:
    suffixes = sorted((suffix for reader in READERS for suffix in reader.suffixes), key=len, reverse=True)
    ending = next((suffix for suffix in suffixes if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(ending)] or name


def _named(found: list[tuple[Path, str | None, str]]) -> tuple[CaseRef, ...]:
    taken: set[str] = set()
    cases = []
    for path, series, wish in found:
        name = _free(_safe(wish), taken)
        taken.add(name.lower())
        cases.append(CaseRef(path, series, name))
    return tuple(cases)


def _safe(wish: str) -> str:
    return re.sub(r"[^\w.-]+", "_", wish).strip("._-")[:_NAME_LENGTH] or "case"


def _free(name: str, taken: set[str]) -> str:
    candidate, number = name, 1
    while candidate.lower() in taken:
        number += 1
        candidate = f"{name}_{number}"
    return candidate
