"""Keras layers for volumes, (batch, slices, rows, columns, channels): axes, normalisation and enlarging."""

from __future__ import annotations

from typing import Any

from attunet_gui.network.families.fused_layers import FusedBatchNormalisation
from attunet_gui.network.tensorflow_runtime import keras, tf


class SlicesToVolume(keras.layers.Layer):  # type: ignore[misc]
    """Turns (batch, rows, columns, slices), as the program holds a patch, into a volume of one channel."""

    def compute_output_shape(self, shape: Any) -> Any:
        """Return (batch, slices, rows, columns, 1)."""
        return (shape[0], shape[3], shape[1], shape[2], 1)

    def call(self, inputs: Any) -> Any:
        """Return the volume."""
        return tf.transpose(inputs, [0, 3, 1, 2])[..., None]


class VolumeToSlices(keras.layers.Layer):  # type: ignore[misc]
    """Turns a volume of one channel into (batch, rows, columns, slices)."""

    def compute_output_shape(self, shape: Any) -> Any:
        """Return (batch, rows, columns, slices)."""
        return (shape[0], shape[2], shape[3], shape[1])

    def call(self, inputs: Any) -> Any:
        """Return the slices."""
        return tf.transpose(inputs[..., 0], [0, 2, 3, 1])


class VolumeBatchNormalisation(FusedBatchNormalisation):
    """`FusedBatchNormalisation` of a volume: the same numbers, as slices count like images of a batch."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return `inputs` normalised, of the same shape."""
        flat = tf.reshape(inputs, (-1, *inputs.shape[2:]))
        return tf.reshape(super().call(flat, training=training, mask=mask), tf.shape(inputs))

    def compute_output_shape(self, shape: Any) -> Any:
        """Return `shape`."""
        return shape


class EverySecondVoxel(keras.layers.Layer):  # type: ignore[misc]
    """Takes every second voxel along each axis.

    Followed by a 1x1x1 convolution it is a strided one. As a layer of its own such a convolution's float32
    gradient writes beyond its memory in 2-D on CPUs (TensorFlow 2.21 with oneDNN).
    """

    def compute_output_shape(self, shape: Any) -> Any:
        """Return the shape with half the slices, rows and columns."""
        return (shape[0], *(n // 2 for n in shape[1:4]), shape[4])

    def call(self, inputs: Any) -> Any:
        """Return the voxels at even places."""
        return inputs[:, ::2, ::2, ::2]


class TrilinearDoubling(keras.layers.Layer):  # type: ignore[misc]
    """Doubles slices, rows and columns by linear interpolation between the centres of voxels.

    Beyond an edge the last voxel counts on. It is PyTorch's `Upsample(2, "trilinear")` with `align_corners`
    off.
    """

    def compute_output_shape(self, shape: Any) -> Any:
        """Return the shape with twice the slices, rows and columns."""
        return (shape[0], *(2 * n for n in shape[1:4]), shape[4])

    def call(self, inputs: Any) -> Any:
        """Return the enlarged volume."""
        for axis in (1, 2, 3):
            inputs = _double_axis(inputs, axis)
        return inputs


def _double_axis(values: Any, axis: int) -> Any:
    """Return `values` with twice the voxels along `axis`."""
    count = values.shape[axis]
    inner = [slice(None)] * axis
    first, last = values[(*inner, slice(0, 1))], values[(*inner, slice(count - 1, count))]
    before = tf.concat([first, values[(*inner, slice(0, count - 1))]], axis)
    after = tf.concat([values[(*inner, slice(1, count))], last], axis)
    pairs = tf.stack([0.75 * values + 0.25 * before, 0.75 * values + 0.25 * after], axis + 1)
    shape = [-1, *values.shape[1:]]
    shape[axis] = 2 * count
    return tf.reshape(pairs, shape)
