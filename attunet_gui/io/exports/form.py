"""What a format is to the export: two functions."""

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
    """For formats without `dataset.json`."""


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        name: what is typed after `--format`.
        title: for a list on the screen.
        write: (case, folder, identity, progress): writes all files of the case below the empty folder, where
            they will lie in the export, and reads each of them back; raises AttunetError, also for a
            case that the format cannot hold.
        labels: name -> value of what it holds.
        dataset: the content of `dataset.json`, None for no such file.
    """

    name: str
    title: str
    write: Callable[[OpenedCase, Path, Identity, Progress], None]
    labels: Mapping[str, int] = field(default_factory=lambda: LABELS)
    dataset: Callable[[Manifest], Mapping[str, Any] | None] = no_dataset_file
