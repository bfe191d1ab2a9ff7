"""Training recipes: a TOML file becomes phantoms, a trained network, measured figures and a bundle."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from attunet_gui.core.card import DataSource, Result, Training, first_fault
from attunet_gui.core.errors import AttunetError
from attunet_gui.core.metrics import dice
from attunet_gui.core.prediction import draft_mask
from attunet_gui.core.preprocess import Preprocessing
from attunet_gui.core.progress import Progress, silent
from attunet_gui.core.provenance import versions
from attunet_gui.io.writing import make_folder
from attunet_gui.network.bundle import Bundle, add_results, check_card, write_bundle
from attunet_gui.network.predict import Model, load_model, predict
from attunet_gui.network.sampling import TrainingCase, training_case
from attunet_gui.network.settings import TrainingSettings
from attunet_gui.synthesis.phantom import Phantom, PhantomRequest, make_phantom, phantom_volume

_FIELD_MM = 430.0
_HEIGHT_MM = 230.0


class PhantomData(BaseModel):
    """Seeds to train on, and seeds of other phantoms to measure on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first_seed: int = Field(ge=0)
    cases: int = Field(ge=1)
    check_first_seed: int = Field(ge=0)
    check_cases: int = Field(ge=1)

    @model_validator(mode="after")
    def _check(self) -> PhantomData:
        if range(max(self.seeds[0], self.check_seeds[0]), min(self.seeds[-1], self.check_seeds[-1]) + 1):
            raise ValueError("a phantom that is trained on cannot be measured on; move check_first_seed")
        return self

    @property
    def seeds(self) -> range:
        """Seeds of the training phantoms."""
        return range(self.first_seed, self.first_seed + self.cases)

    @property
    def check_seeds(self) -> range:
        """Seeds of the phantoms that only measure."""
        return range(self.check_first_seed, self.check_first_seed + self.check_cases)


class Recipe(BaseModel):
    """A training recipe; the fields before `phantoms` go into the card as they are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    description: str
    family: str
    intended_use: str
    limits: str
    licence: str
    threshold: float = 0.5
    smallest_piece_ml: float = 0.0
    config: dict[str, Any]
    preprocessing: Preprocessing
    phantoms: PhantomData
    training: TrainingSettings


@dataclass(frozen=True)
class Measured:
    """DSC of drafts on phantoms the network has not seen, by seed."""

    dsc: dict[int, float]

    @property
    def mean(self) -> float:
        """Mean DSC."""
        return float(np.mean(list(self.dsc.values())))

    @property
    def deviation(self) -> float:
        """Standard deviation of the DSC."""
        return float(np.std(list(self.dsc.values())))


def read_recipe(path: Path) -> Recipe:
    """Read and check a recipe; `AttunetError` names what is wrong with it."""
    try:
        recipe = Recipe.model_validate(tomllib.loads(path.read_text("utf-8")))
        # Now, not after hours of training.
        check_card(_card(recipe, path, path.parent, 0.0))
        return recipe
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise AttunetError(f"The recipe {path} cannot be read: {error}.") from error
    except ValidationError as error:
        where, fault = first_fault(error)
        raise AttunetError(f"The recipe {path} is not valid at {where!r}: {fault}.") from error


def run_recipe(path: Path, output: Path, progress: Progress = silent) -> tuple[Bundle, Measured]:
    """Train what the recipe at `path` says, write the bundle to `output`, and measure what was written."""
    recipe = read_recipe(path)
    make_folder(output)
    from attunet_gui.network.train import train  # TensorFlow, which a wrong recipe need not wait for

    started = perf_counter()
    cases = phantom_cases(recipe.phantoms.seeds, recipe.preprocessing, progress)
    network = train(recipe.family, recipe.config, cases, recipe.training, progress)
    card = _card(recipe, path, output, perf_counter() - started)
    bundle = write_bundle(output, network, card)
    measured = measure_on_phantoms(load_model(bundle), recipe.phantoms.check_seeds, progress)
    result = Result(
        measure="DSC, whole volume",
        data=f"phantoms, seeds {recipe.phantoms.check_seeds[0]} to {recipe.phantoms.check_seeds[-1]}",
        cases=len(measured.dsc),
        value=round(measured.mean, 4),
        spread=round(measured.deviation, 4),
        command=f"attunet models measure {recipe.name} --first-seed {recipe.phantoms.check_first_seed} "
        f"--cases {recipe.phantoms.check_cases}",
    )
    return add_results(bundle, (result,)), measured


def measure_on_phantoms(model: Model, seeds: range, progress: Progress = silent) -> Measured:
    """DSC of `model`'s draft on the phantom of each seed, on the phantom's own grid."""
    found = {}
    for done, seed in enumerate(seeds, start=1):
        phantom = make_phantom(random_request(seed))
        found[seed] = dice(draft_mask(predict(phantom_volume(phantom), model)), phantom.pancreas)
        progress(done, len(seeds), "measuring")
    return Measured(found)


def random_request(seed: int) -> PhantomRequest:
    """The phantom of `seed` on a grid of random spacing (2 to 4 mm slices, 1.2 to 2 mm in plane)."""
    random = np.random.default_rng([seed, 3])
    thickness, pixel = float(random.uniform(2, 4)), float(random.uniform(1.2, 2))
    side = round(_FIELD_MM / pixel)
    return PhantomRequest(seed, (round(_HEIGHT_MM / thickness), side, side), (thickness, pixel, pixel))


def phantom_cases(
    seeds: range, wanted: Preprocessing, progress: Progress = silent
) -> tuple[TrainingCase, ...]:
    """Training cases from phantoms, made in as many processes as there are cores."""
    with _single_threaded_children(), get_context("spawn").Pool(os.cpu_count()) as pool:
        cases = []
        for case in pool.imap(partial(_phantom_case, wanted=wanted), seeds):
            cases.append(case)
            progress(len(cases), len(seeds), "making phantoms")
    return tuple(cases)


def _phantom_case(seed: int, wanted: Preprocessing) -> TrainingCase:
    phantom: Phantom = make_phantom(random_request(seed))
    return training_case(phantom_volume(phantom), phantom.pancreas, wanted)


@contextmanager
def _single_threaded_children() -> Iterator[None]:
    """Children read this when they start: one thread each, since there is one child a core."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _card(recipe: Recipe, path: Path, output: Path, seconds: float) -> dict[str, Any]:
    fields = recipe.model_dump(exclude={"phantoms", "training"})
    data = DataSource(
        name="procedural phantoms",
        cases=recipe.phantoms.cases,
        licence="Apache-2.0",
        attribution="Made by attunet-gui from seeds; no image of a person is in them.",
    )
    training = Training(
        command=f"attunet train {path.as_posix()} -o {output.as_posix()}",
        seed=recipe.training.seed,
        steps=recipe.training.steps,
        seconds=round(seconds, 1),
        data=(data,),
        settings=recipe.training.model_dump() | {"phantoms": recipe.phantoms.model_dump()},
    )
    return {**fields, "training": training, "versions": versions()}
