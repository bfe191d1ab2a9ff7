"""What the annotator agreed to for the draft that is being made, as one value with a name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class DraftConsent:
    """Where a draft may go that is asked for now.

    Attributes:
        name: what was agreed to.
        replaces_edits: whether the draft may replace unsaved edits.
        replaces_decisions: whether it may replace locked voxels as well.
        painted_meanwhile: whether strokes were made after that.
    """

    name: Literal["not asked", "keep the mask", "replace the mask", "replace all decisions"]
    replaces_edits: bool = False
    replaces_decisions: bool = False
    painted_meanwhile: bool = False

    def after_stroke(self) -> DraftConsent:
        """Return the consent after a stroke, of which nobody knew when it was given."""
        return replace(self, painted_meanwhile=True)

    def placement(self, edited: bool) -> Literal["replace", "beside"]:
        """Return whether the draft replaces the mask, which holds unsaved edits if `edited`."""
        return draft_placement(edited, self.replaces_edits, self.painted_meanwhile)


NOT_ASKED = DraftConsent("not asked")
"""The draft was begun without a question, as on opening: it replaces a mask without unsaved edits only."""
KEEP_MASK = DraftConsent("keep the mask")
"""The annotator was asked, and keeps the edits: the draft is shown beside them."""
REPLACE_MASK = DraftConsent("replace the mask", replaces_edits=True)
"""The annotator asked for the draft while nothing was unsaved: it replaces the mask, but no decision."""
REPLACE_DECISIONS = DraftConsent("replace all decisions", replaces_edits=True, replaces_decisions=True)
"""The annotator was asked, and gives up edits and decisions for the draft."""


def draft_placement(edited: bool, agreed: bool, painted_meanwhile: bool) -> Literal["replace", "beside"]:
    """Decide whether a new draft replaces the mask or is shown beside it.

    Args:
        edited: whether the mask holds unsaved edits.
        agreed: whether the annotator agreed that this run may replace them.
        painted_meanwhile: whether strokes were made after that.
    """
    return "beside" if painted_meanwhile or (edited and not agreed) else "replace"
