"""Runs a program of ours and reports every attempt to reach a network, of its Python children too.

Python tells an audit hook of each socket that is connected, bound or sent to, and of each name that is looked
up. The hook comes by `sitecustomize`, so a spawned child has it as well. The pipe between the processes is a
pair of sockets that are born connected: nothing is reported of it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_IS_THERE_IPV6 = "socket.bind (('::1', 0),)"
"""What urllib3 asks the kernel when pydicom imports it: nothing listens, nothing is sent."""
_HOOK = """
import os, sys
_WATCHED = {
    "socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo",
    "socket.gethostbyname", "socket.gethostbyaddr", "urllib.Request", "http.client.connect",
}
def _watch(event, arguments):
    if event in _WATCHED:
        with open(os.environ["WATCHED_TO"], "a") as report:
            report.write(f"{event} {arguments[1:]}\\n")
with open(os.environ["WATCHED_TO"], "a") as report:
    report.write("process\\n")
sys.addaudithook(_watch)
"""


_DISPLAY = ".X11-unix/"
"""A socket of this machine: whether the display answers is asked before Qt would end the process."""


@dataclass(frozen=True)
class Watched:
    """What a program did.

    Attributes:
        processes: how many Python processes there were.
        attempts: one line for each time one of them turned to a network.
    """

    processes: int
    attempts: tuple[str, ...]


def watch(arguments: list[str], folder: Path, environment: dict[str, str] | None = None) -> Watched:
    """Run Python with `arguments`, with everything of its own in `folder`; it has to end well."""
    (folder / "hook").mkdir(parents=True)
    (folder / "hook" / "sitecustomize.py").write_text(_HOOK)
    report = folder / "report.txt"
    own = {"WATCHED_TO": str(report), "PYTHONPATH": f"{folder / 'hook'}:{_ROOT}", "HOME": str(folder)}
    # OpenVINO's own reporter stays silent where CI is set.
    inherited = {name: value for name, value in os.environ.items() if name not in {"CI", "TF_BUILD"}}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=_ROOT,
        env=inherited | own | (environment or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = report.read_text().splitlines()
    attempts = tuple(
        line for line in lines if line not in {"process", _IS_THERE_IPV6} and _DISPLAY not in line
    )
    return Watched(lines.count("process"), attempts)
