"""The terminal: one console for results, and a progress bar that works as a `Progress`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.measure import Measurement
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
from rich.table import Table

from attunet_gui.core.progress import Progress

_UNSEEN = {*range(0x20), *range(0x7F, 0xA0)} - {ord("\n"), ord("\t")}
_CONTROLS = {code: f"\\x{code:02x}" for code in _UNSEEN}
_ENDLESS = 10_000
"""Characters a line, for finding out how wide a table wants to be."""


_SHORT, _LEAST, _BORDER = 12, 10, 3
"""Characters: words up to which are not folded, the least width of a column of longer ones, and a border."""


class WholeConsole(Console):
    """Prints everything that it is given: no cell of a table is cut, and no name can stop it.

    On a terminal long words of a table are folded; where it is too narrow even so, each row becomes a list.
    Into a file or a pipe a table goes as wide as it is. Control characters in text are written as escapes.
    """

    def print(self, *objects: Any, **options: Any) -> None:
        """As `Console.print`."""
        if len(objects) == 1 and isinstance(objects[0], Table):
            self._print_table(objects[0])
        else:
            super().print(*map(_escaped, objects), **options)

    def _print_table(self, table: Table) -> None:
        if not self.is_terminal:
            self._print_wide(table)
        elif _fit(table, self.width):
            super().print(table)
        else:
            for line in _as_lists(table):
                super().print(_escaped(line))

    def _print_wide(self, table: Table) -> None:
        before, endless = self._width, self.options.update(width=_ENDLESS)
        self.width = Measurement.get(self, endless, table).maximum
        try:
            super().print(table)
        finally:
            self._width = before


def _fit(table: Table, width: int) -> bool:
    """Whether `table` fits into `width` with long words folded; if so, its columns have their widths."""
    cells = [[*map(str, (column.header, *column.cells))] for column in table.columns]
    longest = [max((len(word) for word in " ".join(column).split()), default=0) for column in cells]
    widths = [length if length <= _SHORT else _LEAST for length in longest]
    wanted = [max(map(len, column)) for column in cells]
    room = width - 1 - sum(widths) - _BORDER * len(widths)
    if room < 0:
        return False
    # Who wants least is served first; what is left over goes to the others.
    order = sorted(range(len(widths)), key=lambda number: wanted[number] - widths[number])
    for left, number in zip(range(len(order), 0, -1), order, strict=True):
        more = min(max(0, wanted[number] - widths[number]), room // left)
        widths[number] += more
        room -= more
    for column, chosen in zip(table.columns, widths, strict=True):
        column.width, column.no_wrap, column.overflow = chosen, False, "fold"
    return True


def _as_lists(table: Table) -> Iterator[str]:
    """The rows of `table`, each a line with its first cell and below it a line for each further one."""
    if table.title:
        yield str(table.title)
    titles = [str(column.header) for column in table.columns]
    for first, *others in zip(*(column.cells for column in table.columns), strict=True):
        yield str(first)
        yield from (f"  {title}: {cell}" for title, cell in zip(titles[1:], others, strict=True) if cell)


def _escaped(printed: Any) -> Any:
    return printed.translate(_CONTROLS) if isinstance(printed, str) else printed


console = WholeConsole(highlight=False, soft_wrap=True, markup=False)
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
