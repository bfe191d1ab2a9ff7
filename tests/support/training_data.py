"""Recipes and pairs of CT and label small enough to train on in a test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from attunet_gui.io.datasets.pair_dataset import MANIFEST_FILE, pair_paths
from attunet_gui.io.result_writing import write_ct, write_mask
from attunet_gui.synthesis.phantom.abdomen_phantom import PhantomRequest, make_phantom, phantom_volume
from attunet_gui.training.recipe_schema import TrainingRecipe
from tests.support.model_cards import card_fields

OWN = """
name = "own"
title = "Own"
description = "For tests."
family = "attention_unet_2d"
intended_use = "Tests."
limits = "It knows nothing."
licence = "Apache-2.0"
config = {size = [32, 48], filters = 2, levels = 2, gate_filters = 4}
preprocessing = {size = [32, 48], spacing_mm = 8.0}
[[data]]
name = "own"
kind = "pairs"
licence = "CC0-1.0"
attribution = "Nobody."
[validation]
source = "own"
folds = 2
[training]
steps = 2
batch = 2
validate_every = 1
keep = "best"
"""
"""A recipe for the pairs of `write_two_people`."""


def write_recipe(folder: Path, text: str, *changes: tuple[str, str]) -> Path:
    """`text` as a recipe, with the first of each `old` replaced by `new`; every `old` must be there."""
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = folder / "recipe.toml"
    path.write_text(text, "utf-8")
    return path


def write_pair(folder: Path, name: str, request: PhantomRequest) -> int:
    """Write a phantom as a pair; returns the number of pixels of its organ."""
    phantom, pair = make_phantom(request), pair_paths(folder, name, ())
    volume = phantom_volume(phantom)
    for path in (pair.image, pair.label):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_ct(pair.image, volume)
    write_mask(pair.label, phantom.pancreas_mask, volume)
    return int(phantom.pancreas_mask.sum())


def write_two_people(folder: Path) -> None:
    """Four small CT, two of a person called even, two of odd."""
    for seed in range(4):
        assert write_pair(folder, str(seed), PhantomRequest(seed, (16, 36, 36), (14.0, 12.0, 12.0))) > 0
    cases = [{"name": str(seed), "subject": "even" if seed % 2 == 0 else "odd"} for seed in range(4)]
    (folder / MANIFEST_FILE).write_text(json.dumps({"cases": cases}))


PAIR_SOURCE = {"name": "synthetic", "kind": "pairs", "licence": "CC-BY-4.0", "attribution": "Someone."}


def small_recipe(**changes: Any) -> TrainingRecipe:
    said = card_fields(data=[PAIR_SOURCE], **{"training": {"steps": 2}})
    del said["versions"]
    return TrainingRecipe.model_validate(said | changes)
