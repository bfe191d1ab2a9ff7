"""Fine-tuning and comparison as functions for a process of their own: plain values in, plain values out."""

from __future__ import annotations

from functools import partial

import numpy as np

from attunet_gui.core.progress import Progress, silent
from attunet_gui.evaluation.guard import CaseChange
from attunet_gui.evaluation.versus import JudgedCase, compare_models
from attunet_gui.io.datasets import JudgedCT
from attunet_gui.io.masks import read_mask
from attunet_gui.io.reading import read
from attunet_gui.network.bundle import read_bundle
from attunet_gui.network.predict import load_model
from attunet_gui.recipes.finetuning.answer import Learnt
from attunet_gui.recipes.finetuning.order import AcceptedCase, Comparison, FinetuneOrder
from attunet_gui.recipes.finetuning.run import finetune


def learn(order: FinetuneOrder, progress: Progress = silent) -> Learnt:
    """Fine-tune as `run_finetuning` does, which says what is raised, and return plain values."""
    done = finetune(order, progress)
    return Learnt(
        done.bundle.folder,
        done.bundle.card.name,
        done.verdict,
        done.division,
        done.steps,
        done.seconds,
        done.precision,
        done.about_empty,
    )


def compare(order: Comparison, progress: Progress = silent) -> tuple[CaseChange, ...]:
    """Draft accepted cases with both models and return the change of each, in the order given.

    The group of a change is the role of the case.

    Raises:
        BadModel: a model is damaged or missing.
        UnreadableInput: a case cannot be read.
        Cancelled: from `progress`.
    """
    progress(0, len(order.cases), "loading")
    old, new = (load_model(read_bundle(folder)) for folder in (order.old, order.new))
    cases = [JudgedCase(case.role, case.name, case.name, partial(_read, case)) for case in order.cases]
    return compare_models(old, new, cases, progress)


def _read(case: AcceptedCase) -> JudgedCT:
    """Read CT and mask of a case, with the slices that the annotator verified as the ones that count."""
    volume = read(case.image, series=case.series)
    judged = None
    if case.verified is not None:
        # Only slices that the annotator verified count as truth.
        judged = np.zeros(volume.grid.shape, bool)
        judged[sorted(case.verified)] = True
    return JudgedCT(volume, read_mask(case.mask, volume), judged)
