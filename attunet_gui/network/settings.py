"""Settings of a training run; free of TensorFlow."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Precision = Literal["float32", "mixed_bfloat16"]


class Augmentation(BaseModel):
    """How slices are varied; 0 switches a part off. Nothing is ever mirrored: left and right differ.

    Attributes:
        rotation_degrees, scale, shear, shift_pixels: ranges of the random affine map, +- each; scale and
            shear are drawn for rows and columns on their own.
        elastic_pixels: standard deviation of the random displacement of a coarse grid of points.
        elastic_grid_pixels: distance of these points.
        clipped_share: share of slices clipped to 0..255 HU, as public collections of pictures are.
        brightness, contrast: ranges of the change of values in [0, 1], +- each.
        gamma: range of the logarithm of the exponent that values in [0, 1] get, +-.
        bias_field: range of a smooth field that multiplies the values, +-.
        noise: largest standard deviation of the noise; its grain is between one and three pixels.
        blur, sharpen: how much of the fine detail is at most taken away (1 is all) or added.
        coarse_share: share of slices brought to half their resolution and back.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rotation_degrees: float = Field(default=10.0, ge=0, le=180)
    scale: float = Field(default=0.15, ge=0, lt=1)
    shear: float = Field(default=0.08, ge=0, lt=1)
    shift_pixels: float = Field(default=10.0, ge=0)
    elastic_pixels: float = Field(default=2.0, ge=0)
    elastic_grid_pixels: int = Field(default=32, ge=4)
    clipped_share: float = Field(default=0.3, ge=0, le=1)
    brightness: float = Field(default=0.06, ge=0)
    contrast: float = Field(default=0.15, ge=0, lt=1)
    gamma: float = Field(default=0.2, ge=0)
    bias_field: float = Field(default=0.1, ge=0, lt=1)
    noise: float = Field(default=0.06, ge=0)
    blur: float = Field(default=0.8, ge=0, le=1)
    sharpen: float = Field(default=0.8, ge=0)
    coarse_share: float = Field(default=0.1, ge=0, le=1)


class Sampling(BaseModel):
    """Which slices a batch gets.

    Attributes:
        foreground_share: share of slices drawn from those that show the organ.
        single_slice_share: share of slices that come without neighbours, as a lone picture does.
        neighbour_stride_max: neighbours are up to so many slices apart.
        reversed_share: share of slices whose neighbours come in reverse order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    foreground_share: float = Field(default=0.6, ge=0, le=1)
    single_slice_share: float = Field(default=0.3, ge=0, le=1)
    neighbour_stride_max: int = Field(default=1, ge=1, le=4)
    reversed_share: float = Field(default=0.0, ge=0, le=1)


View = tuple[int, int]


class TrainingSettings(BaseModel):
    """One training run; the same settings and cases draw the same batches.

    Attributes:
        steps, batch: optimiser steps, and slices a step.
        learning_rate: the peak; it rises over the first 5 % of the steps and falls to 0 as a cosine.
        weight_decay: decoupled (AdamW); 0 is Adam.
        loss: a name in `LOSSES`.
        average: momentum of the moving average of the weights; the average is what is validated and kept.
        validate_every: steps between validations.
        patience: validations without a better score after which training ends; 0 never ends early.
        keep: "best" keeps the weights of the best validation, "last" those of the last step.
        checkpoint_seconds: time between checkpoints.
        view: (rows, columns) of the part of a slice that is learnt from, with the organ if it is there;
            None takes whole slices. A smaller part takes less time in proportion.
        view_share: share of the steps, from the first on, that learn from such a part; the last ones see
            whole slices, as drafts do.
        precision: "auto" is mixed_bfloat16 where the processor has it; weights are float32 all the same.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(default=1, ge=0)
    steps: int = Field(default=1000, ge=1)
    batch: int = Field(default=12, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    loss: str = "dice_and_cross_entropy"
    average: float = Field(default=0.99, ge=0, lt=1)
    validate_every: int = Field(default=200, ge=1)
    patience: int = Field(default=0, ge=0)
    keep: Literal["best", "last"] = "best"
    checkpoint_seconds: float = Field(default=60.0, ge=0)
    view: View | None = None
    view_share: float = Field(default=0.8, ge=0, le=1)
    precision: Literal["auto", "float32", "mixed_bfloat16"] = "auto"
    sampling: Sampling = Sampling()
    augmentation: Augmentation = Augmentation()

    def view_of(self, step: int) -> View | None:
        """What step `step`, counted from 1, sees of a slice; None for all of it."""
        return self.view if self.view and step <= self.view_share * self.steps else None
