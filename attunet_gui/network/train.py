"""Training: cases and settings in, a network out. The caller makes the cases and writes the bundle."""

from __future__ import annotations

from typing import Any

import numpy as np

from attunet_gui.core.progress import Progress, silent
from attunet_gui.network.attention_unet.config import PROBABILITY
from attunet_gui.network.backend import keras, tf
from attunet_gui.network.families import family, parse_config
from attunet_gui.network.losses import LOSSES, Loss
from attunet_gui.network.sampling import Sampler, TrainingCase
from attunet_gui.network.settings import TrainingSettings


def train(
    family_name: str,
    config: dict[str, Any],
    cases: tuple[TrainingCase, ...],
    settings: TrainingSettings,
    progress: Progress = silent,
) -> keras.Model:
    """Train a fresh network of `family_name` on `cases`; returned in float32, averaged weights in place.

    `progress` gets the mean loss in its stage text after each step and may raise `Cancelled`.
    """
    keras.utils.set_random_seed(settings.seed)
    parsed: Any = parse_config(family_name, config)
    network = _with_precision(settings.precision, lambda: family(family_name).build(parsed))
    optimiser = _optimiser(settings)
    step = _step_function(network, optimiser, settings)
    sampler = Sampler(cases, (parsed.channels - 1) // 2, settings.foreground_share, settings.seed)
    recent: list[float] = []
    for number in range(1, settings.steps + 1):
        images, truth = sampler.draw(settings.batch)
        recent = [*recent[-49:], float(step(tf.constant(images), tf.constant(truth)))]
        progress(number, settings.steps, f"training, loss {np.mean(recent):.3f}")
    optimiser.finalize_variable_values(network.trainable_variables)
    plain = _with_precision("float32", lambda: family(family_name).build(parsed))
    plain.set_weights(network.get_weights())
    return plain


def _with_precision(precision: str, build: Any) -> Any:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        return build()
    finally:
        keras.config.set_dtype_policy(before)


def _optimiser(settings: TrainingSettings) -> Any:
    rise = max(1, settings.steps // 20)
    rate = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=settings.learning_rate / 20,
        warmup_target=settings.learning_rate,
        warmup_steps=rise,
        decay_steps=max(1, settings.steps - rise),
    )
    return keras.optimizers.Adam(rate, global_clipnorm=1.0, use_ema=True, ema_momentum=settings.average)


def _step_function(network: Any, optimiser: Any, settings: TrainingSettings) -> Any:
    loss: Loss = LOSSES[settings.loss]
    optimiser.build(network.trainable_variables)

    @tf.function  # type: ignore[untyped-decorator]
    def step(images: tf.Tensor, truth: tf.Tensor) -> tf.Tensor:
        images, truth = _varied(images, truth, settings)
        with tf.GradientTape() as tape:
            outputs = network(images, training=True)
            value = tf.reduce_mean(loss(truth, outputs[PROBABILITY]))
        gradients = tape.gradient(value, network.trainable_variables)
        optimiser.apply(gradients, network.trainable_variables)
        return value

    return step


def _varied(images: tf.Tensor, truth: tf.Tensor, settings: TrainingSettings) -> tuple[tf.Tensor, tf.Tensor]:
    """A random affine map and a random change of values for each slice of the batch."""
    count, side = tf.shape(images)[0], tf.cast(tf.shape(images)[1], tf.float32)
    transforms = _affine_maps(count, side, settings)
    moved, truth = (
        tf.raw_ops.ImageProjectiveTransformV3(
            images=stack,
            transforms=transforms,
            output_shape=tf.shape(images)[1:3],
            interpolation="BILINEAR",
            fill_mode="CONSTANT",
            fill_value=0.0,
        )
        for stack in (images, truth)
    )
    shape = (count, 1, 1, 1)
    gain = 1 + settings.contrast * tf.random.uniform(shape, -1, 1)
    offset = settings.brightness * tf.random.uniform(shape, -1, 1)
    noise = settings.noise * tf.random.uniform(shape) * tf.random.normal(tf.shape(moved))
    varied = tf.clip_by_value((moved - 0.5) * gain + 0.5 + offset + noise, 0, 1)
    return varied, tf.cast(truth >= 0.5, tf.float32)


def _affine_maps(count: tf.Tensor, side: tf.Tensor, settings: TrainingSettings) -> tf.Tensor:
    """(count, 8) projective maps: rotation and scale about the image centre, then a shift."""
    angle = tf.random.uniform((count,), -1, 1) * settings.rotation_degrees * np.pi / 180
    zoom = 1 + settings.scale * tf.random.uniform((count,), -1, 1)
    shift = settings.shift_pixels * tf.random.uniform((count, 2), -1, 1)
    cosine, sine = tf.cos(angle) * zoom, tf.sin(angle) * zoom
    middle, zero = (side - 1) / 2, tf.zeros((count,))
    rows = [
        cosine, -sine, middle - cosine * middle + sine * middle + shift[:, 0],
        sine, cosine, middle - sine * middle - cosine * middle + shift[:, 1],
        zero, zero,
    ]  # fmt: skip
    return tf.stack(rows, axis=1)
