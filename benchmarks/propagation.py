"""What carrying corrections on is worth: DSC of the slices that nobody corrected, before and after.

    python -m benchmarks.propagation --model starter-2 --phantoms 6 --shifted 6 --pairs FOLDER --cases 6

Every case is drafted; --slices of it are made right, the worst one in each of as many parts of the gland;
the network carries that on. Printed for each case: what the held-out slices said, whether it spoke, the DSC
of the other slices, and seconds, the network being warm. `--shifted` are phantoms of a scanner that the model
does badly on. FOLDER has images/ and labels/ as .nii.gz; --label is the value of the pancreas there.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attunet_gui.cli.model_commands import choose_model
from attunet_gui.core.metrics import dice_coefficient
from attunet_gui.core.propagation import PropagationResult
from attunet_gui.evaluation.labelled_cases import LabelledCase, pair_cases
from attunet_gui.evaluation.model_drafts import DraftedCase, draft_cases
from attunet_gui.network.inference import load_model
from attunet_gui.network.online_adapter import OnlineAdapter
from attunet_gui.network.patient_adaptation import AdaptationBudget, CorrectedSlices, propagate_corrections
from attunet_gui.training.phantom_cases import labelled_phantom
from benchmarks.command_line import add_label_argument
from benchmarks.domain_shift import make_shifted_phantom, unenhanced_seeds


def main() -> None:
    """Print the table."""
    wanted = _wanted()
    model = load_model(choose_model(wanted.model))
    learner = OnlineAdapter(model)
    learner.compile_step()
    for name, cases in _groups(wanted):
        rows = []
        for drafted in draft_cases(model, cases):
            rows.append(_carried_on(drafted, learner, wanted))
        before, after, spoke, seconds = np.array(rows).T
        gain = after - before
        print(
            f"{name}: {len(rows)} cases, DSC of the other slices {before.mean():.3f} -> {after.mean():.3f} "
            f"({gain.mean():+.3f}, smallest {gain.min():+.3f}), spoke in {int(spoke.sum())}, "
            f"{np.median(seconds):.1f} s (longest {seconds.max():.1f})",
            flush=True,
        )


def _wanted(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=None)
    parser.add_argument("--phantoms", type=int, default=0)
    parser.add_argument("--shifted", type=int, default=0)
    parser.add_argument("--first-seed", type=int, default=90_000)
    parser.add_argument("--pairs", type=Path)
    add_label_argument(parser)
    parser.add_argument("--cases", type=int, default=6)
    parser.add_argument("--slices", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=AdaptationBudget().seconds)
    return parser.parse_args(words)


def _groups(wanted: argparse.Namespace) -> Iterator[tuple[str, list[LabelledCase]]]:
    seeds = range(wanted.first_seed, wanted.first_seed + wanted.phantoms)
    made = {
        "phantoms": [_case(f"phantom-{seed}", partial(labelled_phantom, seed)) for seed in seeds],
        "another scanner": [
            _case(f"shifted-{seed}", partial(make_shifted_phantom, seed))
            for seed in unenhanced_seeds(wanted.first_seed, wanted.shifted)
        ],
        "labelled CT": list(pair_cases(wanted.pairs, wanted.label))[: wanted.cases] if wanted.pairs else [],
    }
    return ((name, cases) for name, cases in made.items() if cases)


def _case(name: str, load: partial) -> LabelledCase:  # type: ignore[type-arg]
    return LabelledCase(name, (name,), load)


def _carried_on(
    drafted: DraftedCase, learner: OnlineAdapter, wanted: argparse.Namespace
) -> tuple[float, ...]:
    corrected = _worst_of_each_part(drafted.draft, drafted.truth, wanted.slices)
    mask = drafted.draft.copy()
    mask[corrected] = drafted.truth[corrected]
    told = CorrectedSlices(mask, tuple(corrected), drafted.draft)
    found = propagate_corrections(drafted.volume, learner, told, AdaptationBudget(wanted.seconds))
    rest = np.setdiff1d(np.arange(len(mask)), corrected)
    before, after = (
        dice_coefficient(each[rest], drafted.truth[rest]) for each in (drafted.draft, found.mask)
    )
    print(
        f"  {drafted.case.name:16} slices {corrected} of {np.count_nonzero(mask.any(axis=(1, 2)))}, "
        f"{_held_out(found)}, {'spoke' if found.kept else 'silent'}: {before:.3f} -> {after:.3f}, "
        f"{found.seconds:.1f} s",
        flush=True,
    )
    return before, after, float(found.kept), found.seconds


def _held_out(found: PropagationResult) -> str:
    if found.dsc_before is None or found.dsc_after is None:
        return "not held out"
    return f"held out {found.dsc_before:.2f} -> {found.dsc_after:.2f}"


def _worst_of_each_part(draft: NDArray[np.uint8], truth: NDArray[np.uint8], parts: int) -> list[int]:
    """The slice with most wrong voxels in each part of where draft or truth is, rising."""
    there = np.flatnonzero((draft | truth).any(axis=(1, 2)))
    wrong = np.count_nonzero(draft != truth, axis=(1, 2))
    return [int(part[np.argmax(wrong[part])]) for part in np.array_split(there, parts)]


if __name__ == "__main__":
    main()
