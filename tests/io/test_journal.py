from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
import stat
import time
import tracemalloc
import zlib
from dataclasses import replace
from itertools import pairwise
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attunet_gui.core.case_activity import CaseActivity, ToolUse, UnsavedChanges
from attunet_gui.core.edit_stroke import EditStroke
from attunet_gui.core.journal_entries import (
    FindingsAccepted,
    JournalEntry,
    MaskWritten,
    SessionClosed,
    SessionOpened,
    SlicesVerified,
    StrokeRedone,
    StrokeUndone,
)
from attunet_gui.core.mask_edit import MaskEdit, edit_between
from attunet_gui.core.volume import Volume, VolumeOrigin
from attunet_gui.core.voxel_grid import VoxelGrid, canonical_reorientation
from attunet_gui.editing.edit_session import EditSession
from attunet_gui.io.journal import journal as journal_module
from attunet_gui.io.journal.framing import MAGIC, pack_frame
from attunet_gui.io.journal.journal import (
    Journal,
    JournalBase,
    JournalContent,
    JournalHeader,
    JournalSnapshot,
    delete_journal,
    identify_volume,
    journal_path,
    pending_journals,
    prune_journals,
    read_journal,
)
from attunet_gui.io.journal.records import base_frame, entry_frame, header_frame
from attunet_gui.system.errors import UnreadableInput, UnwritableOutput
from attunet_gui.system.file_lock import LockHeldElsewhere
from tests.support import crashing_editor
from tests.support.crashing_editor import IDENTITY

SMALL = replace(IDENTITY, shape=(3, 4, 5))
HEADER = JournalHeader(SMALL, 1.5)


def random_masks(count: int, seed: int = 0, shape: tuple[int, ...] = SMALL.shape) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).integers(0, 2, (count, *shape)).astype(np.uint8))


def strokes_between(masks: list[np.ndarray], tool: str = "brush") -> list[EditStroke]:
    return [
        EditStroke(edit_between(*pair), tool, f"stroke {k}", "ana", 10.0 * k, k % 3, k % 2 == 0)
        for k, pair in enumerate(pairwise(masks))
    ]


def base_of(mask: np.ndarray) -> JournalBase:
    return JournalBase(edit_between(np.zeros_like(mask), mask))


def begun(path: Path, snapshot: JournalSnapshot) -> Journal:
    journal = Journal(path)
    journal.rewrite_file(snapshot)
    return journal


def written(path: Path, entries: list[JournalEntry], base: JournalBase | None = None) -> Path:
    journal = begun(path, JournalSnapshot(HEADER, base or JournalBase()))
    for entry in entries:
        journal.append_entry(entry)
    journal.close()
    return path


# There and back

USERS = st.sampled_from(["ana", "Zoë", "a\udcffb", ""])
TIMES = st.floats(-1e12, 1e12)
MARKS = st.one_of(
    st.builds(SlicesVerified, USERS, TIMES, st.frozensets(st.integers(0, 2))),
    st.builds(FindingsAccepted, USERS, TIMES, st.frozensets(st.text(max_size=5), max_size=3)),
    st.builds(
        MaskWritten,
        USERS,
        TIMES,
        st.sampled_from([Path("/a/ü b.nii.gz"), Path(os.fsdecode(b"/a/\xff.nii"))]),
        st.integers(0, 2**32 - 1),
        st.booleans(),
    ),
    st.builds(SessionOpened, USERS, TIMES),
    st.builds(SessionClosed, USERS, TIMES),
)


@pytest.mark.parametrize(
    ("entry", "tag"),
    [
        (StrokeUndone("ana", 1.0, "brush"), "undone"),
        (StrokeRedone("ana", 1.0, "brush"), "redone"),
        (SlicesVerified("ana", 1.0, frozenset({1})), "verified"),
        (FindingsAccepted("ana", 1.0, frozenset({"a"})), "accepted"),
        (MaskWritten("ana", 1.0, Path("/a"), 1, True), "saved"),
        (SessionOpened("ana", 1.0), "opened"),
        (SessionClosed("ana", 1.0), "closed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_kind_an_entry_is_stays_on_disk_what_it_was(entry: JournalEntry, tag: str) -> None:
    assert f'{{"is":"{tag}",'.encode() in entry_frame(entry)


def as_kept(value: Any) -> Any:
    """Texts that no encoding can hold come back with question marks; paths come back exactly."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


@settings(max_examples=30)
@given(st.integers(0, 99), st.lists(MARKS, max_size=5), st.integers(0, 4), st.integers(0, 4))
def test_what_was_appended_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, seed: int, marks: list[JournalEntry], turns: int, again: int
) -> None:
    masks = random_masks(6, seed)
    strokes = strokes_between(masks)
    entries = [*strokes, *[StrokeUndone("ana", 1.0, "brush")] * turns, *marks]
    entries += [StrokeRedone("ana", 2.0, "brush")] * min(again, turns)
    at = 5 - turns + min(again, turns)

    read = read_journal(written(tmp_path_factory.mktemp("j") / "x.journal", entries, base_of(masks[0])))

    assert list(read.entries) == [replace(entry, user=as_kept(entry.user)) for entry in entries]
    assert (read.header, read.damage) == (HEADER, "")
    np.testing.assert_array_equal(read.base_mask(), masks[0])
    np.testing.assert_array_equal(read.current_mask(), masks[at])
    assert read.undo_and_redo == (tuple(strokes[:at]), tuple(strokes[at:]))


def test_compaction_keeps_undo_redo_and_totals(tmp_path: Path) -> None:
    masks = random_masks(6)
    strokes = strokes_between(masks)
    base = replace(
        base_of(masks[1]),
        hand=edit_between(np.zeros_like(masks[2]), masks[2]),
        verified=frozenset({1}),
        accepted=frozenset({"island 3"}),
        since=UnsavedChanges(None, 4),
        activity=CaseActivity(
            12.5, {"brush": ToolUse(5, 1, 20, 30)}, frozenset({0, 2}), {"ana": 5}, 0.5, 40.0
        ),
    )
    journal = begun(tmp_path / "x.journal", JournalSnapshot(HEADER, base, strokes[1:3], strokes[3:]))
    journal.append_entry(StrokeRedone("ana", 41.0, "brush"))
    journal.close()

    read = read_journal(tmp_path / "x.journal")

    assert read.base == base
    assert (read.kept, read.ahead) == (tuple(strokes[1:3]), tuple(strokes[3:]))
    assert read.undo_and_redo == (tuple(strokes[1:4]), tuple(strokes[4:]))
    np.testing.assert_array_equal(read.current_mask(), masks[4])
    assert read.since_saved == UnsavedChanges(None, 5)
    # Strokes that were written again are not counted again.
    assert read.total_activity == replace(
        base.activity, seconds=13.5, last=41.0, tools={"brush": ToolUse(5, 0, 20, 30)}
    )


def test_a_journal_asks_for_compaction_when_long_and_not_again_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "MOST_FRAMES", 10)
    strokes = strokes_between(random_masks(31))
    journal = begun(tmp_path / "x.journal", JournalSnapshot(HEADER, JournalBase()))
    asked = []
    for number, stroke in enumerate(strokes):
        journal.append_entry(stroke)
        if journal.wants_compaction:
            asked.append(number + 1)
            journal.rewrite_file(JournalSnapshot(HEADER, JournalBase(), strokes[: number + 1]))
    journal.close()

    assert asked == [9, 21]
    assert read_journal(tmp_path / "x.journal").undo_and_redo[0] == tuple(strokes)


def test_a_journal_asks_for_compaction_when_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "MOST_BYTES", 2000)
    journal = begun(tmp_path / "x.journal", JournalSnapshot(HEADER, JournalBase()))
    while not journal.wants_compaction:
        journal.append_entry(FindingsAccepted("ana", 1.0, frozenset({"place " * 20})))
    assert 2000 < journal.size_bytes < 2400
    journal.rewrite_file(JournalSnapshot(HEADER, JournalBase()))
    assert not journal.wants_compaction
    assert journal.size_bytes == (tmp_path / "x.journal").stat().st_size
    journal.close()


def test_only_the_user_may_read_a_journal(tmp_path: Path) -> None:
    path = written(tmp_path / "deep" / "journals" / "x.journal", strokes_between(random_masks(3)))

    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


def test_a_ct_is_known_by_its_voxels() -> None:
    grid = VoxelGrid((2, 3, 4), np.diag([3.0, 2.0, 1.0, 1.0]))
    hu = np.arange(24, dtype=np.int16).reshape(grid.shape)
    volume = Volume(
        canonical_reorientation(grid).to_canonical(hu),
        canonical_reorientation(grid),
        "patient",
        VolumeOrigin(Path("patient.nii"), "NIfTI"),
    )
    identity = identify_volume(volume)
    other = volume.hu.copy()
    other[0, 0, 0] += 1

    assert identity == identify_volume(replace(volume, hu=volume.hu.copy()))
    assert identity.digest != identify_volume(replace(volume, hu=other)).digest
    assert (identity.shape, identity.spacing_mm) == (volume.grid.shape, volume.grid.spacing_mm)
    assert volume.name not in journal_path(Path("folder"), identity).name


# A torn, damaged or foreign file


@pytest.fixture(scope="module")
def small(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[bytes, list[tuple[int, int]], list[JournalEntry]]:
    """A journal, the offset behind each of its entries with the entries before it, and the entries."""
    strokes = strokes_between(random_masks(5))
    entries = [
        *strokes[:3],
        StrokeUndone("ana", 31.0, "brush"),
        SlicesVerified("ana", 32.0, frozenset({1})),
        strokes[3],
    ]
    entries += [MaskWritten("ana", 33.0, Path("/a"), 1, True)]
    sizes = [len(entry_frame(entry)) for entry in entries]
    path = written(tmp_path_factory.mktemp("small") / "x.journal", entries)
    start = len(MAGIC) + len(header_frame(HEADER)) + len(base_frame(JournalBase()))
    ends = [(start + sum(sizes[:k]), k) for k in range(len(entries) + 1)]
    assert path.stat().st_size == ends[-1][0]
    return path.read_bytes(), ends, entries


def read_bytes(folder: Path, content: bytes) -> JournalContent:
    path = folder / "x.journal"
    path.write_bytes(content)
    return read_journal(path)


def test_a_file_cut_at_any_byte_gives_the_entries_before_it(
    tmp_path: Path, small: tuple[bytes, list[tuple[int, int]], list[JournalEntry]]
) -> None:
    content, ends, entries = small
    for cut in range(len(content)):
        whole = [(end, count) for end, count in ends if end <= cut]
        if not whole:
            with pytest.raises(UnreadableInput, match="cannot be used"):
                read_bytes(tmp_path, content[:cut])
            continue
        read = read_bytes(tmp_path, content[:cut])
        assert list(read.entries) == entries[: whole[-1][1]]
        assert (read.end, read.damage) == (whole[-1][0], "")


def test_zeros_behind_the_last_entry_are_a_power_cut_and_no_damage(
    tmp_path: Path, small: tuple[bytes, list[tuple[int, int]], list[JournalEntry]]
) -> None:
    content, ends, entries = small
    for end, count in ends:
        read = read_bytes(tmp_path, content[:end] + bytes(5000))
        assert list(read.entries) == entries[:count]
        assert (read.end, read.damage) == (end, "")


def test_a_flipped_byte_anywhere_ends_the_journal_there_and_is_said(
    tmp_path: Path, small: tuple[bytes, list[tuple[int, int]], list[JournalEntry]]
) -> None:
    content, ends, entries = small
    for at in range(len(content)):
        changed = content[:at] + bytes([content[at] ^ 0x5A]) + content[at + 1 :]
        whole = [(end, count) for end, count in ends if end <= at]
        if not whole:
            with pytest.raises(UnreadableInput, match="cannot be used"):
                read_bytes(tmp_path, changed)
            continue
        read = read_bytes(tmp_path, changed)
        assert list(read.entries) == entries[: whole[-1][1]]
        assert "is damaged behind stroke" in read.damage


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 100,
        b"attunet journal 2\n",
        b"PK\x03\x04",
        MAGIC,
        MAGIC + pack_frame({}),
        MAGIC + pack_frame({}) * 2,
    ],
)
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UnreadableInput, match="cannot be used"):
        read_bytes(tmp_path, content)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput, match="cannot be used: No such file"):
        read_journal(tmp_path / "x.journal")


HEAD = MAGIC + header_frame(HEADER) + base_frame(JournalBase())
STROKE = strokes_between(random_masks(2))[0]


def stroke_with(**changes: Any) -> bytes:
    return entry_frame(replace(STROKE, edit=replace(STROKE.edit, **changes)))


def header_with(**changes: Any) -> bytes:
    return MAGIC + header_frame(JournalHeader(replace(SMALL, **changes), 1.0)) + base_frame(JournalBase())


BOMB = zlib.compress(bytes(1 << 27), 9)
DEEP = b'{"is":' + b"[" * 100_000


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(HEAD + stroke_with(start=(2, 0, 0)), id="outside"),
        pytest.param(HEAD + stroke_with(start=(0, 0, -1)), id="before the volume"),
        pytest.param(HEAD + stroke_with(shape=(3, 4, 1 << 40)), id="huge box"),
        pytest.param(HEAD + stroke_with(added=STROKE.edit.added + 1), id="too many voxels named"),
        pytest.param(HEAD + stroke_with(added=-1), id="negative count"),
        pytest.param(HEAD + stroke_with(packed=b"no zlib"), id="not packed"),
        pytest.param(HEAD + stroke_with(packed=STROKE.edit.packed[:-3]), id="cut"),
        pytest.param(HEAD + stroke_with(packed=STROKE.edit.packed + b"x"), id="something behind"),
        pytest.param(HEAD + stroke_with(packed=BOMB), id="bomb"),
        pytest.param(HEAD + entry_frame(replace(STROKE, slice=3)), id="slice outside"),
        pytest.param(HEAD + entry_frame(SlicesVerified("ana", 0.0, frozenset({3}))), id="verified outside"),
        pytest.param(HEAD + entry_frame(StrokeUndone("ana", 0.0, "brush")), id="undone too often"),
        pytest.param(HEAD + entry_frame(STROKE) + entry_frame(STROKE, "kept"), id="disorder"),
        pytest.param(HEAD + entry_frame(STROKE, "other"), id="unknown kind"),
        pytest.param(HEAD + pack_frame({"is": "opened"}), id="fields missing"),
        pytest.param(HEAD + pack_frame({"is": "opened", "user": "a", "when": "x"}), id="no number"),
        pytest.param(HEAD + pack_frame({"is": "saved", "user": "", "when": 0, "path": "€"}), id="no path"),
        pytest.param(header_with(shape=(1 << 20, 1 << 20, 1 << 20)), id="huge volume"),
        pytest.param(header_with(shape=(0, 4, 5)), id="empty volume"),
        pytest.param(header_with(spacing_mm=(1.0, -1.0, 1.0)), id="negative spacing"),
        pytest.param(
            MAGIC
            + header_frame(HEADER)
            + base_frame(JournalBase(hand=MaskEdit((0, 0, 0), (9, 9, 9), BOMB, 0, 0))),
            id="base outside",
        ),
        pytest.param(MAGIC + base_frame(JournalBase()) + header_frame(HEADER), id="base first"),
    ],
)
def test_a_hostile_file_is_refused_and_takes_no_memory(tmp_path: Path, content: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableInput, match="cannot be used"):
            read_bytes(tmp_path, content)
        assert tracemalloc.get_traced_memory()[1] < len(content) * 4 + (8 << 20)
    finally:
        tracemalloc.stop()
    assert pending_journals(tmp_path) == () or b"stroke" in content


def test_a_deeply_nested_object_is_refused(tmp_path: Path) -> None:
    content = pack_frame({"x" * len(DEEP): 1})
    start = content.index(b'{"x')
    body = content[12:start] + DEEP + content[start + len(DEEP) :]
    frame = content[:8] + zlib.crc32(body).to_bytes(4, "little") + body

    with pytest.raises(UnreadableInput, match="cannot be used"):
        read_bytes(tmp_path, HEAD + frame)


# A disk that fails


def partial_write(error: int) -> Any:
    def write(file: int, data: bytes) -> int:
        if len(data) > 20:
            return real(file, data[:20])
        raise OSError(error, os.strerror(error))

    real = os.write
    return write


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_write_that_fails_in_the_middle_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    strokes = strokes_between(random_masks(5))
    journal = begun(tmp_path / "x.journal", JournalSnapshot(HEADER, JournalBase()))
    journal.append_entry(strokes[0])
    before = journal.path.read_bytes()

    with monkeypatch.context() as failing:
        failing.setattr(os, "write", partial_write(error))
        with pytest.raises(UnwritableOutput, match="save the mask now") as said:
            journal.append_entry(strokes[1])
    assert ("the disk is full" in str(said.value)) == (error != errno.EIO)
    assert journal.path.read_bytes() == before
    assert journal.is_broken
    with pytest.raises(UnwritableOutput, match="what came before"):
        journal.append_entry(strokes[2])

    journal.rewrite_file(JournalSnapshot(HEADER, JournalBase(), strokes[:3]))
    journal.append_entry(strokes[3])
    journal.close()
    assert read_journal(journal.path).undo_and_redo[0] == tuple(strokes)


def test_a_stroke_that_did_not_reach_the_disk_is_known_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    strokes = strokes_between(random_masks(4))
    journal = begun(tmp_path / "x.journal", JournalSnapshot(HEADER, JournalBase()))
    monkeypatch.setattr(journal_module, "_sync", fails)
    journal.append_entry(strokes[0])
    with pytest.raises(UnwritableOutput, match="Input/output error"):
        journal.append_entry(strokes[1])
    assert journal.is_broken
    journal.rewrite_file(JournalSnapshot(HEADER, JournalBase(), strokes[:2]))
    assert not journal.is_broken
    journal.close()


def test_a_stroke_is_on_the_disk_before_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of writes and syncs; a power cut itself cannot be tried here."""
    done: list[str] = []
    write, sync = os.write, journal_module._sync

    def slow_sync(file: int) -> None:
        time.sleep(0.02)
        sync(file)
        done.append("sync")

    def told_write(file: int, data: bytes) -> int:
        done.append("write")
        return write(file, data)

    journal = begun(tmp_path / "x.journal", JournalSnapshot(HEADER, JournalBase()))
    monkeypatch.setattr(journal_module, "_sync", slow_sync)
    monkeypatch.setattr(os, "write", told_write)
    for stroke in strokes_between(random_masks(6)):
        journal.append_entry(stroke)
    journal.close()

    assert done == ["write", "sync"] * 5


def test_a_compaction_that_fails_leaves_the_journal_usable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strokes = strokes_between(random_masks(4))
    journal = begun(tmp_path / "x.journal", JournalSnapshot(HEADER, JournalBase()))
    journal.append_entry(strokes[0])
    with monkeypatch.context() as failing:
        failing.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
        with pytest.raises(UnwritableOutput, match="the disk is full"):
            journal.rewrite_file(JournalSnapshot(HEADER, JournalBase(), strokes[:1]))
    journal.append_entry(strokes[1])
    journal.close()

    assert read_journal(journal.path).undo_and_redo[0] == tuple(strokes[:2])
    assert sorted(path.name for path in tmp_path.glob("*")) == ["x.journal", "x.lock"]


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnwritableOutput, match="cannot be written"):
        Journal(tmp_path / "file" / "x.journal")


# Which cases wait


def test_cases_with_unsaved_strokes_wait_newest_first(tmp_path: Path) -> None:
    brush, draft = (strokes_between(random_masks(4), tool) for tool in ("brush", "draft"))
    saved = MaskWritten("ana", 50.0, Path("/a"), 1, True)
    cases = {
        "old": brush[:2],
        "new": [*brush[:3], SlicesVerified("eva", 99.0, frozenset())],
        "saved": [*brush, saved],
        "only-a-draft": draft[:1],
        "undone": [brush[0], StrokeUndone("ana", 3.0, "brush")],
        "nothing": [],
    }
    for name, entries in cases.items():
        written(tmp_path / f"{name}.journal", entries)
    (tmp_path / "foreign.journal").write_bytes(b"something else")

    found = pending_journals(tmp_path)

    assert [(one.path.stem, one.strokes, one.when, one.user) for one in found] == [
        ("new", 3, 99.0, "eva"),
        ("old", 2, 10.0, "ana"),
    ]
    assert found[0].identity == SMALL
    assert pending_journals(tmp_path / "missing") == ()


def test_a_case_that_is_open_elsewhere_does_not_wait(tmp_path: Path) -> None:
    journal = begun(tmp_path / "x.journal", JournalSnapshot(HEADER, JournalBase()))
    journal.append_entry(STROKE)

    assert pending_journals(tmp_path) == ()
    with pytest.raises(LockHeldElsewhere, match="another window"):
        Journal(tmp_path / "x.journal")
    with pytest.raises(LockHeldElsewhere, match="another window"):
        delete_journal(tmp_path / "x.journal")
    journal.close()
    assert len(pending_journals(tmp_path)) == 1


def test_compaction_does_not_forget_that_work_waits(tmp_path: Path) -> None:
    strokes = strokes_between(random_masks(4))
    base = JournalBase(since=UnsavedChanges(2, 2))
    begun(tmp_path / "x.journal", JournalSnapshot(HEADER, base, strokes)).close()

    (found,) = pending_journals(tmp_path)

    assert (found.strokes, found.when) == (2, 20.0)


def test_a_discarded_case_is_gone(tmp_path: Path) -> None:
    path = written(tmp_path / "x.journal", [STROKE])
    delete_journal(path)
    delete_journal(path)
    assert list(tmp_path.glob("*")) == []


def test_only_finished_cases_are_pruned_oldest_first(tmp_path: Path) -> None:
    saved = MaskWritten("ana", 50.0, Path("/a"), 1, True)
    for number, name in enumerate(["a", "b", "waits", "c"]):
        path = written(tmp_path / f"{name}.journal", [STROKE] if name == "waits" else [STROKE, saved])
        os.utime(path, (number, number))
    size = (tmp_path / "a.journal").stat().st_size

    prune_journals(tmp_path, keep=10 * size)
    assert len(list(tmp_path.glob("*.journal"))) == 4
    prune_journals(tmp_path, keep=2 * size)
    assert sorted(path.stem for path in tmp_path.glob("*.journal")) == ["b", "c", "waits"]


# Killed at any moment


@pytest.fixture(scope="module")
def nursery() -> ForkServerContext:
    """Gives children that have imported everything already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.support.crashing_editor"])
    return context


def finished(folder: Path) -> int:
    """Number of the last step that was reported; steps before a kill that nobody reported count as well."""
    report = folder / "finished"
    content = report.read_bytes() if report.exists() else b""
    return int.from_bytes(content[-4:], "little")


def recovered(folder: Path, aside: Path) -> EditSession | None:
    """What the next start would find, looked at in a copy."""
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(folder, aside)
    path = journal_path(aside, IDENTITY)
    return EditSession.resume_journal(path, IDENTITY, "me", lambda: 0.0) if path.exists() else None


def check_recovered(work: EditSession, model: crashing_editor.Model) -> None:
    np.testing.assert_array_equal(work.history.recorded_mask, model.mask)
    assert work.decisions.verified_slices == model.verified
    hand = np.zeros(crashing_editor.SHAPE, bool)
    for z, plane in work.decisions.mask_locks.hand.items():
        hand[z] = plane
    np.testing.assert_array_equal(hand, model.hand)
    assert (len(work.history.undo_stack.undoable_strokes), len(work.history.undo_stack.redoable_strokes)) == (
        len(model.done),
        len(model.ahead),
    )
    for stroke, (box, flips, _) in zip(
        (*work.history.undo_stack.undoable_strokes, *work.history.undo_stack.redoable_strokes),
        (*model.done, *model.ahead[::-1]),
        strict=True,
    ):
        whole = np.zeros(crashing_editor.SHAPE, bool)
        whole[box] = flips
        whole[stroke.edit.box] ^= stroke.edit.flipped_voxels()
        assert not whole.any()


CHAINS, KILLS = 25, 8


def test_no_finished_stroke_is_lost_by_200_kills(tmp_path: Path, nursery: ForkServerContext) -> None:
    rng = np.random.default_rng(11)
    killed_at = []
    for chain in range(CHAINS):
        folder, count = tmp_path / f"case {chain}", 0
        folder.mkdir()
        for kill in range(KILLS):
            path = journal_path(folder, IDENTITY)
            child = nursery.Process(
                target=crashing_editor.draw_until_killed,
                args=(folder, chain, count, path if path.exists() else None),
            )
            child.start()
            # Some are killed while they begin or take up the journal, most after a few strokes.
            until = count + int(rng.integers(1, 12)) if kill % 4 else 0
            wait_for(folder, until, child)
            child.join(rng.uniform(0.0, 0.008 if until else 0.05))
            assert child.exitcode is None, "the child must work until it is killed"
            child.kill()
            child.join()
            count = check_kill(folder, tmp_path / "aside", chain, count)
            killed_at.append(count)
        assert count > KILLS

    assert len(killed_at) == CHAINS * KILLS == 200


def wait_for(folder: Path, step: int, child: Any) -> None:
    while finished(folder) < step and child.exitcode is None:
        time.sleep(0.0005)


def check_kill(folder: Path, aside: Path, seed: int, before: int) -> int:
    """What is in the journal is what was finished, or one more; how many steps that is."""
    reported = max(before, finished(folder))
    work = recovered(folder, aside)
    if work is None:
        assert reported == 0
        return 0
    # What is tried now need not be kept.
    work.journal.close()
    assert not work.note_on_opening
    last = read_journal(journal_path(folder, IDENTITY)).total_activity.last
    count = int(last or 0)
    assert reported <= count <= reported + 1
    model, _ = crashing_editor.advanced(seed, count)
    check_recovered(work, model)
    live = work.history.recorded_mask.copy()
    while work.undo_stroke(live) is not None:
        pass
    assert not live.any()
    assert not work.decisions.mask_locks.hand
    return count


def test_a_full_disk_loses_nothing_and_is_made_good(tmp_path: Path, nursery: ForkServerContext) -> None:
    here, there = nursery.Pipe()
    child = nursery.Process(target=crashing_editor.draw_on_a_full_disk, args=(tmp_path / "j", 6000, there))
    child.start()
    assert here.poll(60)
    said, files, count, problem = here.recv()
    child.join()

    assert all("the disk is full, free some space" in sentence for _, sentence in said)
    whole = read_bytes(tmp_path, files[journal_path(Path(), IDENTITY).name])
    assert len(whole.entries) == said[0][0] - 1
    assert whole.damage == ""
    assert problem == ""
    work = recovered(tmp_path / "j", tmp_path / "aside")
    assert work is not None
    check_recovered(work, crashing_editor.advanced(0, count)[0])
    work.close_journal()
