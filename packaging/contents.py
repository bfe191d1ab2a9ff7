"""Prints what a packaged folder weighs, by part, the heaviest first. Usage: contents.py FOLDER [HOW_MANY]."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path


def weights(folder: Path) -> Counter[str]:
    """Bytes by part: the first name below `lib`, else the first name."""
    found: Counter[str] = Counter()
    for file in folder.rglob("*"):
        if file.is_file() and not file.is_symlink():
            names = file.relative_to(folder).parts
            found[names[1] if names[0] == "lib" else names[0]] += file.stat().st_size
    return found


def main() -> None:
    """Print one line a part, and the sum."""
    found = weights(Path(sys.argv[1]))
    for name, size in found.most_common(int(sys.argv[2]) if len(sys.argv) > 2 else 20):
        sys.stdout.write(f"{size / 1e6:8.1f} MB  {name}\n")
    sys.stdout.write(f"{sum(found.values()) / 1e6:8.1f} MB  together\n")


if __name__ == "__main__":
    main()
