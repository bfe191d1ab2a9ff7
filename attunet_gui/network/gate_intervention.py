"""A model with one attention gate held at a constant coefficient, to measure what the gate contributes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from attunet_gui.network.inference import LoadedModel
from attunet_gui.system.errors import AttunetError


@contextmanager
def gate_held(model: LoadedModel, name: str, coefficient: float) -> Iterator[LoadedModel]:
    """Hold gate `name` of `model` at `coefficient`, in [0, 1], while the context lasts; afterwards restore
    it.

    Args:
        model: changed in place, and returned.
        name: such as "gate1".
        coefficient: 0 closes the gate, 1 lets everything pass.

    Raises:
        AttunetError: the network has no such gate, or the engine is compiled with fixed weights.
    """
    family = model.bundle.family
    family.require_gates(model.bundle.config, name)
    network = getattr(model.engine, "network", None)
    if network is None:
        raise AttunetError(f"A gate can be held in Keras only, not in {model.id.engine}.")
    before = network.get_weights()
    try:
        family.hold_gate(network, name, coefficient)
        yield model
    finally:
        network.set_weights(before)
