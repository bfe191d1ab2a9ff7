"""On what a speed was measured, and whether that machine had anything else to do."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from time import sleep

from attunet_gui.system.plurals import counted

_CPUINFO, _MEMINFO, _STAT = Path("/proc/cpuinfo"), Path("/proc/meminfo"), Path("/proc/stat")
_FEATURES = ("amx_bf16", "amx_int8", "avx512_bf16", "avx512_vnni", "avx2")
_IDLE_SHARE = 0.05
NICENESS = 10
"""Of the child that drafts, and so of everything that it is compared with."""


@dataclass(frozen=True)
class Machine:
    """A machine at the start of a measurement.

    Attributes:
        cpu: as the processor names itself.
        cores: that this process may use.
        features: what it multiplies with, by the names of the kernel.
        memory_gb: whole memory.
        load: load average of the last minute.
        others: share of all cores that was busy while we did nothing, 0 to 1.
    """

    cpu: str
    cores: int
    features: tuple[str, ...]
    memory_gb: float
    load: float
    others: float

    @property
    def told(self) -> str:
        """For people, one line."""
        features = ", ".join(self.features) or "no vector features known"
        return (
            f"{self.cpu}, {counted(self.cores, 'core')} ({features}), {self.memory_gb:.0f} GB, "
            f"load {self.load:.1f}, "
            f"others take {self.others:.0%} of the cores"
        )

    @property
    def warning(self) -> str:
        """What is wrong with measuring now; "" if nothing is."""
        if self.others <= _IDLE_SHARE:
            return ""
        return (
            f"This machine is not idle: other programs take {self.others:.0%} of its cores, so times "
            "come out too long and ratios are uncertain; close them and measure again."
        )


def describe() -> Machine:
    """This machine, now. Takes a second."""
    about = _fields(_CPUINFO)
    flags = set(about.get("flags", "").split())
    kilobytes = _fields(_MEMINFO).get("MemTotal", "0 kB").split()[0]
    return Machine(
        cpu=about.get("model name") or platform.processor() or platform.machine(),
        cores=cores(),
        features=tuple(name for name in _FEATURES if name in flags),
        memory_gb=int(kilobytes) / 1e6,
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0,
        others=busy_share(),
    )


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def busy_share(seconds: float = 1.0) -> float:
    """Share of all cores that is busy while this process sleeps; 0 where the system does not tell."""
    first = _ticks()
    sleep(seconds)
    last = _ticks()
    whole = sum(last) - sum(first)
    return max(0.0, 1 - (_idle(last) - _idle(first)) / whole) if whole > 0 else 0.0


def _ticks() -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in _STAT.read_text("utf-8").splitlines()[0].split()[1:9])
    except OSError:
        return ()


def _idle(ticks: tuple[int, ...]) -> int:
    return sum(ticks[3:5])


def peak_gb(process: int) -> float:
    """Most memory that a living process ever held, GB (1e9 bytes); Linux only."""
    return int(_fields(Path(f"/proc/{process}/status"))["VmHWM"].split()[0]) * 1024 / 1e9


def _fields(path: Path) -> dict[str, str]:
    """What a file of the kernel says, first mention first; {} where there is no such file."""
    found: dict[str, str] = {}
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError:
        return found
    for line in lines:
        name, _, value = line.partition(":")
        found.setdefault(name.strip(), value.strip())
    return found
