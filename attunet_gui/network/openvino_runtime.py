"""OpenVINO, imported only here, without the usage report that it sends to its makers.

`import openvino` loads its model converter, and that sends an event to an analytics service together with a
number of this client that it keeps in `~/intel`. This program converts nothing, so converter and reporter are
made unavailable before the import. `openvino` accepts a missing converter, and loads in two thirds of the
time.
"""

from __future__ import annotations

import sys

_LEFT_OUT = ("openvino_telemetry", "openvino.tools.ovc")

for _name in _LEFT_OUT:
    # None makes Python raise ImportError for the name, which `openvino` catches.
    sys.modules.setdefault(_name, None)  # type: ignore[arg-type]

import openvino  # noqa: E402
from openvino import opset13 as ops  # noqa: E402

__all__ = ["openvino", "ops"]
