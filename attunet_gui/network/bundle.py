"""Model bundles: folders with `card.json` and `weights.safetensors` that are loaded without running code.

Nothing in a bundle is executed. The card is JSON that is checked against a schema, the network is built by
this program from the family's configuration, and the weights are plain arrays whose names and shapes must be
exactly those of the network. A bundle whose bytes differ from the sha256 of its card is refused.
"""

from __future__ import annotations

import hashlib
import json
import math
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from attunet_gui.core.calibration import Calibration
from attunet_gui.core.card import Card, Lineage, Result, WeightsFile, first_fault
from attunet_gui.core.errors import BadModel
from attunet_gui.folders import listed
from attunet_gui.network.families import family, parse_config

CARD_FILE = "card.json"
# Bytes. A card of ours has a few thousand; a file of any size must not be read into memory.
_LARGEST_CARD = 1_000_000


@dataclass(frozen=True)
class Bundle:
    """A model folder whose card has been read and checked. The weights are checked when they are loaded."""

    folder: Path
    card: Card

    @property
    def weights_path(self) -> Path:
        """Path of the weights file."""
        return self.folder / self.card.weights.file


def read_bundle(folder: Path) -> Bundle:
    """Read and check the card in `folder`; the weights are not read.

    Raises:
        BadModel: there is no card, it is not valid, its family is unknown, or the weights file is missing or
            has the wrong size.
    """
    path = folder / CARD_FILE
    try:
        card = Card.model_validate(
            # JSON of Python accepts NaN, Infinity and numbers beyond the range of a float.
            json.loads(_text_of(path), parse_constant=_finite_number, parse_float=_finite_number)
        )
    except FileNotFoundError as error:
        raise BadModel(
            f"There is no {CARD_FILE} in {folder}; choose the folder of a model bundle."
        ) from error
    except ValidationError as error:
        where, fault = first_fault(error)
        raise BadModel(f"The card {path} is not valid at {where!r}: {fault}.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise BadModel(f"The card {path} cannot be read: {error}.") from error
    bundle = Bundle(folder, card)
    _check_consistent(card)
    _check_size(bundle)
    return bundle


def _text_of(path: Path) -> str:
    """Return the text of the card at `path`; `BadModel` if it is no plain file or too large."""
    # A pipe or a device is never opened, because reading it may not end.
    if not stat.S_ISREG(path.stat().st_mode):
        raise BadModel(f"{path} is no plain file; choose the folder of a model bundle.")
    with path.open("rb") as file:
        content = file.read(_LARGEST_CARD + 1)
    if len(content) > _LARGEST_CARD:
        raise BadModel(f"{path} is too large for a model card; this is not a model bundle.")
    return content.decode("utf-8")


def _finite_number(text: str) -> float:
    """Parse a number of the card; `ValueError` if it is NaN or infinite."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is no finite number")
    return number


def check_card(fields: dict[str, Any]) -> None:
    """Check whether `fields`, all of a card but `weights`, make a valid card.

    Raises:
        ValidationError: a field is missing, unknown or of the wrong kind.
        BadModel: family, configuration and preprocessing contradict one another.
    """
    _check_consistent(Card.model_validate({**fields, "weights": WeightsFile(sha256="0" * 64, bytes=1)}))


def _check_consistent(card: Card) -> None:
    """Check that preprocessing makes the input that the network takes; `BadModel` if not."""
    config: Any = parse_config(card.family, card.config)
    wanted = (tuple(card.preprocessing.size), card.preprocessing.channels)
    if wanted != (tuple(config.size), config.channels):
        raise BadModel(
            f"The card of {card.name} contradicts itself: preprocessing gives {wanted}, "
            f"the network takes {(tuple(config.size), config.channels)}."
        )


def _check_size(bundle: Bundle) -> None:
    """Check that the weights are a plain file of the size that the card names; `BadModel` if not."""
    path = bundle.weights_path
    if path.is_symlink() or not path.is_file():
        raise BadModel(f"The weights {path} are missing; copy the whole model folder again.")
    if path.stat().st_size != bundle.card.weights.bytes:
        raise BadModel(
            f"The weights of {bundle.card.name} have {path.stat().st_size} bytes, the card says "
            f"{bundle.card.weights.bytes}; copy the model folder again."
        )


def verify(bundle: Bundle) -> None:
    """Compare the sha256 of the weights file with the card; `BadModel` if a byte has changed."""
    found = _sha256(bundle.weights_path)
    if found != bundle.card.sha256:
        raise BadModel(
            f"The weights of {bundle.card.name} are not those the card was made for (sha256 {found[:12]}…, "
            f"expected {bundle.card.sha256[:12]}…); copy the model folder again."
        )


def load_network(bundle: Bundle, config: BaseModel | None = None) -> Any:
    """Return the Keras model with the weights of `bundle`, in Keras' current precision. Imports TensorFlow.

    Args:
        bundle: the model.
        config: another configuration that has the same weights, such as one of another size; None takes the
            card's.

    Raises:
        BadModel: bytes have changed, or the arrays are not exactly those of the network.
    """
    config = config or parse_config(bundle.card.family, bundle.card.config)
    with checked_weights(bundle) as weights:
        network = family(bundle.card.family).build(config)
        for variable in network.weights:
            variable.assign(weights.take(variable.path, tuple(variable.shape)))
    return network


class Weights:
    """The arrays of a bundle, taken one by one by the code that builds the network."""

    def __init__(self, bundle: Bundle, stored: Any) -> None:
        self._bundle, self._stored = bundle, stored
        self._left = set(stored.keys())

    def take(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Return the array `name` as float32; `BadModel` if it is missing, of another shape or not finite."""
        found = tuple(self._stored.get_slice(name).get_shape()) if name in self._left else None
        if found != shape:
            raise BadModel(_difference(self._bundle, {} if found is None else {name: found}, {name: shape}))
        self._left.remove(name)
        return _finite(self._bundle, self._stored.get_tensor(name))

    def check_all_taken(self) -> None:
        """Raise `BadModel` if an array is left that the network has no place for."""
        if self._left:
            raise BadModel(_difference(self._bundle, dict.fromkeys(self._left, "too many"), {}))


@contextmanager
def checked_weights(bundle: Bundle) -> Iterator[Weights]:
    """Open the weights of `bundle` for building its network; each array has to be taken within the context.

    Raises:
        BadModel: bytes have changed, or the arrays are not exactly those of the network.
    """
    verify(bundle)
    kind, config = family(bundle.card.family), parse_config(bundle.card.family, bundle.card.config)
    _check_count(bundle, kind.parameters(config))
    with _opened(bundle) as stored:
        weights = Weights(bundle, stored)
        yield weights
        weights.check_all_taken()


def _check_count(bundle: Bundle, expected: int) -> None:
    """Check that the file holds as many float32 numbers as the network needs; `BadModel` if not.

    This comes before any memory is taken, since the configuration of somebody else may ask for a huge
    network.
    """
    with _opened(bundle) as stored:
        arrays = [stored.get_slice(name) for name in stored.keys()]  # noqa: SIM118
        found = sum(math.prod(array.get_shape()) for array in arrays)
        kinds = {array.get_dtype() for array in arrays}
    if kinds - {"F32"}:
        raise BadModel(f"The weights of {bundle.card.name} are {min(kinds - {'F32'})} numbers, not float32.")
    if found != expected:
        raise BadModel(
            f"The weights of {bundle.card.name} do not fit its network: {found} numbers, expected {expected}."
        )


@contextmanager
def _opened(bundle: Bundle) -> Iterator[Any]:
    """Open the weights file; `BadModel` if it is not valid safetensors."""
    try:
        with safe_open(bundle.weights_path, framework="numpy") as stored:
            yield stored
    except SafetensorError as error:
        raise BadModel(f"The weights of {bundle.card.name} cannot be read: {_plain(str(error))}.") from error


def _finite(bundle: Bundle, values: NDArray[Any]) -> NDArray[np.float32]:
    """Return `values` as float32; `BadModel` if one is NaN or infinite."""
    if not np.isfinite(values).all():
        raise BadModel(f"The weights of {bundle.card.name} hold numbers that are not finite.")
    return values.astype(np.float32)


def _plain(text: str) -> str:
    """Return at most 200 characters of a text from a file, without those that would control a terminal."""
    return "".join(sign if sign.isprintable() else "?" for sign in text[:200])


def _difference(bundle: Bundle, shapes: dict[str, Any], expected: dict[str, Any]) -> str:
    """Return the sentence that names the first array (by name) whose shape is not the expected one."""
    odd = sorted(name for name in shapes.keys() | expected.keys() if shapes.get(name) != expected.get(name))
    name = odd[0]
    return (
        f"The weights of {bundle.card.name} do not fit its network: {_plain(name)} is "
        f"{shapes.get(name, 'missing')}, expected {expected.get(name, 'nothing')}."
    )


def write_bundle(folder: Path, network: Any, card: dict[str, Any]) -> Bundle:
    """Write `network` and `card`, all fields but `weights`, as a bundle and read it back.

    The card is written last, so that a folder whose writing was interrupted is never taken for a model.

    Raises:
        ValidationError, BadModel: as for `check_card`.
    """
    check_card(card)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / WeightsFile.model_fields["file"].default
    (folder / CARD_FILE).unlink(missing_ok=True)
    save_file({v.path: np.asarray(v.numpy(), np.float32) for v in network.weights}, target)
    # safetensors creates the file readable for its owner only; others may use a model.
    target.chmod(0o644)
    weights = WeightsFile(sha256=_sha256(target), bytes=target.stat().st_size)
    bundle = _with_card(folder, Card.model_validate({**card, "weights": weights}))
    verify(bundle)
    return bundle


def add_results(bundle: Bundle, results: tuple[Result, ...]) -> Bundle:
    """Replace the measured results in the card of `bundle`; the weights stay as they are."""
    return _with_card(bundle.folder, bundle.card.model_copy(update={"results": results}))


def trace(bundle: Bundle, lineage: Lineage) -> Bundle:
    """Replace the lineage in the card of `bundle`; the weights stay as they are."""
    return _with_card(bundle.folder, bundle.card.model_copy(update={"lineage": lineage}))


def recalibrate(bundle: Bundle, calibration: Calibration, threshold: float) -> Bundle:
    """Replace calibration and threshold in the card of `bundle`; the weights stay as they are.

    Raises:
        ValueError: the threshold is not between 0 and 1.
    """
    fields = bundle.card.model_dump() | {"calibration": calibration, "threshold": threshold}
    return _with_card(bundle.folder, Card.model_validate(fields))


def _with_card(folder: Path, card: Card) -> Bundle:
    """Write `card` into `folder` and read the bundle back, which checks it."""
    (folder / CARD_FILE).write_text(card.model_dump_json(indent=2) + "\n", "utf-8")
    return read_bundle(folder)


def bundles_in(folder: Path) -> list[Path]:
    """Return the folders in `folder` that hold a card, valid or not.

    Raises:
        UnreadableInput: `folder` cannot be read.
    """
    return [place for place in listed(folder) if (place / CARD_FILE).exists()]


def find_bundles(folders: tuple[Path, ...]) -> tuple[Bundle, ...]:
    """Return every valid bundle in `folders`, recommended ones first, then by name.

    If two have the same name, the one of the earlier folder is returned. Folders without a card are passed
    over. A damaged bundle is skipped here and reported by `attunet models verify`.
    """
    found: dict[str, Bundle] = {}
    for place in (place for folder in folders for place in bundles_in(folder)):
        try:
            bundle = read_bundle(place)
        except BadModel:
            continue
        found.setdefault(bundle.card.name, bundle)
    return tuple(sorted(found.values(), key=lambda bundle: (not bundle.card.recommended, bundle.card.name)))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
