"""The cases of a fine-tuning: which are learnt from, which judge, which are replayed, and the lineage that
results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from attunet_gui.core.card import Card, Lineage, ModelRef
from attunet_gui.core.counting import counted
from attunet_gui.core.errors import AttunetError
from attunet_gui.core.preprocess import Preprocessing
from attunet_gui.core.progress import Progress, silent
from attunet_gui.evaluation.guard import PHANTOMS
from attunet_gui.evaluation.versus import JudgedCase
from attunet_gui.io.datasets import (
    DatasetCase,
    JudgedCT,
    case_digest,
    dataset_digest,
    find_dataset,
    read_judged,
)
from attunet_gui.io.label_values import chosen_label
from attunet_gui.network.bundle import Bundle
from attunet_gui.network.sampling import Source, TrainingCase, TrainingData, training_case
from attunet_gui.recipes.children import in_children
from attunet_gui.recipes.finetuning.order import FinetuneOrder
from attunet_gui.recipes.holding import Division, Known, Past, hold_back, with_named_judges
from attunet_gui.recipes.kind_sets import refuse_test_set
from attunet_gui.recipes.phantoms import labelled_phantom
from attunet_gui.recipes.sources import has_organ

CORRECTED, VALIDATION = "corrected cases", "validation"
# Far enough apart that no phantom which judges is ever among the replayed ones.
_REPLAYED_SEED, _JUDGING_SEED = 50000, 51000
_JUDGES_OF_REPLAY = 5
_SHARE = 0.2


@dataclass(frozen=True, eq=False)
class Earlier:
    """A data set that is replayed: its name in tables, its cases, and which are learnt from or judge."""

    name: str
    cases: tuple[DatasetCase, ...]
    division: Division


@dataclass(frozen=True, eq=False)
class Material:
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

    parent: Bundle
    cases: tuple[DatasetCase, ...]
    division: Division
    judging: tuple[DatasetCase, ...]
    earlier: tuple[Earlier, ...]
    data_sha256: str
    hashes: Mapping[Path, str]


def gather(order: FinetuneOrder, parent: Bundle, progress: Progress = silent) -> Material:
    """Find all cases and decide which are learnt from and which judge.

    Raises:
        AttunetError: a folder is no data set or holds a test set of kinds of CT, a named judge was learnt
            from by an ancestor, or no case is left to learn from or to judge.
    """
    for folder in (order.dataset, *order.replay.folders):
        refuse_test_set(folder)
    past = past_of(parent.card)
    cases = find_dataset(order.dataset, order.label)
    judging = _other(order.validation, order.label) if order.validation else ()
    earlier = tuple(_other(folder, order.label) for folder in order.replay.folders)
    # Content, not names, tells cases apart: the same CT may be in two data sets under two names.
    hashes = _hashes([*cases, *judging, *(case for found in earlier for case in found)], progress)
    known = _known(cases, hashes)
    if order.validation:
        division = with_named_judges(known, _known(judging, hashes), past)
        judging = chosen(judging, division.held_out)
    else:
        division = hold_back(known, past, _SHARE, order.seed)
        judging = chosen(cases, division.held_out)
    # An ancestor may have learnt from the earlier data, and then both models know them and neither has an
    # advantage. So any case of them may judge that does not judge among the corrected ones already.
    judged = Past(held_out=past.held_out | {hashes[case.image] for case in judging})
    replayed = [
        _earlier(
            f"earlier data {number}", found, hold_back(_known(found, hashes), judged, _SHARE, order.seed)
        )
        for number, found in enumerate(earlier, start=1)
    ]
    return Material(
        parent,
        cases,
        division,
        judging,
        tuple(replayed),
        dataset_digest(cases, progress),
        hashes,
    )


def _other(folder: Path, label: int | None) -> tuple[DatasetCase, ...]:
    """Find the data set in `folder`; `label` is the value of the pancreas only where the data set does not
    name one.
    """
    found = find_dataset(folder)
    return tuple(
        case if case.values.organ else replace(case, values=chosen_label(label, case.values))
        for case in found
    )


def _hashes(cases: Sequence[DatasetCase], progress: Progress) -> dict[Path, str]:
    """Return the sha256 of each case's CT by its path."""
    found = {}
    for number, case in enumerate(cases, start=1):
        found[case.image] = case_digest(case)
        progress(number, len(cases), "reading")
    return found


def _known(cases: Sequence[DatasetCase], hashes: Mapping[Path, str]) -> tuple[Known, ...]:
    """Return the cases as the choice of judges needs them."""
    return tuple(Known(case.name, case.people, hashes[case.image], case.is_draft) for case in cases)


def _earlier(name: str, cases: tuple[DatasetCase, ...], kept: Division) -> Earlier:
    """Return a data set to be replayed, with at most `_MAX_REPLAY_JUDGES` judges: they only show what is
    forgotten.
    """
    held = kept.held_out
    return Earlier(name, cases, Division(kept.training, held[:_JUDGES_OF_REPLAY], held[_JUDGES_OF_REPLAY:]))


def chosen(cases: Sequence[DatasetCase], names: Sequence[str]) -> tuple[DatasetCase, ...]:
    """Return those of `cases` whose name is among `names`."""
    wanted = set(names)
    return tuple(case for case in cases if case.name in wanted)


def past_of(card: Card) -> Past:
    """Return what the model of `card` and its ancestors learnt from and held out."""
    if card.lineage is None:
        return Past()
    return Past(frozenset(card.lineage.trained_on), frozenset(card.lineage.held_out))


def training_data(order: FinetuneOrder, material: Material, progress: Progress) -> TrainingData:
    """Load the corrected and replayed cases into memory, and the judging cases for the validation curve."""
    wanted, replay = material.parent.card.preprocessing, order.replay
    corrected = _taught(chosen(material.cases, material.division.training), wanted, progress)
    held = _loaded(material.judging, wanted, "loading validation", progress)
    again = [
        Source(
            each.name,
            1.0,
            _loaded(chosen(each.cases, each.division.training), wanted, f"loading {each.name}", progress),
        )
        for each in material.earlier
    ]
    if replay.phantoms:
        seeds = range(_REPLAYED_SEED, _REPLAYED_SEED + replay.phantoms)
        made = in_children(partial(_phantom_case, wanted=wanted), seeds, "making phantoms", progress)
        again.append(Source(PHANTOMS, 1.0, made))
    # Without anything to replay every slice is a corrected one.
    new = Source(CORRECTED, 1.0 - (replay.share if again else 0.0), corrected)
    weighted = (Source(each.name, replay.share / len(again), each.cases) for each in again)
    return TrainingData((new, *weighted), held)


def _taught(
    cases: Sequence[DatasetCase], wanted: Preprocessing, progress: Progress
) -> tuple[TrainingCase, ...]:
    """Load the corrected cases.

    Raises:
        AttunetError: none of them shows the organ; a model would learn that there is no pancreas anywhere.
    """
    loaded = _loaded(cases, wanted, "loading", progress)
    if not any(has_organ(case) for case in loaded):
        raise AttunetError(
            f"No pancreas is marked in any of {counted(len(loaded), 'case')} to learn from: look at the "
            "label files, and name its value with --label VALUE."
        )
    return loaded


def _loaded(
    cases: Sequence[DatasetCase], wanted: Preprocessing, stage: str, progress: Progress
) -> tuple[TrainingCase, ...]:
    """Load `cases` on the network's grid, in several processes."""
    return in_children(partial(_training_case, wanted=wanted), cases, stage, progress) if cases else ()


def _training_case(case: DatasetCase, wanted: Preprocessing) -> TrainingCase:
    found = read_judged(case)
    return training_case(found.volume, found.mask, wanted, case.name, case.people, found.judged)


def _phantom_case(seed: int, wanted: Preprocessing) -> TrainingCase:
    volume, mask = labelled_phantom(seed)
    return training_case(volume, mask, wanted, f"phantom {seed}", (f"phantom {seed}",))


def lineage(material: Material) -> Lineage:
    """Return the lineage for the card of the new model, without the verdict, which comes later.

    Judges and teachers of the ancestors stay in it, so that no descendant learns from a case that judged.
    """
    card = material.parent.card
    past = past_of(card)
    taught = {material.hashes[case.image] for case in chosen(material.cases, material.division.training)}
    held = {material.hashes[case.image] for case in material.judging}
    for each in material.earlier:
        taught |= {material.hashes[case.image] for case in chosen(each.cases, each.division.training)}
        # Replayed cases that judge are never learnt from later either.
        held |= {material.hashes[case.image] for case in chosen(each.cases, each.division.held_out)}
    before = card.lineage.ancestors if card.lineage else ()
    return Lineage(
        ancestors=(ModelRef(name=card.name, sha256=card.sha256), *before),
        data_sha256=material.data_sha256,
        trained_on=tuple(sorted(past.trained_on | taught)),
        held_out=tuple(sorted(past.held_out | held)),
    )


def judges(order: FinetuneOrder, material: Material) -> tuple[JudgedCase, ...]:
    """Return every case that the old and the new model are compared on."""
    replayed = range(_JUDGING_SEED, _JUDGING_SEED + order.replay.judging)
    groups = [(VALIDATION, material.judging)]
    groups += [(each.name, chosen(each.cases, each.division.held_out)) for each in material.earlier]
    return (
        *(
            JudgedCase(group, case.name, case.people[0], partial(read_judged, case))
            for group, cases in groups
            for case in cases
        ),
        *(
            JudgedCase(PHANTOMS, f"phantom {seed}", f"phantom {seed}", partial(_judged_phantom, seed))
            for seed in replayed
        ),
    )


def _judged_phantom(seed: int) -> JudgedCT:
    volume, mask = labelled_phantom(seed)
    return JudgedCT(volume, mask, None)
