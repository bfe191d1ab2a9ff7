"""A model with one gate held, to see what that gate is worth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from attunet_gui.core.errors import AttunetError
from attunet_gui.network.predict import Model


@contextmanager
def gate_held(model: Model, name: str, coefficient: float) -> Iterator[Model]:
    """`model` while gate `name` gives one `coefficient` everywhere; afterwards it is what it was.

    Raises:
        AttunetError: the model runs in an engine whose weights cannot be changed.
    """
    network = getattr(model.engine, "network", None)
    if network is None:
        raise AttunetError(f"A gate can be held in Keras only, not in {model.id.engine}.")
    from attunet_gui.network.attention_unet.model import hold_gate

    before = network.get_weights()
    try:
        hold_gate(network, name, coefficient)
        yield model
    finally:
        network.set_weights(before)
