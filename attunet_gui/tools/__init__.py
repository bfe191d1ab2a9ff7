"""Correction tools as pure functions of a scene: numpy and scipy, no Qt and no TensorFlow.

A tool is a frozen value whose method `apply` returns the `Edit` that it would make; the caller applies that
edit and enforces the locks. Related tools share a module, and each tool has one line in `TOOLS`, from which
the window and the contract test take it.
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
