"""Finding every CT below a folder, for batch work."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from attunet_gui.core.errors import UnreadableInput
from attunet_gui.core.progress import Progress, silent
from attunet_gui.io.content import Content, content_of
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


@dataclass(frozen=True)
class Found:
    """What lies in a folder.

    Attributes:
        cases: the CT, ordered by path.
        label_maps: files that hold labels, or a probability, by what is in them.
        doubtful: files that may hold CT or labels, with a sentence that says why; they are in no other list.
    """

    cases: tuple[CaseRef, ...]
    label_maps: tuple[Path, ...] = ()
    doubtful: tuple[tuple[Path, str], ...] = ()


def find_cases(path: Path, progress: Progress = silent) -> tuple[CaseRef, ...]:
    """The CT at `path`, as `find` has them."""
    return find(path, progress).cases


@showable_errors()
def find(path: Path, progress: Progress = silent) -> Found:
    """The CT at `path`: the file itself, or all image files and DICOM series in the folder and below it.

    Hidden files are passed over, and of files those that hold no CT by `content_of`. A file that was named by
    itself and may be CT is one. The order is that of the paths, so it is the same every time.

    Raises:
        UnreadableInput: if there is nothing at `path`, or it is a file of an unknown kind or a label map.
    """
    if not path.is_dir():
        reader_for(path)
        _refuse_labels(path)
        return Found(_named([(path, None, without_suffix(path.name))]))
    files = list(_image_files(path))
    contents = {}
    for number, (file, _series, _name) in enumerate(files):
        progress(number, len(files), "looking into files")
        contents[file] = content_of(file, file.relative_to(path))
    cts = [entry for entry in files if contents[entry[0]].kind == "CT"]
    found = [*cts, *_dicom_series(path, progress)]
    others = sorted(file for file, _series, _name in files if contents[file].kind != "CT")
    return Found(
        _named(sorted(found, key=lambda case: (str(case[0]), case[2]))),
        tuple(file for file in others if contents[file].kind == "labels"),
        tuple((file, _doubt(contents[file])) for file in others if contents[file].kind == "doubtful"),
    )


def _refuse_labels(path: Path) -> None:
    content = content_of(path, PurePath())  # whoever names a file by itself knows its name
    if content.kind == "labels":
        raise UnreadableInput(
            f"{path.name} is not a CT: it holds {content.words}, as label maps and probabilities do."
        )


def _doubt(content: Content) -> str:
    return f"It holds {content.words}: if it is CT and no label map, give it by itself."


def _image_files(root: Path) -> Iterator[tuple[Path, None, str]]:
    suffixes = tuple(suffix for reader in READERS for suffix in reader.suffixes)
    for path in root.rglob("*"):
        inside = path.relative_to(root)
        hidden = any(part.startswith(".") for part in inside.parts)
        if path.name.lower().endswith(suffixes) and path.is_file() and not hidden:
            yield path, None, without_suffix("_".join(inside.parts))


def _dicom_series(root: Path, progress: Progress) -> Iterator[tuple[Path, str, str]]:
    from attunet_gui.io.dicom import list_series

    listed = list_series(root, progress)
    folders = [series.folder for series in listed]
    for series in listed:
        name = "_".join(series.folder.relative_to(root).parts) or root.resolve().name
        several = folders.count(series.folder) > 1
        yield series.folder, series.key, f"{name}_series{series.number}" if several else name


def without_suffix(name: str) -> str:
    """The file name without the ending that says its format."""
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
