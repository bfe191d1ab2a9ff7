"""The model card, `card.json` of a model bundle. It is read without TensorFlow, so the window can show it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    GetCoreSchemaHandler,
    GetPydanticSchema,
    ValidationError,
)
from pydantic_core import CoreSchema, core_schema

from attunet_gui.core.provenance import NOT_A_DEVICE_WARNING, ModelId
from attunet_gui.prediction.postprocess import PostprocessingRule
from attunet_gui.prediction.preprocess import PreprocessingConfig
from attunet_gui.prediction.probability_calibration import ProbabilityCalibration

_SHA256_PATTERN = r"^[0-9a-f]{64}$"

DisplayText = Annotated[
    str,
    Field(max_length=20_000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]*$"),
]
"""Text that is shown to people. Control characters and marks of writing direction are refused, because a card
from elsewhere could use them to steer a terminal or to disguise what it says."""


def first_validation_fault(error: ValidationError) -> tuple[str, str]:
    """Return the dotted path of the first invalid field and pydantic's message about it.

    The path is such as "weights.sha256"; it is "" if the card as a whole is invalid.
    """
    first = error.errors()[0]
    return ".".join(str(part) for part in first["loc"]), first["msg"]


class TrainingDataSource(BaseModel):
    """One source of training data, with the attribution that its licence demands."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: DisplayText
    cases: int = Field(ge=0)
    licence: DisplayText
    attribution: DisplayText


class TrainingRecord(BaseModel):
    """How the weights were trained, in enough detail to repeat the training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: DisplayText
    seed: int
    steps: int = Field(ge=0)
    seconds: float = Field(ge=0)
    data: tuple[TrainingDataSource, ...]
    settings: dict[str, Any] = Field(default_factory=dict)


class MeasuredResult(BaseModel):
    """One measured figure: the `value` of `measure` on the data set `data`, over `cases` cases."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    measure: DisplayText
    data: DisplayText
    cases: int = Field(ge=1)
    value: FiniteFloat
    spread: FiniteFloat | None = None
    command: DisplayText


class _ModelIdFields(BaseModel):
    """A `ModelId` as cards and the history of adoptions store it, which is without an engine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: DisplayText
    sha256: str = Field(pattern=_SHA256_PATTERN)


def _fields_of_model(model: object) -> object:
    return {"name": model.name, "sha256": model.sha256} if isinstance(model, ModelId) else model


def _model_of_fields(fields: _ModelIdFields) -> ModelId:
    return ModelId(fields.name, fields.sha256)


def _stored_model_schema(_source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
    """Return the schema of a stored `ModelId`. A wrong field of it is named by its path, as others are."""
    stored = core_schema.no_info_after_validator_function(
        _model_of_fields, handler.generate_schema(_ModelIdFields)
    )
    return core_schema.no_info_before_validator_function(
        _fields_of_model,
        stored,
        serialization=core_schema.plain_serializer_function_ser_schema(_fields_of_model),
    )


StoredModelId = Annotated[ModelId, GetPydanticSchema(_stored_model_schema)]
"""A `ModelId` as a field of a pydantic model: name and SHA-256 are checked and stored, the engine is not."""


class GuardRecord(BaseModel):
    """The result of comparing the model with its parent: whether it may replace the parent, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    passed: bool
    sentence: DisplayText


class ModelLineage(BaseModel):
    """The origin of a fine-tuned model.

    Attributes:
        ancestors: the parent first, then the parent's parent and so on.
        data_sha256: SHA-256 over names and bytes of all files of the data set that it was trained on.
        trained_on: SHA-256 of each CT file that the model or an ancestor was trained on.
        held_out: SHA-256 of each CT file that is used for comparison only; no descendant may be trained on
            it.
        guard: the comparison with the parent; None before it was made.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ancestors: tuple[StoredModelId, ...] = Field(min_length=1)
    data_sha256: str = Field(pattern=_SHA256_PATTERN)
    trained_on: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()
    guard: GuardRecord | None = None

    @property
    def parent(self) -> ModelId:
        """The model that this one was fine-tuned from."""
        return self.ancestors[0]


class WeightsFile(BaseModel):
    """The only weights file of a bundle. A file with another size or SHA-256 is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Literal["weights.safetensors"] = "weights.safetensors"
    sha256: str = Field(pattern=_SHA256_PATTERN)
    bytes: int = Field(gt=0, le=2**31)


class ModelCard(BaseModel):
    """The content of `card.json` in a model bundle.

    Attributes:
        family: a name in the registry of model families.
        config: the configuration of the family, validated by the family itself.
        preprocessing: how HU become the network's input.
        calibration: applied to the network's probability before anything else uses it.
        threshold: calibrated probability from which a voxel belongs to the draft.
        smallest_piece_ml: connected pieces of the draft below this volume in ml are dropped; 0 keeps all.
        gland: which of the remaining pieces belong to one gland.
        lineage: the origin of a fine-tuned model; None for a model that was trained from scratch.
        recommended: whether the model is offered before others as long as nobody has chosen one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    card_version: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    title: DisplayText
    description: DisplayText
    family: DisplayText
    config: dict[str, Any]
    preprocessing: PreprocessingConfig
    calibration: ProbabilityCalibration = ProbabilityCalibration()
    threshold: float = Field(default=0.5, gt=0, lt=1)
    smallest_piece_ml: float = Field(default=0.0, ge=0)
    gland: PostprocessingRule = PostprocessingRule()
    training: TrainingRecord
    results: tuple[MeasuredResult, ...] = ()
    lineage: ModelLineage | None = None
    recommended: bool = False
    intended_use: DisplayText
    limits: DisplayText
    warning: DisplayText = NOT_A_DEVICE_WARNING
    licence: DisplayText
    versions: dict[DisplayText, DisplayText]
    weights: WeightsFile

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of the weights file, which identifies the model."""
        return self.weights.sha256

    @property
    def model_id(self) -> ModelId:
        """The identity of the model, whatever engine runs it."""
        return ModelId(self.name, self.weights.sha256)
