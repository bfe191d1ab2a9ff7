"""What is asked of a fine-tuning, and how it learns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from attunet_gui.network.settings import Augmentation, Sampling, TrainingSettings

_STEPS = 200
VALIDATIONS = 4
"""In a run, at most."""

KEPT = 0.6
"""How far the new model goes from the old one towards what was learnt, see `network.blending`."""


@dataclass(frozen=True)
class Effort:
    """How long to learn.

    Attributes:
        steps: optimiser steps; the same ones give the same model.
        minutes: instead, as many steps as this machine manages in that time, validations among them. Reading
            before it and comparing the two models after it come on top.
    """

    steps: int = _STEPS
    minutes: float | None = None


@dataclass(frozen=True)
class Replay:
    """What is learnt again, so that it is not forgotten.

    Attributes:
        folders: earlier data sets; a fifth of the people of each, five at most, judges.
        phantoms: how many are made to learn from; 0 for none.
        judging: how many more are made to judge by.
        share: of the slices of a batch.
    """

    folders: tuple[Path, ...] = ()
    phantoms: int = 12
    judging: int = 4
    share: float = 0.4


@dataclass(frozen=True)
class FinetuneOrder:
    """What is asked for.

    Attributes:
        dataset: folder of corrected cases, in any layout of `io.datasets`.
        parent: folder of the bundle to start from.
        output: the run's folder.
        validation: a data set that judges; None holds a fifth of the people of `dataset` back.
        replay: what is learnt again.
        effort: how long.
        name: of the new model; "" derives one from the parent's.
        seed: of the choice of people, the batches and their variation.
        restart: forget what an earlier run left in `output`.
        label: the value of the pancreas in `dataset`, and in the other data sets where these do not say it.
    """

    dataset: Path
    parent: Path
    output: Path
    validation: Path | None = None
    replay: Replay = Replay()
    effort: Effort = Effort()
    name: str = ""
    seed: int = 1
    restart: bool = False
    label: int | None = None


@dataclass(frozen=True)
class AcceptedCase:
    """A case on which a person has decided.

    Attributes:
        name: of the case.
        image, series: the CT, and which series of it.
        mask: its file, on the source grid.
        verified: slices somebody looked at; None for all.
        role: what it was to the new model: "taught", "judged" or "neither".
    """

    name: str
    image: Path
    series: str | None
    mask: Path
    verified: frozenset[int] | None
    role: str


@dataclass(frozen=True)
class Comparison:
    """What two models, in the folders `old` and `new`, are compared on.

    Attributes:
        cases: that judge.
        left_out: how many accepted cases do not, as their masks are drafts that nobody changed or verified.
    """

    old: Path
    new: Path
    cases: tuple[AcceptedCase, ...]
    left_out: int = 0


def settings_for(steps: int, seed: int) -> TrainingSettings:
    """How a model is fine-tuned in `steps` steps; docs/finetuning.md says what these values rest on."""
    return TrainingSettings(
        seed=seed,
        steps=steps,
        batch=12,
        learning_rate=1e-3,
        average=0.98,
        validate_every=-(-steps // VALIDATIONS),
        keep="last",
        sampling=Sampling(foreground_share=0.5),
        augmentation=Augmentation(scale=0.2),
    )
