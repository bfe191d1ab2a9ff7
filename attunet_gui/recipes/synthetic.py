"""Renders label maps as a folder of synthetic CT with pancreas labels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from attunet_gui import __version__
from attunet_gui.core.errors import AttunetError, UnreadableInput
from attunet_gui.core.labels import LabelMap
from attunet_gui.core.progress import Progress, silent
from attunet_gui.core.provenance import now, versions
from attunet_gui.io.label_maps import MapSource
from attunet_gui.io.pair_collection import MANIFEST_FILE, pair_in
from attunet_gui.io.writing import make_folder, write_ct, write_json, write_mask
from attunet_gui.recipes.children import in_children
from attunet_gui.synthesis.anatomy import TissueMap
from attunet_gui.synthesis.completion import complete
from attunet_gui.synthesis.ct import render, synthetic_volume
from attunet_gui.synthesis.kinds import TEST_SEEDS, Kind, check_weights, draw_kinds, settings_of

_RECORDS = "records"
# Is increased whenever the same seeds give another CT than before, so that the CT of an older renderer are
# not kept.
_RENDERER = 2
# Structures that a label map must have: the pancreas is what it is for, and the liver shows how high it
# reaches.
_INDISPENSABLE = ("pancreas", "liver")


@dataclass(frozen=True)
class Anatomy:
    """A label map and the whole map that lends it the structures it lacks."""

    label_map: MapSource
    donor: MapSource | None


@dataclass(frozen=True)
class Plan:
    """What is rendered.

    Attributes:
        anatomies: in the order in which cases are dealt to them.
        digest: sha256 of what a case depends on besides its number and the seed: the maps in their order, and
            the version of this program.
    """

    anatomies: tuple[Anatomy, ...]
    digest: str


class Case(BaseModel, frozen=True, extra="forbid"):
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


class _Record(BaseModel, frozen=True, extra="forbid"):
    """Record of a complete case. `made_by` is the seed and the digest of what it was made from."""

    made_by: tuple[int, str]
    case: Case


@dataclass(frozen=True)
class _Seen:
    """What the plan needs to know about a label map."""

    has_skeleton: bool
    digest: str


@dataclass(frozen=True)
class _Share:
    """What one process renders: the cases `numbers` of one anatomy that are not there already.

    Attributes:
        anatomy: to render.
        numbers: of the cases.
        made_by: seed and digest; a case is kept if its record has the same.
        output: the folder.
        kinds: weights of the kinds of CT.
    """

    anatomy: Anatomy
    numbers: range
    made_by: tuple[int, str]
    output: Path
    kinds: Mapping[str, float]


def write_pairs(
    sources: tuple[MapSource, ...],
    output: Path,
    count: int,
    seed: int,
    progress: Progress = silent,
    *,
    kinds: Mapping[str, float] | None = None,
) -> tuple[Case, ...]:
    """Write `count` synthetic CT from the label maps at `sources`, with `manifest.json`, into `output`.

    Every case is a function of its number, `seed`, the list of maps and the version of this program. A case
    is kept if its record in `output`/records says that it was made from the same, so that a run that was
    stopped goes on.

    Args:
        sources: the label maps; at least one has a skeleton.
        output: the folder.
        count: number of cases.
        seed: of all random draws.
        progress: called after each part; it may raise `Cancelled`.
        kinds: weights as `attunet_gui.synthesis.kinds.draw_kinds` takes them; None renders the usual mixture.

    Raises:
        AttunetError: a map cannot be read or lacks pancreas or liver, no map has a skeleton to lend, a kind
            is not known, `seed` belongs to the test sets, or a case cannot be written.
    """
    weights = check_weights(kinds or {})
    check_training_seed(seed)
    wanted = plan(sources, progress)
    # Whatever changes a CT must change the digest, or cases of an earlier run would be kept wrongly.
    digest = _digest([wanted.digest, _RENDERER, dict(weights)])
    anywhere = pair_in(output, "any", ())
    for file in (anywhere.image, anywhere.label, _record_of(output, "any")):
        make_folder(file.parent)
    shares = [
        # Case n belongs to anatomy n modulo their number, however many cases are made.
        _Share(anatomy, range(first, count, len(wanted.anatomies)), (seed, digest), output, weights)
        for first, anatomy in enumerate(wanted.anatomies[:count])
    ]
    made = in_children(_make, shares, "rendering", progress)
    cases = tuple(sorted((case for share in made for case in share), key=lambda case: case.name))
    listed = [case.model_dump(mode="json") for case in cases]
    write_json(output / MANIFEST_FILE, {"made": now(), "seed": seed, "versions": versions(), "cases": listed})
    return cases


def check_training_seed(seed: int) -> None:
    """Raise `AttunetError` if `seed` belongs to the test sets of kinds of CT."""
    if seed in TEST_SEEDS:
        raise AttunetError(
            f"The seed {seed} is kept for test sets of kinds of CT, which no training may see: choose one "
            f"below {TEST_SEEDS.start}."
        )


def plan(sources: Sequence[MapSource], progress: Progress = silent) -> Plan:
    """Combine each partial map with every whole map as its donor, and take each whole map as often without a
    donor.

    Raises:
        AttunetError: a map cannot be read or lacks pancreas or liver, or none is whole.
    """
    seen = dict(zip(sources, in_children(_look, sources, "reading label maps", progress), strict=True))
    whole = tuple(source for source in sources if seen[source].has_skeleton)
    if not whole:
        raise AttunetError(
            "None of these label maps has vertebrae. Add at least one whole map (such as a TotalSegmentator "
            "one): it lends the others skeleton, muscle and bowel."
        )
    alone = [Anatomy(source, None) for source in whole for _ in whole]
    borrowing = [Anatomy(source, donor) for source in sources if source not in whole for donor in whole]
    # Another version of the program may complete the same map differently.
    digest = _digest([__version__, *(seen[source].digest for source in sources)])
    return Plan((*alone, *borrowing), digest)


def _look(source: MapSource) -> _Seen:
    """Read a label map and return what the plan needs to know; `UnreadableInput` if it lacks pancreas or
    liver.
    """
    label_map = source.read()
    there = _structures(label_map)
    for structure in _INDISPENSABLE:
        if structure not in there:
            raise UnreadableInput(
                f"{source.path.name} has no {structure}, as its codes are read: say what they mean with "
                "--coding or a labels.json, or leave it out."
            )
    told = [label_map.subject, label_map.spacing_mm, label_map.codes.shape, dict(label_map.names)]
    skeleton = any(name.startswith("vertebrae_") for name in there)
    return _Seen(skeleton, _digest([*told, hashlib.sha256(label_map.codes.tobytes()).hexdigest()]))


def _structures(label_map: LabelMap) -> set[str]:
    """Return the names of the structures that have at least one voxel."""
    there = np.flatnonzero(np.bincount(label_map.codes.ravel()))
    return {label_map.names[int(code)] for code in there if int(code) in label_map.names}


def _digest(told: list[object]) -> str:
    """Return the sha256 of JSON values."""
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _make(share: _Share) -> list[Case]:
    """Render the cases of a share that are not there already, and return all of them."""
    found = [_kept(share, number) for number in share.numbers]
    if None not in found:
        return [case for case in found if case]
    tissues = _tissues(share)
    numbered = zip(share.numbers, found, strict=True)
    return [case or _rendered(share, tissues, number) for number, case in numbered]


def _kept(share: _Share, number: int) -> Case | None:
    """Return the case if its files are there and were made from the same; else None."""
    pair = pair_in(share.output, _name(number), ())
    try:
        record = _Record.model_validate_json(_record_of(share.output, pair.name).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    whole = pair.image.is_file() and pair.label.is_file()
    return record.case if whole and record.made_by == share.made_by else None


def _tissues(share: _Share) -> TissueMap:
    """Return the tissues of the anatomy, completed by its donor."""
    donor = None if share.anatomy.donor is None else share.anatomy.donor.read()
    return complete(share.anatomy.label_map.read(), donor, seed=share.made_by[0] + share.numbers[0])


def _rendered(share: _Share, tissues: TissueMap, number: int) -> Case:
    """Render case `number` of a share and write its record."""
    seed, _plan = share.made_by
    # A stream of its own, so that the drawn kinds do not change what the case's seed gives.
    kinds = draw_kinds(share.kinds, np.random.default_rng([seed, number, 1]))
    case = render_case(tissues, Wish(_name(number), seed, (seed, number), kinds), share.output)
    # The record is written last, so that a case with a record is complete.
    record = _Record(made_by=share.made_by, case=case).model_dump(mode="json")
    write_json(_record_of(share.output, case.name), record)
    return case


@dataclass(frozen=True)
class Wish:
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
    kinds: tuple[Kind, ...]


def render_case(tissues: TissueMap, wish: Wish, output: Path) -> Case:
    """Render `tissues` as `wish` says and write CT and label into `output`; an older record of the case is
    removed.
    """
    ct = render(tissues, np.random.default_rng(wish.stream), settings_of(wish.kinds))
    pair = pair_in(output, wish.name, (tissues.subject, *tissues.donors))
    volume = synthetic_volume(ct, pair.name)
    # Before the files are written: an old record must not vouch for them if this is interrupted.
    _record_of(output, pair.name).unlink(missing_ok=True)
    write_ct(pair.image, volume)
    write_mask(pair.label, ct.pancreas, volume)
    return Case(
        name=pair.name,
        subject=tissues.subject,
        donors=tissues.donors,
        seed=wish.seed,
        uptake=ct.uptake,
        spacing_mm=ct.spacing_mm,
        kinds=tuple(kind.name for kind in wish.kinds),
    )


def _name(number: int) -> str:
    return f"synthetic-{number:05d}"


def _record_of(output: Path, name: str) -> Path:
    return output / _RECORDS / f"{name}.json"
