"""The readers withstand damaged and hostile files; the judge of that withstands nothing that is wrong."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import process_time
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from attunet_gui.core.volume import Volume
from attunet_gui.core.voxel_grid import VoxelGrid, canonical_reorientation
from attunet_gui.io import read_ct_volume
from attunet_gui.system.errors import UnreadableInput
from tests.fuzzing import dicom, itk, nifti, permissions
from tests.fuzzing.judge import FAULTS, judge, sentence_fault
from tests.fuzzing.made import Made
from tests.fuzzing.pool import (
    MAKERS,
    READING_SECONDS,
    WAITING_SECONDS,
    Job,
    _processor_seconds,
    _Worker,
    judge_all,
)
from tests.fuzzing.truth import unlike
from tests.support.ct_files import write_series, write_source
from tests.support.unprivileged_process import open_folder

SHAPE = (4, 5, 6)
GRID = VoxelGrid(SHAPE, np.diag([-1.0, -1.0, 2.0, 1.0]))


def test_what_is_fed_to_the_readers_is_read_rightly_or_refused() -> None:
    jobs = [Job(kind, 5, number) for number in range(60) for kind in MAKERS]
    judged = list(judge_all(jobs))
    assert {each.job for each in judged} == set(jobs)
    faults = [(each.job, each.steps, each.outcome) for each in judged if each.outcome.kind in FAULTS]
    assert not faults
    for kind in MAKERS:
        outcomes = Counter(each.outcome.kind for each in judged if each.job.kind == kind)
        assert min(outcomes["read"], outcomes["refused"]) >= 8, "a run that only sees one of both says little"


def contents(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def entries(folder: Path) -> tuple[list[Path], dict[str, bytes]]:
    return sorted(folder.iterdir()), contents(folder)


@pytest.mark.parametrize("kind", MAKERS)
def test_an_input_follows_from_its_number_alone(tmp_path: Path, kind: str) -> None:
    for number in range(12):
        made = []
        for time in ("first", "second"):
            folder = tmp_path / f"{number}{time}"
            folder.mkdir()
            steps = MAKERS[kind](3, number, folder).steps
            made.append((steps, contents(folder)))
        assert made[0] == made[1]


@pytest.mark.parametrize("mutator", nifti.MUTATORS)
def test_every_way_to_damage_a_nifti_changes_it(mutator: str) -> None:
    changed = 0
    for number in range(12):
        rng = np.random.default_rng(number)
        _name, raw = nifti._base(rng)
        changed += nifti.MUTATORS[mutator](raw, rng) != raw
    assert changed


@pytest.mark.parametrize("mutator", itk.MUTATORS)
def test_every_way_to_damage_a_nrrd_or_metaimage_changes_it(tmp_path: Path, mutator: str) -> None:
    changed = 0
    for number in range(16):
        rng, path = np.random.default_rng(number), tmp_path / f"ct{number}{itk._ENDINGS[number % 4]}"
        itk._write(path, rng)
        changed += itk.MUTATORS[mutator](path.read_bytes(), rng) != path.read_bytes()
    assert changed


@pytest.mark.parametrize("mutator", set(dicom.MUTATORS) - {"deflate bomb"})
def test_every_way_to_damage_a_series_changes_it(tmp_path: Path, mutator: str) -> None:
    changed = 0
    for number in range(6):
        rng, series = np.random.default_rng(number), tmp_path / str(number)
        stored = rng.integers(0, 3000, (4, 6, 7)).astype(np.uint16)
        series.mkdir()
        files = dicom._series(series, stored, rng)
        before = entries(series)
        dicom.MUTATORS[mutator](series, files, rng)
        changed += entries(series) != before
    assert changed


# The judge


def source(folder: Path, kind: str) -> Made:
    if kind == "dicom":
        stored = np.random.default_rng(2).integers(0, 3000, SHAPE).astype(np.uint16)
        return Made(write_series(folder / "series", stored)[0].parent, (), 10**6)
    values = np.random.default_rng(2).integers(-1000, 1500, SHAPE).astype(np.int16)
    return Made(write_source(kind, folder, GRID, values), (), 10**6)


def judged(made: Made, folder: Path, read_ct: Callable[..., Volume]) -> str:
    return judge(made, folder / "mask.nii.gz", read_ct).kind


@pytest.mark.parametrize("kind", ["nii.gz", "nrrd", "mha", "dicom"])
def test_a_good_file_is_read_and_its_mask_found_right(tmp_path: Path, kind: str) -> None:
    outcome = judge(source(tmp_path, kind), tmp_path / "mask.nii.gz")
    assert (outcome.kind, outcome.checked) == ("read", True)


def misread(change: Callable[[Volume], dict[str, Any]]) -> Callable[..., Volume]:
    """A reader with a fault in its geometry."""

    def read_wrongly(path: Path, **told: Any) -> Volume:
        volume = read_ct_volume(path, **told)
        origin = replace(volume.origin, frame=None)
        return replace(volume, origin=origin, **change(volume))

    return read_wrongly


def mirrored(volume: Volume) -> dict[str, Any]:
    return {"hu": volume.hu[:, :, ::-1].copy()}


def upside_down(volume: Volume) -> dict[str, Any]:
    return {"hu": volume.hu[::-1].copy()}


def shifted(volume: Volume) -> dict[str, Any]:
    affine = volume.placement.source.affine.copy()
    affine[0, 3] += 2
    return {"placement": canonical_reorientation(VoxelGrid(volume.placement.source.shape, affine))}


def stretched(volume: Volume) -> dict[str, Any]:
    affine = volume.placement.source.affine.copy()
    affine[2, 2] *= 1.5
    return {"placement": canonical_reorientation(VoxelGrid(volume.placement.source.shape, affine))}


@pytest.mark.parametrize("change", [mirrored, upside_down, shifted, stretched])
@pytest.mark.parametrize("kind", ["nii.gz", "nrrd", "mha", "dicom"])
def test_a_mask_on_a_wrong_geometry_is_found(
    tmp_path: Path, kind: str, change: Callable[[Volume], dict[str, Any]]
) -> None:
    assert judged(source(tmp_path, kind), tmp_path, misread(change)) == "wrong geometry"


def half(volume: Volume) -> dict[str, Any]:
    """The lower half of the patient, where it belongs."""
    rows = len(volume.hu) // 2
    grid = VoxelGrid((rows, *volume.hu.shape[1:]), volume.grid.affine)
    return {"hu": volume.hu[:rows].copy(), "placement": canonical_reorientation(grid)}


def other_hu(volume: Volume) -> dict[str, Any]:
    return {"hu": volume.hu + np.int16(2)}


@pytest.mark.parametrize("change", [half, shifted, other_hu])
def test_what_opens_without_a_note_and_is_not_the_original_is_found(
    tmp_path: Path, change: Callable[[Volume], dict[str, Any]]
) -> None:
    good = read_ct_volume(source(tmp_path, "nii.gz").path)
    changed = replace(good, origin=replace(good.origin, frame=None), **change(good))
    assert unlike(good, good) == ""
    assert unlike(changed, good)


def test_a_slice_that_is_gone_without_a_note_is_found(tmp_path: Path) -> None:
    made = source(tmp_path, "dicom")
    original = Path(shutil.copytree(made.path, tmp_path / "original"))
    sorted(made.path.iterdir())[-1].unlink()
    made = replace(made, original=original)
    assert judged(made, tmp_path, read_ct_volume) == "not the original"

    def with_a_note(path: Path, **told: Any) -> Volume:
        return replace(read_ct_volume(path, **told), notes=("A slice may be missing.",))

    (tmp_path / "mask.nii.gz").unlink()
    assert judged(made, tmp_path, with_a_note) == "read"


def test_what_is_closed_is_closed_to_the_reader_and_open_again_afterwards() -> None:
    with open_folder() as folder:
        (folder / "input").mkdir()
        made = source(folder / "input", "dicom")
        path = sorted(made.path.iterdir())[2]
        with_closed = replace(made, closed=((path, 0o000),))
        outcome = judge(with_closed, folder / "mask.nii.gz")
        assert (outcome.kind, f"{path.name} could not be read" in outcome.words) == ("refused", True)
        assert path.stat().st_mode & 0o777 == 0o644
        assert judge(made, folder / "mask.nii.gz").kind == "read"


def test_every_layout_and_every_way_to_close_is_made(tmp_path: Path) -> None:
    layouts, modes = set(), set()
    for number in range(60):
        folder = tmp_path / str(number)
        folder.mkdir()
        made = permissions.make(1, number, folder)
        layouts.add(made.steps[0])
        modes |= {mode for _path, mode in made.closed}
        assert made.original is not None
        assert contents(made.original.parent) == contents(made.path.parent)
    assert layouts == set(permissions.LAYOUTS)
    assert modes == {0o000, 0o444, 0o111, 0o222}


def test_an_error_that_is_no_refusal_is_found(tmp_path: Path) -> None:
    def fail(path: Path, **told: Any) -> Volume:
        raise KeyError("oops")

    assert judged(source(tmp_path, "nii.gz"), tmp_path, fail) == "traceback"


def test_memory_beyond_the_honest_size_is_found(tmp_path: Path) -> None:
    def waste(path: Path, **told: Any) -> Volume:
        assert np.ones(20_000_000).any()
        return read_ct_volume(path)

    assert judged(source(tmp_path, "nii.gz"), tmp_path, waste) == "memory"


@pytest.mark.parametrize(
    "words",
    [
        "",
        "no full stop",
        "Two sentences. That is one too many.",
        "Two\nlines.",
        "\udcff is no text.",
        "<object at 0x7f00> failed.",
        "KeyError happened.",
        "ct.nii could not be read, [Errno 5] of the system.",
        "x" * 500 + ".",
    ],
)
def test_what_is_no_clear_sentence_is_found(tmp_path: Path, words: str) -> None:
    def refuse(path: Path, **told: Any) -> Volume:
        raise UnreadableInput(words)

    assert sentence_fault(words)
    assert judged(source(tmp_path, "nii.gz"), tmp_path, refuse) == "unclear sentence"


def test_only_what_works_or_waits_too_long_hangs_not_what_others_slow_down() -> None:
    """nifti:893 of seed 1 was called a hang beside twenty busy programs; by itself it takes a second."""
    here = _Worker(
        cast(BaseProcess, SimpleNamespace(pid=os.getpid())), cast(Connection, None), Job("nifti", 1, 893)
    )
    here.enter("reading")
    assert not here.late
    here.since -= READING_SECONDS + 1
    assert not here.late, "the clock alone does not tell"
    here.used -= READING_SECONDS + 1
    assert here.late
    here.enter("reading")
    here.since -= WAITING_SECONDS + 1
    assert here.late
    gone = _Worker(cast(BaseProcess, SimpleNamespace(pid=None)), cast(Connection, None), Job("nifti", 1, 893))
    gone.enter("reading")
    assert not gone.late


def test_what_a_process_takes_of_a_processor_is_counted() -> None:
    before = _processor_seconds(os.getpid())
    begun = process_time()
    while process_time() - begun < 0.2:
        pass
    assert _processor_seconds(os.getpid()) - before >= 0.1
