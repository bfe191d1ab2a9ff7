"""A case as the exports take it, and what is read of it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePath, PureWindowsPath

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.counting import counted
from attunet_gui.core.errors import AttunetError, UnreadableInput
from attunet_gui.core.evidence import is_evidence
from attunet_gui.core.progress import Progress, silent
from attunet_gui.core.volume import Volume
from attunet_gui.folders import beside, listed, walk
from attunet_gui.io.exports.identity import Identity
from attunet_gui.io.masks import read_mask
from attunet_gui.io.reading import read, reader_for

BACKGROUND, PANCREAS, IGNORE = 0, 1, 2
LABELS = {"background": BACKGROUND, "pancreas": PANCREAS, "ignore": IGNORE}
"""Values in every label file. `ignore` fills the slices that nobody verified: they teach nothing."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_DEVICE_NAMES = re.compile(r"(?i)con|prn|aux|nul|(com|lpt)\d")
_LAYOUT = 1
"""Raised when the same case would be written differently: then everything is written anew."""


@dataclass(frozen=True)
class ExportCase:
    """A case to be exported.

    Attributes:
        name: its pseudonym: the names of its files, and all that the export says of whose it is.
        image: the CT, as `io.read` opens it.
        mask: label file on the grid of the CT, not 0 is pancreas.
        verified: slices (z indices of the canonical grid) a person has seen; None is every slice.
        annotator: who saved the mask; "" if that is not known.
        model: name of the model that drafted it, and after a space what tells it from others of that name; ""
            if it was drawn from nothing.
        edits: how often each tool was used.
        seconds: of active work.
        time: when the mask was saved, with its zone.
        series: key of the DICOM series where the image is a folder of several.
        mask_sha256: what the mask has to be; "" takes whatever is there.
        subject: pseudonym of whoever is in the CT, for cases that share a person; "" is one of its own.
        corrected: slices in which a person changed the mask, or that they declared right; None if not known.
    """

    name: str
    image: Path
    mask: Path
    verified: frozenset[int] | None = None
    annotator: str = ""
    model: str = ""
    edits: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    time: datetime | None = None
    series: str | None = None
    mask_sha256: str = ""
    subject: str = ""
    corrected: frozenset[int] | None = None

    @property
    def is_evidence(self) -> bool:
        """Whether the mask says something that the model which drafted it did not say."""
        corrected = None if self.corrected is None else len(self.corrected)
        return is_evidence(self.model, corrected, self.edits)

    @property
    def model_name(self) -> str:
        """The last part of `model`: a model may be named by the folder it lies in."""
        return PureWindowsPath(PurePath(self.model).name).name


@dataclass(frozen=True, eq=False)
class OpenedCase:
    """A case with its voxels.

    Attributes:
        case: what was opened.
        volume: the CT.
        mask: (z, y, x) uint8 0/1 on the canonical grid.
        labels: (z, y, x) uint8, the values of `LABELS`: the mask, and `IGNORE` in slices nobody verified.
    """

    case: ExportCase
    volume: Volume
    mask: NDArray[np.uint8]
    labels: NDArray[np.uint8]


def open_case(case: ExportCase, progress: Progress = silent) -> OpenedCase:
    """CT and labels of `case`.

    Raises:
        UnreadableInput: if one of the two cannot be read, they lie on different grids, or the verified slices
            are not those of the CT.
        AttunetError: if nobody has verified anything of it.
    """
    volume = read(case.image, series=case.series, progress=progress)
    mask = read_mask(case.mask, volume)
    return OpenedCase(case, volume, mask, _labels(case, mask))


def check_names(cases: tuple[ExportCase, ...]) -> None:
    """Raise `AttunetError` unless every name is fit for a file and none is there twice."""
    taken: set[str] = set()
    for case in cases:
        if not _NAME.fullmatch(case.name) or _DEVICE_NAMES.fullmatch(case.name):
            raise AttunetError(
                f"The case name {case.name!r} does not fit a file: use letters, digits, - and _, 63 at most."
            )
        if case.name.lower() in taken:
            raise AttunetError(f"Two cases are called {case.name}: give one of them another name.")
        taken.add(case.name.lower())


def fingerprint(case: ExportCase, identity: Identity) -> str:
    """What changes whenever the export of `case` would; says nothing to those who lack the key.

    Files of the CT count by place, size and time of change, the mask by its bytes.

    Raises:
        UnreadableInput: if a file is not there or may not be read, or the mask is another one.
    """
    try:
        files = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in _files(case.image)]
        mask = hashlib.sha256(case.mask.read_bytes()).hexdigest()
    except OSError as error:
        raise UnreadableInput(
            f"{case.name} cannot be read ({error.strerror}): it may have been moved, or its disk is away."
        ) from error
    if case.mask_sha256 not in ("", mask):
        raise UnreadableInput(
            f"The mask of {case.name} is not the one that was saved: open it and save it again."
        )
    verified = None if case.verified is None else sorted(case.verified)
    time = None if case.time is None else case.time.isoformat()
    corrected = None if case.corrected is None else sorted(case.corrected)
    done = [case.annotator, case.model, sorted(case.edits.items()), case.seconds, time, corrected]
    told = [_LAYOUT, identity.kept, case.series, case.subject, files, mask, verified, done]
    return identity.digest("case", json.dumps(told)).hex()


def _files(image: Path) -> list[Path]:
    """The files that decide what `image` shows."""
    path = image.resolve()
    kind = reader_for(path).kind
    if path.is_dir():
        return list(walk(path).files)
    if kind == "DICOM":
        return list(beside(path).files)
    # .mhd and .nhdr are headers; the voxels are in a file beside them.
    ours = f"{path.stem}."
    return [path] if kind == "NIfTI" else [each for each in listed(path.parent) if each.name.startswith(ours)]


def _labels(case: ExportCase, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if case.verified is None:
        return mask
    if not case.verified:
        raise AttunetError(f"Nobody has verified a slice of {case.name}: there is nothing to export of it.")
    if min(case.verified) < 0 or max(case.verified) >= len(mask):
        raise UnreadableInput(
            f"{case.name} has {counted(len(mask), 'slice')}, but slice {max(case.verified)} was verified: "
            "the CT is not the one that was annotated."
        )
    labels = mask.copy()
    labels[[z not in case.verified for z in range(len(mask))]] = IGNORE
    return labels
