"""TensorFlow as learning uses it: what it imports, and nothing of what it could.

Takes the place of the hook that comes with PyInstaller, which collects every module, every data file and
every back end of Keras, and needs most of a build's time for that.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path


def _below(package: str) -> Iterator[str]:
    """Every module below `package` but tests; much of it is imported by name, when it is first used."""
    found = find_spec(package.partition(".")[0])
    assert found is not None
    assert found.origin is not None
    root = Path(found.origin).parents[1]
    for file in root.joinpath(*package.split(".")).rglob("*.py"):
        if not file.stem.endswith("_test"):
            yield ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


hiddenimports = [
    "ml_dtypes",
    *_below("tensorflow.python"),
    *_below("tensorflow.core"),
    *_below("tensorflow._api.v2"),
]

# AutoGraph reads the source of what it traces.
module_collection_mode = {"tensorflow.python.autograph": "py+pyz"}

# TensorFlow looks for itself where its libraries are; links to them lead it astray.
bindepend_symlink_suppression = [
    "**/libtensorflow_cc.so*",
    "**/libtensorflow_framework.so*",
    "**/_pywrap_tensorflow_internal.so",
]
