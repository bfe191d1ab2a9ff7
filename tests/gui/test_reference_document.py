"""docs/reference.md names every shortcut, tool, format and export, and none that is not there."""

from __future__ import annotations

from collections.abc import Iterator

from attunet_gui.editing.tools.tool_registry import TOOLS
from attunet_gui.editing.tools.tool_types import ToolKind
from attunet_gui.export.format_registry import EXPORT_FORMATS
from attunet_gui.gui.keyboard_shortcuts import NAPARI_KEYS
from attunet_gui.gui.user_commands import UserCommand
from attunet_gui.io.image_format_registry import IMAGE_FORMATS
from attunet_gui.system.paths import documents_folder


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def shortcuts() -> Iterator[str]:
    for command in UserCommand:
        if command.keys:
            yield row(f"`{command.keys}`", command.words)
    for keys, words in NAPARI_KEYS:
        yield row(f"`{keys}`", words)


def tool(kind: ToolKind) -> str:
    number = kind.parameter
    asks = (
        f"{number.name}, {number.low:g} to {number.high:g} {number.unit} ({number.default:g})"
        if number
        else ""
    )
    where = "slice or all" if len(kind.dimensions) > 1 else "all" if 3 in kind.dimensions else "slice"
    return row(kind.title, f"`{kind.keys}`", kind.tip, where, asks)


def rows_below(heading: str) -> list[str]:
    text = (documents_folder() / "reference.md").read_text("utf-8")
    lines = text.partition(f"## {heading}\n")[2].partition("\n## ")[0].splitlines()
    table = [line for line in lines if line.startswith("| ")]
    return [line for number, line in enumerate(table) if not line.startswith("| ---") and number]


def test_shortcuts() -> None:
    assert rows_below("Shortcuts") == list(shortcuts())


def test_tools() -> None:
    assert rows_below("Tools") == [tool(kind) for kind in TOOLS]


def test_formats_that_are_read() -> None:
    read = [
        row(each.title, ", ".join(f"`{end}`" for end in each.suffixes) or "by content")
        for each in IMAGE_FORMATS
    ]
    told = [" | ".join(line.split(" | ")[:2]) + " |" for line in rows_below("What is read")]
    assert told == read


def test_exports() -> None:
    assert [line.split(" | ")[0] for line in rows_below("What is exported")] == [
        f"| `{f.name}`" for f in EXPORT_FORMATS
    ]
