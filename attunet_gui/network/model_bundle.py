"""Model bundles: folders with `card.json` and `weights.safetensors` that are loaded without running code.

Nothing in a bundle is executed. The card is JSON that is checked against a schema, the network is built by
this program from the family's configuration, and the weights are plain arrays whose names and shapes must be
exactly those of the network. A bundle whose bytes differ from the sha256 of its card is refused.
"""

from __future__ import annotations

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
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from attunet_gui.network.families.family_registry import family_by_name, parse_config
from attunet_gui.network.families.model_family import ModelFamily, NetworkConfig
from attunet_gui.prediction.model_card import (
    MeasuredResult,
    ModelCard,
    ModelLineage,
    WeightsFile,
    first_validation_fault,
)
from attunet_gui.prediction.probability_calibration import ProbabilityCalibration
from attunet_gui.system.errors import InvalidModelBundle
from attunet_gui.system.folders import list_folder
from attunet_gui.system.hashing import sha256_of_file

CARD_FILE = "card.json"
# Bytes. A card of ours has a few thousand; a file of any size must not be read into memory.
_MAX_CARD_BYTES = 1_000_000


@dataclass(frozen=True)
class ModelBundle:
    """A model folder whose card has been read and checked. The weights are checked when they are loaded."""

    folder: Path
    card: ModelCard

    @property
    def weights_path(self) -> Path:
        """Path of the weights file."""
        return self.folder / self.card.weights.file

    @property
    def family(self) -> ModelFamily:
        """The family of the network."""
        return family_by_name(self.card.family)

    @property
    def config(self) -> NetworkConfig:
        """The validated configuration of the network."""
        return self.family.parse_config(self.card.config)


def read_bundle(folder: Path) -> ModelBundle:
    """Read and check the card in `folder`; the weights are not read.

    Raises:
        InvalidModelBundle: there is no card, it is not valid, its family is unknown, or the weights file is
            missing or has the wrong size.
    """
    path = folder / CARD_FILE
    try:
        card = ModelCard.model_validate(
            # JSON of Python accepts NaN, Infinity and numbers beyond the range of a float.
            json.loads(_read_card_text(path), parse_constant=_finite_number, parse_float=_finite_number)
        )
    except FileNotFoundError as error:
        raise InvalidModelBundle(
            f"There is no {CARD_FILE} in {folder}; choose the folder of a model bundle."
        ) from error
    except ValidationError as error:
        where, fault = first_validation_fault(error)
        raise InvalidModelBundle(f"The card {path} is not valid at {where!r}: {fault}.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidModelBundle(f"The card {path} cannot be read: {error}.") from error
    bundle = ModelBundle(folder, card)
    _check_consistent(card)
    _check_weights_size(bundle)
    return bundle


def _read_card_text(path: Path) -> str:
    """Return the text of the card at `path`; `InvalidModelBundle` if it is no plain file or too large."""
    # A pipe or a device is never opened, because reading it may not end.
    if not stat.S_ISREG(path.stat().st_mode):
        raise InvalidModelBundle(f"{path} is no plain file; choose the folder of a model bundle.")
    with path.open("rb") as file:
        content = file.read(_MAX_CARD_BYTES + 1)
    if len(content) > _MAX_CARD_BYTES:
        raise InvalidModelBundle(f"{path} is too large for a model card; this is not a model bundle.")
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
        InvalidModelBundle: family, configuration and preprocessing contradict one another.
    """
    _check_consistent(ModelCard.model_validate({**fields, "weights": WeightsFile(sha256="0" * 64, bytes=1)}))


def _check_consistent(card: ModelCard) -> None:
    """Check that preprocessing makes the input that the network takes; `InvalidModelBundle` if not."""
    config = parse_config(card.family, card.config)
    wanted = (tuple(card.preprocessing.size), card.preprocessing.input_channels)
    if wanted != (tuple(config.size), config.channels):
        raise InvalidModelBundle(
            f"The card of {card.name} contradicts itself: preprocessing gives {wanted}, "
            f"the network takes {(tuple(config.size), config.channels)}."
        )


def _check_weights_size(bundle: ModelBundle) -> None:
    """Check that the weights are a plain file of the size on the card; `InvalidModelBundle` if not."""
    path = bundle.weights_path
    if path.is_symlink() or not path.is_file():
        raise InvalidModelBundle(f"The weights {path} are missing; copy the whole model folder again.")
    if path.stat().st_size != bundle.card.weights.bytes:
        raise InvalidModelBundle(
            f"The weights of {bundle.card.name} have {path.stat().st_size} bytes, the card says "
            f"{bundle.card.weights.bytes}; copy the model folder again."
        )


def verify_weights(bundle: ModelBundle) -> None:
    """Compare the sha256 of the weights file with the card; `InvalidModelBundle` if a byte has changed."""
    found = sha256_of_file(bundle.weights_path)
    if found != bundle.card.weights_sha256:
        raise InvalidModelBundle(
            f"The weights of {bundle.card.name} are not those the card was made for (sha256 {found[:12]}…, "
            f"expected {bundle.card.weights_sha256[:12]}…); copy the model folder again."
        )


def load_network(bundle: ModelBundle, config: NetworkConfig | None = None) -> Any:
    """Return the Keras model with the weights of `bundle`, in Keras' current precision. Imports TensorFlow.

    Args:
        bundle: the model.
        config: another configuration that has the same weights, such as one of another size; None takes the
            card's.

    Raises:
        InvalidModelBundle: bytes have changed, or the arrays are not exactly those of the network.
    """
    with checked_weights(bundle) as weights:
        network = bundle.family.build_network(config or bundle.config)
        for variable in network.weights:
            variable.assign(weights.take_array(variable.path, tuple(variable.shape)))
    return network


class BundleWeights:
    """The arrays of a bundle, taken one by one by the code that builds the network."""

    def __init__(self, bundle: ModelBundle, stored: Any) -> None:
        self._bundle, self._stored = bundle, stored
        self._left = set(stored.keys())

    def take_array(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Return the array `name` as float32; `InvalidModelBundle` if it is missing, of another shape or not
        finite.
        """
        found = tuple(self._stored.get_slice(name).get_shape()) if name in self._left else None
        if found != shape:
            raise InvalidModelBundle(
                _describe_mismatch(self._bundle, {} if found is None else {name: found}, {name: shape})
            )
        self._left.remove(name)
        return _require_finite(self._bundle, self._stored.get_tensor(name))

    def check_all_taken(self) -> None:
        """Raise `InvalidModelBundle` if an array is left that the network has no place for."""
        if self._left:
            raise InvalidModelBundle(
                _describe_mismatch(self._bundle, dict.fromkeys(self._left, "too many"), {})
            )


@contextmanager
def checked_weights(bundle: ModelBundle) -> Iterator[BundleWeights]:
    """Open the weights of `bundle` for building its network; each array has to be taken within the context.

    Raises:
        InvalidModelBundle: bytes have changed, or the arrays are not exactly those of the network.
    """
    verify_weights(bundle)
    _check_weight_count(bundle, bundle.family.count_parameters(bundle.config))
    with _open_weights(bundle) as stored:
        weights = BundleWeights(bundle, stored)
        yield weights
        weights.check_all_taken()


def _check_weight_count(bundle: ModelBundle, expected: int) -> None:
    """Check that the file holds as many float32 numbers as the network needs; `InvalidModelBundle` if not.

    This comes before any memory is taken, since the configuration of somebody else may ask for a huge
    network.
    """
    with _open_weights(bundle) as stored:
        arrays = [stored.get_slice(name) for name in stored.keys()]  # noqa: SIM118
        found = sum(math.prod(array.get_shape()) for array in arrays)
        kinds = {array.get_dtype() for array in arrays}
    if kinds - {"F32"}:
        raise InvalidModelBundle(
            f"The weights of {bundle.card.name} are {min(kinds - {'F32'})} numbers, not float32."
        )
    if found != expected:
        raise InvalidModelBundle(
            f"The weights of {bundle.card.name} do not fit its network: {found} numbers, expected {expected}."
        )


@contextmanager
def _open_weights(bundle: ModelBundle) -> Iterator[Any]:
    """Open the weights file; `InvalidModelBundle` if it is not valid safetensors."""
    try:
        with safe_open(bundle.weights_path, framework="numpy") as stored:
            yield stored
    except SafetensorError as error:
        raise InvalidModelBundle(
            f"The weights of {bundle.card.name} cannot be read: {_printable_text(str(error))}."
        ) from error


def _require_finite(bundle: ModelBundle, values: NDArray[Any]) -> NDArray[np.float32]:
    """Return `values` as float32; `InvalidModelBundle` if one is NaN or infinite."""
    if not np.isfinite(values).all():
        raise InvalidModelBundle(f"The weights of {bundle.card.name} hold numbers that are not finite.")
    return values.astype(np.float32)


def _printable_text(text: str) -> str:
    """Return at most 200 characters of a text from a file, without those that would control a terminal."""
    return "".join(sign if sign.isprintable() else "?" for sign in text[:200])


def _describe_mismatch(bundle: ModelBundle, shapes: dict[str, Any], expected: dict[str, Any]) -> str:
    """Return the sentence that names the first array (by name) whose shape is not the expected one."""
    odd = sorted(name for name in shapes.keys() | expected.keys() if shapes.get(name) != expected.get(name))
    name = odd[0]
    return (
        f"The weights of {bundle.card.name} do not fit its network: {_printable_text(name)} is "
        f"{shapes.get(name, 'missing')}, expected {expected.get(name, 'nothing')}."
    )


def write_bundle(folder: Path, network: Any, card: dict[str, Any]) -> ModelBundle:
    """Write `network` and `card`, all fields but `weights`, as a bundle and read it back.

    The card is written last, so that a folder whose writing was interrupted is never taken for a model.

    Raises:
        ValidationError, InvalidModelBundle: as for `check_card`.
    """
    check_card(card)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / WeightsFile.model_fields["file"].default
    (folder / CARD_FILE).unlink(missing_ok=True)
    save_file({v.path: np.asarray(v.numpy(), np.float32) for v in network.weights}, target)
    # safetensors creates the file readable for its owner only; others may use a model.
    target.chmod(0o644)
    weights = WeightsFile(sha256=sha256_of_file(target), bytes=target.stat().st_size)
    bundle = _write_card(folder, ModelCard.model_validate({**card, "weights": weights}))
    verify_weights(bundle)
    return bundle


def set_results(bundle: ModelBundle, results: tuple[MeasuredResult, ...]) -> ModelBundle:
    """Replace the measured results in the card of `bundle`; the weights stay as they are."""
    return _write_card(bundle.folder, bundle.card.model_copy(update={"results": results}))


def set_lineage(bundle: ModelBundle, lineage: ModelLineage) -> ModelBundle:
    """Replace the lineage in the card of `bundle`; the weights stay as they are."""
    return _write_card(bundle.folder, bundle.card.model_copy(update={"lineage": lineage}))


def set_calibration(
    bundle: ModelBundle, calibration: ProbabilityCalibration, threshold: float
) -> ModelBundle:
    """Replace calibration and threshold in the card of `bundle`; the weights stay as they are.

    Raises:
        ValueError: the threshold is not between 0 and 1.
    """
    fields = bundle.card.model_dump() | {"calibration": calibration, "threshold": threshold}
    return _write_card(bundle.folder, ModelCard.model_validate(fields))


def _write_card(folder: Path, card: ModelCard) -> ModelBundle:
    """Write `card` into `folder` and read the bundle back, which checks it."""
    (folder / CARD_FILE).write_text(card.model_dump_json(indent=2) + "\n", "utf-8")
    return read_bundle(folder)


def bundle_folders_in(folder: Path) -> list[Path]:
    """Return the folders in `folder` that hold a card, valid or not.

    Raises:
        UnreadableInput: `folder` cannot be read.
    """
    return [place for place in list_folder(folder) if (place / CARD_FILE).exists()]


def find_bundles(folders: tuple[Path, ...]) -> tuple[ModelBundle, ...]:
    """Return every valid bundle in `folders`, recommended ones first, then by name.

    If two have the same name, the one of the earlier folder is returned. Folders without a card are passed
    over. A damaged bundle is skipped here and reported by `attunet models verify`.
    """
    found: dict[str, ModelBundle] = {}
    for place in (place for folder in folders for place in bundle_folders_in(folder)):
        try:
            bundle = read_bundle(place)
        except InvalidModelBundle:
            continue
        found.setdefault(bundle.card.name, bundle)
    return tuple(sorted(found.values(), key=lambda bundle: (not bundle.card.recommended, bundle.card.name)))
