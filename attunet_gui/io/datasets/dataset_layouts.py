"""Finding labelled CT in the layouts of data sets: nnU-Net raw, MSD, and plain pairs of files.

A data set of any layout may have a `manifest.json` that says which people are in a case; see
`io.datasets.pair_dataset`. Sources: nnU-Net, documentation/dataset_format.md, version 2; Antonelli et al.,
The Medical Segmentation Decathlon, Nature Communications 13 (2022).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.volume import Volume
from attunet_gui.io.ct_reading import read_ct_volume
from attunet_gui.io.datasets.pair_dataset import (
    MANIFEST_FILE,
    find_labelled_pairs,
    read_people_by_case,
    unchanged_draft_names,
)
from attunet_gui.io.label_values import LabelValues, with_chosen_label
from attunet_gui.io.mask_reading import read_labels
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.folders import list_folder
from attunet_gui.system.hashing import sha256_of_file
from attunet_gui.system.progress import ProgressCallback, no_progress

DATASET_FILE, NAMES_FILE = "dataset.json", "labels.json"
_ORGAN, _IGNORE, _BACKGROUND = "pancreas", "ignore", "background"
# Parts of the gland that some data sets label separately, as MSD's Task07 does. In a data set of several
# organs nobody can say which organ a lesion belongs to.
_PANCREATIC_LESIONS = ("cancer", "tumor", "tumour", "lesion", "cyst")
_OTHER_ORGANS = re.compile(
    r"liver|spleen|kidney|renal|stomach|gastr|aorta|cava|gall|sophag|duoden|colon|bowel|intestin|rectum|bladder|"
    r"prostate|uterus|lung|heart|atri|ventric|vein|arter|vess|adrenal|rib|vertebra|spine|bone|muscle|body|skin|"
    r"trachea|brain|lymph|bile"
)
# Bytes. Anything larger does not describe a data set and is not read into memory.
_LARGEST_JSON = 50_000_000


@dataclass(frozen=True)
class DatasetCase:
    """One CT of a data set with its label file.

    Attributes:
        name: name of the case, from its files.
        people: names of the people whose anatomy it shows: the patient, then the donors of organs.
        image, label: the two files.
        values: the meaning of the values in the label file.
        is_draft: whether the label is known to be the draft of a model that nobody changed or verified.
    """

    name: str
    people: tuple[str, ...]
    image: Path
    label: Path
    values: LabelValues
    is_draft: bool = False


@dataclass(frozen=True)
class DatasetLayout:
    """One layout of data sets.

    Attributes:
        name: name of the layout, for messages.
        accepts: decides whether a folder has this layout; it reads a few names at most.
        cases: returns the cases in the folder, ordered by name; it raises `AttunetError`.
    """

    name: str
    accepts: Callable[[Path], bool]
    cases: Callable[[Path], tuple[DatasetCase, ...]]


@dataclass(frozen=True, eq=False)
class LabelledCT:
    """A CT with its label as an annotator left it.

    Attributes:
        volume: the CT.
        mask: (z, y, x) uint8, 1 is pancreas, 0 is not.
        judged: (z, y, x) bool, False where nobody has looked; None if everything was looked at.
    """

    volume: Volume
    mask: NDArray[np.uint8]
    judged: NDArray[np.bool_] | None


def find_dataset_cases(folder: Path, label: int | None = None) -> tuple[DatasetCase, ...]:
    """Return every labelled CT of the data set in `folder`, ordered by name.

    Args:
        folder: the folder of the data set.
        label: the value of the pancreas, which overrides the description of the data set; None uses that.

    Raises:
        AttunetError: if the folder has no layout in `LAYOUTS`, holds no case, or a file is missing.
    """
    for layout in LAYOUTS:
        if layout.accepts(folder):
            found = _complete_cases(layout, folder)
            return tuple(replace(case, values=with_chosen_label(label, case.values)) for case in found)
    raise AttunetError(
        f"There is no data set in {folder}: expected images/ and labels/, or imagesTr/ and labelsTr/ with "
        f"{DATASET_FILE}."
    )


def read_labelled_ct(case: DatasetCase) -> LabelledCT:
    """Read the CT and the labels of `case`.

    Raises:
        UnreadableInput: if one of the two cannot be read, they lie on different grids, or nothing says which
            label is the pancreas.
    """
    volume = read_ct_volume(case.image)
    labels = read_labels(case.label, volume)
    mask = labels.pancreas_mask(case.values)
    judged = None if case.values.ignore is None else labels.values != case.values.ignore
    whole = judged is None or bool(judged.all())
    return LabelledCT(volume, mask, None if whole else judged)


def read_label_values(folder: Path) -> LabelValues:
    """Read the meaning of label values for the label files in `folder`.

    It is taken from the first `dataset.json`, `manifest.json` or `labels.json` that names labels, in `folder`
    and then in the folder above.

    Returns:
        The meaning; the default `LabelValues()` if there is no such file.

    Raises:
        AttunetError: if one of the files is damaged.
    """
    for place in (folder, folder.parent):
        for name in (DATASET_FILE, MANIFEST_FILE, NAMES_FILE):
            found = _read_json(place / name) if (place / name).is_file() else {}
            labels = found if name == NAMES_FILE else found.get("labels")
            if isinstance(labels, dict) and labels:
                return _parse_label_values(labels, place / name)
    return LabelValues()


def dataset_digest(cases: Sequence[DatasetCase], progress: ProgressCallback = no_progress) -> str:
    """Return a SHA-256 over the names and bytes of all files of `cases`.

    It depends neither on the order of the cases nor on where the files lie.
    """
    whole = hashlib.sha256()
    for number, case in enumerate(sorted(cases, key=lambda case: case.name), start=1):
        whole.update(f"{case.name} {sha256_of_file(case.image)} {sha256_of_file(case.label)}\n".encode())
        progress(number, len(cases), "reading")
    return whole.hexdigest()


def ct_digest(case: DatasetCase) -> str:
    """Return the SHA-256 of the CT file of `case`, by which the same CT is recognised under another name."""
    return sha256_of_file(case.image)


def _complete_cases(layout: DatasetLayout, folder: Path) -> tuple[DatasetCase, ...]:
    """Return the cases of the data set, each with all its files; `AttunetError` if one is missing."""
    cases = layout.cases(folder)
    if not cases:
        raise AttunetError(f"The {layout.name} data set in {folder} has no cases.")
    for case in cases:
        for path in (case.image, case.label):
            if not path.is_file():
                raise AttunetError(f"{case.name} is not whole: {path} was expected.")
    drafts = unchanged_draft_names(folder)
    return tuple(replace(case, is_draft=case.name in drafts) for case in cases)


def _nnunet_cases(folder: Path) -> tuple[DatasetCase, ...]:
    """Return the training cases in nnU-Net's raw layout; `AttunetError` unless there is one channel."""
    described = _read_json(folder / DATASET_FILE)
    ending, values = str(described.get("file_ending", ".nii.gz")), read_label_values(folder)
    channels = described.get("channel_names")
    if not isinstance(channels, dict) or len(channels) != 1:
        raise AttunetError(f"{folder} has not one channel: CT alone was expected.")
    # The number of the only channel is a part of the name of an image, but not of its label.
    added = f"_0000{ending}"
    images = (path.name for path in list_folder(folder / "imagesTr"))
    names = sorted(name.removesuffix(added) for name in images if name.endswith(added))
    people = read_people_by_case(folder)
    return tuple(
        DatasetCase(
            name,
            people.get(name, (name,)),
            folder / "imagesTr" / f"{name}{added}",
            folder / "labelsTr" / f"{name}{ending}",
            values,
        )
        for name in names
    )


def _msd_cases(folder: Path) -> tuple[DatasetCase, ...]:
    return tuple(sorted(_iter_msd_cases(folder), key=lambda case: case.name))


def _iter_msd_cases(folder: Path) -> Iterator[DatasetCase]:
    described, values, people = (
        _read_json(folder / DATASET_FILE),
        read_label_values(folder),
        read_people_by_case(folder),
    )
    listed = described.get("training")
    if not isinstance(listed, list):
        raise AttunetError(f"{folder / DATASET_FILE} has no list 'training'.")
    for entry in listed:
        if not isinstance(entry, dict) or not {"image", "label"} <= entry.keys():
            raise AttunetError(f"{folder / DATASET_FILE} lists a case without image and label.")
        image, label = (_path_in_dataset(folder, str(entry[part])) for part in ("image", "label"))
        name = image.name.removesuffix(".nii.gz").removesuffix(".nii")
        yield DatasetCase(name, people.get(name, (name,)), image, label, values)


def _path_in_dataset(folder: Path, path: str) -> Path:
    # A downloaded description must not make the program read files elsewhere on the disk.
    parts = PurePosixPath(path).parts
    if ".." in parts or path.startswith("/") or "\\" in path:
        raise AttunetError(f"{folder / DATASET_FILE} names {path}, which does not lie in the data set.")
    return folder.joinpath(*parts)


def _pair_cases(folder: Path) -> tuple[DatasetCase, ...]:
    values = read_label_values(folder)
    return tuple(
        DatasetCase(pair.name, pair.people, pair.image, pair.label, values)
        for pair in find_labelled_pairs(folder)
    )


def _parse_label_values(labels: Mapping[str, Any], path: Path) -> LabelValues:
    """Turn the `labels` of a description into `LabelValues`.

    nnU-Net and manifests map a name to its value, or to several; MSD and labels.json map a value to its name.
    """
    # A name is never a number: keys that are all digits are values.
    turned = all(str(key).isdigit() for key in labels)
    named = _invert_label_table(labels) if turned else labels
    numbers = {str(name).lower(): _parse_label_numbers(value, path) for name, value in named.items()}
    ignore = (numbers.get(_IGNORE) or (None,))[0]
    drawn = {name: values for name, values in numbers.items() if name not in (_BACKGROUND, _IGNORE)}
    drawn = {name: values for name, values in drawn.items() if set(values) - {0}}
    known = frozenset(value for values in numbers.values() for value in values) - {0}
    return LabelValues(_pancreas_values(drawn), ignore, known)


def _invert_label_table(labels: Mapping[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for value, name in labels.items():
        found.setdefault(str(name), []).append(str(value))
    return found


def _pancreas_values(drawn: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    """Return the values of the pancreas.

    Where no name contains "pancreas", a single label that names no other organ is taken for it. The result is
    () if several labels may be the pancreas, or none can.
    """
    organs = {value for name, values in drawn.items() if _ORGAN in name for value in values}
    others = [name for name in drawn if _ORGAN not in name and _OTHER_ORGANS.search(name)]
    lesions = {value for name, values in drawn.items() if name in _PANCREATIC_LESIONS for value in values}
    if organs:
        return tuple(sorted(organs if others else organs | lesions))
    ((_name, values),) = drawn.items() if len(drawn) == 1 and not others else (("", ()),)
    return values


def _parse_label_numbers(value: Any, path: Path) -> tuple[int, ...]:
    try:
        return tuple(sorted(int(each) for each in (value if isinstance(value, list) else [value])))
    except (TypeError, ValueError) as error:
        raise AttunetError(
            f"{path} gives a label the value {value!r}: a whole number was expected."
        ) from error


def _read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; `AttunetError` if the file is missing, damaged or too large."""
    try:
        if path.stat().st_size > _LARGEST_JSON:
            raise AttunetError(f"{path} is too large to describe a data set.")
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise AttunetError(f"{path} is missing: it says which labels there are.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise AttunetError(f"{path} cannot be read: {error}.") from error
    if not isinstance(found, dict):
        raise AttunetError(f"{path} does not describe a data set: an object was expected.")
    return found


# Both have imagesTr and dataset.json; only nnU-Net names channels, and only MSD lists the training set.
def _is_nnunet(folder: Path) -> bool:
    return (folder / "imagesTr").is_dir() and "channel_names" in _read_description(folder)


def _is_msd(folder: Path) -> bool:
    return (folder / "imagesTr").is_dir() and "training" in _read_description(folder)


def _read_description(folder: Path) -> dict[str, Any]:
    return _read_json(folder / DATASET_FILE) if (folder / DATASET_FILE).is_file() else {}


LAYOUTS: tuple[DatasetLayout, ...] = (
    DatasetLayout("nnU-Net", _is_nnunet, _nnunet_cases),
    DatasetLayout("MSD", _is_msd, _msd_cases),
    DatasetLayout("pairs", lambda folder: (folder / "images").is_dir(), _pair_cases),
)
"""Every layout; the first one that accepts a folder is used. nnU-Net and MSD share the name of their file."""
