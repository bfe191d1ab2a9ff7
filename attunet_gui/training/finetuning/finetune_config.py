"""What is asked of a fine-tuning, and its training settings."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from attunet_gui.export import ExportCase
from attunet_gui.network.training_config import AugmentationConfig, SamplingConfig, TrainingConfig

_DEFAULT_STEPS = 200
MAX_VALIDATIONS = 4
"""Validations in a run, at most."""

BLEND_SHARE = 0.6
"""How far the new model lies from the old one towards what was learnt, 0 to 1; `blend_weights` says why."""


@dataclass(frozen=True)
class FinetuneBudget:
    """How long to learn.

    Attributes:
        steps: optimiser steps; the same number gives the same model.
        minutes: if given, as many steps as this machine does in that time, validations included. Reading the
            data and comparing the two models take extra time.
    """

    steps: int = _DEFAULT_STEPS
    minutes: float | None = None


@dataclass(frozen=True)
class ReplayConfig:
    """What is learnt again so that it is not forgotten.

    Attributes:
        folders: earlier data sets; a fifth of the people of each, at most five cases, judges.
        phantoms: number of phantoms to learn from; 0 for none.
        judging: number of further phantoms that judge.
        share: share of the slices of a batch that are replayed.
    """

    folders: tuple[Path, ...] = ()
    phantoms: int = 12
    judging: int = 4
    share: float = 0.4


@dataclass(frozen=True)
class FinetuneConfig:
    """What is asked of a fine-tuning.

    Attributes:
        dataset: folder of corrected cases, in any layout that `attunet_gui.io.datasets.dataset_layouts`
            reads.
        parent: folder of the bundle to start from.
        output: folder of the run.
        validation: folder of a data set that judges; None holds back a fifth of the people of `dataset`.
        replay: what is learnt again.
        effort: how long to learn.
        name: of the new model; "" derives one from the parent's.
        seed: of the choice of judges, the batches and their variation.
        restart: forget what an earlier run left in `output`.
        label: the value of the pancreas in `dataset`, and in the other data sets where they do not name one.
    """

    dataset: Path
    parent: Path
    output: Path
    validation: Path | None = None
    replay: ReplayConfig = ReplayConfig()
    effort: FinetuneBudget = FinetuneBudget()
    name: str = ""
    seed: int = 1
    restart: bool = False
    label: int | None = None


class CaseRole(StrEnum):
    """What an accepted case was to the new model. Those that it did not learn from are compared first."""

    JUDGED = "judged"
    NEITHER = "neither"
    NOT_KNOWN = "not known"
    TAUGHT = "taught"


@dataclass(frozen=True)
class ComparedCase:
    """An accepted case on which two models are compared, and what it was to the new one."""

    case: ExportCase
    role: CaseRole


@dataclass(frozen=True)
class ModelComparisonConfig:
    """What two models are compared on.

    Attributes:
        old, new: folders of the models.
        cases: that judge.
        left_out: number of accepted cases that do not judge, because their masks are drafts that nobody
            changed or verified.
    """

    old: Path
    new: Path
    cases: tuple[ComparedCase, ...]
    left_out: int = 0


def settings_for(steps: int, seed: int) -> TrainingConfig:
    """Return the training settings of a fine-tuning in `steps` steps.

    docs/finetuning.md says which measurements the values rest on.
    """
    return TrainingConfig(
        seed=seed,
        steps=steps,
        batch=12,
        learning_rate=1e-3,
        average=0.98,
        validate_every=-(-steps // MAX_VALIDATIONS),
        # Not the best validation: the judging cases must not steer the training that they judge.
        keep="last",
        sampling=SamplingConfig(foreground_share=0.5),
        augmentation=AugmentationConfig(scale=0.2),
    )
