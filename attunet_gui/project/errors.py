"""The error that everything in this package raises about a project."""

from __future__ import annotations

from attunet_gui.core.errors import AttunetError


class ProjectError(AttunetError):
    """A project cannot be opened, or the state of a project or case does not allow what was asked."""
