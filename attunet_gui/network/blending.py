"""Interpolation between the weights of two networks of the same shape."""

from __future__ import annotations

from typing import Any


def blend(first: Any, last: Any, share: float) -> None:
    """Move every weight of `last` to `share` of the way from `first`: 0 gives `first`, 1 leaves `last`
    unchanged.

    On the straight line from a network to its fine-tuned version, most of what is new is gained before much
    of what was known is lost (WiSE-FT, Wortsman et al. 2022, arXiv:2109.01903).

    Args:
        first, last: Keras models of one family and configuration; `last` is changed in place.
        share: 0 to 1.
    """
    pairs = zip(first.get_weights(), last.get_weights(), strict=True)
    last.set_weights([start + share * (end - start) for start, end in pairs])
