"""What a tool is, and how the window learns of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from attunet_gui.core.edit import Edit
from attunet_gui.core.errors import AttunetError
from attunet_gui.tools.scene import Point, Scene


class Tool(Protocol):
    """A frozen value: what to do, with its parameters."""

    @property
    def words(self) -> str:
        """What it does, as in "undo: grow 2 mm"."""

    def apply(self, scene: Scene) -> Edit:
        """What it would change; `AttunetError` with one sentence if it cannot do its work here."""


class Need(Enum):
    """What a tool cannot do without."""

    POINTS = "points"
    PROBABILITY = "probability"
    DRAFT = "draft"


@dataclass(frozen=True)
class Parameter:
    """The one number of a tool.

    Attributes:
        name: for people.
        unit: "mm", "ml".
        low, high: bounds, both allowed.
        step: of the spin box.
        default: to begin with.
    """

    name: str
    unit: str
    low: float
    high: float
    step: float
    default: float

    def checked(self, value: float) -> float:
        """`value`, or `ValueError` if it is out of bounds."""
        if not self.low <= value <= self.high:
            raise ValueError(f"{self.name} is {self.low:g} to {self.high:g} {self.unit}, got {value:g}")
        return value


@dataclass(frozen=True)
class Wish:
    """What a person asks a tool for.

    Attributes:
        value: of its parameter; None for the default.
        points: (z, y, x) voxels of a click or scribble, in the order they were drawn.
        in_3d: in all slices, where the tool can.
    """

    value: float | None = None
    points: tuple[Point, ...] = ()
    in_3d: bool = False


@dataclass(frozen=True)
class ToolKind:
    """One kind of tool, as the window shows it.

    Attributes:
        key: stable name, for journals and preferences.
        title: of the button.
        tip: one sentence.
        group: heading under which it stands.
        keys: suggested shortcut, as Qt writes it.
        dimensions: (2,), (3,) or (2, 3); a tool in 2-D changes only the current slice.
        build: the tool of a wish; `kind.make` is for callers.
        parameter: its number, if it has one.
        needs: what it cannot do without.
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
        """The tool for `wish`.

        Raises:
            AttunetError: it needs a click, and there is none.
            ValueError: the value is out of bounds.
        """
        if Need.POINTS in self.needs and not wish.points:
            raise AttunetError(f"{self.title} needs a place: click on the slice.")
        value = None
        if self.parameter is not None:
            value = self.parameter.checked(self.parameter.default if wish.value is None else wish.value)
        return self.build(Wish(value, wish.points, 3 in self.dimensions and (wish.in_3d or self._only_3d)))

    def lacks(self, scene: Scene) -> str:
        """Why it cannot be used in `scene`, in one sentence; "" if it can."""
        if Need.PROBABILITY in self.needs and scene.probability is None:
            return f"{self.title} asks the network: draft the pancreas first."
        if Need.DRAFT in self.needs and scene.draft is None:
            return "There is no draft yet: draft the pancreas first."
        return ""

    @property
    def _only_3d(self) -> bool:
        return self.dimensions == (3,)
