"""No number of the product has a plural behind it that is always the same."""

from __future__ import annotations

from pathlib import Path

from tests.plurals import naive_plurals

_CODE = """
a = f"{n} slices are left"
b = f"{n} unsaved strokes"
c = f"{n} place{'s' if n > 1 else ''} to check"
d = "case" if n == 1 else "cases"
e = f"{counted(n, 'slice')} are left, {x:.1f} minutes, {name} was here, {share:.0%} of its cores"
f = f"{name} is {status}"
g = "is" if n == 1 else "are"
"""


def test_every_plural_asks_for_its_number() -> None:
    assert naive_plurals() == []


def test_plurals_are_found_wherever_they_are_made(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(_CODE)
    assert [each.split("  ")[0] for each in naive_plurals(tmp_path)] == [
        f"module.py:{line}" for line in (2, 3, 4, 5)
    ]
