"""Loads the labelled CT of a recipe's data sources from the folders that the command line names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attunet_gui.evaluation.case_scores import empty_truths_sentence
from attunet_gui.evaluation.labelled_cases import LabelledCase, LabelledVolume, pair_cases, slice_cases
from attunet_gui.io.datasets.jpeg_slices import (
    LabelledSlice,
    SliceFile,
    find_slice_files,
    read_labelled_slice,
)
from attunet_gui.io.datasets.tcia_pancreas_ct import find_collection_patients
from attunet_gui.network.batch_sampling import (
    TrainingCase,
    TrainingSource,
    make_training_case,
    slice_positions,
)
from attunet_gui.prediction.preprocess import PreprocessingConfig
from attunet_gui.system.errors import AttunetError, UnreadableInput
from attunet_gui.system.plurals import counted
from attunet_gui.system.progress import ProgressCallback, no_progress
from attunet_gui.training.kind_test_sets import refuse_test_set
from attunet_gui.training.nih_pancreas_split import check_labels, patient_cases, split_patients
from attunet_gui.training.phantom_cases import labelled_phantom, phantom_of_kinds
from attunet_gui.training.process_pool import map_in_processes
from attunet_gui.training.recipe_schema import (
    NihPancreasData,
    PairData,
    PhantomData,
    RecipeData,
    SliceData,
    TrainingRecipe,
)

# Slices whose numbers differ by no more than this are neighbours: 1.5 to 3 mm.
_MAX_NEIGHBOUR_GAP = 3
# A slice number counts 0.5 to 1 mm.
_SLICE_NUMBER_MM = 0.75
SliceFiles = tuple[SliceFile, ...]


def find_patient_slices(folder: Path) -> tuple[SliceFiles, ...]:
    """Return the slices of each patient in `folder`, from the feet to the head; errors as in
    `attunet_gui.io.datasets.jpeg_slices`.
    """
    # Slices are numbered from the head to the feet, and volumes go the other way.
    files = sorted(find_slice_files(folder), key=lambda file: (file.patient, -file.number))
    return tuple(tuple(group) for _patient, group in groupby(files, lambda file: file.patient))


def load_patient_slices(files: SliceFiles, wanted: PreprocessingConfig) -> TrainingCase:
    """Return the slices of one patient, from the feet to the head, as a training case.

    Slices that are neighbours lie on one grid, as in a volume. A slice whose border is missing cannot say
    where the patient lies: that is taken from the whole slices beside it, or else from the nearest whole
    slice. The missing border teaches nothing.

    Raises:
        UnreadableInput: a slice cannot be read, or none of the patient's slices is whole.
    """
    slices = [read_labelled_slice(file) for file in files]
    stretches = _number_stretches(files)
    made = [
        make_training_case(
            each.volume,
            each.mask,
            wanted,
            judged=each.known,
            outline=_whole_slices_hu(
                files, slices, [n for n, found in enumerate(stretches) if found == stretch]
            ),
        )
        for each, stretch in zip(slices, stretches, strict=True)
    ]
    return TrainingCase(
        images=np.concatenate([case.images for case in made]),
        truth=np.concatenate([case.truth for case in made]),
        name=f"patient {files[0].patient}, {counted(len(files), 'slice')}",
        people=(files[0].patient,),
        stretches=stretches,
        cut=any(file.margin_px for file in files),
        positions=slice_positions(-_SLICE_NUMBER_MM * np.array([file.number for file in files]), wanted),
    )


def _whole_slices_hu(
    files: SliceFiles, slices: Sequence[LabelledSlice], stretch: Sequence[int]
) -> NDArray[np.int16]:
    """Return (n, y, x) HU of the whole slices of a stretch, or of the whole slice nearest to it."""
    plane = slices[stretch[0]].volume.hu.shape
    whole = [n for n, file in enumerate(files) if not file.margin_px and slices[n].volume.hu.shape == plane]
    if not whole:
        raise UnreadableInput(
            f"{files[stretch[0]].image.name} is cut at its border, and no whole slice of its size says where "
            f"patient {files[stretch[0]].patient} lies: add one, or leave this one out."
        )
    middle = np.mean([files[n].number for n in stretch])
    found = sorted(set(whole) & set(stretch)) or [min(whole, key=lambda n: abs(files[n].number - middle))]
    return np.concatenate([slices[n].volume.hu for n in found])


def _number_stretches(files: SliceFiles) -> tuple[int, ...]:
    """Return for each slice the number of its stretch; a new one begins where a slice has no neighbour before
    it.
    """
    found = [0]
    for first, second in pairwise(files):
        found.append(found[-1] + (abs(second.number - first.number) > _MAX_NEIGHBOUR_GAP))
    return tuple(found)


def check_folders(recipe: TrainingRecipe, folders: Mapping[str, Path]) -> None:
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
    recipe: TrainingRecipe, folders: Mapping[str, Path], progress: ProgressCallback = no_progress
) -> tuple[TrainingSource, ...]:
    """Return every data source of `recipe` with its cases in memory, read by as many processes as there are
    cores.

    Raises:
        AttunetError: a folder is missing, empty or holds something else.
        UnreadableInput: a file in it cannot be read, or it is a test set of kinds of CT.
    """
    check_folders(recipe, folders)
    return tuple(
        _load_source(data, folders.get(data.name), recipe.preprocessing, progress) for data in recipe.data
    )


def _load_source(
    data: RecipeData, folder: Path | None, wanted: PreprocessingConfig, progress: ProgressCallback
) -> TrainingSource:
    """Return one data source with its cases in memory."""
    if folder is not None:
        # Before anything is read: a model must never learn from what it will be measured on.
        refuse_test_set(folder)
    if isinstance(data, SliceData) and folder is not None:
        patients = find_patient_slices(folder)
        slices = partial(load_patient_slices, wanted=wanted)
        return TrainingSource(
            data.name, data.weight, map_in_processes(slices, patients, f"loading {data.name}", progress)
        )
    found = labelled_cases(data, folder)
    if isinstance(data, NihPancreasData):
        # The headers of these labels cannot be trusted, so the CT has to confirm where they lie.
        check_labels(found, progress)
    cases = map_in_processes(partial(_load_case, wanted=wanted), found, f"loading {data.name}", progress)
    if data.weight and cases and not any(has_organ(case) for case in cases):
        raise AttunetError(
            f"No pancreas is marked in any of {counted(len(cases), 'case')} of the data {data.name!r}: look "
            "at the label files, and name its value with --label VALUE."
        )
    return TrainingSource(data.name, data.weight, cases)


def has_organ(case: TrainingCase) -> bool:
    """Return whether the organ is marked anywhere in `case`."""
    return bool((case.truth == 1).any())


def empty_cases_note(sources: Iterable[TrainingSource]) -> str:
    """Return a sentence about the cases in which no organ is marked; "" if there are none."""
    cases = [case for source in sources for case in source.cases]
    return empty_truths_sentence(
        [case.name for case in cases if not has_organ(case)], len(cases), "cases to learn from"
    )


def _load_case(case: LabelledCase, wanted: PreprocessingConfig) -> TrainingCase:
    """Load `case` on the network's grid."""
    volume, mask = case.load()
    return make_training_case(volume, mask, wanted, case.name, case.people)


def labelled_cases(data: RecipeData, folder: Path | None) -> tuple[LabelledCase, ...]:
    """Return the cases of `data` in `folder`, without reading them.

    Raises:
        AttunetError: `folder` does not hold such data.
    """
    if isinstance(data, PhantomData):
        return tuple(
            LabelledCase(f"phantom {seed}", (f"phantom {seed}",), _phantom_loader(data, seed))
            for seed in data.seeds
        )
    if folder is None:
        raise AttunetError(f"The data {data.name!r} lie in a folder, and none was named.")
    if isinstance(data, PairData):
        return pair_cases(folder, data.label)
    if isinstance(data, NihPancreasData):
        everyone = find_collection_patients(folder)
        holds_out = data.kind == "nih-pancreas-ct"
        return patient_cases(split_patients(everyone, data.split_seed).trained if holds_out else everyone)
    return slice_cases(folder)


def _phantom_loader(data: PhantomData, seed: int) -> Callable[[], LabelledVolume]:
    """Return a function that makes the phantom of `seed`, as one of the kinds of CT of `data` if it names
    any.
    """
    # A partial function instead of a lambda, because it is sent to other processes.
    if not data.kinds:
        return partial(labelled_phantom, seed)
    return partial(phantom_of_kinds, seed, tuple(data.kinds.items()))


def source_cases(
    recipe: TrainingRecipe, source: str, folders: Mapping[str, Path], people: Iterable[str]
) -> tuple[LabelledCase, ...]:
    """Return the cases of one data source that show one of `people`; errors as for `labelled_cases`."""
    (data,) = (data for data in recipe.data if data.name == source)
    wanted = set(people)
    return tuple(case for case in labelled_cases(data, folders.get(source)) if case.patient_name in wanted)
