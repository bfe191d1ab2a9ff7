"""The model card: what a bundle says of itself. Readable without TensorFlow, so the window can show it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from attunet_gui.core.calibration import Calibration
from attunet_gui.core.gland import GlandRule
from attunet_gui.core.preprocess import Preprocessing

NOT_A_DEVICE = "Research use only. Not a medical device; not for diagnosis or treatment."


_SHA256 = r"^[0-9a-f]{64}$"

Words = Annotated[
    str,
    Field(max_length=20_000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]*$"),
]
"""Text for a screen: nothing that steers a terminal or turns the direction of writing."""


def first_fault(error: ValidationError) -> tuple[str, str]:
    """Where the first fault is ("weights.sha256"; "" for the whole) and what is wrong there."""
    first = error.errors()[0]
    return ".".join(str(part) for part in first["loc"]), first["msg"]


class DataSource(BaseModel):
    """One source of training data, with what its licence asks to be said."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Words
    cases: int = Field(ge=0)
    licence: Words
    attribution: Words


class Training(BaseModel):
    """How the weights came to be, so that anyone can make them again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: Words
    seed: int
    steps: int = Field(ge=0)
    seconds: float = Field(ge=0)
    data: tuple[DataSource, ...]
    settings: dict[str, Any] = Field(default_factory=dict)


class Result(BaseModel):
    """One measured figure: `value` of `measure` on `data`, over `cases` cases."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    measure: Words
    data: Words
    cases: int = Field(ge=1)
    value: FiniteFloat
    spread: FiniteFloat | None = None
    command: Words


class ModelRef(BaseModel):
    """A model by name and weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Words
    sha256: str = Field(pattern=_SHA256)


class GuardRecord(BaseModel):
    """What came out when the model was compared with its parent: may it take its place, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    passed: bool
    sentence: Words


class Lineage(BaseModel):
    """Where a fine-tuned model comes from.

    Attributes:
        ancestors: its parent first, then the parent's parent and so on.
        data_sha256: of names and bytes of all files of the data set it learnt from.
        trained_on, held_out: sha256 of CT files that it or an ancestor learnt from, and of those that only
            ever judge: no descendant may learn from them.
        guard: the comparison with the parent; None before it was made.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ancestors: tuple[ModelRef, ...] = Field(min_length=1)
    data_sha256: str = Field(pattern=_SHA256)
    trained_on: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()
    guard: GuardRecord | None = None

    @property
    def parent(self) -> ModelRef:
        """The model it was made from."""
        return self.ancestors[0]


class WeightsFile(BaseModel):
    """The one weights file of a bundle; any changed byte is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Literal["weights.safetensors"] = "weights.safetensors"
    sha256: str = Field(pattern=_SHA256)
    bytes: int = Field(gt=0, le=2**31)


class Card(BaseModel):
    """`card.json` of a bundle.

    Attributes:
        family: a name in the registry of model families.
        config: the family's configuration, checked by the family itself.
        preprocessing: what turns HU into the network's input.
        calibration: what is done to the network's probability before anybody sees it; nothing if absent.
        threshold: calibrated probability from which a voxel belongs to the draft.
        smallest_piece_ml: pieces of the draft below this volume are dropped; 0 keeps all.
        gland: which of the others belong to one gland.
        lineage: of a model that was made from another by corrected cases; None for others.
        recommended: offered before models that are not, where nobody has chosen one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    card_version: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    title: Words
    description: Words
    family: Words
    config: dict[str, Any]
    preprocessing: Preprocessing
    calibration: Calibration = Calibration()
    threshold: float = Field(default=0.5, gt=0, lt=1)
    smallest_piece_ml: float = Field(default=0.0, ge=0)
    gland: GlandRule = GlandRule()
    training: Training
    results: tuple[Result, ...] = ()
    lineage: Lineage | None = None
    recommended: bool = False
    intended_use: Words
    limits: Words
    warning: Words = NOT_A_DEVICE
    licence: Words
    versions: dict[Words, Words]
    weights: WeightsFile

    @property
    def sha256(self) -> str:
        """Identity of the weights."""
        return self.weights.sha256
