"""The table of everything that the annotator can ask for by key, button or menu.

Shortcuts, tooltips, the help and napari's commands that are ours all name a `UserCommand`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attunet_gui.gui.controllers.main_controller import MainController


@dataclass(frozen=True, eq=False)
class CommandDefinition:
    """What a command does, and what is said about it.

    Attributes:
        find_method: returns the method of the main controller, or of one of its parts, that does it.
        keys: as Qt writes them; "" where there is only a button or a menu.
        words: what it does, for tooltip and help.
        group: heading in the help.
    """

    find_method: Callable[[MainController], Callable[[], object]]
    keys: str
    words: str
    group: str


class UserCommand(Enum):
    """A command of the annotator, in the order of the help."""

    NEXT_STEP = CommandDefinition(lambda main: main.next_step, "Ctrl+Return", "Do the next step", "Case")
    OPEN_FILE = CommandDefinition(lambda main: main.opener.open_file, "F2", "Open a CT file", "Case")
    OPEN_FOLDER = CommandDefinition(
        lambda main: main.opener.open_folder, "Shift+F2", "Open a DICOM folder", "Case"
    )
    OPEN_DEMO = CommandDefinition(lambda main: main.opener.open_demo, "", "Open the demo", "Case")
    SAVE = CommandDefinition(
        lambda main: main.saving.save, "Ctrl+Shift+S", "Save the mask and its record", "Case"
    )
    SAVE_AS = CommandDefinition(
        lambda main: main.saving.save_as, "", "Save the mask in another place", "Case"
    )
    OPEN_PROJECT = CommandDefinition(
        lambda main: main.worklist.open_project, "F3", "Open a project, or make one", "Worklist"
    )
    NEXT_CASE = CommandDefinition(
        lambda main: main.worklist.next_case, "F6", "Open the next case of the worklist", "Worklist"
    )
    ACCEPT_CASE = CommandDefinition(
        lambda main: main.worklist.accept_case,
        "Shift+A",
        "Accept the case: save it, open the next",
        "Worklist",
    )
    FINETUNE = CommandDefinition(
        lambda main: main.finetuning.ask, "F7", "Improve the model from accepted cases", "Worklist"
    )
    RUN_OR_CANCEL = CommandDefinition(
        lambda main: main.drafting.run_or_cancel, "F5", "Draft the pancreas, or cancel the run", "Draft"
    )
    NEXT_PLACE = CommandDefinition(
        lambda main: main.review.next_place, "N", "Go to the next place to check", "Review"
    )
    ACCEPT_PLACE = CommandDefinition(
        lambda main: main.review.accept_place, "A", "The place in hand is right: go on to the next", "Review"
    )
    VERIFY_SLICE = CommandDefinition(
        lambda main: main.review.verify_slice, "Q", "This slice is right: lock it, or unlock it", "Review"
    )
    NEXT_UNSEEN_SLICE = CommandDefinition(
        lambda main: main.review.next_unseen,
        "Shift+N",
        "Go to the next slice with mask that was not seen",
        "Review",
    )
    NEXT_CORRECTION = CommandDefinition(
        lambda main: main.toolbox.go_to_next_correction,
        "Ctrl+Shift+J",
        "Go to the slice to correct next",
        "Review",
    )
    PROPAGATE = CommandDefinition(
        lambda main: main.propagation.ask, "Shift+C", "Carry my corrections on to the other slices", "Review"
    )
    ACCEPT_PROPOSAL = CommandDefinition(
        lambda main: main.propagation.take_all,
        "Shift+T",
        "Accept the proposed changes in all slices",
        "Review",
    )
    ACCEPT_PROPOSAL_IN_SLICE = CommandDefinition(
        lambda main: main.propagation.take_slice, "K", "Accept the proposed changes in this slice", "Review"
    )
    REJECT_PROPOSAL = CommandDefinition(
        lambda main: main.propagation.reject, "Shift+R", "Reject the proposed changes", "Review"
    )
    GO_TO_PANCREAS = CommandDefinition(
        lambda main: main.go_to_pancreas, "Home", "Go to the slice with the most pancreas", "Slices"
    )
    SLICE_UP = CommandDefinition(
        lambda main: main.layers.slice_view.step_up, "Up", "One slice towards the head", "Slices"
    )
    SLICE_DOWN = CommandDefinition(
        lambda main: main.layers.slice_view.step_down, "Down", "One slice towards the feet", "Slices"
    )
    STRAIGHTEN_VIEW = CommandDefinition(
        lambda main: main.layers.slice_view.straighten, "", "Show the slice straight and whole", "Slices"
    )
    TOGGLE_MASK = CommandDefinition(
        lambda main: main.layers.appearance.toggle_mask, "H", "Hide or show the mask", "Look"
    )
    TOGGLE_FILLED = CommandDefinition(
        lambda main: main.layers.appearance.toggle_filled,
        "Shift+H",
        "Mask as an area or as a contour",
        "Look",
    )
    TOGGLE_PROBABILITY = CommandDefinition(
        lambda main: main.layers.appearance.toggle_probability, "U", "Show or hide the probability", "Look"
    )
    TOGGLE_GATES = CommandDefinition(
        lambda main: main.layers.appearance.toggle_gates, "G", "Show or hide the merged gates", "Look"
    )
    NEXT_GATE = CommandDefinition(
        lambda main: main.layers.appearance.next_gate, "Shift+G", "Show one gate after the other", "Look"
    )
    NEXT_HU_WINDOW = CommandDefinition(
        lambda main: main.layers.appearance.next_hu_window, "W", "Next HU window", "Look"
    )
    READ_GUIDE = CommandDefinition(lambda main: main.dialogs.read_guide, "F1", "Read the user guide", "Help")
    SHOW_SHORTCUTS = CommandDefinition(
        lambda main: main.dialogs.show_shortcuts, "?", "Show all shortcuts", "Help"
    )

    def find_method(self, controller: MainController) -> Callable[[], object]:
        """Return the method of `controller`, or of one of its parts, that does the command."""
        return self.value.find_method(controller)

    @property
    def keys(self) -> str:
        """The keys as Qt writes them; "" if it has none."""
        return self.value.keys

    @property
    def words(self) -> str:
        """What it does, for tooltip and help."""
        return self.value.words

    @property
    def group(self) -> str:
        """The heading in the help."""
        return self.value.group

    @property
    def tooltip(self) -> str:
        """The tooltip of a button: what it does, with its keys if it has any."""
        return f"{self.words} ({self.keys})" if self.keys else self.words
