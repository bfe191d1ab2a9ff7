"""The protocol of a tool, and the description of a kind of tool from which the window makes its button."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from attunet_gui.core.mask_edit import MaskEdit
from attunet_gui.editing.tools.tool_scene import ToolScene, VoxelPoint
from attunet_gui.system.errors import AttunetError


class EditingTool(Protocol):
    """A frozen value that holds the parameters of a tool and computes its edit."""

    @property
    def action_text(self) -> str:
        """What the tool does, as text for people, such as "grow 2 mm"."""

    def compute_edit(self, scene: ToolScene) -> MaskEdit:
        """Return the edit that the tool would make to the mask of `scene`; the scene is not changed.

        Raises:
            AttunetError: with one sentence for the annotator if the tool cannot work here.
        """


class ToolNeed(Enum):
    """An input that a tool cannot do without."""

    POINTS = "points"
    PROBABILITY = "probability"
    DRAFT = "draft"


@dataclass(frozen=True)
class ToolParameter:
    """The one numeric parameter of a tool.

    Attributes:
        name: its name for people.
        unit: its unit, "mm" or "ml".
        low, high: the smallest and the largest value that are allowed.
        step: step of the spin box.
        default: the initial value.
    """

    name: str
    unit: str
    low: float
    high: float
    step: float
    default: float

    def check_bounds(self, value: float) -> float:
        """Return `value`; raise `ValueError` if it is out of bounds."""
        if not self.low <= value <= self.high:
            raise ValueError(f"{self.name} is {self.low:g} to {self.high:g} {self.unit}, got {value:g}")
        return value


@dataclass(frozen=True)
class ToolOptions:
    """The options with which the annotator uses a tool.

    Attributes:
        value: value of the tool's parameter; None for the default.
        points: (z, y, x) indices of the voxels of a click or scribble, in the order in which they were drawn.
        in_3d: whether to work in all slices, if the tool can.
    """

    value: float | None = None
    points: tuple[VoxelPoint, ...] = ()
    in_3d: bool = False


@dataclass(frozen=True)
class ToolKind:
    """One kind of tool, as the window shows it.

    Attributes:
        key: stable name that is written to journals and preferences.
        title: title of the button.
        tip: one sentence for the tooltip.
        group: the heading under which the button stands.
        keys: the suggested shortcut in Qt's notation.
        dimensions: (2,), (3,) or (2, 3); in 2-D a tool changes the current slice only.
        build: makes the tool from checked options; callers use `make_tool`, which checks them.
        parameter: the numeric parameter; None if the tool has none.
        needs: the inputs that the tool cannot do without.
    """

    key: str
    title: str
    tip: str
    group: str
    keys: str
    dimensions: tuple[int, ...]
    build: Callable[[ToolOptions], EditingTool]
    parameter: ToolParameter | None = None
    needs: frozenset[ToolNeed] = frozenset()

    def make_tool(self, options: ToolOptions) -> EditingTool:
        """Return the tool for these options.

        Raises:
            AttunetError: if the tool needs a click and there is none.
            ValueError: if the value is out of bounds.
        """
        if ToolNeed.POINTS in self.needs and not options.points:
            raise AttunetError(f"{self.title} needs a place: click on the slice.")
        value = None
        if self.parameter is not None:
            value = self.parameter.check_bounds(
                self.parameter.default if options.value is None else options.value
            )
        return self.build(
            ToolOptions(value, options.points, 3 in self.dimensions and (options.in_3d or self._only_3d))
        )

    def unavailable_reason(self, scene: ToolScene) -> str:
        """Return one sentence on why the tool cannot be used in `scene`; "" if it can."""
        if ToolNeed.PROBABILITY in self.needs and scene.probability is None:
            return f"{self.title} asks the network: draft the pancreas first."
        if ToolNeed.DRAFT in self.needs and scene.draft is None:
            return "There is no draft yet: draft the pancreas first."
        return ""

    @property
    def _only_3d(self) -> bool:
        return self.dimensions == (3,)
