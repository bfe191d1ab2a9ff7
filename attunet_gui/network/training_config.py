"""The settings of a training run, as a recipe and a card write them; free of TensorFlow."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Precision = Literal["float32", "mixed_bfloat16"]


class AugmentationConfig(BaseModel):
    """How slices are varied; 0 switches a part off. Nothing is mirrored, because left and right of a body
    differ.

    Attributes:
        rotation_degrees, scale, shear, shift_pixels: half the range of the random affine map, in both
            directions; scale and shear are drawn for rows and columns separately.
        elastic_pixels: standard deviation of the random displacement of a coarse grid of points.
        elastic_grid_pixels: distance of these points.
        clipped_share: share of slices clipped to 0..255 HU, as public collections of pictures are.
        brightness, contrast: half the range of the change of values in [0, 1], in both directions.
        gamma: half the range of the logarithm of the exponent that is applied to values in [0, 1].
        bias_field: half the range of a smooth field that multiplies the values.
        noise: largest standard deviation of the noise, whose grain is between one and three pixels.
        blur, sharpen: the largest share of the fine detail that is removed (1 is all of it) or added.
        coarse_share: share of slices that are brought to half their resolution and back.
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


class SamplingConfig(BaseModel):
    """Which slices a batch gets.

    Attributes:
        foreground_share: share of slices drawn from those that show the organ.
        single_slice_share: share of slices without neighbours, as a single picture is.
        neighbour_stride_max: largest distance of neighbours, in slices.
        reversed_share: share of slices whose neighbours are in reverse order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    foreground_share: float = Field(default=0.6, ge=0, le=1)
    single_slice_share: float = Field(default=0.3, ge=0, le=1)
    neighbour_stride_max: int = Field(default=1, ge=1, le=4)
    reversed_share: float = Field(default=0.0, ge=0, le=1)


CropSize = tuple[int, int]
"""(rows, columns) in pixels of the part of a slice that is learnt from."""


class TrainingConfig(BaseModel):
    """One training run; the same settings and cases draw the same batches.

    Attributes:
        seed: of the weights, the batches and their variation.
        steps, batch: number of optimiser steps, and of slices in each.
        learning_rate: the peak; it rises over the first 5 % of the steps and falls to 0 as a cosine.
        weight_decay: decoupled (AdamW); 0 is Adam.
        loss: a name in `LOSSES`.
        average: momentum of the moving average of the weights; the average is what is validated and kept.
        average_share: share of the steps, the last ones, over which the plain mean of the weights is taken
            instead (Izmailov et al. 2018, arXiv:1803.05407); 0 keeps the moving average to the end.
        deep_supervision: weight of the loss of the decoder's map of half the resolution, halved with each
            coarser one (Lee et al. 2015, arXiv:1409.5185); 0 learns from the finest alone.
        validate_every: steps between validations.
        patience: number of validations without a better score after which training ends; 0 never ends early.
        keep: "best" keeps the weights of the best validation, "last" those of the last step.
        checkpoint_seconds: time between checkpoints.
        view: (rows, columns) of the part of a slice that is learnt from, with the organ if the slice shows
            it; None takes whole slices. A smaller part takes proportionally less time.
        view_share: share of the steps, from the first on, that learn from such a part; the last ones see
            whole slices, as prediction does.
        precision: "auto" is mixed_bfloat16 where the processor has it; weights are float32 in any case.
        sampling: which slices a batch gets.
        augmentation: how they are varied.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(default=1, ge=0)
    steps: int = Field(default=1000, ge=1)
    batch: int = Field(default=12, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    loss: str = "dice_and_cross_entropy"
    average: float = Field(default=0.99, ge=0, lt=1)
    average_share: float = Field(default=0.0, ge=0, lt=1)
    deep_supervision: float = Field(default=0.0, ge=0, le=1)
    validate_every: int = Field(default=200, ge=1)
    patience: int = Field(default=0, ge=0)
    keep: Literal["best", "last"] = "best"
    checkpoint_seconds: float = Field(default=60.0, ge=0)
    view: CropSize | None = None
    view_share: float = Field(default=0.8, ge=0, le=1)
    precision: Literal["auto", "float32", "mixed_bfloat16"] = "auto"
    sampling: SamplingConfig = SamplingConfig()
    augmentation: AugmentationConfig = AugmentationConfig()

    def crop_size_at(self, step: int) -> CropSize | None:
        """Return (rows, columns) that step `step`, counted from 1, sees of a slice; None for all of it."""
        return self.view if self.view and step <= self.view_share * self.steps else None
