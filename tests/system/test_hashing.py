"""SHA-256 of files and JSON values, against the digests that the standard names."""

from __future__ import annotations

import ast
from pathlib import Path

from attunet_gui.system.hashing import sha256_of_file, sha256_of_json

_PACKAGE = Path(__file__).parents[2] / "attunet_gui"
_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
_EMPTY_OBJECT = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of_file(tmp_path / "abc") == _ABC


def test_equal_json_values_have_equal_digests_in_any_order_of_keys() -> None:
    assert sha256_of_json({}) == _EMPTY_OBJECT
    assert sha256_of_json({"a": 1, "b": [2]}) == sha256_of_json({"b": [2], "a": 1})
    assert sha256_of_json({"a": 1}) != sha256_of_json({"a": 2})


def _modules_calling(name: str) -> set[str]:
    return {
        path.relative_to(_PACKAGE).as_posix()
        for path in _PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == name
    }


def test_files_are_hashed_and_the_user_is_named_in_one_place_each() -> None:
    assert _modules_calling("file_digest") == {"system/hashing.py"}
    assert _modules_calling("getuser") == {"system/paths.py"}
