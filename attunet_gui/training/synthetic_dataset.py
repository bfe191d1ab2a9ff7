"""Renders label maps as a folder of synthetic CT with pancreas labels."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from attunet_gui import __version__
from attunet_gui.core.volume import LabelMap
from attunet_gui.io.datasets.pair_dataset import MANIFEST_FILE, pair_paths
from attunet_gui.io.label_maps import LabelMapSource
from attunet_gui.io.result_writing import make_folder, write_ct, write_json, write_mask
from attunet_gui.synthesis.label_map_ct.abdomen_completion import complete_abdomen
from attunet_gui.synthesis.label_map_ct.ct_kinds import (
    TEST_SEEDS,
    CTKind,
    check_kind_weights,
    draw_kinds,
    settings_for_kinds,
)
from attunet_gui.synthesis.label_map_ct.ct_renderer import render_ct, synthetic_volume
from attunet_gui.synthesis.label_map_ct.tissue_map import TissueMap
from attunet_gui.system.errors import AttunetError, UnreadableInput
from attunet_gui.system.hashing import sha256_of_json
from attunet_gui.system.progress import ProgressCallback, no_progress
from attunet_gui.system.software_versions import software_versions, utc_timestamp
from attunet_gui.training.process_pool import map_in_processes

_RECORDS_FOLDER = "records"
# Is increased whenever the same seeds give another CT than before, so that the CT of an older renderer are
# not kept.
_RENDERER_VERSION = 2
# Structures that a label map must have: the pancreas is what it is for, and the liver shows how high it
# reaches.
_REQUIRED_STRUCTURES = ("pancreas", "liver")


@dataclass(frozen=True)
class AnatomyPair:
    """A label map and the whole map that lends it the structures it lacks."""

    label_map: LabelMapSource
    donor: LabelMapSource | None


@dataclass(frozen=True)
class RenderingPlan:
    """What is rendered.

    Attributes:
        anatomies: in the order in which cases are dealt to them.
        digest: sha256 of what a case depends on besides its number and the seed: the maps in their order, and
            the version of this program.
    """

    anatomies: tuple[AnatomyPair, ...]
    digest: str


class SyntheticCase(BaseModel, frozen=True, extra="forbid"):
    """One synthetic CT, as the manifest lists it.

    Attributes:
        name: of its two files, without `.nii.gz`.
        subject, donors: the people whose anatomy it shows; cases that share one are never on both sides of a
            split.
        seed: with the number of the case, the source of every random draw.
        uptake: phase of the contrast medium.
        spacing_mm: (z, y, x).
        kinds: the kinds of CT that it is; empty for the usual mixture.
    """

    name: str
    subject: str
    donors: tuple[str, ...]
    seed: int
    uptake: str
    spacing_mm: tuple[float, float, float]
    kinds: tuple[str, ...] = ()


class _SyntheticRecord(BaseModel, frozen=True, extra="forbid"):
    """Record of a complete case. `made_by` is the seed and the digest of what it was made from."""

    made_by: tuple[int, str]
    case: SyntheticCase


@dataclass(frozen=True)
class _MapSummary:
    """What the plan needs to know about a label map."""

    has_skeleton: bool
    digest: str


@dataclass(frozen=True)
class _RenderingShare:
    """What one process renders: the cases `numbers` of one anatomy that are not there already.

    Attributes:
        anatomy: to render.
        numbers: of the cases.
        made_by: seed and digest; a case is kept if its record has the same.
        output: the folder.
        kinds: weights of the kinds of CT.
    """

    anatomy: AnatomyPair
    numbers: range
    made_by: tuple[int, str]
    output: Path
    kinds: Mapping[str, float]


def write_synthetic_pairs(
    sources: tuple[LabelMapSource, ...],
    output: Path,
    count: int,
    seed: int,
    progress: ProgressCallback = no_progress,
    *,
    kinds: Mapping[str, float] | None = None,
) -> tuple[SyntheticCase, ...]:
    """Write `count` synthetic CT from the label maps at `sources`, with `manifest.json`, into `output`.

    Every case is a function of its number, `seed`, the list of maps and the version of this program. A case
    is kept if its record in `output`/records says that it was made from the same, so that a run that was
    stopped goes on.

    Args:
        sources: the label maps; at least one has a skeleton.
        output: the folder.
        count: number of cases.
        seed: of all random draws.
        progress: called after each part; it may raise `WorkCancelled`.
        kinds: weights as `attunet_gui.synthesis.label_map_ct.ct_kinds.draw_kinds` takes them; None renders
            the usual mixture.

    Raises:
        AttunetError: a map cannot be read or lacks pancreas or liver, no map has a skeleton to lend, a kind
            is not known, `seed` belongs to the test sets, or a case cannot be written.
    """
    weights = check_kind_weights(kinds or {})
    check_training_seed(seed)
    wanted = plan_rendering(sources, progress)
    # Whatever changes a CT must change the digest, or cases of an earlier run would be kept wrongly.
    digest = _hash_json([wanted.digest, _RENDERER_VERSION, dict(weights)])
    anywhere = pair_paths(output, "any", ())
    for file in (anywhere.image, anywhere.label, _record_path(output, "any")):
        make_folder(file.parent)
    shares = [
        # Case n belongs to anatomy n modulo their number, however many cases are made.
        _RenderingShare(anatomy, range(first, count, len(wanted.anatomies)), (seed, digest), output, weights)
        for first, anatomy in enumerate(wanted.anatomies[:count])
    ]
    made = map_in_processes(_render_share, shares, "rendering", progress)
    cases = tuple(sorted((case for share in made for case in share), key=lambda case: case.name))
    listed = [case.model_dump(mode="json") for case in cases]
    write_json(
        output / MANIFEST_FILE,
        {"made": utc_timestamp(), "seed": seed, "versions": software_versions(), "cases": listed},
    )
    return cases


def check_training_seed(seed: int) -> None:
    """Raise `AttunetError` if `seed` belongs to the test sets of kinds of CT."""
    if seed in TEST_SEEDS:
        raise AttunetError(
            f"The seed {seed} is kept for test sets of kinds of CT, which no training may see: choose one "
            f"below {TEST_SEEDS.start}."
        )


def plan_rendering(
    sources: Sequence[LabelMapSource], progress: ProgressCallback = no_progress
) -> RenderingPlan:
    """Combine each partial map with every whole map as its donor, and take each whole map as often without a
    donor.

    Raises:
        AttunetError: a map cannot be read or lacks pancreas or liver, or none is whole.
    """
    seen = dict(
        zip(sources, map_in_processes(_inspect_map, sources, "reading label maps", progress), strict=True)
    )
    whole = tuple(source for source in sources if seen[source].has_skeleton)
    if not whole:
        raise AttunetError(
            "None of these label maps has vertebrae. Add at least one whole map (such as a TotalSegmentator "
            "one): it lends the others skeleton, muscle and bowel."
        )
    alone = [AnatomyPair(source, None) for source in whole for _ in whole]
    borrowing = [AnatomyPair(source, donor) for source in sources if source not in whole for donor in whole]
    # Another version of the program may complete the same map differently.
    digest = _hash_json([__version__, *(seen[source].digest for source in sources)])
    return RenderingPlan((*alone, *borrowing), digest)


def _inspect_map(source: LabelMapSource) -> _MapSummary:
    """Read a label map and return what the plan needs to know; `UnreadableInput` if it lacks pancreas or
    liver.
    """
    label_map = source.read_map()
    there = _present_structures(label_map)
    for structure in _REQUIRED_STRUCTURES:
        if structure not in there:
            raise UnreadableInput(
                f"{source.path.name} has no {structure}, as its codes are read: say what they mean with "
                "--coding or a labels.json, or leave it out."
            )
    told = [label_map.subject, label_map.spacing_mm, label_map.codes.shape, dict(label_map.names)]
    skeleton = any(name.startswith("vertebrae_") for name in there)
    return _MapSummary(skeleton, _hash_json([*told, hashlib.sha256(label_map.codes.tobytes()).hexdigest()]))


def _present_structures(label_map: LabelMap) -> set[str]:
    """Return the names of the structures that have at least one voxel."""
    there = np.flatnonzero(np.bincount(label_map.codes.ravel()))
    return {label_map.names[int(code)] for code in there if int(code) in label_map.names}


def _hash_json(told: list[object]) -> str:
    """Return the sha256 of JSON values."""
    return sha256_of_json(told)


def _render_share(share: _RenderingShare) -> list[SyntheticCase]:
    """Render the cases of a share that are not there already, and return all of them."""
    found = [_read_kept_case(share, number) for number in share.numbers]
    if None not in found:
        return [case for case in found if case]
    tissues = _complete_tissues(share)
    numbered = zip(share.numbers, found, strict=True)
    return [case or _render_numbered_case(share, tissues, number) for number, case in numbered]


def _read_kept_case(share: _RenderingShare, number: int) -> SyntheticCase | None:
    """Return the case if its files are there and were made from the same; else None."""
    pair = pair_paths(share.output, _case_name(number), ())
    try:
        record = _SyntheticRecord.model_validate_json(
            _record_path(share.output, pair.name).read_text("utf-8")
        )
    except (OSError, ValueError):
        return None
    whole = pair.image.is_file() and pair.label.is_file()
    return record.case if whole and record.made_by == share.made_by else None


def _complete_tissues(share: _RenderingShare) -> TissueMap:
    """Return the tissues of the anatomy, completed by its donor."""
    donor = None if share.anatomy.donor is None else share.anatomy.donor.read_map()
    return complete_abdomen(
        share.anatomy.label_map.read_map(), donor, seed=share.made_by[0] + share.numbers[0]
    )


def _render_numbered_case(share: _RenderingShare, tissues: TissueMap, number: int) -> SyntheticCase:
    """Render case `number` of a share and write its record."""
    seed, _plan = share.made_by
    # A stream of its own, so that the drawn kinds do not change what the case's seed gives.
    kinds = draw_kinds(share.kinds, np.random.default_rng([seed, number, 1]))
    case = render_case(tissues, RenderConfig(_case_name(number), seed, (seed, number), kinds), share.output)
    # The record is written last, so that a case with a record is complete.
    record = _SyntheticRecord(made_by=share.made_by, case=case).model_dump(mode="json")
    write_json(_record_path(share.output, case.name), record)
    return case


@dataclass(frozen=True)
class RenderConfig:
    """How a synthetic CT is to be made.

    Attributes:
        name: of its files.
        seed: for the manifest.
        stream: seeds of its random numbers.
        kinds: the kinds of CT that it is.
    """

    name: str
    seed: int
    stream: tuple[int, ...]
    kinds: tuple[CTKind, ...]


def render_case(tissues: TissueMap, config: RenderConfig, output: Path) -> SyntheticCase:
    """Render `tissues` as `config` says and write CT and label into `output`; an older record of the case is
    removed.
    """
    ct = render_ct(tissues, np.random.default_rng(config.stream), settings_for_kinds(config.kinds))
    pair = pair_paths(output, config.name, (tissues.subject, *tissues.donors))
    volume = synthetic_volume(ct, pair.name)
    # Before the files are written: an old record must not vouch for them if this is interrupted.
    _record_path(output, pair.name).unlink(missing_ok=True)
    write_ct(pair.image, volume)
    write_mask(pair.label, ct.pancreas_mask, volume)
    return SyntheticCase(
        name=pair.name,
        subject=tissues.subject,
        donors=tissues.donors,
        seed=config.seed,
        uptake=ct.uptake,
        spacing_mm=ct.spacing_mm,
        kinds=tuple(kind.name for kind in config.kinds),
    )


def _case_name(number: int) -> str:
    return f"synthetic-{number:05d}"


def _record_path(output: Path, name: str) -> Path:
    return output / _RECORDS_FOLDER / f"{name}.json"
