"""The table of all tools, from which buttons, tooltips, shortcuts and previews are made."""

from __future__ import annotations

from attunet_gui.core.history import NEIGHBOURS
from attunet_gui.tools.clicked import ADD_REACH, REMOVE_REACH, AddThis, RemoveThis
from attunet_gui.tools.neighbours import CarryToNeighbours
from attunet_gui.tools.outline import DISTANCE, SMOOTHNESS, Grow, Shrink, Smooth
from attunet_gui.tools.pieces import ISLAND, DropIslands, Fill, FillHoles, KeepLargest
from attunet_gui.tools.slices import LARGEST_GAP, CopySlice, Interpolate, TakeDraft
from attunet_gui.tools.tool import Need, ToolKind, Wish

_CLICK, _SHAPE, _PIECES, _SLICES = "By one click", "Outline", "Pieces", "Slices"
_BOTH = (2, 3)


def _value(wish: Wish) -> float:
    """Return the value of a tool's parameter, which `ToolKind.make` has filled in."""
    assert wish.value is not None
    return wish.value


TOOLS: tuple[ToolKind, ...] = (
    ToolKind(
        "add-this", "Add this", "Add the tissue under a click or scribble, by CT and network.", _CLICK,
        "D", _BOTH, lambda wish: AddThis(wish.points, _value(wish), wish.in_3d), ADD_REACH,
        frozenset({Need.POINTS}),
    ),
    ToolKind(
        "remove-this", "Remove this", "Remove the part of the mask under a click or scribble.", _CLICK,
        "R", _BOTH, lambda wish: RemoveThis(wish.points, _value(wish), wish.in_3d), REMOVE_REACH,
        frozenset({Need.POINTS}),
    ),
    ToolKind(
        "grow", "Grow", "Move the outline outwards by a distance.", _SHAPE, "Shift+K", _BOTH,
        lambda wish: Grow(_value(wish), wish.in_3d), DISTANCE,
    ),
    ToolKind(
        "shrink", "Shrink", "Move the outline inwards by a distance.", _SHAPE, "Shift+J", _BOTH,
        lambda wish: Shrink(_value(wish), wish.in_3d), DISTANCE,
    ),
    ToolKind(
        "smooth", "Smooth", "Smooth the outline; volume and thin parts stay.", _SHAPE, "Shift+S", _BOTH,
        lambda wish: Smooth(_value(wish), wish.in_3d), SMOOTHNESS,
    ),
    ToolKind(
        "fill", "Fill contour", "Fill the closed contour under a click.", _PIECES, "Shift+F", _BOTH,
        lambda wish: Fill(wish.points[0], wish.in_3d), needs=frozenset({Need.POINTS}),
    ),
    ToolKind(
        "fill-holes", "Fill holes", "Fill every hole the mask encloses.", _PIECES, "Shift+O", _BOTH,
        lambda wish: FillHoles(wish.in_3d),
    ),
    ToolKind(
        "islands", "Drop islands", "Remove small pieces, but none that you drew.", _PIECES, "Shift+I", _BOTH,
        lambda wish: DropIslands(_value(wish), wish.in_3d), ISLAND,
    ),
    ToolKind(
        "largest", "Keep largest", "Remove every piece but the largest, and those you drew.", _PIECES,
        "Shift+L", _BOTH, lambda wish: KeepLargest(wish.in_3d),
    ),
    ToolKind(
        NEIGHBOURS, "To neighbours", "Move nearby outlines as you moved those of this slice.", _SLICES,
        "J", (3,), lambda _wish: CarryToNeighbours(),
    ),
    ToolKind(
        "interpolate", "Interpolate", "Draw the slices between the decided ones around this slice.", _SLICES,
        "I", (3,), lambda wish: Interpolate(_value(wish)), LARGEST_GAP,
    ),
    ToolKind(
        "interpolate-all", "Interpolate all", "Draw the slices in every gap between decided ones.", _SLICES,
        "Ctrl+Shift+I", (3,), lambda wish: Interpolate(_value(wish), everywhere=True), LARGEST_GAP,
    ),
    ToolKind(
        "copy-above", "Copy from above", "Copy the mask of the next slice towards the head.", _SLICES,
        "Shift+Up", (2,), lambda _wish: CopySlice("above"),
    ),
    ToolKind(
        "copy-below", "Copy from below", "Copy the mask of the next slice towards the feet.", _SLICES,
        "Shift+Down", (2,), lambda _wish: CopySlice("below"),
    ),
    ToolKind(
        "take-draft", "Back to the draft", "Put this slice back to what the network drew.", _SLICES,
        "Shift+D", (2,), lambda _wish: TakeDraft(), needs=frozenset({Need.DRAFT}),
    ),
)  # fmt: skip


def tool_kind(key: str) -> ToolKind:
    """Return the kind of tool with this key; raise `KeyError` if there is none."""
    kinds = {kind.key: kind for kind in TOOLS}
    return kinds[key]
