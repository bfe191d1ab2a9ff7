"""The cases of a fine-tuning: which are learnt from, which judge, which are replayed, and the lineage that
results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from attunet_gui.evaluation.model_comparison import ComparisonCase
from attunet_gui.evaluation.model_guard import PHANTOM_GROUP
from attunet_gui.io.datasets.dataset_layouts import (
    DatasetCase,
    LabelledCT,
    ct_digest,
    dataset_digest,
    find_dataset_cases,
    read_labelled_ct,
)
from attunet_gui.io.label_values import with_chosen_label
from attunet_gui.network.batch_sampling import TrainingCase, TrainingData, TrainingSource, make_training_case
from attunet_gui.network.model_bundle import ModelBundle
from attunet_gui.prediction.model_card import ModelCard, ModelLineage
from attunet_gui.prediction.preprocess import PreprocessingConfig
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.plurals import counted
from attunet_gui.system.progress import ProgressCallback, no_progress
from attunet_gui.training.finetuning.finetune_config import FinetuneConfig
from attunet_gui.training.finetuning.judge_choice import (
    CaseDivision,
    HoldoutCandidate,
    ModelHistory,
    choose_judges,
    with_named_judges,
)
from attunet_gui.training.kind_test_sets import refuse_test_set
from attunet_gui.training.phantom_cases import labelled_phantom
from attunet_gui.training.process_pool import map_in_processes
from attunet_gui.training.recipe_sources import has_organ

CORRECTED_SOURCE, VALIDATION_GROUP = "corrected cases", "validation"
# Far enough apart that no phantom which judges is ever among the replayed ones.
_REPLAYED_SEED, _JUDGING_SEED = 50000, 51000
_MAX_REPLAY_JUDGES = 5
_HELD_OUT_SHARE = 0.2


@dataclass(frozen=True, eq=False)
class ReplayedDataset:
    """A data set that is replayed: its name in tables, its cases, and which are learnt from or judge."""

    name: str
    cases: tuple[DatasetCase, ...]
    division: CaseDivision


@dataclass(frozen=True, eq=False)
class FinetuneData:
    """The cases of a fine-tuning.

    Attributes:
        parent: the model to start from.
        cases: of the data set.
        division: which of these are learnt from and which judge.
        judging: the cases that judge, from the data set or from the validation set that was named.
        earlier: the data sets that are replayed.
        data_sha256: digest of the data set.
        hashes: sha256 of the CT file of each case, by its path.
    """

    parent: ModelBundle
    cases: tuple[DatasetCase, ...]
    division: CaseDivision
    judging: tuple[DatasetCase, ...]
    earlier: tuple[ReplayedDataset, ...]
    data_sha256: str
    hashes: Mapping[Path, str]


def gather_finetune_data(
    order: FinetuneConfig, parent: ModelBundle, progress: ProgressCallback = no_progress
) -> FinetuneData:
    """Find all cases and decide which are learnt from and which judge.

    Raises:
        AttunetError: a folder is no data set or holds a test set of kinds of CT, a named judge was learnt
            from by an ancestor, or no case is left to learn from or to judge.
    """
    for folder in (order.dataset, *order.replay.folders):
        refuse_test_set(folder)
    past = model_history(parent.card)
    cases = find_dataset_cases(order.dataset, order.label)
    judging = _find_other_dataset(order.validation, order.label) if order.validation else ()
    earlier = tuple(_find_other_dataset(folder, order.label) for folder in order.replay.folders)
    # Content, not names, tells cases apart: the same CT may be in two data sets under two names.
    hashes = _hash_cases([*cases, *judging, *(case for found in earlier for case in found)], progress)
    known = _holdout_candidates(cases, hashes)
    if order.validation:
        division = with_named_judges(known, _holdout_candidates(judging, hashes), past)
        judging = cases_named(judging, division.held_out)
    else:
        division = choose_judges(known, past, _HELD_OUT_SHARE, order.seed)
        judging = cases_named(cases, division.held_out)
    # An ancestor may have learnt from the earlier data, and then both models know them and neither has an
    # advantage. So any case of them may judge that does not judge among the corrected ones already.
    judged = ModelHistory(held_out=past.held_out | {hashes[case.image] for case in judging})
    replayed = [
        _replayed_dataset(
            f"earlier data {number}",
            found,
            choose_judges(_holdout_candidates(found, hashes), judged, _HELD_OUT_SHARE, order.seed),
        )
        for number, found in enumerate(earlier, start=1)
    ]
    return FinetuneData(
        parent,
        cases,
        division,
        judging,
        tuple(replayed),
        dataset_digest(cases, progress),
        hashes,
    )


def _find_other_dataset(folder: Path, label: int | None) -> tuple[DatasetCase, ...]:
    """Find the data set in `folder`; `label` is the value of the pancreas only where the data set does not
    name one.
    """
    found = find_dataset_cases(folder)
    return tuple(
        case if case.values.organ else replace(case, values=with_chosen_label(label, case.values))
        for case in found
    )


def _hash_cases(cases: Sequence[DatasetCase], progress: ProgressCallback) -> dict[Path, str]:
    """Return the sha256 of each case's CT by its path."""
    found = {}
    for number, case in enumerate(cases, start=1):
        found[case.image] = ct_digest(case)
        progress(number, len(cases), "reading")
    return found


def _holdout_candidates(
    cases: Sequence[DatasetCase], hashes: Mapping[Path, str]
) -> tuple[HoldoutCandidate, ...]:
    """Return the cases as the choice of judges needs them."""
    return tuple(
        HoldoutCandidate(case.name, case.people, hashes[case.image], case.is_draft) for case in cases
    )


def _replayed_dataset(name: str, cases: tuple[DatasetCase, ...], kept: CaseDivision) -> ReplayedDataset:
    """Return a data set to be replayed, with at most `_MAX_REPLAY_JUDGES` judges: they only show what is
    forgotten.
    """
    held = kept.held_out
    return ReplayedDataset(
        name, cases, CaseDivision(kept.training, held[:_MAX_REPLAY_JUDGES], held[_MAX_REPLAY_JUDGES:])
    )


def cases_named(cases: Sequence[DatasetCase], names: Sequence[str]) -> tuple[DatasetCase, ...]:
    """Return those of `cases` whose name is among `names`."""
    wanted = set(names)
    return tuple(case for case in cases if case.name in wanted)


def model_history(card: ModelCard) -> ModelHistory:
    """Return what the model of `card` and its ancestors learnt from and held out."""
    if card.lineage is None:
        return ModelHistory()
    return ModelHistory(frozenset(card.lineage.trained_on), frozenset(card.lineage.held_out))


def load_training_data(
    order: FinetuneConfig, material: FinetuneData, progress: ProgressCallback
) -> TrainingData:
    """Load the corrected and replayed cases into memory, and the judging cases for the validation curve."""
    wanted, replay = material.parent.card.preprocessing, order.replay
    corrected = _load_corrected_cases(
        cases_named(material.cases, material.division.training), wanted, progress
    )
    held = _load_cases(material.judging, wanted, "loading validation", progress)
    again = [
        TrainingSource(
            each.name,
            1.0,
            _load_cases(
                cases_named(each.cases, each.division.training), wanted, f"loading {each.name}", progress
            ),
        )
        for each in material.earlier
    ]
    if replay.phantoms:
        seeds = range(_REPLAYED_SEED, _REPLAYED_SEED + replay.phantoms)
        made = map_in_processes(
            partial(_make_phantom_case, wanted=wanted), seeds, "making phantoms", progress
        )
        again.append(TrainingSource(PHANTOM_GROUP, 1.0, made))
    # Without anything to replay every slice is a corrected one.
    new = TrainingSource(CORRECTED_SOURCE, 1.0 - (replay.share if again else 0.0), corrected)
    weighted = (TrainingSource(each.name, replay.share / len(again), each.cases) for each in again)
    return TrainingData((new, *weighted), held)


def _load_corrected_cases(
    cases: Sequence[DatasetCase], wanted: PreprocessingConfig, progress: ProgressCallback
) -> tuple[TrainingCase, ...]:
    """Load the corrected cases.

    Raises:
        AttunetError: none of them shows the organ; a model would learn that there is no pancreas anywhere.
    """
    loaded = _load_cases(cases, wanted, "loading", progress)
    if not any(has_organ(case) for case in loaded):
        raise AttunetError(
            f"No pancreas is marked in any of {counted(len(loaded), 'case')} to learn from: look at the "
            "label files, and name its value with --label VALUE."
        )
    return loaded


def _load_cases(
    cases: Sequence[DatasetCase], wanted: PreprocessingConfig, stage: str, progress: ProgressCallback
) -> tuple[TrainingCase, ...]:
    """Load `cases` on the network's grid, in several processes."""
    return (
        map_in_processes(partial(_load_training_case, wanted=wanted), cases, stage, progress) if cases else ()
    )


def _load_training_case(case: DatasetCase, wanted: PreprocessingConfig) -> TrainingCase:
    found = read_labelled_ct(case)
    return make_training_case(found.volume, found.mask, wanted, case.name, case.people, found.judged)


def _make_phantom_case(seed: int, wanted: PreprocessingConfig) -> TrainingCase:
    volume, mask = labelled_phantom(seed)
    return make_training_case(volume, mask, wanted, f"phantom {seed}", (f"phantom {seed}",))


def build_lineage(material: FinetuneData) -> ModelLineage:
    """Return the lineage for the card of the new model, without the verdict, which comes later.

    Judges and teachers of the ancestors stay in it, so that no descendant learns from a case that judged.
    """
    card = material.parent.card
    past = model_history(card)
    taught = {material.hashes[case.image] for case in cases_named(material.cases, material.division.training)}
    held = {material.hashes[case.image] for case in material.judging}
    for each in material.earlier:
        taught |= {material.hashes[case.image] for case in cases_named(each.cases, each.division.training)}
        # Replayed cases that judge are never learnt from later either.
        held |= {material.hashes[case.image] for case in cases_named(each.cases, each.division.held_out)}
    before = card.lineage.ancestors if card.lineage else ()
    return ModelLineage(
        ancestors=(card.model_id, *before),
        data_sha256=material.data_sha256,
        trained_on=tuple(sorted(past.trained_on | taught)),
        held_out=tuple(sorted(past.held_out | held)),
    )


def judging_cases(order: FinetuneConfig, material: FinetuneData) -> tuple[ComparisonCase, ...]:
    """Return every case that the old and the new model are compared on."""
    replayed = range(_JUDGING_SEED, _JUDGING_SEED + order.replay.judging)
    groups = [(VALIDATION_GROUP, material.judging)]
    groups += [(each.name, cases_named(each.cases, each.division.held_out)) for each in material.earlier]
    return (
        *(
            ComparisonCase(group, case.name, case.people[0], partial(read_labelled_ct, case))
            for group, cases in groups
            for case in cases
        ),
        *(
            ComparisonCase(
                PHANTOM_GROUP, f"phantom {seed}", f"phantom {seed}", partial(_make_judged_phantom, seed)
            )
            for seed in replayed
        ),
    )


def _make_judged_phantom(seed: int) -> LabelledCT:
    volume, mask = labelled_phantom(seed)
    return LabelledCT(volume, mask, None)
