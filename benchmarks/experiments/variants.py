"""What is tried: variants, each a change of the recipe or another way to draft with what was trained."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from attunet_gui.prediction.model_card import first_validation_fault
from attunet_gui.system.errors import AttunetError
from attunet_gui.training.recipe_schema import TrainingRecipe, checked_recipe


class Variant(BaseModel):
    """One row of the table.

    Attributes:
        name: for folders; the first variant is what the others are compared with.
        title: for people.
        change: tables of the recipe with the values that differ; `data` names sources:
            `change.data.slices.weight = 0.3`.
        fresh: train from random weights, although the command names a start. A network of another shape needs
            it.
        drafted_by: draft with the mean of these earlier variants, the first of which gives the grid, instead
            of training.
        looks: draft with test-time augmentation.
        chosen_drafting: choose threshold and pieces for each person by what serves the other people best.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str
    change: dict[str, Any] = {}
    fresh: bool = False
    drafted_by: tuple[str, ...] = ()
    looks: bool = False
    chosen_drafting: bool = False

    @model_validator(mode="after")
    def _check_training(self) -> Variant:
        if self.drafted_by and (self.change or self.fresh):
            raise ValueError(f"{self.name} is drafted_by others, so nothing of its training can change")
        if not self.drafted_by and (self.looks or self.chosen_drafting):
            raise ValueError(f"{self.name} needs drafted_by: whose model is drafted with in another way")
        return self


class Variants(BaseModel):
    """All rows, in the order of the table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    variant: tuple[Variant, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check_names(self) -> Variants:
        trained: set[str] = set()
        names = [each.name for each in self.variant]
        for each in self.variant:
            for other in each.drafted_by:
                if other not in trained:
                    raise ValueError(f"{each.name} is drafted_by {other!r}, which no earlier variant trains")
            if not each.drafted_by:
                trained.add(each.name)
        if len(set(names)) < len(names):
            raise ValueError("two variants have one name")
        return self


def read_variants(path: Path) -> tuple[Variant, ...]:
    """Read and check the file; `AttunetError` names its first fault."""
    try:
        return Variants.model_validate(tomllib.loads(path.read_text("utf-8"))).variant
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise AttunetError(f"The variants {path} cannot be read: {error}.") from error
    except ValidationError as error:
        where, fault = first_validation_fault(error)
        raise AttunetError(f"The variants {path} are not valid at {where!r}: {fault}.") from error


def changed_recipe(recipe: TrainingRecipe, variant: Variant) -> TrainingRecipe:
    """Return `recipe` with the change of `variant`; `AttunetError` if that is no valid recipe."""
    said = recipe.model_dump()
    change = dict(variant.change)
    by_name = change.pop("data", {})
    for name in by_name:
        if name not in {source["name"] for source in said["data"]}:
            raise AttunetError(f"The variant {variant.name} changes the source {name!r}, which there is not.")
    said["data"] = [_merged(source, by_name.get(source["name"], {})) for source in said["data"]]
    try:
        return checked_recipe(_merged(said, change | {"name": f"{recipe.name}-{variant.name}"}))
    except ValidationError as error:
        where, fault = first_validation_fault(error)
        raise AttunetError(f"The variant {variant.name} is not valid at {where!r}: {fault}.") from error


def _merged(said: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return `said` with the values of `change`, table by table."""
    deeper = {
        name: _merged(said[name], value)
        for name, value in change.items()
        if isinstance(value, dict) and isinstance(said.get(name), dict)
    }
    return {**said, **change, **deeper}
