"""Correction tools as pure functions of a scene: numpy and scipy, no Qt, no TensorFlow.

A tool is a frozen value with an `apply(scene)` that gives an `Edit`, a wish: whoever applies it enforces the
locks. One module a kin of tools, one line a tool in `registry.TOOLS`, and the contract test that picks it up.
"""

from attunet_gui.tools.registry import TOOLS, tool_kind
from attunet_gui.tools.scene import Scene
from attunet_gui.tools.stroke import HuRange, taken_back
from attunet_gui.tools.tool import Need, Parameter, Tool, ToolKind, Wish

__all__ = [
    "TOOLS",
    "HuRange",
    "Need",
    "Parameter",
    "Scene",
    "Tool",
    "ToolKind",
    "Wish",
    "taken_back",
    "tool_kind",
]
