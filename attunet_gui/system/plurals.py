"""Counts with their nouns, and lists that are cut, for text that people read."""

from __future__ import annotations

from collections.abc import Sequence


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return the number with its noun, such as "1 slice" or "12 slices".

    Args:
        number: how many there are.
        noun: the singular; words that do not change may stand before the noun, as in "unread slice".
        plural: the plural, where an appended "s" is not right.
    """
    return f"{number} {plural_of(number, noun, plural)}"


def plural_of(number: int, noun: str, plural: str = "") -> str:
    """Return the noun alone: "slice" for 1, "slices" for any other number."""
    return noun if number == 1 else plural or f"{noun}s"


def abbreviated_list(words: Sequence[str], most: int) -> str:
    """Return the first `most` of `words` as text, and how many more there are, such as "a, b and 3 more"."""
    more = len(words) - most
    return ", ".join(words[:most]) + (f" and {more} more" if more > 0 else "")
