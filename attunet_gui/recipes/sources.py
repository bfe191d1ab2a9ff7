"""Loads the labelled CT of a recipe's data sources from the folders that the command line names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

from attunet_gui.core.counting import counted
from attunet_gui.core.errors import AttunetError
from attunet_gui.core.preprocess import Preprocessing
from attunet_gui.core.progress import Progress, silent
from attunet_gui.evaluation.cases import Case, Labelled, pair_cases, slice_cases
from attunet_gui.evaluation.empty import empty_words
from attunet_gui.io.nih_pancreas_ct import find_patients
from attunet_gui.network.sampling import Source, TrainingCase, training_case
from attunet_gui.recipes.children import in_children
from attunet_gui.recipes.kind_sets import refuse_test_set
from attunet_gui.recipes.nih_pancreas_ct import check_labels, divide, patient_cases
from attunet_gui.recipes.phantoms import labelled_phantom, phantom_of_kinds
from attunet_gui.recipes.schema import Data, NihPancreasData, PairData, PhantomData, Recipe, SliceData
from attunet_gui.recipes.slices import patient_case, patients_in


def check_folders(recipe: Recipe, folders: Mapping[str, Path]) -> None:
    """Check that each data source that needs a folder has one.

    Raises:
        AttunetError: a folder is not named or does not exist, or a name is not a source of the recipe.
    """
    names = {source.name for source in recipe.data if not isinstance(source, PhantomData)}
    for name in sorted(set(folders) - names):
        raise AttunetError(
            f"The recipe has no source {name!r} with a folder; it has {', '.join(sorted(names)) or 'none'}."
        )
    for name in sorted(names):
        if name not in folders:
            raise AttunetError(f"The recipe needs the data {name!r}: say where with --data {name}=FOLDER.")
        if not folders[name].is_dir():
            raise AttunetError(
                f"The data {name!r} should be in {folders[name]}, but there is no such folder."
            )


def load_sources(
    recipe: Recipe, folders: Mapping[str, Path], progress: Progress = silent
) -> tuple[Source, ...]:
    """Return every data source of `recipe` with its cases in memory, read by as many processes as there are
    cores.

    Raises:
        AttunetError: a folder is missing, empty or holds something else.
        UnreadableInput: a file in it cannot be read, or it is a test set of kinds of CT.
    """
    check_folders(recipe, folders)
    return tuple(
        _source(data, folders.get(data.name), recipe.preprocessing, progress) for data in recipe.data
    )


def _source(data: Data, folder: Path | None, wanted: Preprocessing, progress: Progress) -> Source:
    """Return one data source with its cases in memory."""
    if folder is not None:
        # Before anything is read: a model must never learn from what it will be measured on.
        refuse_test_set(folder)
    if isinstance(data, SliceData) and folder is not None:
        patients = patients_in(folder)
        slices = partial(patient_case, wanted=wanted)
        return Source(data.name, data.weight, in_children(slices, patients, f"loading {data.name}", progress))
    found = labelled_cases(data, folder)
    if isinstance(data, NihPancreasData):
        # The headers of these labels cannot be trusted, so the CT has to confirm where they lie.
        check_labels(found, progress)
    cases = in_children(partial(_case, wanted=wanted), found, f"loading {data.name}", progress)
    if data.weight and cases and not any(has_organ(case) for case in cases):
        raise AttunetError(
            f"No pancreas is marked in any of {counted(len(cases), 'case')} of the data {data.name!r}: look "
            "at the label files, and name its value with --label VALUE."
        )
    return Source(data.name, data.weight, cases)


def has_organ(case: TrainingCase) -> bool:
    """Return whether the organ is marked anywhere in `case`."""
    return bool((case.truth == 1).any())


def about_empty(sources: Iterable[Source]) -> str:
    """Return a sentence about the cases in which no organ is marked; "" if there are none."""
    cases = [case for source in sources for case in source.cases]
    return empty_words(
        [case.name for case in cases if not has_organ(case)], len(cases), "cases to learn from"
    )


def _case(case: Case, wanted: Preprocessing) -> TrainingCase:
    """Load `case` on the network's grid."""
    volume, mask = case.load()
    return training_case(volume, mask, wanted, case.name, case.people)


def labelled_cases(data: Data, folder: Path | None) -> tuple[Case, ...]:
    """Return the cases of `data` in `folder`, without reading them.

    Raises:
        AttunetError: `folder` does not hold such data.
    """
    if isinstance(data, PhantomData):
        return tuple(
            Case(f"phantom {seed}", (f"phantom {seed}",), _phantom(data, seed)) for seed in data.seeds
        )
    if folder is None:
        raise AttunetError(f"The data {data.name!r} lie in a folder, and none was named.")
    if isinstance(data, PairData):
        return pair_cases(folder, data.label)
    if isinstance(data, NihPancreasData):
        patients = divide(find_patients(folder), data.split_seed).trained
        return patient_cases(patients)
    return slice_cases(folder)


def _phantom(data: PhantomData, seed: int) -> Callable[[], Labelled]:
    """Return a function that makes the phantom of `seed`, as one of the kinds of CT of `data` if it names
    any.
    """
    # A partial function instead of a lambda, because it is sent to other processes.
    if not data.kinds:
        return partial(labelled_phantom, seed)
    return partial(phantom_of_kinds, seed, tuple(data.kinds.items()))


def cases_of(
    recipe: Recipe, source: str, folders: Mapping[str, Path], people: Iterable[str]
) -> tuple[Case, ...]:
    """Return the cases of one data source that show one of `people`; errors as for `labelled_cases`."""
    (data,) = (data for data in recipe.data if data.name == source)
    wanted = set(people)
    return tuple(case for case in labelled_cases(data, folders.get(source)) if case.patient in wanted)
