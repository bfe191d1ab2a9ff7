"""Whatever is printed is printed whole: on terminals of any width, and where there is none."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.table import Table

from attunet_gui.cli import _insert_gui_command
from attunet_gui.cli.console import WholeConsole

_PATH = "/data/" + "collection-" * 12 + "0001/PANCREAS_0001.nii.gz"
_TITLES = ("case", "DSC", "NSD at 2 mm", "HD95", "volume", "difference", "note", "file")
_CELLS = ("case-0001", "0.912", "0.955", "12.4", "81.2", "-13.1", "looked at twice by anna", _PATH)


def _printed(width: int | None, printed: object) -> str:
    terminal = width is not None
    stream = StringIO()
    console = WholeConsole(
        file=stream, force_terminal=terminal, width=width, soft_wrap=True, markup=False, highlight=False,
        color_system=None,
    )  # fmt: skip
    console.print(printed)
    return stream.getvalue()


def _table() -> Table:
    table = Table()
    for title in _TITLES:
        table.add_column(title, no_wrap=True)
    table.add_row(*_CELLS)
    return table


def _unfolded(text: str) -> list[str]:
    """The cells of the only row, of a table with borders."""
    rows = [line.strip("│").split("│") for line in text.splitlines() if line.startswith("│")]
    joined = [[part.strip() for part in column] for column in zip(*rows, strict=True)]
    return ["".join(parts) for parts in joined]


@pytest.mark.parametrize("width", [80, 120, 200])
def test_on_a_terminal_cells_are_folded_and_not_cut(width: int) -> None:
    text = _printed(width, _table())
    assert max(map(len, text.splitlines())) <= width
    assert _unfolded(text)[-1] == _PATH
    assert _unfolded(text)[:6] == list(_CELLS[:6])
    assert "…" not in text


@pytest.mark.parametrize("width", [20, 40, 70])
def test_where_a_table_has_no_room_each_row_is_a_list(width: int) -> None:
    expected = [
        _CELLS[0],
        *(f"  {title}: {cell}" for title, cell in zip(_TITLES[1:], _CELLS[1:], strict=True)),
    ]
    assert _printed(width, _table()).splitlines() == expected


@pytest.mark.parametrize("columns", ["40", "80", "500"])
def test_into_a_pipe_a_table_is_as_wide_as_it_is(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    row = next(line for line in _printed(None, _table()).splitlines() if line.startswith("│"))
    assert [cell.strip() for cell in row.strip("│").split("│")] == list(_CELLS)


def test_control_characters_are_escaped_and_lines_are_kept() -> None:
    assert _printed(None, "a\x1b[2Jb\x9bc\td\ne") == "a\\x1b[2Jb\\x9bc\td\ne\n".expandtabs(8)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["ct.nii.gz"], ["gui", "ct.nii.gz"]),
        (["./predict"], ["gui", "./predict"]),
        (["there"], ["gui", "there"]),
        (["CT.MHA", "-x"], ["gui", "CT.MHA", "-x"]),
        (["predict", "ct.nii.gz"], ["predict", "ct.nii.gz"]),
        (["nowhere"], ["nowhere"]),
        (["--version"], ["--version"]),
        ([], []),
    ],
)
def test_a_path_alone_is_opened_in_the_window(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, words: list[str], expected: list[str]
) -> None:
    monkeypatch.chdir(str(tmp_path))
    for name in ("there", "predict"):
        (tmp_path / name).mkdir()  # type: ignore[operator]
    assert _insert_gui_command(words, ("gui", "predict")) == expected
