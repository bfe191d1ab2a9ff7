"""Nothing of the patient is in anything that is written or said, but where a person put it there."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from attunet_gui.gui.preferences import WindowPreferences
from tests.support.patient_identifiers import marks, marks_in, write_patient
from tests.support.planted_identifiers import DATE, MARK, NUMBER, ROOT

_TREE = Path(__file__).parents[2]


@dataclass(frozen=True)
class Day:
    """What a process wrote and said.

    Attributes:
        root: of everything it could write to: its home, its temporary folder, its output.
        said: on the terminal.
        code: with which it ended.
    """

    root: Path
    said: str
    code: int


def _run(root: Path, *arguments: str) -> Day:
    """Run Python in a home of its own below `root`, with the umask that lets everybody read and write."""
    homes = {name: root / name for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME")}
    homes |= {"XDG_CACHE_HOME": root / "cache", "TMPDIR": root / "tmp"}
    for folder in homes.values():
        folder.mkdir(parents=True, exist_ok=True)
    inherited = {
        name: value for name, value in os.environ.items() if name not in {"ATTUNET_DEBUG", "DISPLAY"}
    }
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=_TREE,
        env=inherited | {name: str(path) for name, path in homes.items()},
        capture_output=True,
        text=True,
        check=False,
        umask=0,
    )
    return Day(root, done.stdout + done.stderr, done.returncode)


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("patient") / "ct"
    write_patient(folder)
    return folder


@pytest.fixture(scope="module")
def day(patient: Path, tmp_path_factory: pytest.TempPathFactory) -> Day:
    root = tmp_path_factory.mktemp("day")
    return _run(root, "-m", "tests.support.privacy_flows", str(patient), str(root / "out"))


def test_the_marks_are_in_the_files_and_the_search_finds_them(patient: Path) -> None:
    found = marks_in(patient)
    assert {name.split("/")[0] for name, _mark in found} == {"scan", "thin.nii.gz"}
    assert {mark for _name, mark in found} == {MARK, NUMBER, ROOT, DATE}


def test_a_day_of_work_went_through(day: Day) -> None:
    assert day.code == 0, day.said
    written = {path.relative_to(day.root).as_posix() for path in day.root.rglob("*") if path.is_file()}
    for name in (
        "out/drafts/scan_pancreas.nii.gz",
        "out/drafts/thin_pancreas.json",
        "out/project/project.db",
        "out/project/thumbnails/case-0001.png",
        "out/nnunet/dataset.json",
        "out/replay.gif",
        "out/report/report.html",
    ):
        assert name in written, sorted(written)
    assert sum(name.endswith(".journal") for name in written) == 2


def test_nothing_of_the_patient_is_in_any_byte_that_was_written(day: Day) -> None:
    assert marks_in(day.root) == set()


def test_nothing_of_the_patient_is_said_on_the_terminal(day: Day) -> None:
    assert marks(day.said.encode()) == set()


def test_nothing_is_left_in_the_temporary_folder(day: Day) -> None:
    assert [path.name for path in (day.root / "tmp").rglob("*")] == []


def test_what_is_the_users_own_is_closed_to_others_whatever_the_umask(day: Day) -> None:
    own = [
        path
        for top in ("XDG_DATA_HOME/attunet-gui", "out/project")
        for path in ((day.root / top), *(day.root / top).rglob("*"))
    ]
    assert len(own) > 20
    for path in own:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


# What a person said herself: names of files and folders, and copies


def test_where_the_name_of_a_file_goes(patient: Path, tmp_path: Path) -> None:
    """A file name is the user's own word. It goes where the file must be found again, and nowhere else."""
    ct = tmp_path / MARK / f"{MARK}.nii.gz"
    ct.parent.mkdir()
    shutil.copyfile(patient / "thin.nii.gz", ct)
    day = _run(
        tmp_path / "root", "-m", "tests.support.privacy_flows", str(ct.parent), str(tmp_path / "root" / "out")
    )
    assert day.code == 0, day.said
    named = {name for name, mark in marks_in(day.root) if mark == MARK}
    places = {
        "results, named after the file": "out/drafts/",
        "and maps": "out/maps/",
        "the project, where the CT lies": "out/project/project.db",
        "the sidecar of a mask": "out/project/masks/",
        "the journal, how to open it again": "XDG_DATA_HOME/attunet-gui/journal/",
        "a report, by the names of its files": "out/report/",
    }
    assert {name for name in named if not name.startswith(tuple(places.values()))} == set()
    assert "out/project/project.db" in named
    assert not any(
        name.startswith(("out/nnunet", "out/project/drafts", "out/project/thumb")) for name in named
    )
    project = str(tmp_path / "root" / "out" / "project")
    listing = ("-m", "attunet_gui", "worklist", "list", project, "--json")
    assert MARK not in _run(day.root, *listing).said
    assert MARK in _run(day.root, *listing, "--files").said


def test_copies_of_ct_are_made_only_when_asked_for_and_are_the_owners(patient: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    for words in (("new", project), ("add", project, patient, "--copy")):
        done = _run(tmp_path, "-m", "attunet_gui", "worklist", *map(str, words))
        assert done.code == 0, done.said
    assert {name.split("/")[1] for name, _mark in marks_in(project.parent)} == {"cases"}
    for path in (project / "cases", *(project / "cases").rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


# Crashes

_CRASH = f"""
import sys, threading
from attunet_gui import cli
from attunet_gui.io.formats import nifti
def fail(*_):
    raise ValueError("{MARK}^JANE {NUMBER}")
{{plant}}
sys.argv = ["attunet", *sys.argv[1:]]
cli.main()
"""


@pytest.mark.parametrize(
    ("planted", "says"),
    [
        ("nifti.load_nifti = fail", "An unexpected ValueError at"),
        (
            "import attunet_gui.cli.predict_command as p; p._find_cases = fail",
            "attunet: unexpected ValueError at",
        ),
    ],
)
def test_a_crash_says_where_it_was_and_not_what_it_read(
    patient: Path, tmp_path: Path, planted: str, says: str
) -> None:
    order = [
        "predict",
        str(patient / "thin.nii.gz"),
        "-o",
        str(tmp_path / "out"),
        "--model",
        "phantom-starter",
    ]
    day = _run(tmp_path, "-c", _CRASH.format(plant=planted), *order)
    assert day.code == 1
    assert says in day.said
    assert marks(day.said.encode()) == set()
    assert marks_in(tmp_path) == set()


def test_a_case_that_cannot_be_drafted_keeps_no_words_of_the_crash(patient: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    for words in (("new", project), ("add", project, patient / "thin.nii.gz")):
        assert _run(tmp_path, "-m", "attunet_gui", "worklist", *map(str, words)).code == 0
    program = _CRASH.format(plant="nifti.load_nifti = fail")
    day = _run(tmp_path, "-c", program, "worklist", "draft", str(project), "--model", "phantom-starter")
    assert day.code == 1
    assert "An unexpected ValueError at" in day.said
    assert marks(day.said.encode()) == set()
    assert marks_in(tmp_path) == set()


_CHILD = f"""
import threading
from attunet_gui.system.safe_logging import install_redaction
from attunet_gui.workers.inference_messages import PredictRequest
from attunet_gui.workers.inference_process import InferenceProcess
class Failing:
    def __reduce__(self):
        return (int, ("{MARK}^JANE",))
if __name__ == "__main__":
    install_redaction()
    runner, ended, said = InferenceProcess(), threading.Event(), []
    runner.job_failed.connect(lambda _job, sentence: (said.append(sentence), ended.set()))
    runner.submit(PredictRequest(volume=Failing(), bundle=Failing()))
    assert ended.wait(60)
    runner.close()
    print(said)
"""


def test_a_child_that_dies_of_what_it_was_sent_does_not_repeat_it(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(_CHILD)
    day = _run(tmp_path / "root", str(script))
    assert day.code == 0, day.said
    assert "ended" in day.said
    assert "ValueError" in day.said
    assert marks(day.said.encode()) == set()


# Settings


@pytest.fixture
def _open_to_all() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_open_to_all")
def test_settings_are_their_owners_alone_whatever_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "attunet-gui"
    folder.mkdir(mode=0o755)
    (folder / "window.ini").touch(0o644)
    for file in (folder / "window.ini", tmp_path / "other" / "new" / "window.ini"):
        preferences = WindowPreferences(file)
        preferences.remember_path(tmp_path)
        preferences.annotator = "anna"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        assert WindowPreferences(file).recent_paths == [tmp_path]
