"""What can be wrong with a project or with what is asked of it."""

from __future__ import annotations

from attunet_gui.core.errors import AttunetError


class ProjectError(AttunetError):
    """A project that cannot be opened, or something that its state does not allow."""
