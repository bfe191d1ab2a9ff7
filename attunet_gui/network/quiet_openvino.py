"""OpenVINO, imported in this one place, without the report on its use that it sends to its makers.

`import openvino` loads its model converter, and that sends an event to an analytics service, with a number
of this client that it keeps in `~/intel`. The product converts nothing, so converter and reporter are not
there to be imported; `openvino` bears a converter that is missing, and loads in two thirds of the time.
"""

from __future__ import annotations

import sys

_LEFT_OUT = ("openvino_telemetry", "openvino.tools.ovc")

for _name in _LEFT_OUT:
    sys.modules.setdefault(_name, None)  # type: ignore[arg-type]

import openvino  # noqa: E402
from openvino import opset13 as ops  # noqa: E402

__all__ = ["openvino", "ops"]
