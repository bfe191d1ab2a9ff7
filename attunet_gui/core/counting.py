"""Numbers with their nouns, for people: the one place where a plural is made."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """ "1 slice", "12 slices".

    Args:
        number: how many.
        noun: of one; more words may stand before the one that changes, such as "unread slice".
        plural: of several, where an s at the end is not enough.
    """
    return f"{number} {noun_of(number, noun, plural)}"


def noun_of(number: int, noun: str, plural: str = "") -> str:
    """The noun alone: "slice" of one, "slices" of any other number."""
    return noun if number == 1 else plural or f"{noun}s"
