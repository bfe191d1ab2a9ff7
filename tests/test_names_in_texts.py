"""Names of modules in docstrings, comments and documents: each is one that the package has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
_PACKAGE = _ROOT / "attunet_gui"
_ROOMS = sorted(path.name for path in _PACKAGE.iterdir() if (path / "__init__.py").exists())
_NAME = re.compile(rf"`(?:attunet_gui\.)?((?:{'|'.join(_ROOMS)})(?:\.\w+)+)(?:\([^`]*\))?`")
_FILES = frozenset({"export.key", "project.db"})
_PATH = re.compile(rf"`(?:attunet_gui/)?((?:{'|'.join(_ROOMS)})(?:/\w+)*/\w+\.py)`")


def _texts() -> Iterator[Path]:
    yield from sorted(_PACKAGE.rglob("*.py"))
    yield from sorted((_ROOT / "benchmarks").rglob("*.py"))
    yield from sorted(path for path in (_ROOT / "docs").glob("*.md"))
    yield _ROOT / "CONTRIBUTING.md"


def _is_there(name: str) -> bool:
    """Whether `name`, dotted and without the package, is a module or a name in a module."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        place = _PACKAGE.joinpath(*parts[:count])
        module = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
        if module.exists():
            text = module.read_text("utf-8")
            return all(re.search(rf"\b{part}\b", text) for part in parts[count:])
    return False


def unknown_names(text: str) -> list[str]:
    """The names of modules in `text` that the package does not have."""
    dotted = [name for name in _NAME.findall(text) if name not in _FILES and not _is_there(name)]
    return dotted + [path for path in _PATH.findall(text) if not (_PACKAGE / path).exists()]


@pytest.mark.parametrize("path", _texts(), ids=lambda path: path.relative_to(_ROOT).as_posix())
def test_every_module_that_a_text_names_exists(path: Path) -> None:
    assert unknown_names(path.read_text("utf-8")) == []


def test_a_name_that_is_gone_is_noticed() -> None:
    assert unknown_names("`core.voxel_grid` and `core.voxel_grid.to_canonical`, `io/mask_reading.py`") == []
    assert unknown_names("`core.nothing` or `core.voxel_grid.no_such_name`") == [
        "core.nothing",
        "core.voxel_grid.no_such_name",
    ]
    assert unknown_names("`attunet_gui/io/nothing.py`") == ["io/nothing.py"]
