"""Engines: what computes the network of a bundle for a batch of slices, or of patches of a volume.

All of them give the same numbers within the bound that `tests/network/test_engines.py` states. They differ in
speed and in the package that has to be installed.
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

from attunet_gui.network.families.model_family import NetworkConfig
from attunet_gui.network.model_bundle import ModelBundle
from attunet_gui.system.errors import AttunetError


class InferenceEngine(Protocol):
    """A loaded network. One call is one forward pass, and the gates come from the same pass.

    Attributes:
        batch: number of slices or patches that a call should have.
    """

    batch: int

    def run(self, batch: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """Return every named output of `batch`.

        Args:
            batch: (n, channels, rows, columns) float32 in [0, 1]; for a 3-D network the channels are the
                slices of a patch.

        Returns:
            float32 for each output: (n, rows, columns) of a 2-D network, (n, slices, rows, columns) of a 3-D
                one.
        """


@dataclass(frozen=True)
class EngineKind:
    """An engine that the program can use.

    Attributes:
        name: as written into the record of a draft.
        factory: "module:class"; the class takes a bundle.
        needs: the package it runs on.
    """

    name: str
    factory: str
    needs: str

    @property
    def is_installed(self) -> bool:
        """Whether the package is installed; nothing is imported to find out."""
        return find_spec(self.needs) is not None

    def load_engine(self, bundle: ModelBundle) -> InferenceEngine:
        """Check the weights of `bundle` and return the engine, ready to run."""
        module, kind = self.factory.split(":")
        engine: InferenceEngine = getattr(import_module(module), kind)(bundle)
        return engine


KERAS = EngineKind("keras", "attunet_gui.network.engines.keras_engine:KerasEngine", "tensorflow")
OPENVINO = EngineKind("openvino", "attunet_gui.network.engines.openvino_engine:OpenVINOEngine", "openvino")
ENGINES = (OPENVINO, KERAS)
"""All engines, the fastest on a CPU first."""
# The device file of NVIDIA's driver; asking TensorFlow would take seconds.
_GPU = Path("/dev/nvidiactl")


def default_engine() -> EngineKind:
    """Return the fastest engine of this machine: Keras where TensorFlow may find a GPU, else OpenVINO."""
    if OPENVINO.is_installed and not (_GPU.exists() and KERAS.is_installed):
        return OPENVINO
    return KERAS


def engine_by_name(name: str) -> EngineKind:
    """Return the installed engine with this name.

    Raises:
        AttunetError: no engine has that name, or it is not installed.
    """
    for kind in ENGINES:
        if kind.name == name and kind.is_installed:
            return kind
    names = ", ".join(kind.name for kind in ENGINES if kind.is_installed)
    raise AttunetError(f"There is no engine {name!r} here; installed: {names}.")


def as_slices(values: Any, config: NetworkConfig) -> NDArray[np.float32]:
    """Return an output of the Keras network of `config` as an engine gives it.

    Args:
        values: (n, rows, columns, slices) of any tensor type.
        config: of the network.

    Returns:
        float32, (n, rows, columns) of a 2-D network and (n, slices, rows, columns) of a 3-D one.
    """
    found = np.asarray(values, np.float32)
    return found[..., 0] if config.patch is None else np.ascontiguousarray(np.moveaxis(found, -1, 1))
