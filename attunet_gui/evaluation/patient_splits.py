"""Folds for cross-validation and test sets. They consist of patients: none is in two of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from attunet_gui.io.result_writing import make_folder, write_json
from attunet_gui.system.errors import AttunetError

PatientFolds = tuple[tuple[str, ...], ...]


def patient_folds(patients: Iterable[str], folds: int, seed: int) -> PatientFolds:
    """Deal patients to groups whose sizes differ by one at most; each group is sorted.

    They are dealt in the order of sha256("<seed>:<patient>"), which is the same on every machine and with
    every version of numpy.

    Args:
        patients: identifiers of the patients; one that is named twice counts once.
        folds: number of groups.
        seed: seed of the order.

    Raises:
        ValueError: if there are fewer than two folds, or fewer patients than folds.
    """
    distinct = set(patients)
    if not 2 <= folds <= len(distinct):
        raise ValueError(f"{len(distinct)} patients cannot be dealt to {folds} folds")
    order = _hash_order(distinct, seed)
    return tuple(tuple(sorted(order[start::folds])) for start in range(folds))


def choose_test_patients(patients: Iterable[str], count: int, seed: int) -> tuple[str, ...]:
    """Return the first `count` of `patients` in the order of `patient_folds`, sorted, as a test set.

    Raises:
        ValueError: if none would be tested on, or none would be left to train on.
    """
    distinct = set(patients)
    if not 1 <= count < len(distinct):
        raise ValueError(f"{count} of {len(distinct)} patients cannot be put aside")
    return tuple(sorted(_hash_order(distinct, seed)[:count]))


def _hash_order(patients: set[str], seed: int) -> list[str]:
    return sorted(patients, key=lambda patient: hashlib.sha256(f"{seed}:{patient}".encode()).hexdigest())


def write_folds(path: Path, folds: PatientFolds) -> None:
    """Write `folds` to `path` as JSON."""
    make_folder(path.parent)
    write_json(path, {"folds": folds})


def read_folds(path: Path) -> PatientFolds:
    """Read folds from the JSON file `path`.

    Raises:
        AttunetError: if it is not a file of folds, or if a patient is in two of them.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
        folds = tuple(tuple(str(patient) for patient in fold) for fold in content["folds"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AttunetError(f"{path} is not a file of folds: {error}.") from error
    everyone = [patient for fold in folds for patient in fold]
    if len(everyone) != len(set(everyone)):
        raise AttunetError(f"In {path} a patient is in two folds: make the folds again.")
    return folds
