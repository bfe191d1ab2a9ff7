"""A hundred thousand seeded actions against the whole window, and what did not hold after one of them.

    xvfb-run -a -s "-screen 0 1400x900x24 +extension GLX" python -m benchmarks.random_actions \
        [--actions 100000] [--processes 2] [--seed 1] [--paint-every 20]

Each window does `--each` actions and is then closed, and the next begins with the next seed, in a process of
its own. The actions and what is checked after each are those of `tests/gui/test_random_actions.py`. Exit code
1 if an invariant was broken; the actions before it are printed, and the seed does them again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from json import dumps, loads
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

_CHILD = "one-window"


def main() -> int:
    """Print the totals; 1 if something did not hold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--actions", type=int, default=100_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--each", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--paint-every", type=int, default=20)
    parser.add_argument("--quiet-window", dest="child", choices=[_CHILD], help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.child:
        return _one_window(told.seed, told.actions, told.paint_every)
    return _all_windows(told)


def _one_window(seed: int, actions: int, paint_every: int) -> int:
    from qtpy.QtWidgets import QApplication

    from tests.support.random_window_run import run_actions

    application = QApplication([])
    with TemporaryDirectory() as folder:
        report = run_actions(Path(folder), seed, actions, stop_at_first=False, paint_every=paint_every)
    application.quit()
    # `asdict` makes a Counter of pairs out of a Counter.
    told = {**asdict(report), "actions": dict(report.actions)}
    sys.stdout.write(f"\n{dumps(told)}\n")
    return 0


def _all_windows(told: argparse.Namespace) -> int:
    since, total, broken = monotonic(), Counter[str](), Counter[str]()
    windows = -(-told.actions // told.each)
    run = partial(_in_own_process, told)
    strokes = ended = 0
    with ThreadPoolExecutor(told.processes) as pool:
        for seed, report in pool.map(run, range(told.seed, told.seed + windows)):
            if report is None:
                ended += 1
                print(f"seed {seed}: the window's process ended", flush=True)
                continue
            total.update(report["actions"])
            strokes += report["strokes"]
            for sentence in report["broken"]:
                first = sentence.splitlines()[0]
                if first not in broken:
                    print(f"seed {seed}: {sentence}", flush=True)
                broken[first] += 1
            print(
                f"{monotonic() - since:6.0f} s {total.total():7} actions, {strokes} strokes, "
                f"{broken.total()} broken invariants, {ended} windows ended",
                flush=True,
            )
    for name, count in total.most_common():
        print(f"{count:8} {name}")
    for sentence, count in broken.most_common():
        print(f"{count:8} times broken: {sentence}")
    return int(bool(broken or ended))


def _in_own_process(told: argparse.Namespace, seed: int) -> tuple[int, dict[str, Any] | None]:
    command = [sys.executable, "-m", "benchmarks.random_actions", "--quiet-window", _CHILD]
    numbers = ("--seed", seed, "--actions", told.each, "--paint-every", told.paint_every)
    done = subprocess.run(
        [*command, *map(str, numbers)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    last = done.stdout.strip().splitlines()[-1:]
    return seed, loads(last[0]) if done.returncode == 0 and last else None


if __name__ == "__main__":
    sys.exit(main())
