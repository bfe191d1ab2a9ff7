"""Every benchmark in one table: what it measures and how it is run.

python -m benchmarks
"""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

_SCREEN = 'xvfb-run -a -s "-screen 0 1400x900x24 +extension GLX" '


@dataclass(frozen=True)
class Benchmark:
    """One row of the table.

    Attributes:
        module: run with `python -m benchmarks.MODULE`.
        arguments: such as are usual; capitals stand for folders and files of the reader.
        measures: what it prints.
        needs_display: whether it opens a window.
    """

    module: str
    arguments: str
    measures: str
    needs_display: bool = False

    @property
    def command(self) -> str:
        """What is typed in a checkout."""
        screen = _SCREEN if self.needs_display else ""
        return f"{screen}python -m benchmarks.{self.module} {self.arguments}".rstrip()


BENCHMARKS: tuple[Benchmark, ...] = (
    Benchmark(
        "effort",
        "--model starter-2 --phantoms 6 --first-seed 90000 --pairs DIR --cases 6 --carried 4 -o OUT",
        "slices and strokes that a simulated annotator needs, by way of working",
    ),
    Benchmark(
        "speed",
        "--peers DIR/bin/python --keep CT",
        "every row of docs/performance.md, with its peer beside it",
    ),
    Benchmark(
        "training_step",
        "--peers DIR/bin/python",
        "how long a training step takes, before and after, whole and in parts, beside MONAI",
    ),
    Benchmark(
        "ablation",
        "resources/recipes/ablation.toml --data NAME=FOLDER -o OUT",
        "what gates, real CT and synthetic CT are worth: six trainings",
    ),
    Benchmark(
        "experiments",
        "resources/recipes/starter-fine.toml VARIANTS.toml --data NAME=FOLDER --from BUNDLE -o OUT",
        "what helps: variants of a recipe, trained and drafted on the same people",
    ),
    Benchmark(
        "drafting_ways",
        "RUN/bundle starter-2 --pairs DIR",
        "what several looks and the mean of several models are worth to a draft",
    ),
    Benchmark(
        "finetuning",
        "--model starter-2 --unseen 6 -o OUT",
        "what corrections of a few cases are worth to the next model",
    ),
    Benchmark(
        "forgetting",
        "RUN/bundle --parent starter-2 --slices FOLDER",
        "what a fine-tuned model gains and forgets, by share of the way",
    ),
    Benchmark(
        "propagation",
        "--model starter-2 --phantoms 6 --shifted 6 --pairs FOLDER --cases 6",
        "DSC of slices nobody corrected, before and after propagation by the network",
    ),
    Benchmark(
        "neighbours",
        "FOLDS SLICES",
        'DSC of real slices before and after "To neighbours" from the next slice',
    ),
    Benchmark("next_case", "FOLDER --cases 24", "rank correlation of the worklist's order with true errors"),
    Benchmark("profile_draft", "", "processor time of a draft, by part"),
    Benchmark("draft_in_3d", "", "time and memory of a draft by the article's 3-D network"),
    Benchmark("tools", "", "milliseconds of each correction tool"),
    Benchmark("journal", "", "milliseconds, bytes and compaction of the journal of strokes"),
    Benchmark("worklist", "--cases 10000", "how long a project of ten thousand cases takes to answer"),
    Benchmark(
        "worklist_window", "--cases 10000", "opening and scrolling ten thousand cases in the window", True
    ),
    Benchmark("fuzz", "--count 1500", "what the readers do with damaged and hostile files"),
    Benchmark(
        "random_actions",
        "--actions 100000 --processes 2",
        "whether screen, journal and files agree after any actions of hands",
        True,
    ),
    Benchmark("soak", "--cases 500 --kills 50", "a long day in one window whose child is killed", True),
    Benchmark("guide_pictures", "FOLDER", "no figure: makes the pictures of docs/guide.md anew", True),
    Benchmark("picture_tour", "OUT", "no figure: takes pictures of every tool before and after", True),
    Benchmark("plugin_picture", "", "no figure: makes the README's picture of the plugin in napari", True),
)


def main() -> None:
    """Print the table."""
    table = Table("what is measured", "command", title="Benchmarks: run from a checkout")
    for each in BENCHMARKS:
        table.add_row(each.measures, each.command)
    Console().print(table)


if __name__ == "__main__":
    main()
