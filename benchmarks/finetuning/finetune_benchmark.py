"""Whether corrections teach: phantoms of a kind the model does badly on, corrected, learnt and measured.

Truth stands in for corrections. What is fine-tuned is measured on phantoms of that kind and of the everyday
kind that no run has seen, and once from labels that are wrong on purpose, which the guard has to notice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from attunet_gui.evaluation.case_scores import MeanEstimate, estimate_mean
from attunet_gui.evaluation.model_comparison import ComparisonCase, score_draft
from attunet_gui.io.datasets.dataset_layouts import LabelledCT
from attunet_gui.io.datasets.pair_dataset import pair_paths
from attunet_gui.io.result_writing import make_folder, write_ct, write_json, write_mask
from attunet_gui.network.inference import LoadedModel, load_model
from attunet_gui.network.model_bundle import read_bundle
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.progress import ProgressCallback, no_progress
from attunet_gui.training.finetuning.finetune_config import FinetuneBudget, FinetuneConfig
from attunet_gui.training.finetuning.finetune_run import run_finetuning
from attunet_gui.training.phantom_cases import labelled_phantom
from attunet_gui.training.process_pool import map_in_processes
from benchmarks.domain_shift import make_shifted_phantom, unenhanced_seeds

NEW, OLD = "new kind", "old kind"
_TAUGHT_SEED, _UNSEEN_SEED, _FROZEN_SEED, _OLD_SEED = 60000, 64000, 66000, 90000
_ASIDE_MM = 45.0
"""How far wrong labels lie from the gland: on bowel, fat and kidney."""


@dataclass(frozen=True)
class FinetuneBenchmark:
    """What is run.

    Attributes:
        parent: folder of the model that learns.
        output: folder for cases, runs and results; what is there is used again.
        counts: how many cases are corrected, each count a run; a fifth of them judges.
        unseen: how many cases of either kind are measured on.
        frozen: how many right cases judge the model that learns from wrong labels; 0 leaves it out.
        effort: of each run.
    """

    parent: Path
    output: Path
    counts: tuple[int, ...] = (5, 10, 20)
    unseen: int = 8
    frozen: int = 4
    effort: FinetuneBudget = field(default_factory=FinetuneBudget)


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Scored(_Row):
    """A model on unseen cases of one kind: DSC and NSD by case, and the mean DSC."""

    kind: str
    dsc: tuple[float, ...]
    nsd: tuple[float, ...]
    mean: MeanEstimate


class FinetuneResult(_Row):
    """One run.

    Attributes:
        corrected: how many cases; 0 is the model as it was.
        wrong: whether the labels were wrong on purpose.
        passed, sentence: what the guard said.
        seconds: from the data set on disk to the verdict, wall time.
        steps: of training.
        scores: on unseen cases, new kind first.
    """

    corrected: int
    wrong: bool = False
    passed: bool | None = None
    sentence: str = ""
    seconds: float = 0.0
    steps: int = 0
    scores: tuple[Scored, ...]


def run_benchmark(
    benchmark: FinetuneBenchmark, progress: ProgressCallback = no_progress
) -> tuple[FinetuneResult, ...]:
    """Every run in turn, the model as it was first.

    Raises:
        AttunetError: too few cases are to be corrected for one of them to judge.
    """
    if min(benchmark.counts) < 2:
        raise AttunetError("At least two cases are needed: one to learn from and one to judge.")
    runs = _runs(benchmark, unenhanced_seeds(_TAUGHT_SEED, max(benchmark.counts)))
    made = [_record_of(benchmark, name) for name, _ in runs]
    unseen = () if all(map(Path.is_file, made)) else _unseen(benchmark.unseen, progress)
    return tuple(
        _kept(path, partial(run, unseen, progress)) for path, (_, run) in zip(made, runs, strict=True)
    )


Run = Callable[[Sequence[ComparisonCase], ProgressCallback], FinetuneResult]


def _runs(benchmark: FinetuneBenchmark, seeds: Sequence[int]) -> tuple[tuple[str, Run], ...]:
    """Name and run, in order."""
    wrong = (("wrong", partial(_from_wrong_labels, benchmark, seeds)),) if benchmark.frozen else ()
    right = (
        (str(count), partial(_from_right_labels, benchmark, seeds[:count])) for count in benchmark.counts
    )
    return (("none", partial(_as_it_was, benchmark)), *right, *wrong)


def _record_of(benchmark: FinetuneBenchmark, name: str) -> Path:
    """Where the result of a run is kept; another model, effort or number of cases has another place."""
    told = [
        read_bundle(benchmark.parent).card.weights_sha256,
        asdict(benchmark.effort),
        benchmark.unseen,
        benchmark.frozen,
    ]
    digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:12]
    return benchmark.output / f"{name}-{digest}.json"


def _kept(path: Path, run: Callable[[], FinetuneResult]) -> FinetuneResult:
    try:
        return FinetuneResult.model_validate_json(path.read_text("utf-8"))
    except (OSError, ValueError):
        found = run()
        write_json(path, found.model_dump(mode="json"))
        return found


def _as_it_was(
    benchmark: FinetuneBenchmark, unseen: Sequence[ComparisonCase], progress: ProgressCallback
) -> FinetuneResult:
    return FinetuneResult(
        corrected=0, scores=_scores(load_model(read_bundle(benchmark.parent)), unseen, progress)
    )


def _from_right_labels(
    benchmark: FinetuneBenchmark,
    seeds: Sequence[int],
    unseen: Sequence[ComparisonCase],
    progress: ProgressCallback,
) -> FinetuneResult:
    count = len(seeds)
    folder = _written(benchmark.output / f"corrected-{count}", seeds, progress)
    order = FinetuneConfig(
        folder, benchmark.parent, benchmark.output / f"run-{count}", effort=benchmark.effort
    )
    return _run(order, count, unseen, progress)


def _from_wrong_labels(
    benchmark: FinetuneBenchmark,
    seeds: Sequence[int],
    unseen: Sequence[ComparisonCase],
    progress: ProgressCallback,
) -> FinetuneResult:
    count = min(10, max(benchmark.counts))
    folder = _written(benchmark.output / "wrong", seeds[:count], progress, _beside)
    right = unenhanced_seeds(_FROZEN_SEED, benchmark.frozen)
    frozen = _written(benchmark.output / "frozen", right, progress)
    order = FinetuneConfig(
        folder, benchmark.parent, benchmark.output / "run-wrong", validation=frozen, effort=benchmark.effort
    )
    return _run(order, count, unseen, progress).model_copy(update={"wrong": True})


def _run(
    order: FinetuneConfig, count: int, unseen: Sequence[ComparisonCase], progress: ProgressCallback
) -> FinetuneResult:
    began = perf_counter()
    done = run_finetuning(order, progress)
    seconds = perf_counter() - began
    return FinetuneResult(
        corrected=count,
        passed=done.verdict.passed,
        sentence=done.verdict.sentence,
        seconds=round(seconds, 1),
        steps=done.steps,
        scores=_scores(load_model(done.bundle), unseen, progress),
    )


def _unseen(count: int, progress: ProgressCallback) -> tuple[ComparisonCase, ...]:
    """Made once, since every run is measured on them."""
    new = [(NEW, seed) for seed in unenhanced_seeds(_UNSEEN_SEED, count)]
    wanted = [*new, *((OLD, seed) for seed in range(_OLD_SEED, _OLD_SEED + count))]
    made = map_in_processes(_judged, wanted, "making unseen cases", progress)
    return tuple(
        ComparisonCase(kind, f"{kind} {seed}", f"{kind} {seed}", partial(_same, judged))
        for (kind, seed), judged in zip(wanted, made, strict=True)
    )


def _judged(wanted: tuple[str, int]) -> LabelledCT:
    kind, seed = wanted
    volume, mask = make_shifted_phantom(seed) if kind == NEW else labelled_phantom(seed)
    return LabelledCT(volume, mask, None)


def _same(judged: LabelledCT) -> LabelledCT:
    return judged


def _scores(
    model: LoadedModel, cases: Sequence[ComparisonCase], progress: ProgressCallback
) -> tuple[Scored, ...]:
    return tuple(_scored(model, kind, cases, progress) for kind in (NEW, OLD))


def _scored(
    model: LoadedModel, kind: str, cases: Sequence[ComparisonCase], progress: ProgressCallback
) -> Scored:
    chosen = [case for case in cases if case.group == kind]
    rows = []
    for number, case in enumerate(chosen, start=1):
        rows.append(score_draft(model, case.load()))
        progress(number, len(chosen), f"measuring, {kind}")
    dsc = tuple(round(row.dsc, 4) for row in rows)
    return Scored(
        kind=kind,
        dsc=dsc,
        nsd=tuple(round(row.nsd, 4) for row in rows),
        mean=estimate_mean(dsc, [case.person for case in chosen]),
    )


Change = Callable[[NDArray[np.uint8], tuple[float, float, float]], NDArray[np.uint8]]


def _as_it_is(mask: NDArray[np.uint8], _spacing_mm: tuple[float, float, float]) -> NDArray[np.uint8]:
    return mask


def _beside(mask: NDArray[np.uint8], spacing_mm: tuple[float, float, float]) -> NDArray[np.uint8]:
    """The mask, moved to the back and to the left."""
    return np.roll(mask, [round(_ASIDE_MM / step) for step in spacing_mm[1:]], axis=(1, 2))


def _written(
    folder: Path, seeds: Sequence[int], progress: ProgressCallback, change: Change = _as_it_is
) -> Path:
    """A data set of pairs in `folder`; pairs that are there stay."""
    for part in ("images", "labels"):
        make_folder(folder / part)
    missing = [seed for seed in seeds if not pair_paths(folder, _named(seed), ()).label.is_file()]
    if missing:
        map_in_processes(partial(_write, folder=folder, change=change), missing, "making cases", progress)
    return folder


def _write(seed: int, folder: Path, change: Change) -> None:
    volume, mask = make_shifted_phantom(seed)
    pair = pair_paths(folder, _named(seed), ())
    write_ct(pair.image, volume)
    write_mask(pair.label, change(mask, volume.grid.spacing_mm), volume)


def _named(seed: int) -> str:
    return f"shifted-{seed}"


HEADINGS = ("corrected", "steps", "minutes", f"DSC, {NEW}", "change", f"DSC, {OLD}", "change", "guard")


def cells(found: Sequence[FinetuneResult]) -> Iterator[tuple[str, ...]]:
    """A row of the table for each run, beside the model as it was."""
    before = [scored.mean.mean for scored in found[0].scores]
    for each in found:
        title = f"{each.corrected}, labels wrong" if each.wrong else str(each.corrected)
        new, old = each.scores
        changes = [f"{scored.mean.mean - was:+.3f}" for scored, was in zip(each.scores, before, strict=True)]
        first = each is found[0]
        yield (
            "none" if first else title,
            "-" if first else str(each.steps),
            "-" if first else f"{each.seconds / 60:.1f}",
            _with_interval(new.mean),
            "-" if first else changes[0],
            _with_interval(old.mean),
            "-" if first else changes[1],
            "-" if each.passed is None else "passed" if each.passed else "held back",
        )


def as_markdown(found: Sequence[FinetuneResult]) -> str:
    """The table for a document."""
    rows = [HEADINGS, ("---",) * len(HEADINGS), *cells(found)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def _with_interval(found: MeanEstimate) -> str:
    if found.interval is None:
        return f"{found.mean:.3f}"
    return "{:.3f} ({:.3f} to {:.3f})".format(found.mean, *found.interval)
