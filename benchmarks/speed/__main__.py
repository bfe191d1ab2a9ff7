"""How fast the product is on this machine: every row of the table, with its peer beside it.

python -m benchmarks.speed --peers DIR/bin/python --keep CT
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from attunet_gui.cli import run_command_line
from attunet_gui.cli.command_line import ModelOption
from attunet_gui.cli.console import console
from attunet_gui.cli.model_commands import choose_model
from attunet_gui.cli.window_launcher import has_display
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.software_versions import software_versions, utc_timestamp
from benchmarks.command_line import command_of
from benchmarks.speed.arithmetic_rate import arithmetic, monai
from benchmarks.speed.command_start import cold_start, show_help
from benchmarks.speed.draft_timing import draft, growth
from benchmarks.speed.machine_info import Machine, busy_share, describe
from benchmarks.speed.speed_bench import FULL, QUICK, SpeedBench, printed
from benchmarks.speed.speed_table import Measure, Row, Runs, as_markdown

_SCREEN = "-screen 0 1400x900x24 +extension GLX"
_NO_DISPLAY = "no display, and no virtual one (xvfb) either"

app = command_of("benchmarks.speed")


@dataclass(frozen=True)
class Probe:
    """Rows that come from one measurement.

    Attributes:
        rows: what it fills.
        take: measures; gives the samples by key.
    """

    rows: tuple[Measure, ...]
    take: Callable[[SpeedBench], dict[str, Runs]]


def _in_window(what: str, bench: SpeedBench, slices: int, runs: int) -> Any:
    """What `speed_window` prints; None without a display."""
    size, runner = bench.size, shutil.which("xvfb-run")
    if not has_display() and runner is None:
        return None
    job = {
        "ct": str(bench.file(slices)), "bundle": str(bench.bundle),
        "runs": runs, "scroll_seconds": size.scroll_seconds,
    }  # fmt: skip
    command = [sys.executable, "-m", "benchmarks.speed.window_timing", what, json.dumps(job)]
    screen = [] if has_display() else [str(runner), "-a", "-s", _SCREEN]
    return json.loads(printed([*screen, *command]).splitlines()[-1])


def _stalls(bench: SpeedBench) -> dict[str, Runs]:
    found = _in_window("stalls", bench, bench.size.whole, min(3, bench.size.runs))
    if found is None:
        return {key: Runs(note=_NO_DISPLAY) for key in ("stalls-p95", "stalls-worst")}
    seconds = ", ".join(f"{took:.1f}" for took in found["draft_seconds"])
    about = f"drafts took {seconds} s while she scrolled 17 slices a second"
    return {
        f"stalls-{kind}": Runs(
            ours=tuple(found[kind]), theirs=tuple(found[f"{kind}_without"]), peer="no draft", note=about
        )
        for kind in ("p95", "worst")
    }


def _hands(bench: SpeedBench) -> dict[str, Runs]:
    ours, bare = [], []
    for _ in range(min(3, bench.size.runs)):
        ours.append(_in_window("ours", bench, bench.size.whole, 1))
        bare.append(_in_window("bare", bench, bench.size.whole, 1))
    if None in ours:
        return {key: Runs(note=_NO_DISPLAY) for key in ("step", "stroke")}
    about = "median of many in a run; windows of 1280 x 800, each in its own process"
    return {
        key: Runs(
            ours=tuple(one[key] for one in ours),
            theirs=tuple(one[key] for one in bare),
            peer="bare napari",
            note=about,
        )
        for key in ("step", "stroke")
    }


def _opening(bench: SpeedBench) -> dict[str, Runs]:
    found = _in_window("opening", bench, bench.size.opened, bench.size.runs)
    if found is None:
        return {"open": Runs(note=_NO_DISPLAY)}
    note = (
        f"nibabel's voxels as stored; its get_fdata takes {found['floats'][0]:.2f} s; "
        f"the first CT of a window, with its shaders, took {found['first'] - 1:.1f} s"
    )
    return {"open": Runs(ours=tuple(found["ours"]), theirs=tuple(found["voxels"]), peer="nibabel", note=note)}


def _memory(bench: SpeedBench) -> dict[str, Runs]:
    found = [_in_window("memory", bench, bench.size.opened, 1) for _ in range(min(2, bench.size.runs))]
    if None in found:
        return {"memory": Runs(note=_NO_DISPLAY)}
    last = found[-1]
    opened, window, child = (f"{last[part]:.2f} GB" for part in ("opened", "window", "child"))
    note = f"window {window} ({opened} after opening), child {child}; gates shown"
    return {"memory": Runs(ours=tuple(one["window"] + one["child"] for one in found), note=note)}


PROBES = (
    Probe((Measure(key="help", title="`attunet --help`", limit=0.3, unit="s"),), show_help),
    Probe(
        (Measure(key="cold", title="start of `attunet predict` to the first slice", limit=2.5, unit="s"),),
        cold_start,
    ),
    Probe(
        (
            Measure(key="click", title="click to draft on the visible slice, warm", limit=0.15, unit="s"),
            Measure(key="whole", title="click to complete mask on its grid, with gates", limit=8, unit="s"),
            Measure(
                key="article", title="the same against the article's way",
                limit=10, unit="s", compared="times faster", least=True,
            ),
            Measure(key="outside", title="share of it outside the network", limit=25, unit="%"),
        ),
        draft,
    ),
    Probe(
        (
            Measure(
                key="monai", title="a slice through the network against MONAI's AttentionUnet of equal width",
                limit=4, unit="ms", compared="times faster", least=True,
            ),
        ),
        monai,
    ),
    Probe(
        (
            Measure(
                key="arithmetic", title="arithmetic used, of a large matrix product's",
                limit=40, unit="%", least=True,
            ),
        ),
        arithmetic,
    ),
    Probe(
        (
            Measure(
                key="stalls-p95", title="stalls of the window while drafting and scrolling, p95",
                limit=1.2, unit="ms", compared="times the peer",
            ),
            Measure(
                key="stalls-worst", title="the same, the worst",
                limit=1.2, unit="ms", compared="times the peer",
            ),
        ),
        _stalls,
    ),
    Probe(
        (
            Measure(
                key="step", title="step to the next slice", limit=1.1, unit="ms", compared="times the peer",
            ),
            Measure(
                key="stroke", title="stroke of the brush", limit=1.1, unit="ms", compared="times the peer",
            ),
        ),
        _hands,
    ),
    Probe(
        (
            Measure(
                key="open", title="opening a `.nii.gz`, to the first picture",
                limit=1.2, unit="s", compared="times the peer",
            ),
        ),
        _opening,
    ),
    Probe((Measure(key="memory", title="peak memory, window and child", limit=2.5, unit="GB"),), _memory),
    Probe(
        (
            Measure(
                key="growth", title="time a slice of the longest CT",
                limit=1.1, unit="ms", compared="times the peer",
            ),
            Measure(
                key="growth-memory", title="memory a slice of the longest CT",
                limit=1.1, unit="MB", compared="times the peer",
            ),
        ),
        growth,
    ),
)  # fmt: skip
"""In the order in which they are measured: what a busy machine would spoil most comes first."""


@dataclass(frozen=True)
class SpeedOptions:
    """What is asked for.

    Attributes:
        only: keys of rows; () for all.
        quick: on tiny volumes, once: to see that it works.
        as_json: print JSON instead of a table.
        peers: Python of an environment with PyTorch and MONAI.
        runs: rounds of each measure; None for as many as it takes.
        keep: folder for the volumes, which stay there; None for a temporary one.
    """

    only: tuple[str, ...] = ()
    quick: bool = False
    as_json: bool = False
    peers: Path | None = None
    runs: int | None = None
    keep: Path | None = None


def measure_speed(model_name: str | None, wanted: SpeedOptions) -> None:
    """Measure and print.

    Raises:
        AttunetError: a row of that name does not exist, or something measured failed.
    """
    keys = _chosen(wanted.only)
    machine = describe()
    _say(machine.told, machine.warning)
    with _folder(wanted.keep) as folder:
        size = QUICK if wanted.quick else FULL
        size = replace(size, runs=wanted.runs or size.runs)
        bench = SpeedBench(choose_model(model_name).folder.resolve(), folder, size, keys, wanted.peers)
        rows = tuple(row for probe in PROBES for row in _measured(probe, bench))
    _print(rows, _record(machine, bench, rows) if wanted.as_json else None)


def _chosen(only: tuple[str, ...]) -> frozenset[str]:
    known = [measure.key for probe in PROBES for measure in probe.rows]
    unknown = [key for key in only if key not in known]
    if unknown:
        raise AttunetError(f"There is no measure {unknown[0]!r}; there is {', '.join(known)}.")
    return frozenset(only or known)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        yield keep
        return
    with TemporaryDirectory(prefix="attunet-speed-") as folder:
        yield Path(folder)


def _measured(probe: Probe, bench: SpeedBench) -> list[Row]:
    rows = [measure for measure in probe.rows if measure.key in bench.wanted]
    if not rows:
        return []
    _say(f"measuring {', '.join(measure.key for measure in rows)}")
    for slices in {bench.size.whole, bench.size.opened}:
        bench.file(slices)
    before = busy_share()
    found = probe.take(bench)
    others = (before, busy_share())
    return [Row(measure=measure, runs=found[measure.key], others=others) for measure in rows]


def _say(*lines: str) -> None:
    """To where errors go: what is printed may be read by a program."""
    sys.stderr.writelines(f"{line}\n" for line in lines if line)


def _record(machine: Machine, bench: SpeedBench, rows: tuple[Row, ...]) -> dict[str, Any]:
    return {
        "made_by": "python -m benchmarks.speed",
        "model": bench.bundle.name,
        "size": asdict(bench.size),
        "machine": asdict(machine) | {"warning": machine.warning},
        "rows": [
            row.model_dump(mode="json") | {"value": row.value, "spread": row.spread, "reached": row.reached}
            for row in rows
        ],
        "made": utc_timestamp(),
        "versions": software_versions(),
    }


def _print(rows: tuple[Row, ...], record: dict[str, Any] | None) -> None:
    if record is not None:
        console.print(json.dumps(record, indent=2, ensure_ascii=False))
        return
    console.print(as_markdown(rows), end="")


@app.command()
def bench_speed(
    model: ModelOption = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this row; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Tiny volumes, once: to see that it works.")] = False,
    peers: Annotated[
        Path | None, typer.Option(help="Python of the environment that benchmarks/peers.sh made.")
    ] = None,
    runs: Annotated[int | None, typer.Option(min=1, help="Rounds of each measure; else 5 or fewer.")] = None,
    keep: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep the volumes here for the next time.")
    ] = None,
) -> None:
    """Measure how fast the product is on this machine, and its peers beside it."""
    measure_speed(model, SpeedOptions(tuple(only or ()), quick, as_json, peers, runs, keep))


if __name__ == "__main__":
    run_command_line(app)
