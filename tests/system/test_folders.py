"""Walks over folders say what they could not look at, and pass over what is the system's."""

from __future__ import annotations

import ast
import os
import socket
from pathlib import Path

import pytest

from attunet_gui.system.errors import UnreadableInput
from attunet_gui.system.folders import files_beside, list_folder, walk_folder
from tests.support.unprivileged_process import as_nobody, open_folder

PACKAGE = Path(__file__).parents[2] / "attunet_gui"
WALKS = {"walk", "rglob", "glob", "iterdir", "scandir", "listdir", "fwalk"}


def filled(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


def names(folder: Path, files: tuple[Path, ...]) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in files]


def test_every_file_below_is_found_in_order(tmp_path: Path) -> None:
    filled(tmp_path, "b/2", "a", "b/c/1", "z")
    walked = walk_folder(tmp_path)
    assert names(tmp_path, walked.files) == ["a", "b/2", "b/c/1", "z"]
    assert walked.unread == ()
    assert walked.complete_files() == walked.files


def test_what_is_the_systems_is_passed_over(tmp_path: Path) -> None:
    hidden = (".DS_Store", "._im1", "Thumbs.db", "desktop.ini", "__MACOSX/im1", ".cache/im1", "a/._im1")
    filled(tmp_path, "im1", "a/im1", *hidden)
    assert names(tmp_path, walk_folder(tmp_path).files) == ["a/im1", "im1"]
    assert names(tmp_path, tuple(list_folder(tmp_path))) == ["a", "im1"]
    assert len(walk_folder(tmp_path, hidden=True).files) == 2 + len(hidden)
    assert names(tmp_path, walk_folder(tmp_path / ".cache").files) == [".cache/im1"]


def test_what_lies_beside_a_file_is_found_without_what_is_below(tmp_path: Path) -> None:
    filled(tmp_path, "im1", "im2", "._im1", "below/im3")
    assert names(tmp_path, files_beside(tmp_path / "im1").files) == ["im1", "im2"]
    assert names(tmp_path, files_beside(tmp_path / "._im1").files) == ["._im1", "im1", "im2"]


def test_links_are_followed_once_and_never_out_of_the_folder(tmp_path: Path) -> None:
    filled(tmp_path, "root/a/1", "other/2", "above")
    root = tmp_path / "root"
    (root / "0 again").symlink_to(root / "a")
    (root / "0 upwards").symlink_to(tmp_path)
    (root / "linked").symlink_to(tmp_path / "other")
    assert names(root, walk_folder(root).files) == ["a/1", "linked/2"]
    (tmp_path / "entry").symlink_to(root)
    assert names(tmp_path / "entry", walk_folder(tmp_path / "entry").files) == ["a/1", "linked/2"]


@pytest.mark.parametrize("target", ["gone", "link"])
def test_a_link_that_leads_nowhere_is_said(tmp_path: Path, target: str) -> None:
    (tmp_path / "link").symlink_to(target)
    assert [each.path.name for each in walk_folder(tmp_path).unread] == ["link"]
    with pytest.raises(UnreadableInput, match="link could not be read"):
        walk_folder(tmp_path).complete_files()


def test_pipes_and_sockets_are_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        walked = walk_folder(tmp_path)
    assert (walked.files, walked.unread) == ((), ())


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert list_folder(tmp_path / "none") == []
    assert walk_folder(tmp_path / "none").files == ()


@pytest.mark.parametrize(
    "rights",
    [0o000, 0o400, 0o100, 0o444, 0o111],
    ids=["closed", "without search", "without listing", "others may list", "others may enter"],
)
def test_a_folder_that_may_not_be_entered_is_said(rights: int) -> None:
    with open_folder() as folder:
        filled(folder, "a/1", "b/2")
        (folder / "b").chmod(rights)
        walked = as_nobody(lambda: walk_folder(folder))
        assert names(folder, walked.files) == ["a/1"]
        assert [each.reason for each in walked.unread] == ["Permission denied"]
        with pytest.raises(UnreadableInput, match="b could not be read, Permission denied, so im"):
            walked.complete_files()
        if not rights & 0o444:
            with pytest.raises(UnreadableInput, match="b could not be read, Permission denied"):
                as_nobody(lambda: list_folder(folder / "b"))


def test_files_beside_one_in_a_folder_that_may_only_be_listed_are_said() -> None:
    with open_folder() as folder:
        filled(folder, "a/1", "a/2")
        (folder / "a").chmod(0o444)
        assert [each.path.name for each in as_nobody(lambda: files_beside(folder / "a" / "1")).unread] == [
            "1",
            "2",
        ]
        assert [each.path.name for each in as_nobody(lambda: walk_folder(folder / "a" / "1")).unread] == ["1"]


def test_no_other_module_walks_over_folders() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.name != "folders.py"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in WALKS
        and not (isinstance(node.func.value, ast.Name) and node.func.value.id == "ast")
    ]
    assert found == []
