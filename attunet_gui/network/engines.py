"""Engines: what runs a bundle's network on a batch of slices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from attunet_gui.network.bundle import Bundle


class Engine(Protocol):
    """A loaded network. One call is one forward pass; the gates come from the same pass."""

    def run(self, batch: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """(n, rows, columns, channels) in [0, 1] -> every named output, channel axis dropped."""


@dataclass(frozen=True)
class EngineKind:
    """An engine the product can use: its name and "module:class" taking a `Bundle`."""

    name: str
    factory: str

    def load(self, bundle: Bundle) -> Engine:
        """Check the bundle's weights and make the engine ready."""
        module, kind = self.factory.split(":")
        engine: Engine = getattr(import_module(module), kind)(bundle)
        return engine


ENGINES: tuple[EngineKind, ...] = (EngineKind("keras", "attunet_gui.network.keras_engine:KerasEngine"),)


def default_engine() -> EngineKind:
    """The first engine of the registry."""
    return ENGINES[0]


def dropped_channel(outputs: Mapping[str, Any]) -> dict[str, NDArray[np.float32]]:
    """Outputs (n, rows, columns, 1) of any tensor kind as (n, rows, columns) float32 arrays."""
    return {name: np.asarray(values, np.float32)[..., 0] for name, values in outputs.items()}
