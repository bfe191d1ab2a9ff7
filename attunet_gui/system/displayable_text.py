"""Making text fit for the screen: names of files may hold any byte, and control characters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from attunet_gui.system.errors import AttunetError

_UNKNOWN = "�"


def displayable_text(text: str) -> str:
    """Return `text` in one line. Bytes that are not text, and characters that cannot be seen, become `�`."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _UNKNOWN for c in text)


@contextmanager
def displayable_errors() -> Iterator[None]:
    """Make the message of any `AttunetError` that is raised within the context fit for the screen."""
    try:
        yield
    except AttunetError as error:
        error.args = (displayable_text(str(error)), *error.args[1:])
        raise
