"""NIH Pancreas-CT as in the article: which patients are trained and tested on, and whether the labels fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from attunet_gui.evaluation.labelled_cases import LabelledCase
from attunet_gui.evaluation.patient_splits import choose_test_patients
from attunet_gui.io.datasets.label_orientation import LabelFit, check_orientation_votes, measure_label_fit
from attunet_gui.io.datasets.tcia_pancreas_ct import CollectionPatient, read_collection_patient
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.progress import ProgressCallback, no_progress
from attunet_gui.training.process_pool import map_in_processes

ARTICLE_PATIENTS, ARTICLE_TESTED = 82, 21
"""Oktay et al. 2018, arXiv:1804.03999: 61 of 82 patients to train on, 21 to test on."""
# A copy whose labels do not fit is wrong throughout, so a few cases are enough to find out.
_CHECKED_CASES = 9


@dataclass(frozen=True)
class PatientSplit:
    """The two parts of the collection; no person is in both."""

    trained: tuple[CollectionPatient, ...]
    tested: tuple[CollectionPatient, ...]


def split_patients(patients: tuple[CollectionPatient, ...], seed: int) -> PatientSplit:
    """Choose the patients to test on: 21 of 80 or more, as in the article; of fewer the same share, 21 of 82.

    A person with several scans is always trained on, so that 82 scans become 61 and 21 as well.

    Raises:
        AttunetError: there are too few patients.
    """
    scans = Counter(patient.person for patient in patients)
    alone = [person for person, count in scans.items() if count == 1]
    try:
        tested = set(choose_test_patients(alone, tested_count(len(patients)), seed))
    except ValueError as error:
        raise AttunetError(
            f"A collection needs at least 2 patients to be split, this one has {len(scans)}."
        ) from error
    return PatientSplit(
        tuple(patient for patient in patients if patient.person not in tested),
        tuple(patient for patient in patients if patient.person in tested),
    )


def patient_cases(patients: Sequence[CollectionPatient]) -> tuple[LabelledCase, ...]:
    """Return one case for each scan."""
    return tuple(
        LabelledCase(each.folder_name, (each.person,), partial(read_collection_patient, each))
        for each in patients
    )


def tested_count(patients: int) -> int:
    """Return how many of so many patients are tested on."""
    # TCIA has removed two of the 82 scans since the article.
    if patients >= ARTICLE_PATIENTS - 2:
        return ARTICLE_TESTED
    return max(1, round(patients * ARTICLE_TESTED / ARTICLE_PATIENTS))


def check_labels(cases: Sequence[LabelledCase], progress: ProgressCallback = no_progress) -> None:
    """Check on a few cases, spread evenly, whether the labels lie on the organ.

    Raises:
        UnreadableInput: they do not, or one of these cases cannot be read.
    """
    asked = cases[:: -(-len(cases) // _CHECKED_CASES)]
    fits = map_in_processes(_measure_label_fit, asked, "checking labels", progress)
    check_orientation_votes({case.name: found for case, found in zip(asked, fits, strict=True)})


def _measure_label_fit(case: LabelledCase) -> LabelFit:
    """Return how well the label of `case` lies on soft tissue."""
    volume, mask = case.load()
    return measure_label_fit(volume.hu, mask)
