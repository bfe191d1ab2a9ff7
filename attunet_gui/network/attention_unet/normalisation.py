"""Batch normalisation that trains in one fused operation; nearly halves a training step on a CPU."""

from __future__ import annotations

from typing import Any

from attunet_gui.network.backend import keras, tf


class FusedBatchNormalisation(keras.layers.BatchNormalization):  # type: ignore[misc]
    """Keras' layer, its weights and its inference; in training with the fused kernel of TensorFlow.

    Keras writes training out as a dozen operations over the whole tensor. The kernel divides its variance by
    n - 1 where Keras has n, which over the pixels of a batch makes no difference.
    Takes (batch, rows, columns, channels).
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalised `inputs`, same shape."""
        if not training or not self.trainable:
            return super().call(inputs, training=training, mask=mask)
        normalised, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs,
            tf.convert_to_tensor(self.gamma),
            tf.convert_to_tensor(self.beta),
            epsilon=self.epsilon,
            is_training=True,
        )
        for running, found in ((self.moving_mean, mean), (self.moving_variance, variance)):
            running.assign(running * self.momentum + found * (1 - self.momentum))
        return normalised
