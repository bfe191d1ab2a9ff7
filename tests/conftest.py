"""Fixtures shared by all tests."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

# No test asserts a time: a busy machine is no fault of the code. What Hypothesis tries follows from the test
# alone, so that a change is judged by what it changes; `make explore` looks further, elsewhere every time.
settings.register_profile("attunet", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile("attunet")

_WRITE_TINY = """
import sys
from pathlib import Path
import keras
from attunet_gui.network.families.family_registry import family_by_name
from attunet_gui.network.model_bundle import write_bundle
from tests.support.model_cards import card_fields

keras.utils.set_random_seed(3)
family = family_by_name(sys.argv[2])
network = family.build_network(family.parse_config(family.tiny_config))
network.get_layer("head_norm").beta.assign([0.0])
write_bundle(Path(sys.argv[1]), network, card_fields(family=family.name, config=dict(family.tiny_config)))
"""


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a bundle with a very small untrained network.

    Made in a process of its own: TensorFlow must not be loaded where a window is tested.
    """
    return _write_tiny_bundle(tmp_path_factory, "attention_unet_2d")


@pytest.fixture(scope="session")
def gateless_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a bundle as `tiny_bundle`, of the family without attention gates."""
    return _write_tiny_bundle(tmp_path_factory, "unet_2d")


def _write_tiny_bundle(tmp_path_factory: pytest.TempPathFactory, family: str) -> Path:
    """Write a tiny bundle, or copy the one that another part of the same `make test` has written.

    To write it TensorFlow is started, which takes seconds. Parts of one run share ATTUNET_TINY_BUNDLES.
    """
    folder = tmp_path_factory.mktemp("models") / "tiny"
    shared = Path(os.environ.get("ATTUNET_TINY_BUNDLES") or tmp_path_factory.mktemp("shared")) / family
    if shared.is_dir():
        return Path(shutil.copytree(shared, folder))
    written = Path(tempfile.mkdtemp(dir=shared.parent)) / family
    done = subprocess.run(
        [sys.executable, "-c", _WRITE_TINY, str(written), family],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # If another part was quicker, what it wrote stays.
    with contextlib.suppress(OSError):
        written.rename(shared)
    return Path(shutil.copytree(shared, folder))


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the settings and models of whoever runs it."""
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home" / name))
