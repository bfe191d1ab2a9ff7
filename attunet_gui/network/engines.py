"""Engines: what runs a bundle's network on a batch of slices.

All give the same numbers within the bound that `tests/network/test_engines.py` states; they differ in speed
and in what has to be installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.errors import AttunetError
from attunet_gui.network.bundle import Bundle


class Engine(Protocol):
    """A loaded network. One call is one forward pass; the gates come from the same pass.

    Attributes:
        batch: how many slices a call should have.
    """

    batch: int

    def run(self, batch: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """(n, channels, rows, columns) in [0, 1] -> every named output, channel axis dropped."""


@dataclass(frozen=True)
class EngineKind:
    """An engine the product can use.

    Attributes:
        name: as in the record of a draft.
        factory: "module:class", taking a `Bundle`.
        needs: the package it runs on.
    """

    name: str
    factory: str
    needs: str

    @property
    def installed(self) -> bool:
        """Whether its package is there; nothing is imported."""
        return find_spec(self.needs) is not None

    def load(self, bundle: Bundle) -> Engine:
        """Check the bundle's weights and make the engine ready."""
        module, kind = self.factory.split(":")
        engine: Engine = getattr(import_module(module), kind)(bundle)
        return engine


KERAS = EngineKind("keras", "attunet_gui.network.keras_engine:KerasEngine", "tensorflow")
OPENVINO = EngineKind("openvino", "attunet_gui.network.openvino_engine:OpenVINOEngine", "openvino")
ENGINES = (OPENVINO, KERAS)
"""Fastest on a CPU first."""
_GPU = Path("/dev/nvidiactl")


def default_engine() -> EngineKind:
    """The fastest engine of this machine: Keras where TensorFlow may find a GPU, else OpenVINO."""
    if OPENVINO.installed and not (_GPU.exists() and KERAS.installed):
        return OPENVINO
    return KERAS


def engine_called(name: str) -> EngineKind:
    """The engine `name`.

    Raises:
        AttunetError: no engine has that name, or it is not installed.
    """
    for kind in ENGINES:
        if kind.name == name and kind.installed:
            return kind
    names = ", ".join(kind.name for kind in ENGINES if kind.installed)
    raise AttunetError(f"There is no engine {name!r} here; installed: {names}.")


def dropped_channel(outputs: Mapping[str, Any]) -> dict[str, NDArray[np.float32]]:
    """Outputs (n, rows, columns, 1) of any tensor kind as (n, rows, columns) float32 arrays."""
    return {name: np.asarray(values, np.float32)[..., 0] for name, values in outputs.items()}
