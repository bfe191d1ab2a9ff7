"""A training of seconds: a case, a job and the weights that come of it; loads TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np

from attunet_gui.network.batch_sampling import TrainingCase
from attunet_gui.network.training_config import TrainingConfig
from attunet_gui.network.training_loop import TrainingJob, TrainingResult
from attunet_gui.prediction.preprocess import PreprocessingConfig

CONFIG: dict[str, Any] = {"size": (32, 48), "filters": 2, "levels": 2, "gate_filters": 4}
PREPROCESSING = PreprocessingConfig(size=(32, 48), spacing_mm=8.0)
STEPS = 6


def training_job(**settings: Any) -> TrainingJob:
    wanted = {"steps": STEPS, "batch": 3, "precision": "float32", "validate_every": 2} | settings
    return TrainingJob("attention_unet_2d", CONFIG, PREPROCESSING, TrainingConfig.model_validate(wanted))


def training_case(seed: int) -> TrainingCase:
    truth = np.zeros((6, 32, 48), np.uint8)
    truth[1:5, 10:22, 12 + seed : 30 + seed] = 1
    noise = np.random.default_rng(seed).integers(0, 60, truth.shape)
    return TrainingCase((60 + 120 * truth + noise).astype(np.uint8), truth)


def trained_weights(trained: TrainingResult) -> np.ndarray:
    return np.concatenate([np.asarray(v).ravel() for v in trained.network.trainable_variables])
