"""The model families that the program knows. Listing them imports no TensorFlow; building a network does."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from attunet_gui.network.families.model_family import ModelFamily, NetworkConfig
from attunet_gui.system.errors import InvalidModelBundle

# A family is a folder beside this file whose `__init__` defines `FAMILY`. Its name is that of the folder.
_FOLDERS = (
    "attention_unet_2d",
    "attention_unet_3d",
    "unet_2d",
)


def _import_family(folder: str) -> ModelFamily:
    """Return the family in `folder`; only its configuration is imported."""
    family: ModelFamily = import_module(f"{__package__}.{folder}").FAMILY
    return family


FAMILIES: tuple[ModelFamily, ...] = tuple(_import_family(folder) for folder in _FOLDERS)
"""All families; a family is registered by the name of its folder in `_FOLDERS`."""


def family_by_name(name: str) -> ModelFamily:
    """Return the family called `name`; `InvalidModelBundle` if the program does not know it."""
    for known in FAMILIES:
        if known.name == name:
            return known
    names = ", ".join(f.name for f in FAMILIES)
    raise InvalidModelBundle(
        f"The model is of family {name!r}, but this version knows only {names}; update attunet-gui."
    )


def parse_config(family_name: str, config: dict[str, Any]) -> NetworkConfig:
    """Return the validated configuration of a card; `InvalidModelBundle` names the first fault."""
    return family_by_name(family_name).parse_config(config)
