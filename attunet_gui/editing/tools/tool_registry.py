"""The table of all tools, from which buttons, tooltips, shortcuts and previews are made."""

from __future__ import annotations

from attunet_gui.core.edit_stroke import CORRECTION_INTERPOLATION_TOOL, NEIGHBOURS_TOOL
from attunet_gui.editing.tools.attached_piece import RemovePieceTool
from attunet_gui.editing.tools.click_segmentation import (
    ADD_REACH_PARAMETER,
    REMOVE_REACH_PARAMETER,
    AddTissueTool,
    RemoveTissueTool,
)
from attunet_gui.editing.tools.correction_interpolation import InterpolateCorrections
from attunet_gui.editing.tools.mask_morphology import (
    DISTANCE_PARAMETER,
    ISLAND_PARAMETER,
    SMOOTHNESS_PARAMETER,
    DropIslandsTool,
    FillContourTool,
    FillHolesTool,
    GrowTool,
    KeepLargestTool,
    ShrinkTool,
    SmoothTool,
)
from attunet_gui.editing.tools.neighbour_outline_shift import PropagateToNeighbours
from attunet_gui.editing.tools.slice_interpolation import (
    LARGEST_GAP_PARAMETER,
    ClearBeyondTool,
    ClearSliceTool,
    CopySliceTool,
    InterpolateTool,
    RestoreDraftTool,
)
from attunet_gui.editing.tools.tool_types import ToolKind, ToolNeed, ToolOptions

_CLICK, _SHAPE, _PIECES, _SLICES = "By one click", "Outline", "Pieces", "Slices"
_IN_2D_AND_3D = (2, 3)


def _parameter_value(options: ToolOptions) -> float:
    """Return the value of a tool's parameter, which `ToolKind.make_tool` has filled in."""
    assert options.value is not None
    return options.value


TOOLS: tuple[ToolKind, ...] = (
    ToolKind(
        "add-this", "Add this", "Add the tissue under a click or scribble, by CT and network.", _CLICK,
        "D", _IN_2D_AND_3D,
        lambda options: AddTissueTool(options.points, _parameter_value(options), options.in_3d),
        ADD_REACH_PARAMETER,
        frozenset({ToolNeed.POINTS}),
    ),
    ToolKind(
        "remove-this", "Remove this", "Remove the part of the mask under a click or scribble.", _CLICK,
        "R", _IN_2D_AND_3D,
        lambda options: RemoveTissueTool(options.points, _parameter_value(options), options.in_3d),
        REMOVE_REACH_PARAMETER,
        frozenset({ToolNeed.POINTS}),
    ),
    ToolKind(
        "remove-piece", "Remove piece", "Remove the piece under a click in all slices, cut off at its neck.",
        _CLICK, "Shift+X", (3,), lambda options: RemovePieceTool(options.points),
        needs=frozenset({ToolNeed.POINTS}),
    ),
    ToolKind(
        "grow", "Grow", "Move the outline outwards by a distance.", _SHAPE, "Shift+K", _IN_2D_AND_3D,
        lambda options: GrowTool(_parameter_value(options), options.in_3d), DISTANCE_PARAMETER,
    ),
    ToolKind(
        "shrink", "Shrink", "Move the outline inwards by a distance.", _SHAPE, "Shift+J", _IN_2D_AND_3D,
        lambda options: ShrinkTool(_parameter_value(options), options.in_3d), DISTANCE_PARAMETER,
    ),
    ToolKind(
        "smooth", "Smooth", "Smooth the outline; volume and thin parts stay.",
        _SHAPE, "Shift+S", _IN_2D_AND_3D,
        lambda options: SmoothTool(_parameter_value(options), options.in_3d), SMOOTHNESS_PARAMETER,
    ),
    ToolKind(
        "fill", "Fill contour", "Fill the closed contour under a click.", _PIECES, "Shift+F", _IN_2D_AND_3D,
        lambda options: FillContourTool(options.points[0], options.in_3d), needs=frozenset({ToolNeed.POINTS}),
    ),
    ToolKind(
        "fill-holes", "Fill holes", "Fill every hole the mask encloses.", _PIECES, "Shift+O", _IN_2D_AND_3D,
        lambda options: FillHolesTool(options.in_3d),
    ),
    ToolKind(
        "islands", "Drop islands", "Remove small pieces, but none that you drew.",
        _PIECES, "Shift+I", _IN_2D_AND_3D,
        lambda options: DropIslandsTool(_parameter_value(options), options.in_3d), ISLAND_PARAMETER,
    ),
    ToolKind(
        "largest", "Keep largest", "Remove every piece but the largest, and those you drew.", _PIECES,
        "Shift+L", _IN_2D_AND_3D, lambda options: KeepLargestTool(options.in_3d),
    ),
    ToolKind(
        NEIGHBOURS_TOOL, "To neighbours", "Move nearby outlines as you moved those of this slice.", _SLICES,
        "J", (3,), lambda _options: PropagateToNeighbours(),
    ),
    ToolKind(
        CORRECTION_INTERPOLATION_TOOL, "Interpolate corrections",
        "Let the slices between those you corrected follow them, as far as the draft was wrong.", _SLICES,
        "Ctrl+J", (3,), lambda _options: InterpolateCorrections(),
    ),
    ToolKind(
        "clear-slice", "Empty slice", "Empty this slice, to draw it anew.", _SLICES, "Shift+E", (2,),
        lambda _options: ClearSliceTool(),
    ),
    ToolKind(
        "nothing-above", "Nothing above", "The gland ends here: empty every slice towards the head.", _SLICES,
        "Ctrl+Shift+Up", (3,), lambda _options: ClearBeyondTool("above"),
    ),
    ToolKind(
        "nothing-below", "Nothing below", "The gland ends here: empty every slice towards the feet.", _SLICES,
        "Ctrl+Shift+Down", (3,), lambda _options: ClearBeyondTool("below"),
    ),
    ToolKind(
        "interpolate", "Interpolate", "Draw the slices between the decided ones around this slice.", _SLICES,
        "I", (3,), lambda options: InterpolateTool(_parameter_value(options)), LARGEST_GAP_PARAMETER,
    ),
    ToolKind(
        "interpolate-all", "Interpolate all", "Draw the slices in every gap between decided ones.", _SLICES,
        "Ctrl+Shift+I", (3,), lambda options: InterpolateTool(_parameter_value(options), everywhere=True),
        LARGEST_GAP_PARAMETER,
    ),
    ToolKind(
        "copy-above", "Copy from above", "Copy the mask of the next slice towards the head.", _SLICES,
        "Shift+Up", (2,), lambda _options: CopySliceTool("above"),
    ),
    ToolKind(
        "copy-below", "Copy from below", "Copy the mask of the next slice towards the feet.", _SLICES,
        "Shift+Down", (2,), lambda _options: CopySliceTool("below"),
    ),
    ToolKind(
        "take-draft", "Back to the draft", "Put this slice back to what the network drew.", _SLICES,
        "Shift+D", (2,), lambda _options: RestoreDraftTool(), needs=frozenset({ToolNeed.DRAFT}),
    ),
)  # fmt: skip


def tool_kind_by_key(key: str) -> ToolKind:
    """Return the kind of tool with this key; raise `KeyError` if there is none."""
    kinds = {kind.key: kind for kind in TOOLS}
    return kinds[key]
