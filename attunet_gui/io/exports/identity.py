"""What stands for people and UIDs in an export: keyed hashes, which nobody can undo without the key."""

from __future__ import annotations

import hmac
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from attunet_gui.core.errors import AttunetError

_KEY_BYTES = 32
_UID_ROOT = "2.25."
"""For UIDs made of a 128-bit number: DICOM PS3.5, B.2."""


@dataclass(frozen=True)
class Identity:
    """How identifiers are treated; one key, one mapping, whatever is exported and however often.

    Attributes:
        key: secret of whoever exports. It stays out of the export: with it, guesses could be confirmed.
        kept: true if names, UIDs and file names of the source may go out as they are.
    """

    key: bytes = field(repr=False)
    kept: bool = False

    def digest(self, *parts: str) -> bytes:
        """32 bytes that depend on the key and on each part."""
        return hmac.digest(self.key, "\0".join(parts).encode(), "sha256")

    def pseudonym(self, kind: str, name: str) -> str:
        """`name` if identifiers are kept, else `kind` and eight hexadecimal digits; "" for nobody."""
        if self.kept or not name:
            return name
        return f"{kind}-{self.digest(kind, name).hex()[:8]}"

    def uid(self, *parts: str) -> str:
        """The UID that stands for `parts` (such as a UID of the source, or what it lacks one for)."""
        return _UID_ROOT + str(int.from_bytes(self.digest("uid", *parts)[:16]))


def read_key(path: Path) -> bytes:
    """The key in the file `path`; a new one is made, readable by its owner alone, if there is none.

    Raises:
        AttunetError: if it cannot be read or made, or is too short to be one.
    """
    try:
        _make(path)
        key = bytes.fromhex(path.read_text("ascii"))
    except (OSError, ValueError) as error:
        raise AttunetError(
            f"The key for pseudonyms, {path.name}, cannot be read or made ({error}): ask for access to "
            "its folder."
        ) from error
    if len(key) < _KEY_BYTES:
        raise AttunetError(f"The key for pseudonyms, {path.name}, is damaged: restore it, or take it away.")
    return key


def _make(path: Path) -> None:
    if path.exists():
        return
    part = path.with_name(f".{path.name}-{secrets.token_hex(6)}.part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        # Whoever is first wins, and nobody ever reads half a key.
        with suppress(FileExistsError):
            os.link(part, path)
    finally:
        part.unlink()
