"""What a recipe says. The folders of its data are not part of it; the command line names them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from attunet_gui.network.families.family_registry import parse_config
from attunet_gui.network.model_bundle import check_card
from attunet_gui.network.training_config import TrainingConfig
from attunet_gui.prediction.model_card import TrainingDataSource, TrainingRecord, first_validation_fault
from attunet_gui.prediction.preprocess import PreprocessingConfig
from attunet_gui.synthesis.label_map_ct.ct_kinds import TEST_SEEDS, check_kind_weights
from attunet_gui.system.errors import AttunetError, InvalidModelBundle


class _StrictTable(BaseModel):
    """A table of the recipe; unknown keys are refused, since they are usually misspelt."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class _RecipeDataBase(_StrictTable):
    """What every data source says.

    Attributes:
        name: as in `--data NAME=FOLDER` and `[validation]`.
        weight: its share of the slices, relative to the other sources.
        title, licence, attribution: for the card.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    weight: float = Field(default=1.0, ge=0)
    title: str = ""
    licence: str
    attribution: str


class PhantomData(_RecipeDataBase):
    """Procedural phantoms of consecutive seeds, which need no folder.

    Attributes:
        first_seed, cases: which phantoms; none of them may belong to a test set of kinds.
        kinds: weight of each kind of CT, by the names that `attunet kinds list` prints, "all" and "usual";
            empty for phantoms as `attunet phantom` makes them.
    """

    kind: Literal["phantoms"]
    licence: str = "Apache-2.0"
    attribution: str = "Made by attunet-gui from seeds; no image of a person is in them."
    title: str = "procedural phantoms"
    first_seed: int = Field(ge=0)
    cases: int = Field(ge=1)
    kinds: dict[str, float] = {}

    @property
    def seeds(self) -> range:
        """The seeds of the phantoms."""
        return range(self.first_seed, self.first_seed + self.cases)

    @field_validator("kinds")
    @classmethod
    def _check_kinds(cls, kinds: dict[str, float]) -> dict[str, float]:
        try:
            return check_kind_weights(kinds)
        except AttunetError as error:
            raise ValueError(str(error)) from error

    @model_validator(mode="after")
    def _check_seeds(self) -> PhantomData:
        if self.first_seed < TEST_SEEDS.stop and self.first_seed + self.cases > TEST_SEEDS.start:
            raise ValueError(
                f"seeds {TEST_SEEDS.start} to {TEST_SEEDS.stop - 1} are kept for test sets of kinds of CT"
            )
        return self


class PairData(_RecipeDataBase):
    """A folder with images/NAME.nii.gz and labels/NAME.nii.gz on one grid; manifest.json names the people in
    them.

    Attributes:
        label: the value of the organ in the labels. None goes by `dataset.json`, `manifest.json` or
            `labels.json` in the folder, and without these takes the only value beside 0.
    """

    kind: Literal["pairs"]
    label: int | None = None


class SliceData(_RecipeDataBase):
    """A folder of labelled single slices, as `attunet_gui.io.datasets.jpeg_slices` reads it."""

    kind: Literal["slices"]


class NihPancreasData(_RecipeDataBase):
    """A copy of NIH Pancreas-CT.

    Of the kind "nih-pancreas-ct" it is learnt from without the patients that are tested on; of the kind
    "nih-pancreas-ct-all" all patients are learnt from, and a cross-validation tests them.

    `attunet_gui.io.datasets.tcia_pancreas_ct` says how it is laid out.

    Attributes:
        split_seed: decides which patients these are.
    """

    kind: Literal["nih-pancreas-ct", "nih-pancreas-ct-all"]
    split_seed: int = Field(default=1, ge=0)
    title: str = "NIH Pancreas-CT"
    licence: str = "CC-BY-3.0"
    attribution: str = (
        "Roth et al. 2016, Data From Pancreas-CT, The Cancer Imaging Archive, "
        "doi 10.7937/K9/TCIA.2016.tNB1kqBU."
    )


RecipeData = Annotated[PhantomData | PairData | SliceData | NihPancreasData, Field(discriminator="kind")]


class FoldConfig(_StrictTable):
    """A seeded division of the people of `source` into `folds` parts, for cross-validation."""

    source: str
    folds: int = Field(default=5, ge=2)
    seed: int = Field(default=1, ge=0)


class ValidationData(FoldConfig):
    """The people who are held out of training to validate on.

    Attributes:
        source: the data source whose cases validate.
        subjects: the people; if empty, those of `fold`.
        fold: number of the fold, from 0.
    """

    subjects: tuple[str, ...] = ()
    fold: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _check_fold(self) -> ValidationData:
        if self.fold >= self.folds:
            raise ValueError(f"fold must be below folds, got {self.fold} of {self.folds}")
        return self


class PhantomCheck(_StrictTable):
    """Phantoms of unseen seeds that the finished model is measured on."""

    first_seed: int = Field(ge=0)
    cases: int = Field(ge=1)

    @property
    def seeds(self) -> range:
        """The seeds of the phantoms."""
        return range(self.first_seed, self.first_seed + self.cases)


class TrainingRecipe(_StrictTable):
    """A training recipe; the fields before `data` go into the card unchanged."""

    name: str
    title: str
    description: str
    family: str
    intended_use: str
    limits: str
    licence: str
    threshold: float = 0.5
    smallest_piece_ml: float = 0.0
    recommended: bool = False
    config: dict[str, Any]
    preprocessing: PreprocessingConfig
    data: tuple[RecipeData, ...] = Field(min_length=1)
    validation: ValidationData | None = None
    crossvalidation: FoldConfig | None = None
    phantom_check: PhantomCheck | None = None
    training: TrainingConfig

    @model_validator(mode="after")
    def _check_sources(self) -> TrainingRecipe:
        """Check what concerns several tables of the recipe."""
        names = [source.name for source in self.data]
        if len(set(names)) < len(names):
            raise ValueError("two sources of data have one name")
        if all(source.weight == 0 for source in self.data):
            raise ValueError("no source of data has a weight above 0")
        for table in (self.validation, self.crossvalidation):
            if table and table.source not in names:
                raise ValueError(f"the source {table.source!r} of validation is not among data")
        self._check_phantoms()
        self._check_view()
        return self

    def _check_view(self) -> None:
        """Check that the part of a slice to learn from lies within it and suits the network."""
        view, size = self.training.view, self.preprocessing.size
        if view is None:
            return
        if any(part > whole for part, whole in zip(view, size, strict=True)):
            raise ValueError(f"view must lie within the slice of {size}, got {view}")
        try:
            # The network also runs at this size, so the rules of its family hold for it.
            parse_config(self.family, self.config | {"size": view})
        except InvalidModelBundle as error:
            raise ValueError(f"view cannot be {view}: {error}") from error

    def _check_phantoms(self) -> None:
        """Check that no phantom is both learnt from and measured on."""
        if self.phantom_check is None:
            return
        check = set(self.phantom_check.seeds)
        if any(check & set(source.seeds) for source in self.data if isinstance(source, PhantomData)):
            raise ValueError("a phantom that is trained on cannot be measured on; move phantom_check")


def read_recipe(path: Path) -> TrainingRecipe:
    """Read and check a recipe; `AttunetError` names its first fault."""
    try:
        return checked_recipe(tomllib.loads(path.read_text("utf-8")))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise AttunetError(f"The recipe {path} cannot be read: {error}.") from error
    except ValidationError as error:
        where, fault = first_validation_fault(error)
        raise AttunetError(f"The recipe {path} is not valid at {where!r}: {fault}.") from error


def checked_recipe(content: dict[str, Any]) -> TrainingRecipe:
    """Return the recipe that the tables of `content` describe.

    Raises:
        ValidationError: it has a fault.
        AttunetError: the card of its model would have one.
    """
    recipe = TrainingRecipe.model_validate(content)
    # A fault in the fields of the card is found now, and not after hours of training.
    check_card(card_fields(recipe, TrainingRecord(command="", seed=0, steps=0, seconds=0, data=())))
    return recipe


def with_label(recipe: TrainingRecipe, label: int | None) -> TrainingRecipe:
    """Return `recipe` with `label` as the value of the organ in pairs of CT and label where it names none."""
    if label is None:
        return recipe
    data = tuple(
        each.model_copy(update={"label": label})
        if isinstance(each, PairData) and each.label is None
        else each
        for each in recipe.data
    )
    return recipe.model_copy(update={"data": data})


def card_fields(recipe: TrainingRecipe, training: TrainingRecord) -> dict[str, Any]:
    """Return the fields of the card of a model made by `recipe`, all but `weights`."""
    # What is not excluded has the same name in recipe and card.
    own = recipe.model_dump(exclude={"data", "validation", "crossvalidation", "phantom_check", "training"})
    return {**own, "training": training, "versions": {}}


def card_source(source: RecipeData, cases: int) -> TrainingDataSource:
    """Return what the card says about `source` with so many cases."""
    return TrainingDataSource(
        name=source.title or source.name,
        cases=cases,
        licence=source.licence,
        attribution=source.attribution,
    )
