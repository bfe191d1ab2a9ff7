"""Losses of training, and the heads that a network has only while it learns.

Tensors are (batch, rows, columns, 1), truth in {0, 1} and probability in [0, 1].

For a 3-D network the last axis holds the slices of a patch, and an image is a whole patch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attunet_gui.network.tensorflow_runtime import keras

LossFunction = Callable[[Any, Any], Any]
_SMOOTHING_TERM = 1.0
COARSE_HEADS = ("coarse1", "coarse2", "coarse3", "coarse4", "coarse5")
"""Names of the outputs that deep supervision adds, finest first; a network has one for each level of its
decoder but the finest."""
# The organ fills few pixels, and starting from 0 it takes long to learn that.
_COARSE_PRIOR_LOGIT = -3.0
ops = keras.ops


def image_dice_loss(truth: Any, probability: Any) -> Any:
    """Return 1 - Dice with the sums taken over each whole image: (batch,) float32.

    Dice compares two sets (Milletari et al. 2016, equation 3), so the sums have to run over all pixels of an
    image; `article_dice_loss` says what happens when they do not. The smoothing term 1 gives an empty image
    with an empty prediction the loss 0.
    """
    return _one_minus_dice(truth, probability, axes=(1, 2, 3))


def class_dice_loss(truth: Any, probability: Any) -> Any:
    """Return the mean of 1 - Dice over both classes, organ and background: (batch,) float32.

    It is the loss of Oktay et al. 2018 (section 3: Dice over all classes, which are weighted alike however
    small they are).
    """
    truth = ops.cast(truth, "float32")
    return 0.5 * (image_dice_loss(truth, probability) + image_dice_loss(1.0 - truth, 1.0 - probability))


def article_dice_loss(truth: Any, probability: Any) -> Any:
    """Return 1 - Dice with the sums over the channel axis only, as in the article's code: (batch, rows,
    columns).

    With a single channel each sum is over one number, so this is a score of each pixel on its own: (2 t p +
    1) / (t + p + 1). It has no notion of overlap, and the background of a slice, some 99 % of its pixels,
    outweighs the organ. It is kept so that the article's results can be reproduced.
    """
    return _one_minus_dice(truth, probability, axes=(-1,))


def cross_entropy(truth: Any, probability: Any) -> Any:
    """Return the mean binary cross-entropy of each image: (batch,) float32."""
    return ops.mean(ops.binary_crossentropy(truth, probability), axis=(1, 2, 3))


def dice_and_cross_entropy(truth: Any, probability: Any) -> Any:
    """Return `image_dice_loss` + `cross_entropy`: (batch,) float32.

    Dice rewards overlap; cross-entropy also punishes what is drawn in slices without the organ.
    """
    return image_dice_loss(truth, probability) + cross_entropy(truth, probability)


LOSSES: dict[str, LossFunction] = {
    "dice": image_dice_loss,
    "class_dice": class_dice_loss,
    "article_dice": article_dice_loss,
    "dice_and_cross_entropy": dice_and_cross_entropy,
}


def masked_loss(loss: LossFunction, truth: Any, probability: Any, counted: Any) -> Any:
    """Return `loss` over the pixels that count. The others have no gradient, whatever is predicted there.

    Truth and prediction are both set to 0 in the others, which every loss here takes for agreement.

    Args:
        loss: one of `LOSSES`.
        truth, probability: as for `loss`.
        counted: of the same shape, 1 or true where the truth is known.
    """
    counted = ops.cast(counted, "bool")
    empty = ops.zeros_like(probability)
    known = ops.where(counted, ops.cast(truth, probability.dtype), empty)
    return loss(known, ops.where(counted, probability, empty))


def add_coarse_heads(network: Any, maps: Sequence[Any]) -> Any:
    """Return `network` with a probability of each of `maps` as a further output, see `COARSE_HEADS`.

    Args:
        network: a Keras model with a dict of outputs; its layers and weights are shared.
        maps: maps of its decoder, each of half the resolution of the one before, the first of half that of
            the network.
    """
    layers, found = keras.layers, dict(network.output)
    for name, values in zip(COARSE_HEADS, maps, strict=False):
        prior = keras.initializers.Constant(_COARSE_PRIOR_LOGIT)
        score = layers.Conv2D(1, 1, bias_initializer=prior, name=f"{name}_conv")(values)
        found[name] = layers.Activation("sigmoid", dtype="float32", name=name)(score)
    return keras.Model(network.input, found)


def coarse_loss(loss: LossFunction, truth: Any, outputs: Mapping[str, Any]) -> Any:
    """Return the mean `loss` of each of `COARSE_HEADS` in `outputs`, summed; each counts half of the one
    before.

    Args:
        loss: of truth and probability.
        truth: (batch, rows, columns, masks), the organ first. At a lower resolution it is the share of the
            organ; of the other masks, the ignored pixels, a coarse pixel is one as soon as a pixel of it is.
        outputs: of a network made by `add_coarse_heads`.
    """
    total, weight = 0.0, 1.0
    for name in COARSE_HEADS:
        if name not in outputs:
            break
        organ = ops.average_pool(truth[..., :1], 2, 2)
        others = ops.max_pool(truth[..., 1:], 2, 2) if truth.shape[-1] > 1 else truth[:, ::2, ::2, 1:]
        truth = ops.concatenate([organ, others], axis=-1)
        total += weight * ops.mean(loss(truth, outputs[name]))
        weight /= 2
    return total


def _one_minus_dice(truth: Any, probability: Any, axes: tuple[int, ...]) -> Any:
    """Return 1 - soft Dice, (2 t p + 1) / (t + p + 1), with sums over `axes`, in float32."""
    # bfloat16 has 8 significant bits, too few for a sum over the pixels of a slice.
    truth = ops.cast(truth, "float32")
    probability = ops.cast(probability, "float32")
    both = ops.sum(truth * probability, axis=axes)
    total = ops.sum(truth, axis=axes) + ops.sum(probability, axis=axes)
    return 1.0 - (2.0 * both + _SMOOTHING_TERM) / (total + _SMOOTHING_TERM)
