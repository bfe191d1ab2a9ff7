"""The terminal: one console for results, and a progress bar that works as a `Progress`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import (
    Progress as Bar,
)

from attunet_gui.core.progress import Progress

console = Console(highlight=False, soft_wrap=True, markup=False)
_PLAIN_STEPS = 10


@contextmanager
def progress_bar(what: str) -> Iterator[Progress]:
    """A bar on a terminal; a line every tenth of each stage where the output is a file."""
    if not console.is_terminal:
        yield _Lines(what)
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)

        def show(done: int, total: int, stage: str) -> None:
            bar.update(task, completed=done, total=total, description=f"{what}: {stage}")

        yield show


def say_empty(words: str) -> None:
    """Say `words` about empty truths, if there are any."""
    if words:
        console.print(words)


class _Lines:
    def __init__(self, what: str) -> None:
        self._what = what
        self._last: tuple[str, int] = ("", -1)

    def __call__(self, done: int, total: int, stage: str) -> None:
        now = (stage.split(",")[0], done * _PLAIN_STEPS // max(total, 1))
        if now != self._last:
            self._last = now
            console.print(f"{self._what}: {stage} {done}/{total}")
