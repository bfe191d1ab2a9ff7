"""A test set for each kind of CT: made by one command, the same for ever, and refused by every training.

SETS/KIND/ holds images/, labels/ and manifest.json like any folder of pairs; `test_set_of` in the manifest
says what it is. The completed anatomies that the CT are rendered from are kept in SETS/anatomies, so that a
run that was stopped goes on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from attunet_gui.io.datasets.pair_dataset import MANIFEST_FILE, pair_paths
from attunet_gui.io.label_maps import LabelMapSource
from attunet_gui.io.result_writing import make_folder, write_json
from attunet_gui.synthesis.label_map_ct.abdomen_completion import complete_abdomen
from attunet_gui.synthesis.label_map_ct.ct_kinds import CT_KINDS, TEST_SEEDS, CTKind
from attunet_gui.synthesis.label_map_ct.phantom_tissue_map import phantom_anatomy
from attunet_gui.synthesis.label_map_ct.tissue_map import TissueMap
from attunet_gui.system.errors import AttunetError, UnreadableInput
from attunet_gui.system.progress import ProgressCallback, no_progress
from attunet_gui.system.software_versions import software_versions, utc_timestamp
from attunet_gui.training.process_pool import map_in_processes
from attunet_gui.training.synthetic_dataset import (
    AnatomyPair,
    RenderConfig,
    SyntheticCase,
    plan_rendering,
    render_case,
)

CASES_PER_SET = 20
"""Number of volumes in a test set."""

_ANATOMIES_FOLDER = "anatomies"
_TEST_SET_KEY = "test_set_of"
# Is increased whenever the same seeds give another CT than before, so that older volumes are rendered again.
_RENDERER_VERSION = 1


@dataclass(frozen=True)
class KindTestSet:
    """A test set on disk."""

    kind: str
    folder: Path


@dataclass(frozen=True)
class _AnatomySource:
    """One anatomy: a label map with its donor, or the seed of a phantom. `file` keeps the tissues."""

    anatomy: AnatomyPair | None
    seed: int
    file: Path


@dataclass(frozen=True)
class _TestVolume:
    """One volume of a test set: number `number` of `kind`, rendered from the file `tissues`."""

    kind: CTKind
    number: int
    tissues: Path
    folder: Path


def write_kind_test_sets(
    sources: tuple[LabelMapSource, ...],
    output: Path,
    kinds: Sequence[CTKind] = CT_KINDS,
    count: int = CASES_PER_SET,
    progress: ProgressCallback = no_progress,
) -> tuple[KindTestSet, ...]:
    """Write `count` volumes of each of `kinds` into `output`/KIND.

    The anatomies are those of the label maps at `sources`, dealt in turn, each with one whole map as its
    donor. A whole map shows its own anatomy only if all are whole. Without label maps the anatomies are those
    of phantoms. A volume that is already there is kept.

    Raises:
        AttunetError: a map cannot be read or lacks what it must have, or nothing can be written.
    """
    made_from = _deal_anatomies(sources, output / _ANATOMIES_FOLDER, count, progress)
    make_folder(output / _ANATOMIES_FOLDER)
    map_in_processes(_complete_anatomy, made_from, "anatomies", progress)
    items = [
        _TestVolume(kind, number, made_from[number % len(made_from)].file, output / kind.name)
        # Volume number n of every kind shows the same anatomy, so that kinds are compared on equal terms.
        for number in range(count)
        for kind in kinds
    ]
    for kind in kinds:
        for file in (anywhere := pair_paths(output / kind.name, "any", ())).image, anywhere.label:
            make_folder(file.parent)
        # Made once, before several processes write into them.
        make_folder(_record_path(output / kind.name, "any").parent)
    cases = map_in_processes(_make_volume, items, "rendering", progress)
    for kind in kinds:
        found = [case for case, item in zip(cases, items, strict=True) if item.kind == kind]
        _write_manifest(output / kind.name, kind, found)
    return tuple(KindTestSet(kind.name, output / kind.name) for kind in kinds)


def _deal_anatomies(
    sources: tuple[LabelMapSource, ...], folder: Path, count: int, progress: ProgressCallback
) -> tuple[_AnatomySource, ...]:
    """Return the anatomies to render, `count` at most."""
    if not sources:
        seeds = TEST_SEEDS[:count]
        return tuple(_AnatomySource(None, seed, folder / f"phantom-{seed}.npz") for seed in seeds)
    planned = plan_rendering(sources, progress)
    # One donor for each map, because completing a map takes longest. Whole maps are left out where possible:
    # every training has them as donors, so its models have seen their anatomy.
    borrowing = [anatomy for anatomy in planned.anatomies if anatomy.donor]
    found: dict[Path, list[AnatomyPair]] = {}
    for anatomy in borrowing or planned.anatomies:
        found.setdefault(anatomy.label_map.path, []).append(anatomy)
    dealt = [options[place % len(options)] for place, options in enumerate(found.values())]
    digest = planned.digest[:12]
    return tuple(
        _AnatomySource(anatomy, TEST_SEEDS.start + place, folder / f"{digest}-{place}.npz")
        for place, anatomy in enumerate(dealt[:count])
    )


def _complete_anatomy(source: _AnatomySource) -> None:
    """Complete the tissues of one anatomy and write them, unless they are there already."""
    if source.file.is_file():
        return
    if source.anatomy is None:
        tissues = phantom_anatomy(source.seed)
    else:
        donor = source.anatomy.donor.read_map() if source.anatomy.donor else None
        tissues = complete_abdomen(source.anatomy.label_map.read_map(), donor, seed=source.seed)
    # Renamed when it is complete, so that a killed run leaves no half of a file under the final name.
    started = source.file.with_suffix(".part.npz")
    people = np.array([tissues.subject, *tissues.donors])
    np.savez_compressed(started, tissue=tissues.tissue, spacing=np.array(tissues.spacing_mm), people=people)
    started.replace(source.file)


def _read_tissues(file: Path) -> TissueMap:
    """Read completed tissues; pickled arrays are refused."""
    with np.load(file, allow_pickle=False) as stored:
        subject, *donors = (str(person) for person in stored["people"])
        z, y, x = (float(step) for step in stored["spacing"])
        return TissueMap(stored["tissue"], (z, y, x), subject, tuple(donors))


def _make_volume(item: _TestVolume) -> SyntheticCase:
    """Render one volume, unless it is there already."""
    name = f"{item.kind.name}-{item.number:03d}"
    made_by = f"{_RENDERER_VERSION} {item.tissues.stem}"
    kept = _read_kept_case(item.folder, name, made_by)
    if kept:
        return kept
    # Seeds of this range are refused by every training.
    seed = TEST_SEEDS.start + item.number
    # crc32, because `hash` of a string differs from one process to the next.
    config = RenderConfig(name, seed, (seed, crc32(item.kind.name.encode())), (item.kind,))
    case = render_case(_read_tissues(item.tissues), config, item.folder)
    write_json(_record_path(item.folder, name), {"made_by": made_by, "case": case.model_dump(mode="json")})
    return case


def _read_kept_case(folder: Path, name: str, made_by: str) -> SyntheticCase | None:
    """Return the case of a volume that is complete and was made from the same tissues; else None."""
    pair = pair_paths(folder, name, ())
    try:
        record = json.loads(_record_path(folder, name).read_text("utf-8"))
        whole = record["made_by"] == made_by and pair.image.is_file() and pair.label.is_file()
        return SyntheticCase.model_validate(record["case"]) if whole else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _record_path(folder: Path, name: str) -> Path:
    return folder / "records" / f"{name}.json"


def _write_manifest(folder: Path, kind: CTKind, cases: Sequence[SyntheticCase]) -> None:
    """Write the manifest, which marks the folder as a test set."""
    told = {
        "made": utc_timestamp(),
        "versions": software_versions(),
        _TEST_SET_KEY: kind.name,
        "title": kind.title,
        "cases": [case.model_dump(mode="json") for case in cases],
    }
    write_json(folder / MANIFEST_FILE, told)


def find_kind_test_sets(folder: Path) -> tuple[KindTestSet, ...]:
    """Return the test sets in `folder` in the order of the kinds.

    Raises:
        AttunetError: there is none.
    """
    found = [
        KindTestSet(kind.name, folder / kind.name)
        for kind in CT_KINDS
        if _read_manifest(folder / kind.name).get(_TEST_SET_KEY) == kind.name
    ]
    if not found:
        raise AttunetError(
            f"There is no test set of a kind of CT in {folder}: attunet kinds make -o {folder} makes them."
        )
    return tuple(found)


def refuse_test_set(folder: Path) -> None:
    """Raise `UnreadableInput` if the pairs in `folder` are a test set of kinds, or hold a CT of one."""
    manifest = _read_manifest(folder)
    cases = manifest.get("cases")
    seeds = [case.get("seed") for case in cases if isinstance(case, dict)] if isinstance(cases, list) else []
    if _TEST_SET_KEY in manifest or any(isinstance(seed, int) and seed in TEST_SEEDS for seed in seeds):
        raise UnreadableInput(
            f"{folder} holds a test set of kinds of CT, which no training may see: leave it out."
        )


def _read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of `folder`; {} if there is none that can be read."""
    try:
        found = json.loads((folder / MANIFEST_FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
