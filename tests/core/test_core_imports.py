"""Core holds values: it imports numpy and scipy, and nothing else that is not Python's own."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from attunet_gui import core

_MODULES = sorted(Path(core.__path__[0]).rglob("*.py"))


def _imported_packages(module: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module).partition(".")[0])
    return found


@pytest.mark.parametrize("module", _MODULES, ids=lambda path: path.stem)
def test_a_module_of_core_needs_numpy_and_scipy_alone(module: Path) -> None:
    foreign = _imported_packages(module) - set(sys.stdlib_module_names)
    assert foreign <= {"numpy", "scipy", "attunet_gui"}
