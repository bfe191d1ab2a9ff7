"""The tool that the developer's guide writes as an example: it works, and its names are not taken."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from attunet_gui.core.mask_edit import MaskEdit
from attunet_gui.editing.tools import ToolScene, slice_interpolation, tool_registry
from attunet_gui.editing.tools.tool_types import ToolKind, ToolOptions
from attunet_gui.gui.user_commands import UserCommand
from attunet_gui.system.paths import documents_folder
from tests.support.tool_scenes import scene_of


def _blocks(language: str) -> list[str]:
    page = (documents_folder() / "developing.md").read_text("utf-8")
    found = re.findall(rf"^   ```{language}\n(.*?)^   ```", page, re.DOTALL | re.MULTILINE)
    return [re.sub(r"^   ", "", block, flags=re.MULTILINE) for block in found]


def test_the_example_in_the_guide_is_a_tool() -> None:
    names = {
        "dataclass": dataclass, "ClassVar": ClassVar, "MaskEdit": MaskEdit, "ToolScene": ToolScene, "np": np,
    }  # fmt: skip
    before = set(names)
    exec(_blocks("python")[0], names)
    (made,) = set(names) - before - {"__builtins__"}
    assert not hasattr(slice_interpolation, made)
    registered = re.search(r"ToolKind\(.*?\n\)", _blocks("text")[0], re.DOTALL)
    assert registered is not None
    kind = eval(registered[0], names | {"ToolKind": ToolKind, "_SLICES": tool_registry._SLICES})
    assert kind.key not in {one.key for one in tool_registry.TOOLS}
    assert kind.title not in {one.title for one in tool_registry.TOOLS}
    taken = {one.keys for one in tool_registry.TOOLS} | {command.value.keys for command in UserCommand}
    assert kind.keys not in taken
    mask = np.zeros((5, 30, 40), np.uint8)
    mask[2, 10:14, 8:20], mask[2, 14:18, 8:10], mask[3] = 1, 1, mask[2]
    edited = mask.copy()
    kind.make_tool(ToolOptions()).compute_edit(scene_of(mask, 2)).apply_to(edited)
    assert np.array_equal(edited[2, 10:18, 8:20], mask[2, 10:18, 8:20][:, ::-1])
    assert edited[2].sum() == mask[2].sum()
    assert np.array_equal(edited[3], mask[3])
