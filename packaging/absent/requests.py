"""In a package, in the place of `requests`: TensorFlow imports it to ask a cloud about its machines.

Whoever calls it is told that there is no network.
"""

from types import SimpleNamespace
from typing import NoReturn


def request(*_arguments: object, **_named: object) -> NoReturn:
    """Raise `ConnectionError`."""
    raise ConnectionError("This program does not use a network.")


get = post = request
exceptions = SimpleNamespace(RequestException=ConnectionError)
