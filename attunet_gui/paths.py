"""Where the product finds its own files and keeps the user's."""

from __future__ import annotations

from pathlib import Path

from platformdirs import PlatformDirs

_PACKAGE = Path(__file__).parent
_DIRS = PlatformDirs("attunet-gui", appauthor=False)


def _shipped(name: str) -> Path:
    """A top-level folder of the project: inside an installed package, or beside it in a checkout."""
    installed = _PACKAGE / "_data" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


def user_data() -> Path:
    """The user's own folder for models and settings; it may not exist yet."""
    return Path(_DIRS.user_data_dir)


def model_folders() -> tuple[Path, ...]:
    """Where bundles are looked for: the user's own first, then the shipped ones."""
    return (user_data() / "models", _shipped("models"))


def documents() -> Path:
    """The folder of the documents that come with the product, as Markdown with pictures."""
    return _shipped("docs")


def shipped_recipe(name: str) -> Path:
    """The recipe called `name` that comes with the product."""
    return _shipped("resources") / "recipes" / f"{name}.toml"
