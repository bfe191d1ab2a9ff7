"""The model families that the program knows. Listing them imports no TensorFlow; building a network does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from pydantic import BaseModel, ValidationError

from attunet_gui.core.card import first_fault
from attunet_gui.core.errors import BadModel
from attunet_gui.network.attention_unet.config import AttentionUNet2DConfig, parameter_count


@dataclass(frozen=True)
class Family:
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
    parameters: Callable[[Any], int]
    builder: str
    grapher: str

    def build(self, config: BaseModel) -> Any:
        """Return the Keras model for `config` with fresh weights. Imports TensorFlow."""
        return _function(self.builder)(config)

    def graph(self, config: BaseModel, weights: Any) -> Any:
        """Return the OpenVINO graph for `config` with the arrays of `weights`. Imports OpenVINO."""
        return _function(self.grapher)(config, weights)


def _function(place: str) -> Callable[..., Any]:
    """Import the function that "module:function" names."""
    module, function = place.split(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found


FAMILIES: tuple[Family, ...] = (
    Family(
        "attention_unet_2d",
        AttentionUNet2DConfig,
        parameter_count,
        "attunet_gui.network.attention_unet.model:build",
        "attunet_gui.network.attention_unet.graph:build",
    ),
)


def family(name: str) -> Family:
    """Return the family called `name`; `BadModel` if the program does not know it."""
    for known in FAMILIES:
        if known.name == name:
            return known
    names = ", ".join(f.name for f in FAMILIES)
    raise BadModel(
        f"The model is of family {name!r}, but this version knows only {names}; update attunet-gui."
    )


def parse_config(family_name: str, config: dict[str, Any]) -> BaseModel:
    """Return the validated configuration of a card; `BadModel` names the first fault."""
    try:
        return family(family_name).config_type.model_validate(config)
    except ValidationError as error:
        where, fault = first_fault(error)
        raise BadModel(f"The model's configuration is not valid: {where or 'config'}: {fault}.") from error
