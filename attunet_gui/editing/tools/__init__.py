"""Correction tools as pure functions of a scene: numpy and scipy, no Qt and no TensorFlow.

A tool is a frozen value whose method `compute_edit` returns the `MaskEdit` that it would make; the caller
applies that edit and enforces the locks. Related tools share a module, and each tool has one line in `TOOLS`,
from which the window and the contract test take it.
"""

from attunet_gui.editing.tools.brush_hu_range import BrushHuRange, undo_outside_hu_range
from attunet_gui.editing.tools.tool_registry import TOOLS, tool_kind_by_key
from attunet_gui.editing.tools.tool_scene import ToolScene
from attunet_gui.editing.tools.tool_types import EditingTool, ToolKind, ToolNeed, ToolOptions, ToolParameter

__all__ = [
    "TOOLS",
    "BrushHuRange",
    "EditingTool",
    "ToolKind",
    "ToolNeed",
    "ToolOptions",
    "ToolParameter",
    "ToolScene",
    "tool_kind_by_key",
    "undo_outside_hu_range",
]
