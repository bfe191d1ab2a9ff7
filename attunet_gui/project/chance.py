"""Draws that come out the same on every machine and in any order: a number of the case and a seed."""

from __future__ import annotations

import hashlib


def draw(seed: int, name: str, purpose: str) -> float:
    """A number in [0, 1), uniform over names; one `purpose` says nothing of another."""
    digest = hashlib.blake2b(f"{seed}\0{purpose}\0{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
