"""The warning about truths without any pancreas, which are possible but rarely meant."""

from __future__ import annotations

from collections.abc import Sequence

_NAMED = 5


def empty_words(empty: Sequence[str], total: int, what: str = "truths") -> str:
    """Return a warning about cases with empty masks; "" if there are none.

    Args:
        empty: names of the cases whose masks are empty.
        total: number of all cases.
        what: what the masks are called, in the plural.
    """
    if not empty:
        return ""
    named = ", ".join(empty[:_NAMED]) + (" and others" if len(empty) > _NAMED else "")
    are = "is" if len(empty) == 1 else "are"
    return (
        f"{len(empty)} of {total} {what} {are} empty ({named}): no pancreas is marked there. If that is not "
        "meant, look at their masks; on the command line --label VALUE names the value of the pancreas."
    )
