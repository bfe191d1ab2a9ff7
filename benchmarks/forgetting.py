"""How far to go towards what was learnt: the new kind gained against what is forgotten, by share of the way.

    python -m benchmarks.forgetting RUN/bundle --parent starter-2 --slices FOLDER

RUN/bundle is of `attunet finetune` or `python -m benchmarks.finetuning`. FOLDER has images/ and masks/ as
JPEG slices of people, of whom fine-tuning replays nothing. For each share of the way from the parent's
weights to those that training ended with, the mean DSC is printed: of unseen phantoms of the new kind, of
everyday phantoms, of slices.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from attunet_gui.cli.model_commands import choose_model
from attunet_gui.core.metrics import dice_coefficient
from attunet_gui.evaluation.labelled_cases import LabelledVolume, slice_cases
from attunet_gui.network.inference import load_model, predict_volume
from attunet_gui.network.model_bundle import ModelBundle, load_network, read_bundle, write_bundle
from attunet_gui.network.training_loop import network_from_bundle
from attunet_gui.prediction.network_prediction import draft_mask
from attunet_gui.training.finetuning.finetune_config import BLEND_SHARE
from attunet_gui.training.phantom_cases import labelled_phantom
from benchmarks.domain_shift import make_shifted_phantom, unenhanced_seeds

_SHARES = (0.0, 0.25, 0.5, BLEND_SHARE, 0.75, 1.0)
_CASES = 6
_EVERY = 4


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--parent", required=True)
    parser.add_argument("--slices", type=Path, required=True)
    asked = parser.parse_args()
    child, parent = read_bundle(asked.bundle), choose_model(asked.parent)
    kinds = (
        [make_shifted_phantom(seed) for seed in unenhanced_seeds(64000, _CASES)],
        [labelled_phantom(seed) for seed in range(90000, 90000 + _CASES)],
        [case.load() for case in slice_cases(asked.slices)[::_EVERY]],
    )
    print("| share | new kind | everyday phantoms | slices of people |\n| --- | --- | --- | --- |")
    for share in _SHARES:
        with TemporaryDirectory() as folder:
            bundle = _between(parent, child, share, Path(folder))
            print(
                f"| {share:.2f} | " + " | ".join(f"{_dsc(bundle, kind):.3f}" for kind in kinds) + " |",
                flush=True,
            )


def _between(parent: ModelBundle, child: ModelBundle, share: float, folder: Path) -> ModelBundle:
    """The child keeps `BLEND_SHARE` of the way; where training ended lies further on the same line."""
    first, network = network_from_bundle(parent, folded=True).get_weights(), load_network(child)
    ways = zip(first, network.get_weights(), strict=True)
    network.set_weights([start + share / BLEND_SHARE * (there - start) for start, there in ways])
    return write_bundle(folder, network, child.card.model_dump(exclude={"weights"}))


def _dsc(bundle: ModelBundle, cases: Sequence[LabelledVolume]) -> float:
    model = load_model(bundle)
    return float(
        np.mean(
            [dice_coefficient(draft_mask(predict_volume(volume, model)), truth) for volume, truth in cases]
        )
    )


if __name__ == "__main__":
    main()
