"""What the program knows of a family of networks; nothing here imports TensorFlow or OpenVINO.

Inference, training, adaptation, gates and engines talk to a `ModelFamily`. What is inside one lies in its own
folder, and only `family_registry` names that folder.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from attunet_gui.prediction.model_card import first_validation_fault
from attunet_gui.system.errors import AttunetError, InvalidModelBundle

PROBABILITY = "probability"
"""Name of the main output of every network, the probability of the organ."""

PatchSize = tuple[int, int, int]
"""(slices, rows, columns) of a patch of a volume."""


class NetworkConfig(BaseModel, ABC):
    """What every configuration says. A family derives its own from it, with a default for each field.

    A 2-D network takes a slice of the CT with its neighbours and answers for this slice. A 3-D one takes a
    patch of a volume whose slices are as far apart as its pixels, and answers for each slice of the patch.

    Attributes:
        size: (rows, columns) of the grid that lies over each slice, which a 2-D network takes whole; each is
            divisible by `size_multiple`.
        channels: values of each pixel: the slice and its neighbours; odd.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: tuple[int, int] = (224, 224)
    channels: int = Field(default=3, ge=1, le=31)

    @property
    @abstractmethod
    def size_multiple(self) -> int:
        """Width of the coarsest pixel of the network, in pixels of its input."""

    @property
    def patch(self) -> PatchSize | None:
        """(slices, rows, columns) of the patches that a 3-D network takes; None for a 2-D network."""
        return None

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(rows, columns, slices or channels) of one input of the Keras network."""
        if self.patch is None:
            return (*self.size, self.channels)
        slices, rows, columns = self.patch
        return rows, columns, slices

    @model_validator(mode="after")
    def _check_channels(self) -> Self:
        """Check that the slice has as many neighbours on one side as on the other."""
        if self.channels % 2 == 0:
            raise ValueError(f"channels must be odd (a slice and its neighbours), got {self.channels}")
        return self

    def with_size(self, size: tuple[int, int]) -> Self:
        """Return the configuration of the network with the same weights for slices of another size.

        A 3-D network then takes patches of this size in the plane, and of as few slices as it can: it is
        asked for a single one, the middle one.
        """
        return self.model_copy(update={"size": size})


@dataclass(frozen=True)
class GateOutput:
    """The output of one attention gate: its name, and (rows, columns) of its coefficients over the grid."""

    name: str
    size: tuple[int, int]


def _list_no_gates(config: Any) -> tuple[GateOutput, ...]:  # noqa: ARG001
    return ()


@dataclass(frozen=True, kw_only=True)
class ModelFamily:
    """One kind of network, and everything that the program asks of it.

    A place is "module:function". It is imported when it is first called, so that listing families loads
    neither TensorFlow nor OpenVINO.

    Attributes:
        name: as written in a card; also the name of the folder.
        config_type: the pydantic model of its configuration.
        count_parameters: returns the number of weights of a configuration without building the network.
        keras_builder: place of `(config) -> keras.Model`, a functional model that maps (batch,
            *`input_shape`) to a dict of the outputs `output_names`, each (batch, rows, columns, slices)
            float32 in [0, 1]; a 2-D network answers for 1 slice.
        openvino_builder: place of `(config, weights) -> openvino.Model` of the same outputs for one input,
            (1, rows, columns) of a 2-D network and (1, slices, rows, columns) of a 3-D one.
        logits_builder: place of `(network) -> keras.Model` that gives the input of the last sigmoid, with
            the axes of the probability, and shares the weights of `network`.
        logit_shifter: place of `(network, slope, offset)`, see `shift_logits`.
        tiny_config: a configuration for slices of 64 x 64 that trains within seconds, for tests and first
            trials.
        list_gates: returns the gates of a configuration, finest first.
        gate_holder: place of `(network, name, coefficient)`, see `hold_gate`; None for a family without
            gates.
        decoder_lister: place of `(network) -> list`, see `decoder_maps`; None for a family without such maps.
    """

    name: str
    config_type: type[NetworkConfig]
    count_parameters: Callable[[Any], int]
    keras_builder: str
    openvino_builder: str
    logits_builder: str
    logit_shifter: str
    tiny_config: Mapping[str, Any]
    list_gates: Callable[[Any], tuple[GateOutput, ...]] = _list_no_gates
    gate_holder: str | None = None
    decoder_lister: str | None = None

    def parse_config(self, config: Mapping[str, Any]) -> NetworkConfig:
        """Return the validated configuration of a card; `InvalidModelBundle` names the first fault."""
        try:
            return self.config_type.model_validate(config)
        except ValidationError as error:
            where, fault = first_validation_fault(error)
            raise InvalidModelBundle(
                f"The model's configuration is not valid: {where or 'config'}: {fault}."
            ) from error

    def gate_names(self, config: NetworkConfig) -> tuple[str, ...]:
        """Return the names of the gate outputs, finest first; () for a network without gates."""
        return tuple(gate.name for gate in self.list_gates(config))

    def gate_sizes(self, config: NetworkConfig) -> tuple[tuple[int, int], ...]:
        """Return (rows, columns) of the coefficients of each gate, finest first."""
        return tuple(gate.size for gate in self.list_gates(config))

    def output_names(self, config: NetworkConfig) -> tuple[str, ...]:
        """Return the names of all outputs: the probability, then the gates."""
        return (PROBABILITY, *self.gate_names(config))

    def build_network(self, config: NetworkConfig) -> Any:
        """Return the Keras model for `config` with fresh weights. Imports TensorFlow."""
        return _import_function(self.keras_builder)(config)

    def build_graph(self, config: NetworkConfig, weights: Any) -> Any:
        """Return the OpenVINO graph for `config` with the arrays of `weights`. Imports OpenVINO."""
        return _import_function(self.openvino_builder)(config, weights)

    def build_logits(self, network: Any) -> Any:
        """Return a Keras model of the logits of `network`, (batch, rows, columns, slices), with its weights.

        Logits of a network that is certain still have a gradient; probabilities have none.
        """
        return _import_function(self.logits_builder)(network)

    def shift_logits(self, network: Any, slope: float, offset: float) -> None:
        """Change the weights of the Keras model `network`: each logit x becomes `slope` * x + `offset`."""
        _import_function(self.logit_shifter)(network, slope, offset)

    def hold_gate(self, network: Any, name: str, coefficient: float) -> None:
        """Change the weights of the Keras model `network` so that the gate `name` gives `coefficient`
        everywhere.

        Args:
            network: of this family.
            name: one of `gate_names`; see `require_gates`.
            coefficient: in [0, 1].
        """
        if self.gate_holder is None:
            raise _no_gate_error(self.name)
        _import_function(self.gate_holder)(network, name, coefficient)

    def decoder_maps(self, network: Any) -> list[Any]:
        """Return the maps (batch, rows, columns, filters) that the levels of the decoder of the Keras model
        `network` give, each of half the resolution of the one before; empty for a family without any.
        """
        return _import_function(self.decoder_lister)(network) if self.decoder_lister else []

    def require_gates(self, config: NetworkConfig, *names: str) -> None:
        """Check that a network has gates, and among them `names`.

        Raises:
            AttunetError: it has no gates, or none with one of the names.
        """
        known = self.gate_names(config)
        if not known:
            raise _no_gate_error(self.name)
        for name in names:
            if name not in known:
                raise AttunetError(f"The network has no gate {name!r}; it has {', '.join(known)}.")


def _no_gate_error(family: str) -> AttunetError:
    return AttunetError(
        f"This network of family {family} has no attention gates, so none can be held; choose a model that "
        "has gates."
    )


def _import_function(place: str) -> Callable[..., Any]:
    """Import the function that "module:function" names."""
    module, function = place.split(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found
