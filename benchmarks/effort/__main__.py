"""How many slices a simulated annotator must correct until a draft is right.

python -m benchmarks.effort --model starter-2 --phantoms 6 --first-seed 90000 --pairs DIR --cases 6 -o OUT
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from attunet_gui import __version__
from attunet_gui.cli import run_command_line
from attunet_gui.cli.command_line import ModelOption
from attunet_gui.cli.console import console, progress_bar
from attunet_gui.cli.model_commands import choose_model
from attunet_gui.evaluation.labelled_cases import LabelledCase, pair_cases
from attunet_gui.io.result_writing import make_folder, write_json, write_text
from attunet_gui.network.inference import LoadedModel, load_model
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.software_versions import software_versions, utc_timestamp
from attunet_gui.training.phantom_cases import labelled_phantom
from benchmarks.command_line import command_of
from benchmarks.effort.correction_traces import Way
from benchmarks.effort.effort_cases import CaseEffort, EffortBench, GroupedCase, measure_effort
from benchmarks.effort.effort_summary import HEADINGS, GroupEffort, as_markdown, cells, summarise
from benchmarks.effort.strategies import propagation_way

_RESULT, _TABLE = "effort.json", "table.md"

app = command_of("benchmarks.effort")


@dataclass(frozen=True)
class EffortCases:
    """What is corrected.

    Attributes:
        phantoms: seeds.
        pairs: folder with images/ and labels/; None for none.
        most: how many of the pairs; None for all.
        label: the value of the pancreas in pairs; None goes by `io.label_values`.
    """

    phantoms: range
    pairs: Path | None = None
    most: int | None = None
    label: int | None = None

    def cases(self) -> tuple[GroupedCase, ...]:
        """The cases, phantoms first; `AttunetError` if there are none."""
        made = [
            GroupedCase(
                "phantoms",
                LabelledCase(f"phantom-{seed}", (f"phantom-{seed}",), partial(labelled_phantom, seed)),
            )
            for seed in self.phantoms
        ]
        found = pair_cases(self.pairs, self.label)[: self.most] if self.pairs else ()
        cases = (*made, *(GroupedCase("labelled CT", case) for case in found))
        if not cases:
            raise AttunetError("Say what to correct: --phantoms N, --pairs FOLDER, or both.")
        return cases


def measure(model_name: str | None, material: EffortCases, most_carried: int | None, output: Path) -> None:
    """Let the annotator work on every case, print the tables, write them.

    `most_carried` is in how many cases of each group the network carries corrections on; None is in all.
    """
    cases = material.cases()
    bundle = choose_model(model_name)
    make_folder(output)
    with console.status(f"loading {bundle.card.name}"):
        model = load_model(bundle)
        carrying = _carried_on(model) if most_carried != 0 else None
    bench = EffortBench(model, output, (model.id.sha256, __version__), carrying, most_carried)
    with progress_bar(bundle.card.name) as progress:
        found = measure_effort(bench, cases, progress)
    groups = summarise(found)
    for group in groups:
        _print(group)
    write_json(output / _RESULT, _record(bench, found, groups))
    write_text(output / _TABLE, as_markdown(groups))
    console.print(f"Written to {output}.")


def _print(group: GroupEffort) -> None:
    console.print(*group.about, sep="\n")
    for goal in group.goals:
        table = Table(*HEADINGS, title=goal.title)
        for line in goal.lines:
            table.add_row(*cells(line))
        console.print(table)


def _carried_on(model: LoadedModel) -> Way:
    # Loads TensorFlow, which takes seconds and which nothing else here needs.
    from attunet_gui.network.online_adapter import OnlineAdapter

    return propagation_way(OnlineAdapter(model))


def _record(
    bench: EffortBench, found: tuple[CaseEffort, ...], groups: tuple[GroupEffort, ...]
) -> dict[str, Any]:
    identity = bench.model.id
    return {
        "made_by": "python -m benchmarks.effort",
        "model": {"name": identity.name, "sha256": identity.sha256, "engine": identity.engine},
        "groups": [group.model_dump(mode="json") for group in groups],
        "cases": [case.model_dump(mode="json") for case in found],
        "made": utc_timestamp(),
        "versions": software_versions(),
    }


@app.command()
def bench_effort(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="Folder for the results.")],
    model: ModelOption = None,
    phantoms: Annotated[int, typer.Option(min=0, help="How many phantoms.")] = 0,
    first_seed: Annotated[int, typer.Option(min=0, help="Of the phantoms.")] = 90000,
    pairs: Annotated[Path | None, typer.Option(help="Folder with images/ and labels/ as .nii.gz.")] = None,
    cases: Annotated[int | None, typer.Option(min=1, help="How many of the pairs; else all.")] = None,
    label: Annotated[
        int | None, typer.Option(metavar="VALUE", help="Of the pancreas in labels; else the one beside 0.")
    ] = None,
    propagation: Annotated[
        bool, typer.Option(help="Also let the network carry corrections on. Slow.")
    ] = True,
    carried: Annotated[
        int | None, typer.Option(min=0, help="In how many cases of each kind it does; else in all.")
    ] = None,
) -> None:
    """Count the slices a simulated annotator corrects until drafts are right."""
    material = EffortCases(range(first_seed, first_seed + phantoms), pairs, cases, label)
    measure(model, material, carried if propagation else 0, output)


if __name__ == "__main__":
    run_command_line(app)
