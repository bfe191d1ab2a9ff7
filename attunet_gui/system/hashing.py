"""SHA-256 of files and of JSON values: how models, masks, data sets and runs are told apart."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of the content of a file as 64 hexadecimal digits.

    The file is read in pieces, so its size does not matter.

    Raises:
        OSError: if the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_json(content: object) -> str:
    """Return the SHA-256 of a JSON value as 64 hexadecimal digits.

    Keys are sorted, so equal values have equal digests. The hashed text never changes between versions
    of the product: training runs that were stopped and generated data sets are recognised by it.
    """
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
