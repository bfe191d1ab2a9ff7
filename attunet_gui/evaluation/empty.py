"""Truths without any pancreas: possible, rarely meant, and never to be passed over in silence."""

from __future__ import annotations

from collections.abc import Sequence

_NAMED = 5


def empty_words(empty: Sequence[str], total: int, what: str = "truths") -> str:
    """What to say of the cases called `empty`, of `total`, whose masks hold nothing; "" if there are none."""
    if not empty:
        return ""
    named = ", ".join(empty[:_NAMED]) + (" and others" if len(empty) > _NAMED else "")
    are = "is" if len(empty) == 1 else "are"
    return (
        f"{len(empty)} of {total} {what} {are} empty ({named}): no pancreas is marked there. If that is not "
        "meant, look at their masks; on the command line --label VALUE names the value of the pancreas."
    )
