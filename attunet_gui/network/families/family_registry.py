"""The model families that the program knows. Listing them imports no TensorFlow; building a network does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from pydantic import BaseModel, ValidationError

from attunet_gui.core.model_card import first_validation_fault
from attunet_gui.network.families.attention_unet_2d.attention_unet_config import (
    AttentionUNet2DConfig,
    parameter_count,
)
from attunet_gui.system.errors import InvalidModelBundle


@dataclass(frozen=True)
class ModelFamily:
    """One kind of network.

    Attributes:
        name: as written in a card.
        config_type: the pydantic model of its configuration.
        parameters: returns the number of weights of a configuration without building the network.
        builder: "module:function" that turns a configuration into a `keras.Model`.
        grapher: "module:function" that turns a configuration and the weights of a bundle into an
            `openvino.Model`.
    """

    name: str
    config_type: type[BaseModel]
    count_parameters: Callable[[Any], int]
    keras_builder: str
    openvino_builder: str

    def build_network(self, config: BaseModel) -> Any:
        """Return the Keras model for `config` with fresh weights. Imports TensorFlow."""
        return _import_function(self.keras_builder)(config)

    def build_graph(self, config: BaseModel, weights: Any) -> Any:
        """Return the OpenVINO graph for `config` with the arrays of `weights`. Imports OpenVINO."""
        return _import_function(self.openvino_builder)(config, weights)


def _import_function(place: str) -> Callable[..., Any]:
    """Import the function that "module:function" names."""
    module, function = place.split(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found


FAMILIES: tuple[ModelFamily, ...] = (
    ModelFamily(
        "attention_unet_2d",
        AttentionUNet2DConfig,
        parameter_count,
        "attunet_gui.network.families.attention_unet_2d.attention_unet_keras:build_network",
        "attunet_gui.network.families.attention_unet_2d.attention_unet_openvino:build_graph",
    ),
)


def family_by_name(name: str) -> ModelFamily:
    """Return the family called `name`; `InvalidModelBundle` if the program does not know it."""
    for known in FAMILIES:
        if known.name == name:
            return known
    names = ", ".join(f.name for f in FAMILIES)
    raise InvalidModelBundle(
        f"The model is of family {name!r}, but this version knows only {names}; update attunet-gui."
    )


def parse_config(family_name: str, config: dict[str, Any]) -> BaseModel:
    """Return the validated configuration of a card; `InvalidModelBundle` names the first fault."""
    try:
        return family_by_name(family_name).config_type.model_validate(config)
    except ValidationError as error:
        where, fault = first_validation_fault(error)
        raise InvalidModelBundle(
            f"The model's configuration is not valid: {where or 'config'}: {fault}."
        ) from error
