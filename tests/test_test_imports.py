"""A test file imports from no other test file and no conftest: shared helpers are in `tests/support`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

_TESTS = Path(__file__).parent


def imported_test_modules(source: str) -> Iterator[str]:
    """Dotted names of the test files and conftests that a Python source imports, in functions too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "tests" and any(
                part.startswith("test_") or part == "conftest" for part in parts[1:-1]
            ):
                yield name


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from tests.gui.test_window import drag", ["tests.gui.test_window.drag"]),
        ("def f():\n    from tests.conftest import _own_home", ["tests.conftest._own_home"]),
        ("from tests.support.window_control import live", []),
    ],
)
def test_an_import_of_a_test_file_is_found(source: str, found: list[str]) -> None:
    assert list(imported_test_modules(source)) == found


def test_no_test_file_is_imported_by_another() -> None:
    found = {
        f"{path.relative_to(_TESTS)}: {name}"
        for path in _TESTS.rglob("*.py")
        for name in imported_test_modules(path.read_text("utf-8"))
    }
    assert found == set()


def test_the_folder_of_external_data_is_named_in_one_place() -> None:
    named = {
        path.relative_to(_TESTS).as_posix()
        for path in _TESTS.rglob("*.py")
        if '"shared" / "data"' in path.read_text("utf-8") and path != Path(__file__)
    }
    assert named == {"support/external_data.py"}
