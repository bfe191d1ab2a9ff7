"""Label maps on disk become a folder of synthetic CT with pancreas labels."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from attunet_gui.core.errors import AttunetError
from attunet_gui.core.labels import LabelMap
from attunet_gui.core.progress import Progress, silent
from attunet_gui.core.provenance import now, versions
from attunet_gui.io.label_maps import read_label_map
from attunet_gui.io.writing import make_folder, write_ct, write_json, write_mask
from attunet_gui.recipes.children import in_children
from attunet_gui.synthesis.completion import complete
from attunet_gui.synthesis.ct import render, synthetic_volume

MANIFEST = "manifest.json"
IMAGES, LABELS = "images", "labels"


@dataclass(frozen=True)
class Anatomy:
    """One label map and the whole map that lends it what it lacks."""

    label_map: Path
    donor: Path | None


@dataclass(frozen=True)
class Case:
    """One synthetic CT, as the manifest lists it.

    Attributes:
        name: of its two files, without `.nii.gz`.
        subject, donors: whose anatomy it shows; cases that share one never stand on both sides of a split.
        seed: with the number of the case, what every random draw comes from.
        uptake: phase of contrast.
        spacing_mm: (z, y, x).
    """

    name: str
    subject: str
    donors: tuple[str, ...]
    seed: int
    uptake: str
    spacing_mm: tuple[float, float, float]


@dataclass(frozen=True)
class _Share:
    """What one process makes: the cases `numbers` of one anatomy."""

    anatomy: Anatomy
    numbers: tuple[int, ...]
    seed: int
    output: Path


def write_pairs(
    paths: tuple[Path, ...], output: Path, count: int, seed: int, progress: Progress = silent
) -> tuple[Case, ...]:
    """Write `count` synthetic CT from the label maps at `paths`, and `manifest.json`, into `output`.

    Every case is a function of its number, `seed` and the list of maps. Cases already there are made
    again.

    Raises:
        AttunetError: if a map cannot be read, no map has a skeleton to lend, or a case cannot be written.
    """
    anatomies = plan(paths)
    for folder in (IMAGES, LABELS):
        make_folder(output / folder)
    shares = [
        _Share(anatomy, tuple(range(first, count, len(anatomies))), seed, output)
        for first, anatomy in enumerate(anatomies[:count])
    ]
    made = in_children(_make, shares, "rendering", progress)
    cases = tuple(sorted((case for share in made for case in share), key=lambda case: case.name))
    listed = [asdict(case) for case in cases]
    write_json(output / MANIFEST, {"made": now(), "seed": seed, "versions": versions(), "cases": listed})
    return cases


def plan(paths: tuple[Path, ...]) -> tuple[Anatomy, ...]:
    """Each organ-only map with every whole map as its donor; each whole map as often, borrowing nothing."""
    whole = tuple(path for path in paths if _has_skeleton(read_label_map(path)))
    if not whole:
        raise AttunetError(
            "None of these label maps has vertebrae. Add at least one whole map (such as a TotalSegmentator "
            "one): it lends the others skeleton, muscle and bowel."
        )
    alone = [Anatomy(path, None) for path in whole for _ in whole]
    return (*alone, *(Anatomy(path, donor) for path in paths if path not in whole for donor in whole))


def _has_skeleton(label_map: LabelMap) -> bool:
    return any(name.startswith("vertebrae_") for name in label_map.names.values())


def _make(share: _Share) -> list[Case]:
    donor = None if share.anatomy.donor is None else read_label_map(share.anatomy.donor)
    label_map = read_label_map(share.anatomy.label_map)
    tissues = complete(label_map, donor, seed=share.seed + share.numbers[0])
    cases = []
    for number in share.numbers:
        ct = render(tissues, np.random.default_rng([share.seed, number]))
        name = f"synthetic-{number:05d}"
        volume = synthetic_volume(ct, name)
        write_ct(share.output / IMAGES / f"{name}.nii.gz", volume)
        write_mask(share.output / LABELS / f"{name}.nii.gz", ct.pancreas, volume)
        cases.append(Case(name, tissues.subject, tissues.donors, share.seed, ct.uptake, ct.spacing_mm))
    return cases
