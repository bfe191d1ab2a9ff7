"""A copy of a network that is adapted to a handful of slices and can return to the model's weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.network.augmentation import augment_batch
from attunet_gui.network.compute_precision import dtype_policy, precision_for
from attunet_gui.network.inference import LoadedModel
from attunet_gui.network.model_bundle import load_network
from attunet_gui.network.patch_blending import patch_layout
from attunet_gui.network.tensorflow_runtime import keras, tf
from attunet_gui.network.training_config import AugmentationConfig, TrainingConfig

# Rows and columns of the view: a pancreas with room around it. A step takes half the time of a whole slice.
_VIEW_MM = (192.0, 256.0)
_CORRECTED_PER_BATCH = 3
# Each step shows `_CORRECTED_PER_BATCH` corrected slices and this many whose target is the present draft.
_DRAFTED_PER_BATCH = 2
_DRAFTED_WEIGHT = 0.5
_LEARNING_RATE = 1e-3
# Steps of linear warm-up. Adam's first steps are its largest ones, since its averages are still empty.
_WARMUP_STEPS = 3
# The slices come from one patient and one scanner, so whatever imitates another kind of CT is switched off.
_PATIENT_AUGMENTATION = AugmentationConfig(clipped_share=0.0, coarse_share=0.0)


@dataclass(frozen=True, eq=False)
class MaskedSlices:
    """Slices with their masks on the network's grid.

    Attributes:
        images: (n, rows, columns, channels) uint8, the HU window mapped to 0..255; for a 3-D network the
            channels are a stack of slices with the slice itself at number `slices` // 2.
        mask: (n, rows, columns) uint8 0/1, of the slice itself.
    """

    images: NDArray[np.uint8]
    mask: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.mask)

    def __getitem__(self, chosen: Any) -> MaskedSlices:
        return MaskedSlices(self.images[chosen], self.mask[chosen])


@dataclass(frozen=True, eq=False)
class AdaptationExamples:
    """The examples of one adaptation.

    Attributes:
        corrected: corrected slices with the annotator's mask.
        drafted: other slices with their present mask, which is right for the most part. A network that only
            sees slices where it was wrong loses what it did well.
    """

    corrected: MaskedSlices
    drafted: MaskedSlices


class OnlineAdapter:
    """The network of a model on a smaller view, with a training step that is compiled once.

    The model itself is not changed. Batch normalisations keep the model's statistics, because those of a few
    slices of one patient are unreliable.

    Attributes:
        model: the model that was copied.
        size: (rows, columns) of the view, multiples of the network's coarsest pixel.
        layout: how a 3-D network sees a volume here, in the thinnest patches it can take; None for a 2-D
            network.
        step_seconds: duration of the last step; 0.0 before the first.

    Raises:
        InvalidModelBundle: the weights of the model are damaged.
    """

    def __init__(self, model: LoadedModel) -> None:
        config = model.bundle.config
        self.model = model
        self.size = _view_size(model, config.size_multiple)
        small = config.with_size(self.size)
        self.layout = patch_layout(small, model.card.preprocessing.spacing_mm)
        self._input_shape = small.input_shape
        self.step_seconds = 0.0
        with dtype_policy(precision_for(TrainingConfig())):
            self._network = load_network(model.bundle, small)
        self._start = self._network.get_weights()
        self._optimiser = keras.optimizers.Adam(_LEARNING_RATE, global_clipnorm=1.0)
        self._optimiser.build(self._network.trainable_variables)
        self._rested = [np.array(variable.numpy()) for variable in self._optimiser.variables]
        self._step, self._forward = self._compile_functions()

    def compile_step(self) -> None:
        """Compile the training step, which takes seconds, so that the first adaptation need not wait."""
        if not self.step_seconds:
            shape = (1, *self._input_shape)
            empty = MaskedSlices(np.zeros(shape, np.uint8), np.zeros(shape[:3], np.uint8))
            self.learn_examples(AdaptationExamples(empty, empty), steps=2, seed=0)
            self.reset_weights()

    def reset_weights(self) -> None:
        """Restore the model's weights and a fresh optimiser."""
        self._network.set_weights(self._start)
        # The moments and the step count of Adam belong to the adaptation as well.
        for variable, value in zip(self._optimiser.variables, self._rested, strict=True):
            variable.assign(value)

    def learn_examples(
        self, examples: AdaptationExamples, steps: int, seed: int, stepped: Callable[[], None] = lambda: None
    ) -> None:
        """Start from the model's weights and learn `examples`.

        Args:
            examples: the examples.
            steps: optimiser steps; the learning rate warms up and falls as a cosine over them.
            seed: of the order of slices and of their variation.
            stepped: called after each step; it may raise `WorkCancelled`.
        """
        self.reset_weights()
        right, drafted = (
            _draw_indices(len(examples.corrected), _CORRECTED_PER_BATCH, seed),
            _draw_indices(len(examples.drafted), _DRAFTED_PER_BATCH, seed),
        )
        for number in range(steps):
            batch = _concatenate_slices(examples.corrected[next(right)], examples.drafted[next(drafted)])
            falling = 0.5 * (1 + math.cos(math.pi * number / steps))
            self._optimiser.learning_rate.assign(
                _LEARNING_RATE * min(1.0, (number + 1) / _WARMUP_STEPS) * falling
            )
            began = perf_counter()
            images, mask = tf.constant(batch.images), tf.constant(batch.mask[..., None])
            float(self._step(images, mask, tf.constant([seed, number])))
            self.step_seconds = perf_counter() - began
            stepped()

    def predict_logits(
        self, images: NDArray[np.uint8], done: Callable[[], None] = lambda: None
    ) -> NDArray[np.float32]:
        """Return the logits of slices, shifted so that 0 is where the calibrated probability equals the
        threshold.

        Args:
            images: (n, rows, columns, channels) uint8.
            done: called after each batch; it may raise `WorkCancelled`.

        Returns:
            (n, rows, columns) float32.
        """
        found = np.zeros(images.shape[:3], np.float32)
        for start in range(0, len(images), _CORRECTED_PER_BATCH):
            part = images[start : start + _CORRECTED_PER_BATCH]
            # The batch is always full: TensorFlow would compile another size anew.
            whole = np.pad(part, [(0, _CORRECTED_PER_BATCH - len(part)), (0, 0), (0, 0), (0, 0)], mode="edge")
            found[start : start + _CORRECTED_PER_BATCH] = np.asarray(self._forward(tf.constant(whole)))[
                : len(part)
            ]
            done()
        return found

    def _compile_functions(self) -> tuple[Any, Any]:
        """Return the compiled training step and the compiled forward pass."""
        network, optimiser = self._network, self._optimiser
        # Logits of a network that is certain still have a gradient, probabilities have none.
        scores = self.model.bundle.family.build_logits(network)
        window, line = self.model.card.preprocessing.window_hu, self.model.card.calibration
        # The draft ends where the calibrated probability reaches the threshold, so that edge is what learning
        # has to move.
        offset = line.offset - math.log(self.model.card.threshold / (1 - self.model.card.threshold))

        answered = self.layout.patch[0] // 2 if self.layout else 0

        def above_threshold(images: Any) -> Any:
            logits = tf.cast(scores(images, training=False), tf.float32)[..., answered]
            return line.slope * logits + offset

        @tf.function(autograph=False)  # type: ignore[untyped-decorator]
        def step(images: tf.Tensor, truth: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
            varied, target = augment_batch(images, truth, seed, _PATIENT_AUGMENTATION, window)
            with tf.GradientTape() as tape:
                value = _adaptation_loss(target[..., 0], above_threshold(varied))
            gradients = tape.gradient(value, network.trainable_variables)
            optimiser.apply(gradients, network.trainable_variables)
            return value

        def forward(images: tf.Tensor) -> tf.Tensor:
            return above_threshold(tf.cast(images, tf.float32) / 255.0)

        return step, tf.function(forward, autograph=False)


def _adaptation_loss(truth: Any, logits: Any) -> Any:
    """Return the scalar loss of a batch.

    It is soft Dice plus cross-entropy as in training, computed from logits because these do not saturate. The
    first `_CORRECTED_PER_BATCH` slices are corrected ones and count fully, the others `_DRAFTED_WEIGHT`.

    Args:
        truth, logits: (batch, rows, columns) float32.
    """
    over = (1, 2)
    probability = tf.sigmoid(logits)
    total = tf.reduce_sum(truth, over) + tf.reduce_sum(probability, over)
    dice = 1 - (2 * tf.reduce_sum(truth * probability, over) + 1) / (total + 1)
    entropy = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(truth, logits), over)
    each = dice + entropy
    return tf.reduce_mean(each[:_CORRECTED_PER_BATCH]) + _DRAFTED_WEIGHT * tf.reduce_mean(
        each[_CORRECTED_PER_BATCH:]
    )


def _draw_indices(slices: int, count: int, seed: int) -> Iterator[list[int]]:
    """Yield `count` indices below `slices` for ever; none is repeated before every other has been drawn."""
    random = np.random.default_rng([seed, count])
    order: list[int] = []
    while True:
        while len(order) < count:
            order.extend(int(z) for z in random.permutation(slices))
        yield order[:count]
        order = order[count:]


def _concatenate_slices(first: MaskedSlices, second: MaskedSlices) -> MaskedSlices:
    """Return the slices of `first` followed by those of `second`."""
    images = np.concatenate([first.images, second.images])
    return MaskedSlices(images, np.concatenate([first.mask, second.mask]))


def _view_size(model: LoadedModel, multiple: int) -> tuple[int, int]:
    """Return (rows, columns) of the view in pixels: `_VIEW_MM` rounded up to `multiple`, the whole slice at
    most.
    """
    wanted = model.card.preprocessing
    rows, columns = (
        min(whole, multiple * math.ceil(mm / wanted.spacing_mm / multiple))
        for whole, mm in zip(wanted.size, _VIEW_MM, strict=True)
    )
    return rows, columns
