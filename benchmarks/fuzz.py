"""Feeds the readers with damaged and hostile files and counts what comes of them.

    python -m benchmarks.fuzz [--count 1500] [--seed 1] [--kind nifti] [--json FILE]
    python -m benchmarks.fuzz --show nifti:17

Every input follows from seed, kind and number alone. It is opened by the product in a process of its own with
10 s of a processor and little memory; a mask is saved for whatever opens, and readers that are not the
product's say whether it lies right. Exit code 1 if anything but a volume and a clear refusal came out.
Linux only.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from tests.fuzzing.judge import BASE_MB, FAULTS, judge
from tests.fuzzing.pool import MAKERS, Job, Judged, judge_all


def main() -> int:
    """Run, print the counts, and say by the exit code whether there was a fault."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=1500, help="inputs of each kind")
    parser.add_argument("--first", type=int, default=0, help="number of the first one")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=tuple(MAKERS), action="append", help="only this one")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write every outcome here")
    parser.add_argument("--show", metavar="KIND:NUMBER", help="judge one input here and print what comes")
    told = parser.parse_args()
    if told.show:
        return _show(told.show, told.seed)
    kinds, numbers = told.kind or tuple(MAKERS), range(told.first, told.first + told.count)
    since = perf_counter()
    jobs = [Job(kind, told.seed, number) for number in numbers for kind in kinds]
    judged = list(_told(judge_all(jobs, told.processes)))
    _print_table(judged, perf_counter() - since)
    if told.json:
        told.json.write_text(json.dumps([asdict(each) for each in judged], indent=1, ensure_ascii=True))
    return int(any(each.outcome.kind in FAULTS for each in judged))


def _show(which: str, seed: int) -> int:
    kind, number = which.split(":")
    with TemporaryDirectory() as folder:
        inside = Path(folder) / "input"
        inside.mkdir()
        for each in (Path(folder), inside):
            each.chmod(0o755)
        made = MAKERS[kind](seed, int(number), inside)
        print("; ".join(made.steps))
        outcome = judge(made, Path(folder) / "mask.nii.gz", stage=print)
    print(outcome.kind, "-", _printable(outcome.words), "" if outcome.checked else "(no second opinion)")
    return int(outcome.kind in FAULTS)


def _told(judged: Iterator[Judged]) -> Iterator[Judged]:
    for each in judged:
        if each.outcome.kind in FAULTS:
            print(f"{each.outcome.kind}: {each.job.kind}:{each.job.number} {'; '.join(each.steps)}")
            print(f"    {_printable(each.outcome.words[-1500:])}", flush=True)
        yield each


def _print_table(judged: list[Judged], seconds: float) -> None:
    kinds = tuple(dict.fromkeys(each.job.kind for each in judged))
    print(f"\n{'':20}" + "".join(f"{kind:>12}" for kind in kinds))
    counts = {kind: Counter(each.outcome.kind for each in judged if each.job.kind == kind) for kind in kinds}
    for name in ("read", "refused", *FAULTS):
        print(f"{name:20}" + "".join(f"{counts[kind][name]:>12}" for kind in kinds))
    alone = sum(not each.outcome.checked for each in judged)
    sentences = len({each.outcome.words for each in judged if each.outcome.kind == "refused"})
    slowest = max(each.seconds for each in judged)
    print(f"\nread where no other reader does: {alone}; different sentences: {sentences}")
    print(f"slowest {slowest:.1f} s, its check included")
    print(f"{len(judged)} inputs in {seconds:.0f} s; memory: twice the honest size + {BASE_MB} MB")


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


if __name__ == "__main__":
    sys.exit(main())
