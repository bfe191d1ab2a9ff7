"""The plain U-Net: its size, and that it is the gated family's network with the gates left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from attunet_gui.network.families.family_registry import family_by_name
from attunet_gui.network.model_bundle import load_network, write_bundle
from tests.support.model_cards import TINY_CONFIG, card_fields

pytestmark = pytest.mark.network


def test_it_has_the_weights_of_the_article_without_its_gates() -> None:
    family = family_by_name("unet_2d")
    # 7,951,369 in the article's network. A gate at the widths f and 2 f has 64 (f + 2 f) + 3 * 64 + 1.
    assert family.count_parameters(family.config_type()) == 7_951_369 - 64 * 1440 - 4 * 193


def test_a_model_without_gates_of_the_gated_family_is_a_plain_unet(tmp_path: Path) -> None:
    config = TINY_CONFIG | {"gates": False}
    gated, plain = family_by_name("attention_unet_2d"), family_by_name("unet_2d")
    network = gated.build_network(gated.parse_config(config))
    written = write_bundle(tmp_path / "gated", network, card_fields(config=config))
    same = {key: value for key, value in config.items() if not key.startswith("gate")}
    other = plain.build_network(plain.parse_config(same))
    other.set_weights(load_network(written).get_weights())
    moved = write_bundle(tmp_path / "plain", other, card_fields(family="unet_2d", config=same))
    assert moved.card.weights_sha256 == written.card.weights_sha256
    images = np.random.default_rng(3).random((2, 64, 64, 3)).astype(np.float32)
    one, two = load_network(written)(images), load_network(moved)(images)
    assert set(one) == set(two) == {"probability"}
    assert np.array_equal(one["probability"], two["probability"])
