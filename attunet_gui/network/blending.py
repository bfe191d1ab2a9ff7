"""Weights between two networks of one shape."""

from __future__ import annotations

from typing import Any


def blend(first: Any, last: Any, share: float) -> None:
    """Move every weight of `last` to `share` of the way from `first`: 0 is `first`, 1 leaves `last` alone.

    Along the straight line from a network to what fine-tuning made of it, what was learnt first is forgotten
    later than what is new is lost (WiSE-FT, Wortsman et al. 2022, arXiv:2109.01903).

    Args:
        first, last: Keras models of one family and configuration; `last` is changed in place.
        share: 0 to 1.
    """
    pairs = zip(first.get_weights(), last.get_weights(), strict=True)
    last.set_weights([start + share * (end - start) for start, end in pairs])
