"""Pairs of CT and label: images/NAME.nii.gz and labels/NAME.nii.gz on one grid, and who is in them.

manifest.json, where there is one, says of each NAME whose anatomy it shows: `subject`, and `donors` who lent
organs to it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.errors import AttunetError
from attunet_gui.core.evidence import is_evidence
from attunet_gui.core.volume import Volume
from attunet_gui.folders import listed
from attunet_gui.io.label_values import LabelValues
from attunet_gui.io.masks import read_labels
from attunet_gui.io.reading import read

MANIFEST_FILE = "manifest.json"
_IMAGES, _LABELS, _ENDING = "images", "labels", ".nii.gz"


@dataclass(frozen=True)
class Pair:
    """One CT and its label, on disk or to be written.

    Attributes:
        name: of its two files, without `.nii.gz`.
        people: whose body is in it, the patient first; then whoever lent an organ.
        image, label: the two files.
    """

    name: str
    people: tuple[str, ...]
    image: Path
    label: Path


def pair_in(folder: Path, name: str, people: tuple[str, ...]) -> Pair:
    """Where the pair `name` lies in `folder`."""
    image, label = (folder / part / f"{name}{_ENDING}" for part in (_IMAGES, _LABELS))
    return Pair(name, people, image, label)


def find_pairs(folder: Path) -> tuple[Pair, ...]:
    """Every pair in `folder`, ordered by name. Whom the manifest does not name is a person of their own.

    Raises:
        AttunetError: no CT, a CT without label, or a manifest that is none.
    """
    images = (path.name for path in listed(folder / _IMAGES))
    names = sorted(name.removesuffix(_ENDING) for name in images if name.endswith(_ENDING))
    if not names:
        raise AttunetError(f"There are no CTs in {folder}: {_IMAGES}/NAME{_ENDING} were expected there.")
    people = read_people(folder)
    pairs = tuple(pair_in(folder, name, people.get(name, (name,))) for name in names)
    for pair in pairs:
        if not pair.label.is_file():
            raise AttunetError(f"{pair.image.name} has no label: {pair.label} was expected.")
    return pairs


def read_pair(pair: Pair, meant: LabelValues) -> tuple[Volume, NDArray[np.uint8]]:
    """The CT of `pair`, and (z, y, x) uint8 0/1 where its label is what is `meant`.

    Raises:
        UnreadableInput: one of the two cannot be read, they lie on different grids, or it is not said which
            label is the pancreas.
    """
    volume = read(pair.image)
    return volume, read_labels(pair.label, volume).mask(meant)


def drafts_in(folder: Path) -> frozenset[str]:
    """Names of cases whose mask is, as `manifest.json` in `folder` says, the draft of a model as it was.

    Raises:
        AttunetError: if the manifest is damaged.
    """
    manifest = folder / MANIFEST_FILE
    if not manifest.is_file():
        return frozenset()
    try:
        cases: list[dict[str, Any]] = json.loads(manifest.read_text("utf-8"))["cases"]
        told = {str(case["name"]): case.get("annotation") or {} for case in cases}
        return frozenset(name for name, annotation in told.items() if not _is_evidence(annotation))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AttunetError(
            f"{manifest} is not a manifest: expected annotations with model, edits and corrected slices "
            f"({type(error).__name__}: {error})."
        ) from error


def _is_evidence(annotation: dict[str, Any]) -> bool:
    corrected = annotation.get("corrected")
    slices = None if corrected is None else len(corrected)
    return is_evidence(str(annotation.get("model") or ""), slices, dict(annotation.get("edits") or {}))


def read_people(folder: Path) -> dict[str, tuple[str, ...]]:
    """Name of a case -> its people, as far as `manifest.json` in `folder` says; `AttunetError` if damaged."""
    manifest = folder / MANIFEST_FILE
    if not manifest.is_file():
        return {}
    try:
        cases: list[dict[str, Any]] = json.loads(manifest.read_text("utf-8"))["cases"]
        return {
            str(case["name"]): (str(case["subject"]), *map(str, case.get("donors") or ())) for case in cases
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AttunetError(
            f"{manifest} is not a manifest: expected a list 'cases' of objects with name, subject and "
            f"donors ({type(error).__name__}: {error})."
        ) from error
