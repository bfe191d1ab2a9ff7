"""Pseudo-random draws that depend only on a seed, the name of a case and a purpose.

They come out the same on every machine, and the order in which cases are drawn does not matter.
"""

from __future__ import annotations

import hashlib


def draw_uniform(seed: int, name: str, purpose: str) -> float:
    """Return a number in [0, 1), uniformly distributed over names.

    Args:
        seed: of the project.
        name: of the case.
        purpose: what is drawn; draws for different purposes are independent of one another.
    """
    # A hash of the name, not a generator: then a draw does not depend on how many were made before it.
    digest = hashlib.blake2b(f"{seed}\0{purpose}\0{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
