"""What a killed process left is cleared, what a living one writes is not; rights follow the folder."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from attunet_gui.io.result_writing import make_private_folder, restrict_to_owner, write_text
from attunet_gui.system.atomic_write import remove_stale_temporaries

_ROOT = Path(__file__).parents[2]
_STUCK = """
import sys, time
from pathlib import Path
from attunet_gui.system.atomic_write import write_atomically

def produce(file):
    file.write(b"half of a mask")
    file.flush()
    print("half", flush=True)
    time.sleep(600)

write_atomically(Path(sys.argv[1]), produce, lambda written: None)
"""


@pytest.fixture
def half_way(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has written half of a file in `tmp_path`."""
    command = [sys.executable, "-c", _STUCK, str(tmp_path / "mask.nii")]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        yield process
        process.kill()


def _left(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.endswith(".part")]


def test_what_a_killed_process_left_is_cleared_by_the_next(
    tmp_path: Path, half_way: subprocess.Popen[str]
) -> None:
    write_text(tmp_path / "beside.txt", "written meanwhile")
    assert len(_left(tmp_path)) == 1, "the file of a living process is its own"
    half_way.send_signal(signal.SIGKILL)
    half_way.wait(30)
    assert len(_left(tmp_path)) == 1
    write_text(tmp_path / "beside.txt", "written afterwards")
    assert not _left(tmp_path)
    assert (tmp_path / "beside.txt").read_text() == "written afterwards"


def test_an_empty_one_may_be_about_to_be_locked(tmp_path: Path) -> None:
    fresh, old = tmp_path / ".attunet-1.part", tmp_path / ".attunet-2.part"
    for path in (fresh, old):
        path.touch()
    os.utime(old, (0, 0))
    (tmp_path / "of somebody else.part").write_text("mine")
    (tmp_path / ".attunet-3.part").symlink_to("of somebody else.part")
    remove_stale_temporaries(tmp_path)
    assert sorted(_left(tmp_path)) == [".attunet-1.part", ".attunet-3.part", "of somebody else.part"]
    remove_stale_temporaries(tmp_path / "absent")


@pytest.mark.parametrize(
    ("umask", "folder", "file"),
    [(0, 0o700, 0o600), (0, 0o750, 0o640), (0, 0o777, 0o666), (0o022, 0o777, 0o644), (0o077, 0o755, 0o600)],
)
def test_a_file_is_open_to_nobody_to_whom_its_folder_is_closed(
    tmp_path: Path, umask: int, folder: int, file: int
) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f").chmod(folder)
    before = os.umask(umask)
    try:
        write_text(tmp_path / "f" / "a.txt", "a")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "f" / "a.txt").stat().st_mode) == file


def test_a_file_that_was_private_stays_so(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.touch(0o600)
    write_text(path, "a")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_private_folders_leave_those_that_were_there_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o775)
    before = os.umask(0)
    try:
        make_private_folder(tmp_path / "shared" / "a" / "b")
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("shared", "shared/a", "shared/a/b")]
    assert modes == [0o775, 0o700, 0o700]
    restrict_to_owner(tmp_path / "shared")
    assert stat.S_IMODE((tmp_path / "shared").stat().st_mode) == 0o700
    restrict_to_owner(tmp_path / "absent")
