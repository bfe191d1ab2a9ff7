"""A small disk of our own, that can be filled: a tmpfs in a namespace of its own."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


def on_a_small_disk(module: str, what: str, disk: Path, *arguments: Path) -> None:
    """Run `module` as a program, with `what`, a disk of 3 MB, and `arguments`; or skip the test."""
    if shutil.which("unshare") is None:
        pytest.skip("this system cannot make a disk of its own")
    disk.mkdir()
    mount = f"mount -t tmpfs -o size=3m,mode=0700 tmpfs {shlex.quote(str(disk))}"
    program = shlex.join([sys.executable, "-m", module, what, str(disk), *map(str, arguments)])
    unshared = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*unshared, mount], capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    done = subprocess.run(
        [*unshared, f"{mount} && exec {program}"], cwd=_ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def fill(disk: Path) -> Path:
    """A file that leaves no byte free on `disk`."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            for size in (1 << 16, 1 << 12, 1):
                while file.write(b"x" * size) == size:
                    pass
        except OSError:
            pass
    return filler
