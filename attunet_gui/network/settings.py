"""Settings of a training run; free of TensorFlow."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class TrainingSettings(BaseModel):
    """One training run; the same settings and cases draw the same batches.

    Attributes:
        steps, batch: optimiser steps, and slices a step.
        learning_rate: the peak; it rises over the first 5 % of the steps and falls to 0 as a cosine.
        loss: a name in `LOSSES`.
        foreground_share: share of slices drawn from those that show the organ.
        rotation_degrees, scale, shift_pixels: ranges of the random affine map, +- each.
        brightness, contrast, noise: ranges of the random change of values in [0, 1].
        average: momentum of the moving average of the weights that is kept in the end.
        precision: "mixed_bfloat16" is faster on CPUs that have it; weights stay float32.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 1
    steps: int = Field(default=1000, ge=1)
    batch: int = Field(default=12, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    loss: str = "dice_and_cross_entropy"
    foreground_share: float = Field(default=0.6, ge=0, le=1)
    rotation_degrees: float = Field(default=10.0, ge=0)
    scale: float = Field(default=0.12, ge=0, lt=1)
    shift_pixels: float = Field(default=10.0, ge=0)
    brightness: float = Field(default=0.06, ge=0)
    contrast: float = Field(default=0.15, ge=0, lt=1)
    noise: float = Field(default=0.03, ge=0)
    average: float = Field(default=0.99, ge=0, lt=1)
    precision: Literal["float32", "mixed_bfloat16"] = "mixed_bfloat16"
