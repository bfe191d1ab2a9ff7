"""Models travel as one file; what is no model is refused in one sentence and leaves nothing behind."""

from __future__ import annotations

import io
import os
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from attunet_gui.model_registry.model_archive import export_model, import_model
from attunet_gui.network.model_bundle import read_bundle, verify_weights
from attunet_gui.system.errors import InvalidModelBundle

Entries = list[tuple[zipfile.ZipInfo, bytes]]


@pytest.fixture
def entries(tiny_bundle: Path) -> Entries:
    return [
        (zipfile.ZipInfo(name), (tiny_bundle / name).read_bytes())
        for name in ("card.json", "weights.safetensors")
    ]


def _packed(path: Path, entries: Entries) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for info, content in entries:
            archive.writestr(info, content)
    return path


def test_a_model_goes_out_and_comes_in_as_it_was(tiny_bundle: Path, tmp_path: Path) -> None:
    sent = export_model(read_bundle(tiny_bundle), tmp_path)
    came = import_model(sent, tmp_path / "models")
    assert came.card == read_bundle(tiny_bundle).card
    assert came.weights_path.read_bytes() == read_bundle(tiny_bundle).weights_path.read_bytes()
    verify_weights(came)
    assert [path.name for path in (tmp_path / "models").iterdir()] == [came.card.name]
    again = export_model(came, tmp_path / "again.zip")
    assert again.read_bytes() == sent.read_bytes()


def test_the_folder_of_a_bundle_comes_in_too_and_twice_is_once(tiny_bundle: Path, tmp_path: Path) -> None:
    for _ in range(2):
        import_model(tiny_bundle, tmp_path / "models")
    assert len(list((tmp_path / "models").iterdir())) == 1


def test_another_model_of_that_name_is_not_written_over(tiny_bundle: Path, tmp_path: Path) -> None:
    there = import_model(tiny_bundle, tmp_path / "models")
    path = there.folder / "card.json"
    path.write_text(path.read_text().replace('"title": "', '"title": "Mine: '))
    with pytest.raises(InvalidModelBundle, match="is there already"):
        import_model(tiny_bundle, tmp_path / "models")
    assert "Mine: " in path.read_text()


def _climbing(entries: Entries) -> Entries:
    return [*entries, (zipfile.ZipInfo("../evil.txt"), b"x")]


def _absolute(entries: Entries) -> Entries:
    return [(zipfile.ZipInfo("/card.json"), entries[0][1]), entries[1]]


def _linked(entries: Entries) -> Entries:
    link = zipfile.ZipInfo("weights.safetensors")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    return [entries[0], (link, b"/etc/passwd")]


def _twice(entries: Entries) -> Entries:
    return [*entries, entries[0]]


def _bomb(entries: Entries) -> Entries:
    info = zipfile.ZipInfo("card.json")
    info.compress_type = zipfile.ZIP_DEFLATED
    return [(info, b"0" * 50_000_000), entries[1]]


def _large_card(entries: Entries) -> Entries:
    return [(entries[0][0], b" " * 1_000_001), entries[1]]


def _changed(entries: Entries) -> Entries:
    content = bytearray(entries[1][1])
    content[-1] ^= 1
    return [entries[0], (entries[1][0], bytes(content))]


def _named(name: bytes) -> Callable[[Entries], Entries]:
    def change(entries: Entries) -> Entries:
        import json

        card = json.loads(entries[0][1]) | {"name": name.decode()}
        return [(entries[0][0], json.dumps(card).encode()), entries[1]]

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_climbing, "is no model"),
        (_absolute, "is no model"),
        (_linked, "a link"),
        (_twice, "is no model"),
        (_bomb, "packed"),
        (_large_card, "too large"),
        (_changed, "not those the card was made for"),
        (_named(b"../../evil"), "not valid at 'name'"),
        (_named(b".."), "not valid at 'name'"),
        (lambda entries: entries[:1], "is no model"),
        (lambda entries: [], "is no model"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_hostile_archive_is_refused_in_one_sentence_and_leaves_nothing(
    change: Callable[[Entries], Entries], says: str, entries: Entries, tmp_path: Path
) -> None:
    path = _packed(tmp_path / "in.zip", change(entries))
    with pytest.raises(InvalidModelBundle, match=says) as told:
        import_model(path, tmp_path / "home" / "models")
    assert "\n" not in str(told.value)
    assert [path.name for path in (tmp_path / "home").rglob("*")] == ["models"]
    assert not (tmp_path / "evil.txt").exists()


def test_a_header_that_lies_about_sizes_does_not_fill_the_disk(entries: Entries, tmp_path: Path) -> None:
    large = [(entries[0][0], b" " * 5_000_000), entries[1]]
    packed = _packed(tmp_path / "in.zip", large).read_bytes()
    lying = packed.replace((5_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    (tmp_path / "in.zip").write_bytes(lying)
    with pytest.raises(InvalidModelBundle):
        import_model(tmp_path / "in.zip", tmp_path / "models")


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04" + bytes(60)])
def test_what_is_no_archive_is_said(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "in.zip").write_bytes(content)
    with pytest.raises(InvalidModelBundle, match="damaged or no archive"):
        import_model(tmp_path / "in.zip", tmp_path / "models")


def test_cut_archives_are_refused_wherever_they_end(entries: Entries, tmp_path: Path) -> None:
    whole = _packed(tmp_path / "in.zip", entries).read_bytes()
    for end in range(0, len(whole), max(1, len(whole) // 25)):
        (tmp_path / "cut.zip").write_bytes(io.BytesIO(whole).read(end))
        with pytest.raises(InvalidModelBundle):
            import_model(tmp_path / "cut.zip", tmp_path / "models")


def test_a_folder_with_a_link_is_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / "linked"))
    (folder / "weights.safetensors").unlink()
    (folder / "weights.safetensors").symlink_to(tiny_bundle / "weights.safetensors")
    with pytest.raises(InvalidModelBundle, match="is a link"):
        import_model(folder, tmp_path / "models")


def test_many_entries_and_a_pipe_are_refused(entries: Entries, tmp_path: Path) -> None:
    many = [*entries, *((zipfile.ZipInfo(f"{number}"), b"") for number in range(20_000))]
    with pytest.raises(InvalidModelBundle, match="is no model") as told:
        import_model(_packed(tmp_path / "many.zip", many), tmp_path / "models")
    assert len(str(told.value)) < 300
    os.mkfifo(tmp_path / "pipe.zip")
    with pytest.raises(InvalidModelBundle, match="There is no model"):
        import_model(tmp_path / "pipe.zip", tmp_path / "models")


def test_what_a_killed_import_left_is_cleared_a_day_later(tiny_bundle: Path, tmp_path: Path) -> None:
    old, fresh = tmp_path / ".import-old", tmp_path / ".import-fresh"
    for folder in (old, fresh):
        folder.mkdir()
        (folder / "weights.safetensors").write_bytes(b"half")
    os.utime(old, (0, 0))
    import_model(tiny_bundle, tmp_path / "models")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".import-fresh", "models"]
