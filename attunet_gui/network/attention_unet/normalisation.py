"""Batch normalisation in one fused operation; nearly halves a training step on a CPU."""

from __future__ import annotations

from typing import Any

from attunet_gui.network.backend import keras, tf


class FusedBatchNormalisation(keras.layers.BatchNormalization):  # type: ignore[misc]
    """Keras' layer and its weights with the fused kernel of TensorFlow, in training and out of it.

    Keras writes either out as a dozen operations over the whole tensor, in float32 whatever comes. In
    training the kernel divides its variance by n - 1 where Keras has n, which over the pixels of a batch
    makes no difference. Takes (batch, rows, columns, channels).
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:  # noqa: ARG002
        """Normalised `inputs`, same shape."""
        learns = bool(training and self.trainable)
        known = {} if learns else {"mean": self.moving_mean, "variance": self.moving_variance}
        normalised, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs,
            tf.convert_to_tensor(self.gamma),
            tf.convert_to_tensor(self.beta),
            epsilon=self.epsilon,
            is_training=learns,
            **{name: tf.convert_to_tensor(value) for name, value in known.items()},
        )
        if learns:
            for running, found in ((self.moving_mean, mean), (self.moving_variance, variance)):
                running.assign(running * self.momentum + found * (1 - self.momentum))
        return normalised
