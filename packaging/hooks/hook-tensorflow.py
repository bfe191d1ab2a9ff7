"""TensorFlow as learning uses it: what it imports, and nothing of what it could.

Takes the place of the hook that comes with PyInstaller, which collects every module, every data file and
every back end of Keras, and needs most of a build's time for that.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

_NEVER = ("tensorflow.compiler.mlir.stablehlo", "tensorflow.lite.testing", "tensorflow.lite.tools.test")
_BY_NAME = "tensorflow/lite/experimental/microfrontend/python/ops"
"""Where a library lies that is opened by its path when TensorFlow is imported."""


def _root() -> Path:
    found = find_spec("tensorflow")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parents[1]


def _modules() -> Iterator[str]:
    """Every module but tests; much of TensorFlow is imported by name, when it is first used."""
    root = _root()
    for file in (*root.rglob("tensorflow/**/*.py"), *root.glob("tensorflow/lite/python/_pywrap*.so")):
        name = ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        if not name.endswith("_test") and not name.startswith(_NEVER):
            yield name


hiddenimports = ["ml_dtypes", *_modules()]
datas = [(str(file), _BY_NAME) for file in (_root() / _BY_NAME).glob("*.so")]

# AutoGraph reads the source of what it traces.
module_collection_mode = {"tensorflow.python.autograph": "py+pyz"}

# TensorFlow looks for itself where its libraries are; links to them lead it astray.
bindepend_symlink_suppression = [
    "**/libtensorflow_cc.so*",
    "**/libtensorflow_framework.so*",
    "**/_pywrap_tensorflow_internal.so",
]
