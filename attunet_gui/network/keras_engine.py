"""The reference engine: Keras on TensorFlow, float32."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from attunet_gui.network.backend import tf
from attunet_gui.network.bundle import Bundle, load_network
from attunet_gui.network.engines import dropped_channel


class KerasEngine:
    """Runs a bundle's network as one compiled TensorFlow function.

    Attributes:
        network: the Keras model; what is assigned to its variables counts from the next run on.
        batch: small, so that a cancel is obeyed within a fraction of a second on a slow laptop.
    """

    batch = 2

    def __init__(self, bundle: Bundle) -> None:
        self.network = load_network(bundle)
        self.network.trainable = False
        self._forward = tf.function(lambda x: self.network(x, training=False), reduce_retracing=True)

    def run(self, batch: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """See `Engine.run`."""
        # Always a whole batch: another size would be compiled again.
        short = max(0, self.batch - len(batch))
        whole = np.pad(batch, [(0, short), (0, 0), (0, 0), (0, 0)], mode="edge")
        outputs = dropped_channel(self._forward(tf.constant(np.moveaxis(whole, 1, -1))))
        return {name: values[: len(batch)] for name, values in outputs.items()}
