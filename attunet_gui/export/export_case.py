"""The case that an export takes, and reading its CT and labels."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePath, PureWindowsPath

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.draft_correction import is_annotator_evidence
from attunet_gui.core.volume import Volume
from attunet_gui.export.pseudonymizer import Pseudonymizer
from attunet_gui.io.ct_reading import read_ct_volume
from attunet_gui.io.image_format_registry import format_of_path
from attunet_gui.io.mask_reading import read_mask
from attunet_gui.system.errors import AttunetError, UnreadableInput
from attunet_gui.system.hashing import sha256_of_file
from attunet_gui.system.plurals import counted
from attunet_gui.system.progress import ProgressCallback, no_progress

BACKGROUND, PANCREAS, IGNORE = 0, 1, 2
LABELS = {"background": BACKGROUND, "pancreas": PANCREAS, "ignore": IGNORE}
"""Values in every label file. `ignore` fills the slices that nobody verified: no model learns from them."""

# Names become names of files, also on Windows, where some are reserved for devices.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_DEVICE_NAMES = re.compile(r"(?i)con|prn|aux|nul|(com|lpt)\d")
# To be raised when the same case would be written differently, so that every case is written again.
_LAYOUT = 1


@dataclass(frozen=True)
class ExportCase:
    """A case to be exported.

    Attributes:
        name: pseudonym of the case: the name of its files, and all that the export says about whose it is.
        image: path of the CT, as `io.ct_reading.read_ct_volume` opens it.
        mask: path of the label file on the grid of the CT; its one value other than 0 is pancreas.
        verified: slices (z of the canonical grid) that a person has seen; None is every slice.
        annotator: name of the person who saved the mask; "" if that is not known.
        model: name of the model that drafted it, followed by a space and its sha256; "" if the mask was drawn
            by hand.
        edits: number of uses of each tool.
        seconds: active time at work.
        time: when the mask was saved, with its time zone; None if that is not known.
        series: key of the DICOM series if the image is a folder; None for other files.
        mask_sha256: the SHA-256 that the mask file must have; "" accepts any.
        subject: pseudonym of the person in the CT, for cases that share a person; "" is a person of its own.
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
        """Whether the mask says more than the draft of the model did; see `core.draft_correction`."""
        corrected = None if self.corrected is None else len(self.corrected)
        return is_annotator_evidence(self.model, corrected, self.edits)

    @property
    def model_name(self) -> str:
        """The last part of `model`, which may be a path of the folder in which the model lies."""
        return PureWindowsPath(PurePath(self.model).name).name


@dataclass(frozen=True, eq=False)
class OpenedCase:
    """A case with its voxels.

    Attributes:
        case: the case that was opened.
        volume: the CT.
        mask: (z, y, x) uint8, 0 or 1, on the canonical grid.
        labels: (z, y, x) uint8 with the values of `LABELS`: the mask, and `IGNORE` in slices that nobody
            verified.
    """

    case: ExportCase
    volume: Volume
    mask: NDArray[np.uint8]
    labels: NDArray[np.uint8]


def open_case(case: ExportCase, progress: ProgressCallback = no_progress) -> OpenedCase:
    """Read the CT and the labels of `case`.

    Raises:
        UnreadableInput: if one of the two cannot be read, they lie on different grids, or the verified slices
            are not those of the CT.
        AttunetError: if nobody has verified anything of it.
    """
    volume = read_ct_volume(case.image, series=case.series, progress=progress)
    mask = read_mask(case.mask, volume)
    return OpenedCase(case, volume, mask, _labels_with_ignored(case, mask))


def check_case_names(cases: tuple[ExportCase, ...]) -> None:
    """Raise `AttunetError` unless every name is fit for a file and no two differ only in case."""
    taken: set[str] = set()
    for case in cases:
        if not _NAME.fullmatch(case.name) or _DEVICE_NAMES.fullmatch(case.name):
            raise AttunetError(
                f"The case name {case.name!r} does not fit a file: use letters, digits, - and _, 63 at most."
            )
        if case.name.lower() in taken:
            raise AttunetError(f"Two cases are called {case.name}: give one of them another name.")
        taken.add(case.name.lower())


def export_fingerprint(case: ExportCase, identity: Pseudonymizer) -> str:
    """Return a hash that changes whenever the exported files of `case` would change.

    The files of the CT are represented by path, size and time of change, the mask by its bytes. The hash is
    keyed, so it discloses nothing to those who do not have the key.

    Args:
        case: the case.
        identity: the key, and whether identifiers are kept.

    Returns:
        64 hexadecimal digits.

    Raises:
        UnreadableInput: if a file is missing or may not be read, or the mask is not the one that was saved.
    """
    try:
        files = [
            (str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in _files_of_ct(case.image)
        ]
        mask = sha256_of_file(case.mask)
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
    return identity.keyed_digest("case", json.dumps(told)).hex()


def _files_of_ct(image: Path) -> list[Path]:
    """Return the files that hold the image `image`, in alphabetical order."""
    path = image.resolve()
    return sorted(format_of_path(path).files(path))


def _labels_with_ignored(case: ExportCase, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the label values of a mask, (z, y, x) uint8, with `IGNORE` in slices that nobody verified."""
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
