"""Chooses the corrected cases that judge a fine-tuned model and are never learnt from, now or later."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from attunet_gui.system.errors import AttunetError

_NO_EVIDENCE = (
    "No case can judge the new model: {} saved without a stroke or a verified slice, which proves nothing; "
    "correct some, or verify slices with Q, or name a validation set."
)


@dataclass(frozen=True)
class HoldoutCandidate:
    """A case with what the choice depends on.

    Attributes:
        name: of the case.
        people: whose body is in it: the patient first, then the donors of organs.
        sha256: of its CT file.
        is_draft: whether its mask is a model's draft that nobody changed or verified; such a case does not
            judge.
    """

    name: str
    people: tuple[str, ...]
    sha256: str
    is_draft: bool = False


@dataclass(frozen=True)
class ModelHistory:
    """What a model and its ancestors learnt from and held out, as sha256 of CT files."""

    trained_on: frozenset[str] = frozenset()
    held_out: frozenset[str] = frozenset()


@dataclass(frozen=True)
class CaseDivision:
    """Names of the cases that are learnt from, of those that judge, and of the others.

    Attributes:
        training: learnt from.
        held_out: judge.
        left_out: neither: a person who judges is a donor in the case, or it was learnt from once and now
            shows a person who judges.
        drafts: those of `left_out` that would judge if their mask were not an unchanged draft.
    """

    training: tuple[str, ...]
    held_out: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    drafts: tuple[str, ...] = ()


def choose_judges(
    cases: Sequence[HoldoutCandidate], past: ModelHistory, share: float, seed: int
) -> CaseDivision:
    """Divide `cases`, keeping all cases of a person together.

    A person who judged an ancestor judges again. If these are less than `share` of all people, others join
    them, chosen by a hash of seed and CT, so that the same are chosen when the data set has grown. A person
    whom an ancestor learnt from is not chosen, because the old model would have an unfair advantage. A mask
    that is an unchanged draft does not judge: if the old model's own output were the truth, the new one could
    only lose.

    Args:
        cases: of the data set.
        past: of the model that is fine-tuned.
        share: of people, 0 to 1; at least one person is chosen.
        seed: of the choice.

    Raises:
        AttunetError: no case is left to judge, or none to learn from.
    """
    people = sorted({case.people[0] for case in cases})
    out = {person for case in cases if case.sha256 in past.held_out for person in case.people}
    learnt = {person for case in cases if case.sha256 in past.trained_on for person in case.people}
    # The last assignment of a key wins, so each person is ordered by the smallest sha256 of their CT, in
    # whatever order the files were found.
    keys = {
        case.people[0]: _selection_key(seed, case)
        for case in sorted(cases, key=lambda c: c.sha256, reverse=True)
    }
    proving = {case.people[0] for case in cases if not case.is_draft}
    fresh = sorted((each for each in proving if each not in out | learnt), key=lambda each: keys[each])
    # Only people with a case that is no unchanged draft can judge.
    judges = len(out & proving)
    # At least one person judges, and at least one is left to learn from.
    wanted = min(max(1, round(share * len(people))), len(people) - 1)
    out |= set(fresh[: max(0, wanted - judges)])
    return divide_by_people(cases, out, past)


def with_named_judges(
    cases: Sequence[HoldoutCandidate], judges: Sequence[HoldoutCandidate], past: ModelHistory
) -> CaseDivision:
    """Divide `cases` when the judges are named: everybody else in the data set is learnt from.

    Raises:
        AttunetError: an ancestor learnt from a judge, all judges are unchanged drafts, or no case is left to
            learn from.
    """
    learnt = [case.name for case in judges if case.sha256 in past.trained_on]
    if learnt:
        raise AttunetError(
            f"{learnt[0]} cannot judge: the model has learnt from it; name another validation set."
        )
    drafts = tuple(case.name for case in judges if case.is_draft)
    if len(drafts) == len(judges):
        raise AttunetError(_NO_EVIDENCE.format(len(drafts)))
    hashes, people = {case.sha256 for case in judges}, {case.people[0] for case in judges}
    # A CT that judges, now or once, excludes all cases of its patient, also where the data set calls it
    # otherwise.
    people |= {case.people[0] for case in cases if case.sha256 in hashes | past.held_out}
    taught = tuple(
        case.name
        for case in cases
        if people.isdisjoint(case.people) and case.sha256 not in hashes | past.held_out
    )
    if not taught:
        raise AttunetError("No case is left to learn from: everyone in the data set is held out.")
    others = tuple(case.name for case in cases if case.name not in set(taught))
    named = tuple(case.name for case in judges if not case.is_draft)
    return CaseDivision(taught, named, others, drafts)


def divide_by_people(
    cases: Sequence[HoldoutCandidate], out: Iterable[str], past: ModelHistory
) -> CaseDivision:
    """Divide `cases` with the people `out` held out; errors as for `choose_judges`."""
    held_people = set(out)
    held: list[str] = []
    training: list[str] = []
    neither: list[str] = []
    drafts: list[str] = []
    for case in cases:
        if case.people[0] in held_people and case.sha256 not in past.trained_on:
            (drafts if case.is_draft else held).append(case.name)
        elif held_people.isdisjoint(case.people) and case.sha256 not in past.held_out:
            training.append(case.name)
        else:
            neither.append(case.name)
    unproven = sum(case.is_draft for case in cases)
    if not held and unproven:
        raise AttunetError(_NO_EVIDENCE.format(unproven))
    if not held:
        raise AttunetError(
            "No case is left to judge the new model by: add cases of people it has not learnt from, or name "
            "a validation set with --validation."
        )
    if not training:
        raise AttunetError("No case is left to learn from: everyone in the data set is held out.")
    out_of = [case.name for case in cases if case.name in {*neither, *drafts}]
    return CaseDivision(tuple(training), tuple(held), tuple(out_of), tuple(drafts))


def _selection_key(seed: int, case: HoldoutCandidate) -> str:
    """Return a pseudo-random but reproducible key that orders the people."""
    return hashlib.sha256(f"{seed} {case.sha256}".encode()).hexdigest()
