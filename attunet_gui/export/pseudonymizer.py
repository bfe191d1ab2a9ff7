"""Pseudonyms of people and UIDs in an export: keyed hashes, which nobody can reverse without the key."""

from __future__ import annotations

import hmac
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from attunet_gui.system.errors import AttunetError

_KEY_BYTES = 32
# The root of UIDs that are made of a 128-bit number (PS3.5, B.2).
_UID_ROOT = "2.25."


@dataclass(frozen=True)
class Pseudonymizer:
    """How identifiers are treated. One key always gives the same mapping.

    Attributes:
        key: a secret of those who export. It is never part of an export, because with it a guess of whose an
            image is could be confirmed.
        kept: whether names, UIDs and file names of the source are exported as they are.
    """

    key: bytes = field(repr=False)
    kept: bool = False

    def keyed_digest(self, *parts: str) -> bytes:
        """Return 32 bytes, a hash of `parts` with the key."""
        return hmac.digest(self.key, "\0".join(parts).encode(), "sha256")

    def pseudonym(self, kind: str, name: str) -> str:
        """Return `name` if identifiers are kept, else `kind` and eight hexadecimal digits; "" for ""."""
        if self.kept or not name:
            return name
        return f"{kind}-{self.keyed_digest(kind, name).hex()[:8]}"

    def mapped_uid(self, *parts: str) -> str:
        """Return the UID that replaces `parts`, which are a UID of the source or describe a missing one."""
        return _UID_ROOT + str(int.from_bytes(self.keyed_digest("uid", *parts)[:16]))


def read_export_key(path: Path) -> bytes:
    """Read the key in the file `path`. If there is none, a new key is written, readable by its owner alone.

    Raises:
        AttunetError: if the file cannot be read or written, or its content is too short to be a key.
    """
    try:
        _make_key_file(path)
        key = bytes.fromhex(path.read_text("ascii"))
    except (OSError, ValueError) as error:
        raise AttunetError(
            f"The key for pseudonyms, {path.name}, cannot be read or made ({error}): ask for access to "
            "its folder."
        ) from error
    if len(key) < _KEY_BYTES:
        raise AttunetError(f"The key for pseudonyms, {path.name}, is damaged: restore it, or take it away.")
    return key


def _make_key_file(path: Path) -> None:
    """Write a new key to `path`, readable by its owner alone, unless there is one."""
    if path.exists():
        return
    part = path.with_name(f".{path.name}-{secrets.token_hex(6)}.part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        # A link, not a rename: of two processes the first one wins, and nobody ever reads half a key.
        with suppress(FileExistsError):
            os.link(part, path)
    finally:
        part.unlink()
