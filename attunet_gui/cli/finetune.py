"""`attunet finetune`: fine-tune a model on corrected cases; it is adopted only if it is not worse."""

from __future__ import annotations

from attunet_gui.cli.console import console, progress_bar, say_empty
from attunet_gui.cli.verdict import print_verdict
from attunet_gui.core.counting import counted
from attunet_gui.paths import model_folders, user_data
from attunet_gui.recipes.finetuning.order import FinetuneOrder
from attunet_gui.recipes.finetuning.run import Finetuned, finetune
from attunet_gui.registry.adoption import adopt
from attunet_gui.registry.archive import import_model

_OUTSIDE = (
    "{minutes:g} minutes are for learning and its validation. What no time can bound comes on top: all cases "
    "are read before, and afterwards the old and the new model draft each case that judges, for without that "
    "nobody knows which of them is better."
)


def finetune_model(order: FinetuneOrder, *, wanted: bool) -> int:
    """Fine-tune a model, compare it with the one before, and print the outcome.

    Args:
        order: what to learn from and for how long.
        wanted: make the new model the default if it passes the comparison.

    Returns:
        The exit code: 1 if the comparison holds the model back.
    """
    if order.effort.minutes is not None:
        console.print(_OUTSIDE.format(minutes=order.effort.minutes))
    with progress_bar("finetune") as progress:
        done = finetune(order, progress)
    _say(done)
    if not done.verdict.passed:
        return 1
    if wanted:
        adopt(import_model(done.bundle.folder, model_folders()[0]), user_data())
        console.print(f"{done.bundle.card.name} is the default now; `attunet models rollback` undoes it.")
    else:
        console.print(f"`attunet models adopt {done.bundle.folder}` makes it the default.")
    return 0


def _say(done: Finetuned) -> None:
    """Print how the training went, which cases were left out and why, and the comparison."""
    division = done.division
    console.print(
        f"{done.bundle.folder}: {counted(done.steps, 'step')} in {done.seconds / 60:.1f} min, "
        f"in {done.precision}; "
        f"{counted(len(division.training), 'case')} taught, {len(division.held_out)} judged."
    )
    if division.left_out:
        named = ", ".join(division.left_out)
        console.print(f"{named}: did neither, there is somebody in them who judges or once did.")
    say_empty(done.about_empty)
    print_verdict(done.verdict)
