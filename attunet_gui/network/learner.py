"""A copy of a model's network that learns from a handful of slices and can forget them again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.network.attention_unet.config import PROBABILITY
from attunet_gui.network.augment import augmented
from attunet_gui.network.backend import keras, tf
from attunet_gui.network.bundle import load_network
from attunet_gui.network.families import parse_config
from attunet_gui.network.precision import precision_for
from attunet_gui.network.predict import Model
from attunet_gui.network.settings import Augmentation, TrainingSettings

_VIEW_MM = (192.0, 256.0)
"""Rows and columns: a pancreas with room around it. It takes half the time of a whole body."""
_BATCH = 3
_DRAFTED = 2
"""Slices of a step that are right, and that are drafted so far."""
_DRAFTED_WEIGHT = 0.5
_RATE = 1e-3
_RISE = 3
"""Steps until the full rate: Adam's first ones are the boldest."""
_VARIATION = Augmentation(clipped_share=0.0, coarse_share=0.0)
"""One patient, one scanner: nothing is varied that stands for another kind of CT."""


@dataclass(frozen=True, eq=False)
class Slices:
    """Slices with a mask, as the network sees them.

    Attributes:
        images: (n, rows, columns, channels) uint8.
        mask: (n, rows, columns) uint8 0/1.
    """

    images: NDArray[np.uint8]
    mask: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.mask)

    def __getitem__(self, chosen: Any) -> Slices:
        return Slices(self.images[chosen], self.mask[chosen])


@dataclass(frozen=True, eq=False)
class Lesson:
    """What is learnt from.

    Attributes:
        right: slices with the truth.
        drafted: slices with what is drawn there so far, right for the most part. Who learns from nothing but
            what was wrong forgets the rest.
    """

    right: Slices
    drafted: Slices


class Learner:
    """The network of `model` on a smaller view, with a training step that is compiled once.

    The model itself stays as it is. Batch normalisations keep their statistics: those of a few slices of one
    patient say little.

    Attributes:
        model: whose copy it is.
        size: (rows, columns) of its view.
        step_seconds: how long a step took lately; 0.0 before the first.

    Raises:
        BadModel: its weights are damaged.
    """

    def __init__(self, model: Model) -> None:
        config: Any = parse_config(model.card.family, model.card.config)
        self.model = model
        self.size = _view_size(model, 2 ** (config.levels - 1))
        self.step_seconds = 0.0
        with _policy(precision_for(TrainingSettings())):
            self._network = load_network(model.bundle, config.model_copy(update={"size": self.size}))
        self._start = self._network.get_weights()
        self._optimiser = keras.optimizers.Adam(_RATE, global_clipnorm=1.0)
        self._optimiser.build(self._network.trainable_variables)
        self._rested = [np.array(variable.numpy()) for variable in self._optimiser.variables]
        self._step, self._forward = self._compiled()

    def warm(self) -> None:
        """Compile the step, so that the first lesson need not wait for it."""
        if not self.step_seconds:
            shape = (1, *self.size, self.model.card.preprocessing.channels)
            empty = Slices(np.zeros(shape, np.uint8), np.zeros(shape[:3], np.uint8))
            self.learn(Lesson(empty, empty), steps=2, seed=0)
            self.forget()

    def forget(self) -> None:
        """Be the model's network again."""
        self._network.set_weights(self._start)
        for variable, value in zip(self._optimiser.variables, self._rested, strict=True):
            variable.assign(value)

    def learn(
        self, lesson: Lesson, steps: int, seed: int, stepped: Callable[[], None] = lambda: None
    ) -> None:
        """Forget, then learn `lesson`; `stepped` is called after each step and may raise `Cancelled`."""
        self.forget()
        right, drafted = _drawn(len(lesson.right), _BATCH, seed), _drawn(len(lesson.drafted), _DRAFTED, seed)
        for number in range(steps):
            batch = _together(lesson.right[next(right)], lesson.drafted[next(drafted)])
            falling = 0.5 * (1 + math.cos(math.pi * number / steps))
            self._optimiser.learning_rate.assign(_RATE * min(1.0, (number + 1) / _RISE) * falling)
            began = perf_counter()
            images, mask = tf.constant(batch.images), tf.constant(batch.mask[..., None])
            float(self._step(images, mask, tf.constant([seed, number])))
            self.step_seconds = perf_counter() - began
            stepped()

    def logits(
        self, images: NDArray[np.uint8], done: Callable[[], None] = lambda: None
    ) -> NDArray[np.float32]:
        """What it thinks of (n, rows, columns, channels) slices: (n, rows, columns), 0 is the threshold.

        `done` is called after each batch and may raise `Cancelled`.
        """
        found = np.zeros(images.shape[:3], np.float32)
        for start in range(0, len(images), _BATCH):
            part = images[start : start + _BATCH]
            # Always a whole batch: another size would be compiled again.
            whole = np.pad(part, [(0, _BATCH - len(part)), (0, 0), (0, 0), (0, 0)], mode="edge")
            found[start : start + _BATCH] = np.asarray(self._forward(tf.constant(whole)))[: len(part)]
            done()
        return found

    def _compiled(self) -> tuple[Any, Any]:
        network, optimiser = self._network, self._optimiser
        scores = keras.Model(network.input, network.get_layer(PROBABILITY).input)
        window, line = self.model.card.preprocessing.window_hu, self.model.card.calibration
        # The draft is cut where the calibrated probability reaches the threshold; learning has to move that.
        offset = line.offset - math.log(self.model.card.threshold / (1 - self.model.card.threshold))

        def above_threshold(images: Any) -> Any:
            return line.slope * tf.cast(scores(images, training=False), tf.float32)[..., 0] + offset

        @tf.function(autograph=False)  # type: ignore[untyped-decorator]
        def step(images: tf.Tensor, truth: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
            varied, target = augmented(images, truth, seed, _VARIATION, window)
            with tf.GradientTape() as tape:
                value = _loss(target[..., 0], above_threshold(varied))
            gradients = tape.gradient(value, network.trainable_variables)
            optimiser.apply(gradients, network.trainable_variables)
            return value

        def forward(images: tf.Tensor) -> tf.Tensor:
            return above_threshold(tf.cast(images, tf.float32) / 255.0)

        return step, tf.function(forward, autograph=False)


def _loss(truth: Any, logits: Any) -> Any:
    """Dice and cross-entropy as in training, from logits: these do not saturate. `_BATCH` are right."""
    over = (1, 2)
    probability = tf.sigmoid(logits)
    total = tf.reduce_sum(truth, over) + tf.reduce_sum(probability, over)
    dice = 1 - (2 * tf.reduce_sum(truth * probability, over) + 1) / (total + 1)
    entropy = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(truth, logits), over)
    each = dice + entropy
    return tf.reduce_mean(each[:_BATCH]) + _DRAFTED_WEIGHT * tf.reduce_mean(each[_BATCH:])


def _drawn(slices: int, count: int, seed: int) -> Iterator[list[int]]:
    """`count` of so many slices, again and again; none comes a second time before all have come once."""
    random = np.random.default_rng([seed, count])
    order: list[int] = []
    while True:
        while len(order) < count:
            order.extend(int(z) for z in random.permutation(slices))
        yield order[:count]
        order = order[count:]


def _together(first: Slices, second: Slices) -> Slices:
    images = np.concatenate([first.images, second.images])
    return Slices(images, np.concatenate([first.mask, second.mask]))


def _view_size(model: Model, multiple: int) -> tuple[int, int]:
    wanted = model.card.preprocessing
    rows, columns = (
        min(whole, multiple * math.ceil(mm / wanted.spacing_mm / multiple))
        for whole, mm in zip(wanted.size, _VIEW_MM, strict=True)
    )
    return rows, columns


@contextmanager
def _policy(precision: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
