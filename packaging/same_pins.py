"""Ends with a sentence if a lock pins anything but what another does. Usage: same_pins.py LOCK OTHER.

Every pin of LOCK has to be one of OTHER, with no hash that OTHER does not have.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

_PIN = re.compile(r"^(\S+==\S+)", re.MULTILINE)


def pins(lock: str) -> dict[str, frozenset[str]]:
    """Package and version -> the hashes its files may have."""
    parts = _PIN.split(lock)[1:]
    found = zip(parts[::2], parts[1::2], strict=True)
    return {pin: frozenset(re.findall(r"--hash=(\S+)", rest)) for pin, rest in found}


def main() -> None:
    """Compare, and exit."""
    ours, theirs = (pins(Path(name).read_text("utf-8")) for name in sys.argv[1:3])
    other = sorted(
        pin for pin, hashes in ours.items() if not hashes or not hashes <= theirs.get(pin, frozenset())
    )
    if other:
        sys.exit(f"These are not what {sys.argv[2]} pins: {', '.join(other)}.")


if __name__ == "__main__":
    main()
