"""The reference engine: Keras on TensorFlow, in float32."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from attunet_gui.network.engines.engine_registry import as_slices
from attunet_gui.network.model_bundle import ModelBundle, load_network
from attunet_gui.network.tensorflow_runtime import tf


class KerasEngine:
    """Runs the network of a bundle as one compiled TensorFlow function.

    Attributes:
        network: the Keras model; values assigned to its variables take effect at the next run.
        batch: small, so that a cancel takes effect within a fraction of a second on a slow laptop.
    """

    batch = 2

    def __init__(self, bundle: ModelBundle) -> None:
        self.network, self._config = load_network(bundle), bundle.config
        self.network.trainable = False
        self._forward = tf.function(lambda x: self.network(x, training=False), reduce_retracing=True)

    def run(self, batch: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """Return the outputs of `batch`, as `InferenceEngine.run` describes."""
        # The batch is always full: TensorFlow would compile another size anew.
        short = max(0, self.batch - len(batch))
        whole = np.pad(batch, [(0, short), (0, 0), (0, 0), (0, 0)], mode="edge")
        outputs = self._forward(tf.constant(np.moveaxis(whole, 1, -1)))
        return {name: as_slices(values, self._config)[: len(batch)] for name, values in outputs.items()}
