"""NIH Pancreas-CT as in the article: which patients are trained and tested on, and whether the labels fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from attunet_gui.core.errors import AttunetError
from attunet_gui.core.progress import Progress, silent
from attunet_gui.evaluation.cases import Case
from attunet_gui.evaluation.splits import put_aside
from attunet_gui.io.label_fit import Fit, check_fits, fit
from attunet_gui.io.nih_pancreas_ct import Patient, read_patient
from attunet_gui.recipes.children import in_children

ARTICLE_PATIENTS, ARTICLE_TESTED = 82, 21
"""Oktay et al. 2018, arXiv:1804.03999: 61 of 82 patients to train on, 21 to test on."""
# A copy whose labels do not fit is wrong throughout, so a few cases are enough to find out.
_ASKED = 9


@dataclass(frozen=True)
class Parts:
    """The two parts of the collection; no person is in both."""

    trained: tuple[Patient, ...]
    tested: tuple[Patient, ...]


def divide(patients: tuple[Patient, ...], seed: int) -> Parts:
    """Choose the patients to test on: 21 of 80 or more, as in the article; of fewer the same share, 21 of 82.

    A person with several scans is always trained on, so that 82 scans become 61 and 21 as well.

    Raises:
        AttunetError: there are too few patients.
    """
    scans = Counter(patient.person for patient in patients)
    alone = [person for person, count in scans.items() if count == 1]
    try:
        tested = set(put_aside(alone, tested_of(len(patients)), seed))
    except ValueError as error:
        raise AttunetError(
            f"A collection needs at least 2 patients to be split, this one has {len(scans)}."
        ) from error
    return Parts(
        tuple(patient for patient in patients if patient.person not in tested),
        tuple(patient for patient in patients if patient.person in tested),
    )


def patient_cases(patients: Sequence[Patient]) -> tuple[Case, ...]:
    """Return one case for each scan."""
    return tuple(Case(each.name, (each.person,), partial(read_patient, each)) for each in patients)


def tested_of(patients: int) -> int:
    """Return how many of so many patients are tested on."""
    # TCIA has removed two of the 82 scans since the article.
    if patients >= ARTICLE_PATIENTS - 2:
        return ARTICLE_TESTED
    return max(1, round(patients * ARTICLE_TESTED / ARTICLE_PATIENTS))


def check_labels(cases: Sequence[Case], progress: Progress = silent) -> None:
    """Check on a few cases, spread evenly, whether the labels lie on the organ.

    Raises:
        UnreadableInput: they do not, or one of these cases cannot be read.
    """
    asked = cases[:: -(-len(cases) // _ASKED)]
    fits = in_children(_fit, asked, "checking labels", progress)
    check_fits({case.name: found for case, found in zip(asked, fits, strict=True)})


def _fit(case: Case) -> Fit:
    """Return how well the label of `case` lies on soft tissue."""
    volume, mask = case.load()
    return fit(volume.hu, mask)
