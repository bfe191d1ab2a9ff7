"""Names of files hold any byte; what is shown to a person does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from attunet_gui.core.errors import AttunetError

_UNKNOWN = "�"


def showable(text: str) -> str:
    """`text` in one line: bytes that are no text, and characters that are not seen, become `�`."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _UNKNOWN for c in text)


@contextmanager
def showable_errors() -> Iterator[None]:
    """What is raised within says nothing that cannot be shown or encoded."""
    try:
        yield
    except AttunetError as error:
        error.args = (showable(str(error)), *error.args[1:])
        raise
