"""The places of the files that come with the product and of the user's own files, and the user's name."""

from __future__ import annotations

import getpass
from pathlib import Path

from platformdirs import PlatformDirs

_PACKAGE_FOLDER = Path(__file__).parents[1]
_PLATFORM_DIRS = PlatformDirs("attunet-gui", appauthor=False)


def _shipped_folder(name: str) -> Path:
    """Return a top-level folder of the project.

    In an installed package it lies in the folder `_data` of the package, in a checkout beside the package.
    """
    installed = _PACKAGE_FOLDER / "_data" / name
    return installed if installed.is_dir() else _PACKAGE_FOLDER.parent / name


def user_data_folder() -> Path:
    """Return the user's folder for models and settings; it may not exist yet."""
    return Path(_PLATFORM_DIRS.user_data_dir)


def model_folders() -> tuple[Path, ...]:
    """Return the folders in which model bundles are looked for: the user's first, then the shipped one."""
    return (user_data_folder() / "models", _shipped_folder("models"))


def documents_folder() -> Path:
    """Return the folder of the shipped documents, which are Markdown with pictures."""
    return _shipped_folder("docs")


def shipped_recipe_path(name: str) -> Path:
    """Return the path of the shipped training recipe with this name."""
    return _shipped_folder("resources") / "recipes" / f"{name}.toml"


def user_name() -> str:
    """Return the name of the user of this computer; "unknown" if the system does not say."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a user id that has no name; Python raises one or the other by its version.
        return "unknown"
