"""The sentences a person may be shown when something failed, read from the code, and those in docs/errors.md.

    python -m tests.errors_listed

prints what the document lacks and what the code no longer says. A sentence is written with … where the code
puts a name or a number. Found are the words of every `AttunetError` that is made, of what is said as a
problem, of what window and commands say of a failure that nobody expected, of what the child reports, and of
what the window says where it refuses or takes back what a hand or a command of napari did: through the signal
`refused`, in a table `REFUSED`, in what answers `layer_lost` and `foreign_layer_added`, and as a hindrance.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

_ROOT = Path(__file__).parents[1]
DOCUMENT = _ROOT / "docs" / "errors.md"
GAP = "…"
_SENTENCE = re.compile(r"[A-Z…].* .*[.!]$")
_SAYING = {"JobFailed", "_exit_with_sentence"}
_TAKEN_BACK = {"layer_lost", "foreign_layer_added"}


@dataclass(frozen=True)
class Listed:
    """A row of the document."""

    sentence: str
    advice: str


def listed(text: str) -> tuple[Listed, ...]:
    """The rows of the tables in the document."""
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", text, re.MULTILINE)
    return tuple(Listed(*row) for row in rows if not row[0].startswith(("---", "It says")))


def told(package: Path) -> dict[str, str]:
    """Sentence -> "module.py:line" of the first place that says it, for every module below `package`."""
    modules = {path: ast.parse(path.read_text("utf-8")) for path in sorted(package.rglob("*.py"))}
    errors = _errors(modules.values())
    constants = {name: text for tree in modules.values() for name, text in _constants(tree)}
    found: dict[str, str] = {}
    for path, tree in modules.items():
        for line, sentence in _Module(tree, errors, constants).sentences():
            found.setdefault(sentence, f"{path.relative_to(package).as_posix()}:{line}")
    return found


def _errors(trees: Iterable[ast.Module]) -> frozenset[str]:
    """AttunetError and all that are derived from it."""
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    known = {"AttunetError"}
    while True:
        new = {each.name for each in classes if known & {_name(base) for base in each.bases}} - known
        if not new:
            return frozenset(known)
        known |= new


def _name(node: ast.AST) -> str:
    return getattr(node, "id", getattr(node, "attr", ""))


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The texts that are given a name in capitals."""
    for node in tree.body:
        text = _text(node.value) if isinstance(node, ast.Assign) else None
        if text and isinstance(node, ast.Assign) and _name(node.targets[0]).isupper():
            yield _name(node.targets[0]), text


class _Module:
    def __init__(self, tree: ast.Module, errors: frozenset[str], constants: dict[str, str]) -> None:
        self._tree, self._errors, self._shared = tree, errors, constants
        self._functions = {n.name: n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
        self._constants = {
            _name(node.targets[0]): node.value for node in tree.body if isinstance(node, ast.Assign)
        }

    def sentences(self) -> Iterator[tuple[int, str]]:
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Call):
                yield from ((node.lineno, said) for said in self._of_call(node))
            elif _asks_for_kind(node):
                told = node.body[1:] if ast.get_docstring(node) else node.body
                yield from ((each.lineno, said) for each in told for said in self._within(each))
            elif _is_broad(node):
                yield from ((node.lineno, said) for said in self._within(node))
            elif isinstance(node, ast.AnnAssign) and _name(node.target) == "REFUSED":
                values = node.value.values if isinstance(node.value, ast.Dict) else []
                yield from ((node.lineno, said) for value in values for said in self._texts(value))
        for function in self._answers():
            calls = (each for each in ast.walk(function) if isinstance(each, ast.Call))
            for call in (each for each in calls if _name(each.func) == "show_message"):
                yield from ((call.lineno, said) for part in call.args for said in self._texts(part))

    def _answers(self) -> list[ast.FunctionDef]:
        """The methods connected to a signal of what is taken back, with those of their own that they call."""
        calls = (each for each in ast.walk(self._tree) if isinstance(each, ast.Call))
        names = {
            _name(call.args[0])
            for call in calls
            if _name(call.func) == "connect" and _name(getattr(call.func, "value", call)) in _TAKEN_BACK
            if call.args and isinstance(call.args[0], ast.Attribute)
        } & self._functions.keys()
        while True:
            found = [self._functions[name] for name in sorted(names)]
            used = {
                _name(node) for each in found for node in ast.walk(each) if isinstance(node, ast.Attribute)
            }
            new = (used & self._functions.keys()) - names
            if not new:
                return found
            names |= new

    def _of_call(self, call: ast.Call) -> Iterator[str]:
        name = _name(call.func)
        if name in self._errors and call.args:
            yield from self._texts(call.args[0])
        elif name in _SAYING or _is_said(call):
            yield from (text for argument in call.args for text in self._texts(argument))

    def _within(self, part: ast.AST) -> Iterator[str]:
        for node in ast.walk(part):
            text = _text(node) if isinstance(node, ast.expr) else None
            if text and _SENTENCE.match(text):
                yield text

    def _given(self, name: str) -> Iterator[str]:
        """The sentences that are assigned to a variable."""
        given = (each for each in ast.walk(self._tree) if isinstance(each, ast.Assign))
        values = (_text(each.value) for each in given if _name(each.targets[0]) == name)
        yield from (each for each in values if each and _SENTENCE.match(each))

    def _texts(self, node: ast.expr) -> Iterator[str]:
        """What `node` may be: itself, what the function it calls returns, or a constant that it fills in."""
        text = self._shared.get(_name(node)) if isinstance(node, ast.Name) else _text(node)
        if text is not None:
            yield text
        elif isinstance(node, ast.IfExp):
            yield from self._texts(node.body)
            yield from self._texts(node.orelse)
        elif isinstance(node, ast.Name):
            yield from self._given(node.id)
        elif isinstance(node, ast.Call):
            yield from self._of_inner(node)

    def _of_inner(self, call: ast.Call) -> Iterator[str]:
        if _name(call.func) == "format":
            constant = self._constants.get(_name(getattr(call.func, "value", call)))
            if isinstance(constant, ast.Constant):
                yield _normal(re.sub(r"{[^}]*}", GAP, str(constant.value)))
        elif _name(call.func) in self._functions:
            for inner in ast.walk(self._functions[_name(call.func)]):
                if isinstance(inner, ast.Return) and inner.value is not None:
                    yield from self._texts(inner.value)


def _is_said(call: ast.Call) -> bool:
    """A message said as a problem, a signal of a failure or a refusal, and a hindrance."""
    if _name(call.func) == "emit":
        return _name(getattr(call.func, "value", call)) in ("job_failed", "refused")
    if _name(call.func) != "show_message":
        return False
    hindered = any(_name(node) == "hindrance" for part in call.args for node in ast.walk(part))
    return hindered or any(keyword.arg == "problem" for keyword in call.keywords)


def _is_broad(node: ast.AST) -> bool:
    """Whether it handles what nobody expected."""
    return isinstance(node, ast.ExceptHandler) and _name(node.type or node) in {"Exception", "MemoryError"}


def _asks_for_kind(node: ast.AST) -> TypeGuard[ast.FunctionDef]:
    """Whether it is a function that tells such failures apart."""
    if not isinstance(node, ast.FunctionDef):
        return False
    calls = (each for each in ast.walk(node) if isinstance(each, ast.Call) and len(each.args) == 2)
    return any(_name(call.func) == "isinstance" and _name(call.args[1]) == "MemoryError" for call in calls)


def _text(node: ast.AST) -> str | None:
    """A literal text with gaps; None if `node` is none, or nothing but a gap."""
    text = _literal(node)
    return _normal(text) if text is not None and text.replace(GAP, "").strip() else None


def _literal(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else GAP for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return (_literal(node.left) or GAP) + (_literal(node.right) or GAP)
    return None


def _normal(text: str) -> str:
    return re.sub(r"(… ?)*…", GAP, " ".join(text.split())).replace("|", "/")


def differences(document: Path = DOCUMENT) -> tuple[list[str], list[str], list[str]]:
    """What `document` lacks, what is in it and is never said, and what it has twice or without advice."""
    said = told(_ROOT / "attunet_gui")
    rows = listed(document.read_text("utf-8")) if document.exists() else ()
    known = Counter(row.sentence for row in rows)
    missing = [f"{place}  {sentence}" for sentence, place in said.items() if sentence not in known]
    gone = sorted(known.keys() - said.keys())
    bad = [sentence for sentence, count in known.items() if count > 1]
    return missing, gone, bad + [row.sentence for row in rows if len(row.advice) < 8]


if __name__ == "__main__":
    for title, lines in zip(("missing", "never said", "twice, or no advice"), differences(), strict=True):
        sys.stdout.write("".join(f"{title}: {line}\n" for line in lines))
