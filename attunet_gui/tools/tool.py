"""The protocol of a tool, and the description of a kind of tool from which the window makes its button."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from attunet_gui.core.edit import Edit
from attunet_gui.core.errors import AttunetError
from attunet_gui.tools.scene import Point, Scene


class Tool(Protocol):
    """A frozen value that holds the parameters of a tool and computes its edit."""

    @property
    def words(self) -> str:
        """What the tool does, as text for people, such as "grow 2 mm"."""

    def apply(self, scene: Scene) -> Edit:
        """Return the edit that the tool would make to the mask of `scene`; the scene is not changed.

        Raises:
            AttunetError: with one sentence for the annotator if the tool cannot work here.
        """


class Need(Enum):
    """An input that a tool cannot do without."""

    POINTS = "points"
    PROBABILITY = "probability"
    DRAFT = "draft"


@dataclass(frozen=True)
class Parameter:
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

    def checked(self, value: float) -> float:
        """Return `value`; raise `ValueError` if it is out of bounds."""
        if not self.low <= value <= self.high:
            raise ValueError(f"{self.name} is {self.low:g} to {self.high:g} {self.unit}, got {value:g}")
        return value


@dataclass(frozen=True)
class Wish:
    """The options with which the annotator uses a tool.

    Attributes:
        value: value of the tool's parameter; None for the default.
        points: (z, y, x) indices of the voxels of a click or scribble, in the order in which they were drawn.
        in_3d: whether to work in all slices, if the tool can.
    """

    value: float | None = None
    points: tuple[Point, ...] = ()
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
        build: makes the tool from checked options; callers use `make`, which checks them.
        parameter: the numeric parameter; None if the tool has none.
        needs: the inputs that the tool cannot do without.
    """

    key: str
    title: str
    tip: str
    group: str
    keys: str
    dimensions: tuple[int, ...]
    build: Callable[[Wish], Tool]
    parameter: Parameter | None = None
    needs: frozenset[Need] = frozenset()

    def make(self, wish: Wish) -> Tool:
        """Return the tool for these options.

        Raises:
            AttunetError: if the tool needs a click and there is none.
            ValueError: if the value is out of bounds.
        """
        if Need.POINTS in self.needs and not wish.points:
            raise AttunetError(f"{self.title} needs a place: click on the slice.")
        value = None
        if self.parameter is not None:
            value = self.parameter.checked(self.parameter.default if wish.value is None else wish.value)
        return self.build(Wish(value, wish.points, 3 in self.dimensions and (wish.in_3d or self._only_3d)))

    def lacks(self, scene: Scene) -> str:
        """Return one sentence on why the tool cannot be used in `scene`; "" if it can."""
        if Need.PROBABILITY in self.needs and scene.probability is None:
            return f"{self.title} asks the network: draft the pancreas first."
        if Need.DRAFT in self.needs and scene.draft is None:
            return "There is no draft yet: draft the pancreas first."
        return ""

    @property
    def _only_3d(self) -> bool:
        return self.dimensions == (3,)
