"""The terminal: one console for all output, and a progress bar that long work can report to."""

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

from attunet_gui.system.progress import ProgressCallback

_CONTROL_CODES = {*range(0x20), *range(0x7F, 0xA0)} - {ord("\n"), ord("\t")}
_CONTROL_ESCAPES = {code: f"\\x{code:02x}" for code in _CONTROL_CODES}
_UNLIMITED_WIDTH = 10_000
"""Width in characters that no table reaches; measures how wide a table wants to be."""


_UNFOLDED_LENGTH, _MIN_COLUMN_WIDTH, _BORDER_WIDTH = 12, 10, 3
"""Length up to which words are not folded, least width of a column with longer ones, and width of a border.

All are in characters."""


class WholeConsole(Console):
    """A console that prints everything it is given: it never cuts a cell of a table.

    On a terminal long words of a table are folded; if that is still too wide, each row becomes a list. In a
    file or a pipe a table is as wide as it needs to be. Control characters in text are written as escapes, so
    that a file name cannot change the terminal.
    """

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as the console of rich does, but tables whole and control characters as escapes."""
        if len(objects) == 1 and isinstance(objects[0], Table):
            self._print_table(objects[0])
        else:
            super().print(*map(_escape_controls, objects), **options)

    def _print_table(self, table: Table) -> None:
        """Print a table whole: as wide as it is, folded to the terminal, or as lists."""
        if not self.is_terminal:
            self._print_wide(table)
        elif _fit_columns(table, self.width):
            super().print(table)
        else:
            for line in _rows_as_lists(table):
                super().print(_escape_controls(line))

    def _print_wide(self, table: Table) -> None:
        """Print a table at the width that its cells need."""
        # rich cuts tables to the width of the console, and assumes 80 characters where there is no terminal.
        before, endless = self._width, self.options.update(width=_UNLIMITED_WIDTH)
        self.width = Measurement.get(self, endless, table).maximum
        try:
            super().print(table)
        finally:
            self._width = before


def _fit_columns(table: Table, width: int) -> bool:
    """Set the widths of a table's columns so that it fits into `width`, folding long words.

    Returns:
        Whether it fits; if not, the table is left as it is.
    """
    cells = [[*map(str, (column.header, *column.cells))] for column in table.columns]
    longest = [max((len(word) for word in " ".join(column).split()), default=0) for column in cells]
    widths = [length if length <= _UNFOLDED_LENGTH else _MIN_COLUMN_WIDTH for length in longest]
    wanted = [max(map(len, column)) for column in cells]
    room = width - 1 - sum(widths) - _BORDER_WIDTH * len(widths)
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


def _rows_as_lists(table: Table) -> Iterator[str]:
    """Yield a table as lists: for each row a line with its first cell, then one for each other cell."""
    if table.title:
        yield str(table.title)
    titles = [str(column.header) for column in table.columns]
    for first, *others in zip(*(column.cells for column in table.columns), strict=True):
        yield str(first)
        yield from (f"  {title}: {cell}" for title, cell in zip(titles[1:], others, strict=True) if cell)


def _escape_controls(printed: Any) -> Any:
    """Return text with its control characters escaped; anything that is not text as it is."""
    return printed.translate(_CONTROL_ESCAPES) if isinstance(printed, str) else printed


console = WholeConsole(highlight=False, soft_wrap=True, markup=False)
_PLAIN_STEPS = 10


@contextmanager
def progress_bar(what: str) -> Iterator[ProgressCallback]:
    """Show progress: a bar on a terminal, and otherwise one line per tenth of each stage.

    Args:
        what: title of the work.

    Yields:
        A function that takes steps done, steps in total, and the name of the stage.
    """
    if not console.is_terminal:
        yield _ProgressLines(what)
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


def print_empty_note(words: str) -> None:
    """Print a sentence about cases without any pancreas, unless it is empty."""
    if words:
        console.print(words)


class _ProgressLines:
    """Progress as lines, for output that is no terminal."""

    def __init__(self, what: str) -> None:
        self._title = what
        self._last_shown: tuple[str, int] = ("", -1)

    def __call__(self, done: int, total: int, stage: str) -> None:
        # A stage may end in a detail after a comma that changes with every step; it starts no new line.
        now = (stage.split(",")[0], done * _PLAIN_STEPS // max(total, 1))
        if now != self._last_shown:
            self._last_shown = now
            console.print(f"{self._title}: {stage} {done}/{total}")
