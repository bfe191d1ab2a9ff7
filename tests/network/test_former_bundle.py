"""A bundle that the version of commit 571fc48 wrote drafts what it drafted there, by either engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from attunet_gui.core.metrics import dice_coefficient
from attunet_gui.io.ct_reading import read_ct_volume
from attunet_gui.io.mask_reading import read_mask
from attunet_gui.network.engines.engine_registry import ENGINES, EngineKind
from attunet_gui.network.inference import load_model, predict_volume
from attunet_gui.network.model_bundle import read_bundle, verify_weights
from attunet_gui.prediction.network_prediction import draft_mask

pytestmark = pytest.mark.network

_WRITTEN = Path(__file__).parents[1] / "data" / "written_by_571fc48"
_CT = _WRITTEN / "project" / "cases" / "67467119039572c77efe80acdaa9d6d3.nii.gz"


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_it_drafts_what_it_drafted_when_it_was_written(engine: EngineKind) -> None:
    bundle, volume = read_bundle(_WRITTEN / "models" / "small"), read_ct_volume(_CT)
    verify_weights(bundle)
    drafted = read_mask(_WRITTEN / "models" / "small-draft.nii.gz", volume)
    assert np.count_nonzero(drafted) == 851

    draft = draft_mask(predict_volume(volume, load_model(bundle, engine)))

    # Another engine, or another library, rounds otherwise, which turns single voxels at an edge.
    assert dice_coefficient(draft, drafted) > 0.98
