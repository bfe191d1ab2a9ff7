"""Models made to do harm: refused in one sentence, before memory is taken, and nothing in them is run."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from attunet_gui.gui.dialogs.case_dialogs import model_card_html
from attunet_gui.model_registry.model_archive import import_model
from attunet_gui.network.model_bundle import checked_weights, load_network, read_bundle
from attunet_gui.system.errors import InvalidModelBundle

pytestmark = pytest.mark.network
_Card = dict[str, Any]


@pytest.fixture
def folder(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "model"))


def _card(folder: Path) -> _Card:
    card: _Card = json.loads((folder / "card.json").read_text())
    return card


def _write_card(folder: Path, card: _Card | str) -> None:
    (folder / "card.json").write_text(card if isinstance(card, str) else json.dumps(card))


def _refused(folder: Path, tmp_path: Path) -> str:
    """What is said of the model in `folder`, where it lies and when it is imported."""
    with pytest.raises(InvalidModelBundle) as read:
        load_network(read_bundle(folder))
    with pytest.raises(InvalidModelBundle) as brought:
        load_network(import_model(folder, tmp_path / "home" / "models"))
    sentence = str(read.value)
    assert (sentence + str(brought.value)).isprintable()
    assert len(sentence) < 1000
    return sentence


# The card


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 5000])
@pytest.mark.parametrize("field", ["threshold", "smallest_piece_ml", "unknown"])
def test_numbers_that_are_none_are_refused(folder: Path, tmp_path: Path, field: str, number: str) -> None:
    text = json.dumps(_card(folder) | {field: "NUMBER"}).replace('"NUMBER"', number)
    _write_card(folder, text)
    with pytest.raises(InvalidModelBundle, match=r"card\.json") as told:
        read_bundle(folder)
    assert len(str(told.value)) < 500


@pytest.mark.parametrize(
    "change",
    [
        {"config": {"size": [2048, 2048], "filters": 256, "levels": 2}},
        {"config": {"size": [10**9, 10**9]}},
        {"config": {"levels": 10**30}},
        {"config": {"filters": -1}},
        {"config": "__import__('os').system('true')"},
        {"config": {"dropout": "0.1; import os"}},
        {"preprocessing": {"size": [0, 0]}},
        {"preprocessing": {"spacing_mm": 1e-300}},
        {"preprocessing": {"neighbours": 10**9}},
        {"weights": {"bytes": 2**62}},
        {"weights": {"file": "../../home/anna/scan.safetensors"}},
        {"weights": {"file": "/etc/passwd"}},
        {"name": "../evil"},
        {"name": "a/b"},
        {"name": "model\n"},
        {"title": ["a", "list"]},
        {"title": "\x1b]0;owned\x07"},
        {"title": "safe \u202egnorw"},
        {"description": "x" * 100_000},
        {"results": [{"measure": "DSC"}]},
        {"family": "os.system"},
        {"__class__": "keras.Lambda"},
    ],
    ids=lambda change: json.dumps(change)[:40],
)
def test_cards_of_wrong_types_and_sizes_are_refused(folder: Path, tmp_path: Path, change: _Card) -> None:
    card = _card(folder)
    for field, value in change.items():
        inner = isinstance(value, dict) and isinstance(card.get(field), dict)
        card[field] = card[field] | value if inner else value
    _write_card(folder, card)
    with pytest.raises(InvalidModelBundle) as told:
        read_bundle(folder)
    assert "\n" not in str(told.value)
    with pytest.raises(InvalidModelBundle):
        import_model(folder, tmp_path / "home" / "models")
    assert [path.name for path in (tmp_path / "home").rglob("*")] == ["models"]


@pytest.mark.parametrize("opening", ["[", '{"config":', '{"config":{"a":['])
def test_deep_nesting_is_refused(folder: Path, opening: str) -> None:
    _write_card(folder, opening * 20_000)
    with pytest.raises(InvalidModelBundle, match=r"card\.json"):
        read_bundle(folder)


def test_a_card_without_end_is_not_read(folder: Path) -> None:
    (folder / "card.json").unlink()
    os.mkfifo(folder / "card.json")
    with pytest.raises(InvalidModelBundle, match="no plain file"):
        read_bundle(folder)
    (folder / "card.json").unlink()
    (folder / "card.json").symlink_to("/dev/zero")
    with pytest.raises(InvalidModelBundle, match="no plain file"):
        read_bundle(folder)


def test_markup_in_a_card_is_shown_as_it_stands(folder: Path) -> None:
    evil = '<img src="file:///home/anna/scan.png"><script>'
    _write_card(folder, _card(folder) | {"title": evil, "limits": evil, "licence": evil})
    shown = model_card_html(read_bundle(folder).card)
    assert "<img" not in shown
    assert "<script" not in shown
    assert "&lt;img" in shown


# The weights


def _with_weights(folder: Path, content: bytes) -> None:
    (folder / "weights.safetensors").write_bytes(content)
    card = _card(folder)
    card["weights"] |= {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    _write_card(folder, card)


def _packed(header: Any, data: bytes = b"") -> bytes:
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(head)) + head + data


def _one(shape: list[int], data: bytes = b"\0" * 4) -> bytes:
    return _packed({"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, len(data)]}}, data)


def _recast(folder: Path, kind: str, size: int) -> bytes:
    header, end = {}, 0
    for name, array in load_file(folder / "weights.safetensors").items():
        start, end = end, end + array.size * size
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [start, end]}
    return _packed(header, b"\0" * end)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x04\x95",
        b"PK\x03\x04" + bytes(100),
        struct.pack("<Q", 2**62) + b"{}",
        _packed(b"[" * 100_000),
        _packed({}),
        _one([1]),
        _one([2**40, 2**40]),
        _one([2**62]),
        _one([-1]),
        _one([0] * 1000),
        _packed({"\x1b[31m\nred": {"dtype": "F32", "shape": [1], "data_offsets": [0, 9]}}, bytes(4)),
    ],
    ids=lambda content: repr(content[:12]),
)
def test_weights_that_lie_about_themselves_are_refused(folder: Path, tmp_path: Path, content: bytes) -> None:
    _with_weights(folder, content)
    _refused(folder, tmp_path)


@pytest.mark.parametrize(("kind", "size"), [("BF16", 2), ("F8_E4M3", 1), ("I64", 8), ("BOOL", 1), ("C64", 8)])
def test_weights_of_other_numbers_are_refused(folder: Path, tmp_path: Path, kind: str, size: int) -> None:
    _with_weights(folder, _recast(folder, kind, size))
    assert "not float32" in _refused(folder, tmp_path)


def test_names_of_arrays_cannot_steer_a_terminal(folder: Path, tmp_path: Path) -> None:
    arrays = load_file(folder / "weights.safetensors")
    name = next(iter(arrays))
    odd = dict(arrays)
    odd["\x1b[31m\nred"] = odd.pop(name)
    save_file(odd, folder / "weights.safetensors")
    _with_weights(folder, (folder / "weights.safetensors").read_bytes())
    assert "do not fit" in _refused(folder, tmp_path)


def test_weights_far_smaller_than_the_network_are_refused_before_memory_is_taken(folder: Path) -> None:
    card = _card(folder)
    card["config"] |= {"filters": 256, "gate_filters": 1024}
    _write_card(folder, card)
    with pytest.raises(InvalidModelBundle, match="do not fit"), checked_weights(read_bundle(folder)):
        pass


def test_a_link_to_weights_elsewhere_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "weights.safetensors").rename(tmp_path / "elsewhere")
    (folder / "weights.safetensors").symlink_to(tmp_path / "elsewhere")
    assert "missing" in _refused(folder, tmp_path)


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_keras_file_with_a_lambda_is_refused_and_the_lambda_never_runs(
    folder: Path, tmp_path: Path, ending: str
) -> None:
    import keras

    ran = tmp_path / "ran"
    network = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(_leaving(ran))])
    ran.unlink(missing_ok=True)
    network.save(tmp_path / f"evil.{ending}")
    content = (tmp_path / f"evil.{ending}").read_bytes()
    assert b"ambda" in content
    ran.unlink(missing_ok=True)
    _with_weights(folder, content)
    assert "cannot be read" in _refused(folder, tmp_path)
    assert not ran.exists()


def _leaving(trace: Path) -> Callable[[Any], Any]:
    def run(values: Any) -> Any:
        trace.write_text("ran")
        return values

    return run


def test_nothing_that_runs_code_is_imported_or_opened_while_a_model_is_refused(folder: Path) -> None:
    _with_weights(folder, b"\x80\x04cos\nsystem\n(S'true'\ntR.")
    seen: list[str] = []
    watching = [True]

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if watching and event in {"exec", "compile", "pickle.find_class", "os.system", "subprocess.Popen"}:
            seen.append(event)

    sys.addaudithook(watch)
    try:
        with pytest.raises(InvalidModelBundle):
            load_network(read_bundle(folder))
    finally:
        watching.clear()
    assert seen == []


def test_the_check_of_numbers_lets_a_whole_model_pass(folder: Path) -> None:
    with checked_weights(read_bundle(folder)) as weights:
        for name, array in load_file(folder / "weights.safetensors").items():
            assert np.array_equal(weights.take_array(name, array.shape), array)
