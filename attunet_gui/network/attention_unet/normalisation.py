"""Batch normalisation as one fused operation, which nearly halves the time of a training step on a CPU."""

from __future__ import annotations

from typing import Any

from attunet_gui.network.backend import keras, tf


class FusedBatchNormalisation(keras.layers.BatchNormalization):  # type: ignore[misc]
    """Keras' layer with its own weights, computed by TensorFlow's fused kernel in training and in prediction.

    Keras computes it in a dozen operations over the whole tensor, in float32 whatever the input is. In
    training the kernel divides the variance by n - 1 where Keras divides by n; over the pixels of a batch
    that makes no difference. The input is (batch, rows, columns, channels).
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:  # noqa: ARG002
        """Return `inputs` normalised, of the same shape; in training the moving statistics are updated."""
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
