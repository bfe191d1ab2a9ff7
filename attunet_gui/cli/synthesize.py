"""`attunet synthesize`: render synthetic CT with pancreas labels from label maps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path

from attunet_gui.cli.console import console, progress_bar
from attunet_gui.core.counting import counted
from attunet_gui.core.errors import UnreadableInput
from attunet_gui.io.label_maps import MapSource
from attunet_gui.recipes.synthetic import write_pairs


def write_synthetic(
    sources: tuple[MapSource, ...], output: Path, count: int, seed: int, kinds: Mapping[str, float]
) -> None:
    """Write pairs of CT and label, and print how many there are of each phase and kind.

    Args:
        sources: the label maps.
        output: folder for images/ and labels/.
        count: number of CT.
        seed: equal seeds give equal CT.
        kinds: weights of the kinds of CT, by name.

    Raises:
        UnreadableInput: a label map does not exist, or cannot be read.
    """
    for source in sources:
        if not source.path.exists():
            raise UnreadableInput(f"There is no label map at {source.path}.")
    with progress_bar("synthetic CT") as progress:
        cases = write_pairs(sources, output, count, seed, progress, kinds=kinds)
    subjects = len({case.subject for case in cases})
    phases = ", ".join(f"{number} {name}" for name, number in Counter(case.uptake for case in cases).items())
    console.print(f"{output}: {len(cases)} synthetic CT of {counted(subjects, 'subject')} ({phases})")
    shown = Counter(name for case in cases for name in case.kinds)
    if shown:
        console.print(", ".join(f"{number} {name}" for name, number in shown.most_common()))


def sources_of(paths: Sequence[Path], codings: Sequence[str]) -> tuple[MapSource, ...]:
    """Return the label maps at `paths`, each with the last coding whose pattern fits the file's name.

    Args:
        paths: of the label maps.
        codings: "NAME:PATTERN", a name for the meaning of codes and a shell pattern of file names.

    Raises:
        UnreadableInput: a coding is not of this form, or fits none of the maps.
    """
    fitting = [_fitting(told, paths) for told in codings]
    known = {path: name for part in fitting for path, name in part.items()}
    return tuple(MapSource(path, known.get(path)) for path in paths)


def _fitting(told: str, paths: Sequence[Path]) -> Mapping[Path, str]:
    """Return the coding's name for each path that its pattern fits."""
    name, colon, pattern = told.partition(":")
    found = {path: name for path in paths if fnmatch(path.name, pattern)}
    if not colon or not found:
        raise UnreadableInput(
            f"--coding {told} fits none of the label maps: write a coding and the files it is for, "
            "such as hra:HRA_*."
        )
    return found
