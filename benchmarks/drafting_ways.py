"""What several looks and several models are worth to a draft, without any training.

    python -m benchmarks.drafting_ways RUN/bundle starter-2 --pairs DIR
    python -m benchmarks.drafting_ways RUN/bundle --slices SLICES --held-out RUN/held-out.json

DIR has images/ and labels/ as NIfTI. SLICES has JPEG slices; with --held-out those of these people count.
Each model drafts alone, then with test-time augmentation, then all together: the mean of their
probabilities, each on its own grid, on the grid of the first. Whoever was learnt from must not be among the
cases; nothing here can check it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from time import process_time

from attunet_gui.cli.model_commands import choose_model
from attunet_gui.evaluation.case_scores import SCORE_MEASURES, ScoreTable, paired_difference
from attunet_gui.evaluation.labelled_cases import LabelledCase, pair_cases, slice_cases
from attunet_gui.evaluation.model_drafts import score_drafts
from attunet_gui.network.inference import (
    LoadedModel,
    average_models,
    load_model,
    with_test_time_transforms,
)
from benchmarks.ablation.arm_comparison import estimate_text, markdown_table
from benchmarks.command_line import add_label_argument

_HEADINGS = ("way", "DSC", "precision", "recall", "against the first", "processor, s a slice")
_MOST_NAMED = 5


def main() -> None:
    """Print the table, and the DSC of each case if there are few."""
    asked = _asked()
    cases = _cases(asked)
    slices = sum(case.load()[0].grid.shape[0] for case in cases)
    rows, first = [], None
    for name, model in _ways(asked.model):
        before = process_time()
        scores = score_drafts(model, cases)
        rows.append(_row(name, scores, first, (process_time() - before) / slices))
        first = first or scores
    print("\n".join(markdown_table(_HEADINGS, rows)))


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", nargs="+", help="names or folders of bundles; the first gives the grid")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--pairs", type=Path)
    source.add_argument("--slices", type=Path)
    parser.add_argument("--held-out", type=Path, help="held-out.json of a run; only these people are drafted")
    add_label_argument(parser)
    return parser.parse_args()


def _cases(asked: argparse.Namespace) -> tuple[LabelledCase, ...]:
    found = pair_cases(asked.pairs, asked.label) if asked.pairs else slice_cases(asked.slices)
    if asked.held_out is None:
        return found
    people = set(json.loads(asked.held_out.read_text("utf-8"))["people"])
    return tuple(case for case in found if case.patient_name in people)


def _ways(names: list[str]) -> Iterator[tuple[str, LoadedModel]]:
    """Yield each way of drafting with its name."""
    models = [load_model(choose_model(name)) for name in names]
    looking = [with_test_time_transforms(model) for model in models]
    for plain, looks in zip(models, looking, strict=True):
        yield plain.card.name, plain
        yield f"{plain.card.name}, five looks", looks
    if len(models) > 1:
        yield "mean of all", average_models(*models)
        yield "mean of all, five looks", average_models(*looking)


def _row(name: str, scores: ScoreTable, first: ScoreTable | None, seconds: float) -> tuple[str, ...]:
    few = len(scores.cases) <= _MOST_NAMED
    named = f": {', '.join(f'{row.dsc:.3f}' for row in scores.cases)}" if few else ""
    gain = estimate_text(paired_difference(scores, first).dsc, "+.3f") if first else ""
    means = (estimate_text(getattr(scores.by_patient, measure), ".3f") for measure in SCORE_MEASURES)
    dsc, *others = means
    return (name, dsc + named, *others, gain, f"{seconds:.3f}")


if __name__ == "__main__":
    main()
