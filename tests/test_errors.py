"""docs/errors.md lists every sentence that a person may be shown when something failed, once, with advice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.errors_listed import DOCUMENT, differences, listed, told

_CODE = """
from attunet_gui.system.errors import AttunetError, InvalidModelBundle
class ProjectError(AttunetError): ...
class InvalidModelBundle(AttunetError): ...
class Other(Exception): ...
_KEPT = "Not kept: {}; save."
def a(path, n):
    raise AttunetError(f"{path} holds {n} of {n}{n} " f"parts: copy it." "")
def b(error):
    raise ProjectError("A | bar: " + error)
def c(): raise Other("nobody sees this sentence.")
def d():
    raise InvalidModelBundle(_KEPT.format("x"))
def e(): raise AttunetError(_one(1))
def _one(n): return f"One {n}." if n else "None here."
def f(session): session.show_message("It failed.", problem=True); session.show_message("All is well.")
def g():
    try: pass
    except MemoryError: x = "Not enough memory for this."
    except KeyError: y = "This is not shown at all."
def sentence_of(error):
    if isinstance(error, MemoryError): return f"No memory while {error}; stop."
def h(): raise AttunetError(str(error))
CLOSED = "This window holds one thing; close it."
REFUSED: dict = {"a": CLOSED, "b": "Nothing is moved here."}
ANYTHING = "A constant that nobody says."
class Layer:
    refused = Signal(str)
    def mode(self, wanted): self.refused.emit(f"The mode {wanted} is not used; take another.")
    def other(self): self.changed.emit("Nobody says this.")
class Desk:
    def __init__(self, layers):
        layers.layer_lost.connect(self._lost)
        layers.drawn.connect(self._drawn)
    def _lost(self, name): later(lambda: self._put_back(name))
    def _put_back(self, name): self.session.show_message(f"{name} was put back; hide it.")
    def _drawn(self): self.session.show_message("It is drawn.")
    def verify(self, hindrance): self.session.show_message(f"Not verified: {hindrance}.")
"""


def test_the_document_and_the_code_say_the_same() -> None:
    missing, gone, bad = differences()
    assert missing == []
    assert gone == []
    assert bad == []


def test_sentences_are_found_wherever_they_are_made(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "module.py").write_text("class AttunetError(Exception): ...\n" + _CODE)
    found = told(tmp_path)
    assert set(found) == {
        "… holds … of … parts: copy it.",
        "A / bar: …",
        "Not kept: …; save.",
        "One ….",
        "None here.",
        "It failed.",
        "Not enough memory for this.",
        "No memory while …; stop.",
        "This window holds one thing; close it.",
        "Nothing is moved here.",
        "The mode … is not used; take another.",
        "… was put back; hide it.",
        "Not verified: ….",
    }
    assert found["It failed."].startswith("part/module.py:")


@pytest.mark.parametrize("number", [0, -1])
def test_a_row_that_is_missing_twice_or_empty_is_noticed(tmp_path: Path, number: int) -> None:
    text = DOCUMENT.read_text("utf-8")
    row = listed(text)[number]
    line = f"| {row.sentence} | {row.advice} |\n"
    copy = tmp_path / "errors.md"
    copy.write_text(text.replace(line, ""), "utf-8")
    assert [each.split("  ", 1)[1] for each in differences(copy)[0]] == [row.sentence]
    copy.write_text(text + line, "utf-8")
    assert differences(copy)[2] == [row.sentence]
    copy.write_text(text.replace(line, f"| {row.sentence} | ? |\n"), "utf-8")
    assert differences(copy)[2] == [row.sentence]
    copy.write_text(text + "\n| Never said. | Nothing at all. |\n", "utf-8")
    assert differences(copy)[1] == ["Never said."]
