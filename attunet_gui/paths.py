"""The places of the files that come with the product and of the user's own files."""

from __future__ import annotations

from pathlib import Path

from platformdirs import PlatformDirs

_PACKAGE = Path(__file__).parent
_DIRS = PlatformDirs("attunet-gui", appauthor=False)


def _shipped(name: str) -> Path:
    """Return a top-level folder of the project.

    In an installed package it lies in the folder `_data` of the package, in a checkout beside the package.
    """
    installed = _PACKAGE / "_data" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


def user_data() -> Path:
    """Return the user's folder for models and settings; it may not exist yet."""
    return Path(_DIRS.user_data_dir)


def model_folders() -> tuple[Path, ...]:
    """Return the folders in which model bundles are looked for: the user's first, then the shipped one."""
    return (user_data() / "models", _shipped("models"))


def documents() -> Path:
    """Return the folder of the shipped documents, which are Markdown with pictures."""
    return _shipped("docs")


def shipped_recipe(name: str) -> Path:
    """Return the path of the shipped training recipe with this name."""
    return _shipped("resources") / "recipes" / f"{name}.toml"
