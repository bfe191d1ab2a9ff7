"""Fine-tuning as work for a child process (`jobs.errand`): plain values in, plain values out."""

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
    """As `finetune`, which says what may go wrong."""
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
    """Both models on cases that somebody has accepted, in the order given; the group is the case's role.

    Raises:
        BadModel: a model is damaged or gone.
        UnreadableInput: a case is.
        Cancelled: from `progress`.
    """
    progress(0, len(order.cases), "loading")
    old, new = (load_model(read_bundle(folder)) for folder in (order.old, order.new))
    cases = [JudgedCase(case.role, case.name, case.name, partial(_read, case)) for case in order.cases]
    return compare_models(old, new, cases, progress)


def _read(case: AcceptedCase) -> JudgedCT:
    volume = read(case.image, series=case.series)
    judged = None
    if case.verified is not None:
        judged = np.zeros(volume.grid.shape, bool)
        judged[sorted(case.verified)] = True
    return JudgedCT(volume, read_mask(case.mask, volume), judged)
