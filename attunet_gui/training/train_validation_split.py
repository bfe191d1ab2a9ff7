"""Divides the cases of a recipe into training and validation.

A person is held out completely: as patient, and as the donor of an organ in somebody else's CT.
"""

from __future__ import annotations

from dataclasses import replace

from attunet_gui.evaluation.patient_splits import PatientFolds, patient_folds
from attunet_gui.network.batch_sampling import TrainingCase, TrainingData, TrainingSource
from attunet_gui.system.errors import AttunetError
from attunet_gui.training.recipe_schema import FoldConfig, ValidationData


def held_out_people(sources: tuple[TrainingSource, ...], wanted: ValidationData) -> tuple[str, ...]:
    """Return the people whom `wanted` holds out.

    Raises:
        AttunetError: a subject is not among the data, or there are fewer people than folds.
    """
    if not wanted.subjects:
        return deal_folds(sources, wanted)[wanted.fold]
    known = {person for case in _find_source(sources, wanted).cases for person in case.people}
    for subject in wanted.subjects:
        if subject not in known:
            raise AttunetError(f"The recipe holds out {subject!r}, who is not in {wanted.source!r}.")
    return wanted.subjects


def deal_folds(sources: tuple[TrainingSource, ...], wanted: FoldConfig) -> PatientFolds:
    """Return the people of the data source, divided into folds.

    Raises:
        AttunetError: there are fewer people than folds.
    """
    patients = {case.people[0] for case in _find_source(sources, wanted).cases}
    try:
        return patient_folds(patients, wanted.folds, wanted.seed)
    except ValueError as error:
        raise AttunetError(f"The source {wanted.source!r} cannot be split: {error}.") from error


def split_cases(sources: tuple[TrainingSource, ...], people: tuple[str, ...], source: str) -> TrainingData:
    """Divide the cases: without anyone of `people` to train on, and with one of them as the patient to
    validate on.

    A case of which one of `people` is only a donor is in neither part.

    Args:
        sources: all data sources; only cases of `source` validate.
        people: those who are held out.
        source: name of the data source that validates.

    Raises:
        AttunetError: one of the two parts would be empty.
    """
    out = set(people)
    training = tuple(_without_people(each, out) for each in sources)
    held_out = tuple(
        case for each in sources if each.name == source for case in each.cases if case.people[0] in out
    )
    if not held_out:
        raise AttunetError(f"No case of {source!r} shows anyone who is held out; hold out others.")
    if not any(each.weight and each.cases for each in training):
        raise AttunetError("Nothing is left to train on: everyone is held out.")
    return TrainingData(training, held_out)


def _without_people(source: TrainingSource, out: set[str]) -> TrainingSource:
    """Return `source` without the cases in which one of `out` takes part."""
    kept: tuple[TrainingCase, ...] = tuple(case for case in source.cases if out.isdisjoint(case.people))
    return replace(source, cases=kept)


def _find_source(sources: tuple[TrainingSource, ...], wanted: FoldConfig) -> TrainingSource:
    """Return the data source that `wanted` names."""
    return next(source for source in sources if source.name == wanted.source)
