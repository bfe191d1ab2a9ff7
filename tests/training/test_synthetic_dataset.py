"""Label maps on disk to pairs on disk, by the command a user types."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from attunet_gui.cli.command_line import app
from attunet_gui.cli.synthesis_commands import map_sources
from attunet_gui.io.ct_reading import read_ct_volume
from attunet_gui.io.label_maps import LabelMapSource
from attunet_gui.io.mask_reading import read_mask
from attunet_gui.system.errors import AttunetError
from attunet_gui.training.synthetic_dataset import plan_rendering, write_synthetic_pairs
from tests.support.body_label_maps import organs_only, whole, write_label_map


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> tuple[LabelMapSource, LabelMapSource]:
    root = tmp_path_factory.mktemp("maps")
    return LabelMapSource(write_label_map(whole(), root / "a")), LabelMapSource(
        write_label_map(organs_only(), root / "b")
    )


def test_a_whole_map_stands_alone_and_lends_to_the_others(
    maps: tuple[LabelMapSource, LabelMapSource],
) -> None:
    found = plan_rendering(maps).anatomies
    assert [(anatomy.label_map, anatomy.donor) for anatomy in found] == [(maps[0], None), (maps[1], maps[0])]


def test_without_a_skeleton_there_is_one_sentence(maps: tuple[LabelMapSource, LabelMapSource]) -> None:
    with pytest.raises(AttunetError, match="vertebrae"):
        plan_rendering(maps[1:])


def test_pairs_lie_on_one_grid_and_the_manifest_names_subject_and_donor(
    maps: tuple[LabelMapSource, LabelMapSource], tmp_path: Path
) -> None:
    run = CliRunner().invoke(
        app,
        ["synthesize", *(str(source.path) for source in maps), "-o", str(tmp_path), "-n", "2", "--seed", "4"],
    )
    assert run.exit_code == 0, run.output
    cases = json.loads((tmp_path / "manifest.json").read_text())["cases"]
    assert [(case["subject"], case["donors"]) for case in cases] == [("whole", []), ("organs", ["whole"])]
    for case in cases:
        volume = read_ct_volume(tmp_path / "images" / f"{case['name']}.nii.gz")
        mask = read_mask(tmp_path / "labels" / f"{case['name']}.nii.gz", volume)
        assert mask.any()
        assert np.median(volume.hu[mask > 0]) > np.median(volume.hu)


def _ages(folder: Path) -> dict[str, int]:
    """When each CT and label was written last."""
    return {
        f"{part}/{path.name}": path.stat().st_mtime_ns
        for part in ("images", "labels")
        for path in (folder / part).iterdir()
    }


def test_a_run_that_was_stopped_keeps_what_it_made_by_the_same_plan_only(
    maps: tuple[LabelMapSource, LabelMapSource], tmp_path: Path
) -> None:
    first = write_synthetic_pairs(maps[:1], tmp_path, 2, 4)
    ages, lost = _ages(tmp_path), tmp_path / "labels" / "synthetic-00001.nii.gz"
    before = lost.read_bytes()
    lost.unlink()
    assert write_synthetic_pairs(maps[:1], tmp_path, 2, 4) == first
    again = _ages(tmp_path)
    assert {name for name in ages if again[name] == ages[name]} == {
        "images/synthetic-00000.nii.gz", "labels/synthetic-00000.nii.gz",
    }  # fmt: skip
    assert lost.read_bytes() == before
    other = write_synthetic_pairs(maps[:1], tmp_path, 2, 5)
    assert {case.seed for case in other} == {5}
    assert not set(_ages(tmp_path).values()) & set(again.values())


def test_other_maps_are_another_plan(maps: tuple[LabelMapSource, LabelMapSource]) -> None:
    assert plan_rendering(maps).digest == plan_rendering(maps).digest
    assert len({plan_rendering(order).digest for order in (maps, maps[::-1], maps[:1])}) == 3


@pytest.mark.parametrize("structure", ["pancreas", "liver"])
def test_a_map_without_what_it_must_have_is_refused_before_anything_is_made(
    maps: tuple[LabelMapSource, LabelMapSource], tmp_path: Path, structure: str
) -> None:
    without = organs_only("without")
    code = next(code for code, name in without.names.items() if name == structure)
    without.codes[without.codes == code] = 0
    path = write_label_map(without, tmp_path / "maps")
    with pytest.raises(AttunetError, match=f"has no {structure}"):
        write_synthetic_pairs((maps[0], LabelMapSource(path)), tmp_path / "out", 1, 4)
    assert not (tmp_path / "out").exists()


def test_a_coding_is_for_the_files_that_fit() -> None:
    paths = [Path("maps/HRA_F.nii.gz"), Path("maps/s1.nii.gz")]
    assert [source.coding for source in map_sources(paths, ["hra:HRA_*"])] == ["hra", None]
    for wrong in ("hra", "hra:nobody*"):
        with pytest.raises(AttunetError, match="fits none"):
            map_sources(paths, [wrong])
