"""The guard: whether a fine-tuned model may replace its parent, decided from scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from attunet_gui.core.draft_correction import left_out_sentence
from attunet_gui.evaluation.case_scores import MeanEstimate, empty_truths_sentence, estimate_mean
from attunet_gui.system.plurals import counted

PHANTOM_GROUP = "phantoms"
"""Name of the group of phantoms, whose truth nobody had to draw."""

# Fixed, so that the same scores always give the same verdict.
_BOOTSTRAP_SEED = 0


@dataclass(frozen=True)
class CaseScoreChange:
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
class GroupScoreChange:
    """How much higher the new model scores than the old one on one group, as a mean over patients."""

    group: str
    cases: int
    dsc: MeanEstimate
    nsd: MeanEstimate


@dataclass(frozen=True)
class GuardVerdict:
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
    groups: tuple[GroupScoreChange, ...]
    cases: tuple[CaseScoreChange, ...]
    left_out: tuple[str, ...] = ()

    @property
    def empty_truths_note(self) -> str:
        """A warning about empty truths; "" if there are none."""
        return empty_truths_sentence([row.case for row in self.cases if row.empty], len(self.cases))


def judge_model(
    changes: Sequence[CaseScoreChange], rule: GuardRule = GuardRule(), left_out: Sequence[str] = ()
) -> GuardVerdict:
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
    groups = tuple(_group_change(name, [each for each in changes if each.group == name]) for name in names)
    faults = [fault for group in groups for fault in _reasons_against(group, rule)]
    sentence = (
        faults[0]
        if faults
        else _sentence_in_favour(groups)
        if groups
        else "The old model stays: no case judged."
    )
    own = sum(change.group != PHANTOM_GROUP for change in changes)
    told = " ".join(part for part in (sentence, left_out_sentence(own, len(left_out))) if part)
    return GuardVerdict(not faults and bool(groups), told, groups, tuple(changes), tuple(left_out))


def _group_change(name: str, changes: Sequence[CaseScoreChange]) -> GroupScoreChange:
    people = [change.person for change in changes]
    dsc = estimate_mean([change.dsc_after - change.dsc_before for change in changes], people, _BOOTSTRAP_SEED)
    nsd = estimate_mean([change.nsd_after - change.nsd_before for change in changes], people, _BOOTSTRAP_SEED)
    return GroupScoreChange(name, len(changes), dsc, nsd)


def _reasons_against(group: GroupScoreChange, rule: GuardRule) -> list[str]:
    found = []
    for title, change in (("DSC", group.dsc), ("NSD", group.nsd)):
        surely = change.interval is not None and change.interval[1] < 0
        if surely or change.mean < -rule.tolerance:
            found.append(
                f"The old model stays: on {_group_text(group)} the new one's {title} is {-change.mean:.3f} "
                "lower"
                f"{_interval_text(change)}."
            )
    return found


def _sentence_in_favour(groups: Sequence[GroupScoreChange]) -> str:
    told = ", ".join(
        f"{group.dsc.mean:+.3f}{_interval_text(group.dsc)} on {_group_text(group)}" for group in groups
    )
    return f"The new model may take over, it is nowhere worse beyond noise: DSC {told}."


def _group_text(group: GroupScoreChange) -> str:
    return f"{group.group} ({counted(group.cases, 'case')})"


def _interval_text(change: MeanEstimate) -> str:
    if change.interval is None:
        return ""
    return " (95 % interval {:+.3f} to {:+.3f})".format(*change.interval)
