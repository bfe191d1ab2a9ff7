"""Comparing two models on accepted cases, as a function for a process of its own."""

from __future__ import annotations

from functools import partial

import numpy as np

from attunet_gui.evaluation.model_comparison import ComparisonCase, compare_models
from attunet_gui.evaluation.model_guard import CaseScoreChange
from attunet_gui.export import ExportCase
from attunet_gui.io.ct_reading import read_ct_volume
from attunet_gui.io.datasets.dataset_layouts import LabelledCT
from attunet_gui.io.mask_reading import read_mask
from attunet_gui.network.inference import load_model
from attunet_gui.network.model_bundle import read_bundle
from attunet_gui.system.progress import ProgressCallback, no_progress
from attunet_gui.training.finetuning.finetune_config import (
    ModelComparisonConfig,
)


def compare_on_accepted_cases(
    order: ModelComparisonConfig, progress: ProgressCallback = no_progress
) -> tuple[CaseScoreChange, ...]:
    """Draft accepted cases with both models and return the change of each, in the order given.

    The group of a change is the role of the case.

    Raises:
        InvalidModelBundle: a model is damaged or missing.
        UnreadableInput: a case cannot be read.
        WorkCancelled: from `progress`.
    """
    progress(0, len(order.cases), "loading")
    old, new = (load_model(read_bundle(folder)) for folder in (order.old, order.new))
    cases = [
        ComparisonCase(each.role, each.case.name, each.case.name, partial(_read_accepted_case, each.case))
        for each in order.cases
    ]
    return compare_models(old, new, cases, progress)


def _read_accepted_case(case: ExportCase) -> LabelledCT:
    """Read CT and mask of a case, with the slices that the annotator verified as the ones that count."""
    volume = read_ct_volume(case.image, series=case.series)
    judged = None
    if case.verified is not None:
        # Only slices that the annotator verified count as truth.
        judged = np.zeros(volume.grid.shape, bool)
        judged[sorted(case.verified)] = True
    return LabelledCT(volume, read_mask(case.mask, volume), judged)
