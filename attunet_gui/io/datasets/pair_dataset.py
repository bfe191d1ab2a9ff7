"""Data sets of pairs: images/NAME.nii.gz and labels/NAME.nii.gz on the same grid.

A manifest.json, if there is one, says for each NAME whose anatomy it shows: the `subject`, and the `donors`
of organs in a synthetic CT.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.draft_correction import is_annotator_evidence
from attunet_gui.core.volume import Volume
from attunet_gui.io.ct_reading import read_ct_volume
from attunet_gui.io.label_values import LabelValues
from attunet_gui.io.mask_reading import read_labels
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.folders import list_folder

MANIFEST_FILE = "manifest.json"
_IMAGES, _LABELS, _ENDING = "images", "labels", ".nii.gz"


@dataclass(frozen=True)
class LabelledPair:
    """One CT and its label, on the disk or to be written.

    Attributes:
        name: name of the two files without `.nii.gz`.
        people: names of the people whose anatomy it shows: the patient, then the donors of organs.
        image, label: the two files.
    """

    name: str
    people: tuple[str, ...]
    image: Path
    label: Path


def pair_paths(folder: Path, name: str, people: tuple[str, ...]) -> LabelledPair:
    """Return the pair called `name` in `folder`; the files need not exist."""
    # Image and label have the same name, by which they are matched.
    image, label = (folder / part / f"{name}{_ENDING}" for part in (_IMAGES, _LABELS))
    return LabelledPair(name, people, image, label)


def find_labelled_pairs(folder: Path) -> tuple[LabelledPair, ...]:
    """Return every pair in `folder`, ordered by name.

    A case that the manifest does not name counts as a person of its own.

    Raises:
        AttunetError: if there is no CT, a CT has no label, or the manifest is damaged.
    """
    images = (path.name for path in list_folder(folder / _IMAGES))
    names = sorted(name.removesuffix(_ENDING) for name in images if name.endswith(_ENDING))
    if not names:
        raise AttunetError(f"There are no CTs in {folder}: {_IMAGES}/NAME{_ENDING} were expected there.")
    people = read_people_by_case(folder)
    pairs = tuple(pair_paths(folder, name, people.get(name, (name,))) for name in names)
    for pair in pairs:
        if not pair.label.is_file():
            raise AttunetError(f"{pair.image.name} has no label: {pair.label} was expected.")
    return pairs


def read_labelled_pair(pair: LabelledPair, meant: LabelValues) -> tuple[Volume, NDArray[np.uint8]]:
    """Read the CT of `pair`, and its mask on the same grid: (z, y, x) uint8, 0 or 1.

    Args:
        pair: the pair.
        meant: the meaning of the values in the label file.

    Raises:
        UnreadableInput: if one of the two cannot be read, they lie on different grids, or nothing says which
            label is the pancreas.
    """
    volume = read_ct_volume(pair.image)
    return volume, read_labels(pair.label, volume).pancreas_mask(meant)


def unchanged_draft_names(folder: Path) -> frozenset[str]:
    """Return the names of the cases whose mask is an unchanged draft, by `manifest.json` in `folder`.

    Raises:
        AttunetError: if the manifest is damaged.
    """
    manifest = folder / MANIFEST_FILE
    if not manifest.is_file():
        return frozenset()
    try:
        cases: list[dict[str, Any]] = json.loads(manifest.read_text("utf-8"))["cases"]
        told = {str(case["name"]): case.get("annotation") or {} for case in cases}
        return frozenset(name for name, annotation in told.items() if not _is_evidence_annotation(annotation))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AttunetError(
            f"{manifest} is not a manifest: expected annotations with model, edits and corrected slices "
            f"({type(error).__name__}: {error})."
        ) from error


def _is_evidence_annotation(annotation: dict[str, Any]) -> bool:
    # Older manifests do not name the corrected slices; then the strokes decide.
    corrected = annotation.get("corrected")
    slices = None if corrected is None else len(corrected)
    return is_annotator_evidence(
        str(annotation.get("model") or ""), slices, dict(annotation.get("edits") or {})
    )


def read_people_by_case(folder: Path) -> dict[str, tuple[str, ...]]:
    """Return the people in each case by its name, as far as `manifest.json` in `folder` names them.

    Raises:
        AttunetError: if the manifest is damaged.
    """
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
