"""The guard: whether a fine-tuned model may replace its parent, decided from scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from attunet_gui.core.counting import counted
from attunet_gui.core.evidence import left_out_words
from attunet_gui.evaluation.empty import empty_words
from attunet_gui.evaluation.scores import Estimate, estimate

PHANTOMS = "phantoms"
"""Name of the group of phantoms, whose truth nobody had to draw."""

# Fixed, so that the same scores always give the same verdict.
_SEED = 0


@dataclass(frozen=True)
class CaseChange:
    """The scores of two models on one case that neither was trained on.

    Attributes:
        group: the group of cases, such as "validation" or "phantoms".
        case: name of the case.
        person: identifier of the patient.
        dsc_before, dsc_after: DSC of the old and of the new model.
        nsd_before, nsd_after: NSD at 2 mm of the old and of the new model.
        empty: whether the truth of the case is empty.
    """

    group: str
    case: str
    person: str
    dsc_before: float
    dsc_after: float
    nsd_before: float
    nsd_after: float
    empty: bool = False


@dataclass(frozen=True)
class GuardRule:
    """The rule by which a new model is refused.

    Attributes:
        tolerance: largest mean loss of DSC or NSD that may be chance. A larger loss refuses the model however
            few cases there are; a smaller one does so if the whole 95 % interval lies below zero.
    """

    tolerance: float = 0.03


@dataclass(frozen=True)
class GroupChange:
    """How much higher the new model scores than the old one on one group, as a mean over patients."""

    group: str
    cases: int
    dsc: Estimate
    nsd: Estimate


@dataclass(frozen=True)
class Verdict:
    """The verdict of the guard.

    Attributes:
        passed: whether the new model may replace the old one, because no group is worse beyond noise.
        sentence: the reason, for people.
        groups: the change in each group.
        cases: the scores of each case.
        left_out: names of cases that did not count because their masks are drafts that nobody changed or
            verified.
    """

    passed: bool
    sentence: str
    groups: tuple[GroupChange, ...]
    cases: tuple[CaseChange, ...]
    left_out: tuple[str, ...] = ()

    @property
    def about_empty(self) -> str:
        """A warning about empty truths; "" if there are none."""
        return empty_words([row.case for row in self.cases if row.empty], len(self.cases))


def judge(
    changes: Sequence[CaseChange], rule: GuardRule = GuardRule(), left_out: Sequence[str] = ()
) -> Verdict:
    """Decide whether the new model is worse than the old one beyond noise, in DSC or NSD, in any group.

    Differences are paired by case, and the intervals come from a bootstrap that resamples patients.

    Args:
        changes: the scores of both models on each case.
        rule: when the new model is refused.
        left_out: names of cases that do not count because their masks hold no work of an annotator.

    Raises:
        ValueError: if there are no cases and none were left out either.
    """
    if not changes and not left_out:
        raise ValueError("a model cannot be judged without cases")
    names = list(dict.fromkeys(change.group for change in changes))
    groups = tuple(_group(name, [each for each in changes if each.group == name]) for name in names)
    faults = [fault for group in groups for fault in _faults(group, rule)]
    sentence = faults[0] if faults else _praise(groups) if groups else "The old model stays: no case judged."
    own = sum(change.group != PHANTOMS for change in changes)
    told = " ".join(part for part in (sentence, left_out_words(own, len(left_out))) if part)
    return Verdict(not faults and bool(groups), told, groups, tuple(changes), tuple(left_out))


def _group(name: str, changes: Sequence[CaseChange]) -> GroupChange:
    people = [change.person for change in changes]
    dsc = estimate([change.dsc_after - change.dsc_before for change in changes], people, _SEED)
    nsd = estimate([change.nsd_after - change.nsd_before for change in changes], people, _SEED)
    return GroupChange(name, len(changes), dsc, nsd)


def _faults(group: GroupChange, rule: GuardRule) -> list[str]:
    found = []
    for title, change in (("DSC", group.dsc), ("NSD", group.nsd)):
        surely = change.interval is not None and change.interval[1] < 0
        if surely or change.mean < -rule.tolerance:
            found.append(
                f"The old model stays: on {_named(group)} the new one's {title} is {-change.mean:.3f} lower"
                f"{_within(change)}."
            )
    return found


def _praise(groups: Sequence[GroupChange]) -> str:
    told = ", ".join(f"{group.dsc.mean:+.3f}{_within(group.dsc)} on {_named(group)}" for group in groups)
    return f"The new model may take over, it is nowhere worse beyond noise: DSC {told}."


def _named(group: GroupChange) -> str:
    return f"{group.group} ({counted(group.cases, 'case')})"


def _within(change: Estimate) -> str:
    if change.interval is None:
        return ""
    return " (95 % interval {:+.3f} to {:+.3f})".format(*change.interval)
