"""Prints the Debian packages a packaged folder needs, as `Depends` writes them. Usage: needs.py FOLDER.

Counted: the libraries that the files inside name and the folder does not hold. The newest symbol of glibc
that any of them asks for says which systems are new enough.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

OPENED_BY_NAME = ("libgl1", "libegl1", "libgl1-mesa-dri", "fonts-dejavu-core", "xkb-data")
"""What no file names, because it is opened when the window is: graphics driver, a font, keyboards."""
NOT_NEEDED_TO_BUILD = {
    "libwayland-cursor.so.0": "libwayland-cursor0",
    "libwayland-egl.so.1": "libwayland-egl1",
}
"""Of a Wayland desktop; a machine that builds has no window of its own."""
_NEEDED = re.compile(r"^  NEEDED +(\S+)$", re.MULTILINE)
_GLIBC = re.compile(r"GLIBC_(\d+)\.(\d+)")


def needed(folder: Path) -> tuple[set[str], tuple[int, ...]]:
    """Names of libraries that have to come from the system, and the glibc that is asked for."""
    names: set[str] = set()
    glibc = (0, 0)
    held = {file.name for file in folder.rglob("*") if ".so" in file.name}
    for file in [folder / "attunet", *folder.rglob("*.so*")]:
        if file.is_symlink() or not file.is_file():
            continue
        said = subprocess.run(["objdump", "-p", file], capture_output=True, text=True, check=False).stdout
        names.update(_NEEDED.findall(said))
        glibc = max([glibc, *((int(a), int(b)) for a, b in _GLIBC.findall(said))])
    return names - held, glibc


def package_of(library: str) -> str | None:
    """The Debian package of this machine that has `library`; None if there is none."""
    for folder in ("/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu"):
        asked = ["dpkg-query", "-S", f"{folder}/{library}"]
        found = subprocess.run(asked, capture_output=True, text=True, check=False)
        if not found.returncode:
            return found.stdout.split(":")[0]
    return NOT_NEEDED_TO_BUILD.get(library)


def main() -> None:
    """Print one line."""
    libraries, glibc = needed(Path(sys.argv[1]))
    packages = {name: package_of(name) for name in libraries}
    unknown = sorted(name for name, package in packages.items() if package is None)
    if unknown:
        sys.stderr.write(f"no Debian package here has: {', '.join(unknown)}\n")
    found = {package for package in packages.values() if package} - {"libc6"}
    newest = f"libc6 (>= {'.'.join(map(str, glibc))})"
    sys.stdout.write(", ".join([newest, *sorted(found | set(OPENED_BY_NAME))]) + "\n")


if __name__ == "__main__":
    main()
