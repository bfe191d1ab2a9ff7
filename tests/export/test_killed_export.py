"""A killed export leaves the old data set or the whole new one, and the next export makes it whole."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import signal
from multiprocessing.context import ForkServerContext
from pathlib import Path

import numpy as np
import pytest

from attunet_gui.export import (
    ExportCase,
    ExportOptions,
    export_dataset,
    export_format_named,
    read_export_manifest,
)
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.file_lock import acquire_file_lock
from tests.support.export_cases import IDENTITY, every_file, make_case
from tests.support.killed_export import export_until_killed

HIDDEN = ".out.attunet-export"
KILLS = 7


@pytest.fixture(scope="module")
def nursery() -> ForkServerContext:
    """Where children are born with all imports done."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.support.killed_export", "attunet_gui.export.formats.dicom_seg"])
    return context


class Scene:
    """One folder with cases, and how the data set in it came to be."""

    def __init__(self, folder: Path, form: str) -> None:
        self.folder, self.form = folder, form
        self.cases = [make_case(folder / "cases" / name, "dicom", name) for name in ("one", "two", "three")]

    def order(self, name: str = "out") -> ExportOptions:
        return ExportOptions(self.folder / name, export_format_named(self.form), IDENTITY)

    def begin(self, earlier: bool) -> dict[str, bytes]:
        """Nothing, or an earlier export of two cases of which one has changed since; its files."""
        for name in ("out", HIDDEN):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        if not earlier:
            return {}
        two = self.cases[1]
        old = ExportCase(two.name, two.image, two.mask, frozenset({1}))
        export_dataset([self.cases[0], old], self.order())
        return every_file(self.folder / "out")

    def kill(self, nursery: ForkServerContext, until: int) -> int | None:
        arguments = (self.cases, self.folder, self.form, until)
        child = nursery.Process(target=export_until_killed, args=arguments)
        child.start()
        child.join()
        return child.exitcode

    def is_new(self) -> bool:
        """Whether the data set is the one that was asked for, byte by byte as its manifest says."""
        manifest = read_export_manifest(self.folder / "out")
        listed = manifest.has_shared_files(self.folder / "out") and manifest.all_paths == set(
            every_file(self.folder / "out")
        )
        whole = all(entry.is_unchanged_in(self.folder / "out") for entry in manifest.cases)
        names = sorted(manifest.cases_by_name) == ["one", "three", "two"]
        return listed and whole and names and manifest.cases_by_name["two"].annotation.verified is None


@pytest.mark.parametrize(
    ("form", "earlier"),
    [("nnunet", False), ("nnunet", True), ("dicomseg", True)],
    ids=["new", "over an earlier one", "a folder of files a case"],
)
def test_a_kill_at_any_step_leaves_old_or_new(
    tmp_path: Path, nursery: ForkServerContext, form: str, earlier: bool
) -> None:
    scene = Scene(tmp_path, form)
    scene.begin(earlier)
    assert scene.kill(nursery, until=0) == 0
    steps = json.loads((tmp_path / "steps").read_text())
    assert scene.is_new()
    renames = [number for number, step in enumerate(steps, 1) if step == "os.rename"]
    chosen = np.random.default_rng(5).integers(1, len(steps), KILLS - 3)
    for until in [*chosen.tolist(), renames[-2], renames[-1], renames[-1] + 1]:
        before = scene.begin(earlier)
        assert scene.kill(nursery, until) == -signal.SIGKILL
        left = every_file(tmp_path / "out")
        # Between two renames there is no data set; the old one is aside, the new one complete.
        between = not left and (tmp_path / HIDDEN / "old").exists() and until == renames[-1]
        assert left == before or between or scene.is_new()
        report = export_dataset(scene.cases, scene.order())
        assert report.refused == {}
        assert scene.is_new()
        assert not (tmp_path / HIDDEN).exists()


def test_the_next_export_goes_on_from_the_cases_that_were_done(
    tmp_path: Path, nursery: ForkServerContext
) -> None:
    scene = Scene(tmp_path, "nnunet")
    scene.kill(nursery, until=0)
    steps = json.loads((tmp_path / "steps").read_text())
    scene.begin(earlier=False)
    scene.kill(nursery, until=len(steps) // 2)
    done = sorted(path.stem for path in (tmp_path / HIDDEN / "cases").glob("*.json"))
    assert done
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / HIDDEN / "cases" / done[0]).rglob("*.gz")}
    export_dataset(scene.cases, scene.order())
    for path, stamp in stamps.items():
        again = tmp_path / "out" / path.relative_to(tmp_path / HIDDEN / "cases" / done[0])
        assert again.stat().st_mtime_ns == stamp


def test_a_case_that_changed_after_the_kill_is_made_anew(tmp_path: Path, nursery: ForkServerContext) -> None:
    scene = Scene(tmp_path, "nnunet")
    scene.kill(nursery, until=0)
    steps = json.loads((tmp_path / "steps").read_text())
    scene.begin(earlier=False)
    scene.kill(nursery, until=len(steps) // 2)
    assert (tmp_path / HIDDEN / "cases" / "one.json").exists()
    one = scene.cases[0]
    scene.cases[0] = ExportCase(one.name, one.image, one.mask, frozenset({3}))
    export_dataset(scene.cases, scene.order())
    assert read_export_manifest(tmp_path / "out").cases_by_name["one"].annotation.verified == (3,)


def test_two_exports_into_one_folder_do_not_meet(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "nnunet")
    (tmp_path / HIDDEN).mkdir()
    held = acquire_file_lock(tmp_path / HIDDEN / "lock")
    with pytest.raises(AttunetError, match=r"Another export into .* is running"):
        export_dataset(scene.cases, scene.order())
    held.release()
    assert export_dataset(scene.cases, scene.order()).added == ("one", "two", "three")
