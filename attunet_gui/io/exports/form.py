"""The interface of an export format: a function that writes a case, and one that describes the data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from attunet_gui.core.progress import Progress
from attunet_gui.io.exports.case import LABELS, OpenedCase
from attunet_gui.io.exports.identity import Identity
from attunet_gui.io.exports.manifest import Manifest

DATASET_FILE = "dataset.json"


def no_dataset_file(_manifest: Manifest) -> None:
    """Return None, for formats without `dataset.json`."""


@dataclass(frozen=True)
class Format:
    """An export format.

    Attributes:
        name: its name in the command line, after `--format`.
        title: its name in a list on the screen.
        write: (case, folder, identity, progress): writes all files of the case into the empty folder, with
            the paths that they have in the export, and reads each of them back. It raises `AttunetError` on
            failure, and for a case that the format cannot hold.
        labels: value of each label by its name.
        dataset: returns the content of `dataset.json` for a manifest; None if there is no such file.
    """

    name: str
    title: str
    write: Callable[[OpenedCase, Path, Identity, Progress], None]
    labels: Mapping[str, int] = field(default_factory=lambda: LABELS)
    dataset: Callable[[Manifest], Mapping[str, Any] | None] = no_dataset_file
