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
        AttunetError: the engine of the model is compiled with fixed weights.
    """
    network = getattr(model.engine, "network", None)
    if network is None:
        raise AttunetError(f"A gate can be held in Keras only, not in {model.id.engine}.")
    # Imported here: this loads TensorFlow, which OpenVINO users may not have.
    from attunet_gui.network.families.attention_unet_2d.attention_unet_keras import hold_gate

    before = network.get_weights()
    try:
        hold_gate(network, name, coefficient)
        yield model
    finally:
        network.set_weights(before)
