"""The identity of a model in cards and in the history of adoptions: one type, stored as it always was."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from attunet_gui.core.provenance import ModelId
from attunet_gui.model_registry.model_adoption import AdoptionStep
from attunet_gui.prediction.model_card import ModelCard, ModelLineage, first_validation_fault
from tests.support.model_cards import card_fields

STORED = {"name": "parent", "sha256": "1" * 64}


def test_a_model_is_stored_by_name_and_sum_and_read_as_the_same_model() -> None:
    model = ModelId("parent", "1" * 64, "openvino")
    step = AdoptionStep(what="adopt", model=model, time="now")
    assert step.model == model.without_engine
    assert step.model_dump(mode="json") == {"what": "adopt", "model": STORED, "time": "now"}
    assert AdoptionStep.model_validate(step.model_dump(mode="json")) == step
    assert AdoptionStep.model_validate_json(step.model_dump_json()) == step
    lineage = ModelLineage(ancestors=(model,), data_sha256="2" * 64)
    assert lineage.model_dump()["ancestors"] == (STORED,)
    assert ModelLineage.model_validate(lineage.model_dump()).parent == ModelId("parent", "1" * 64)


def test_the_card_says_which_model_it_is_of() -> None:
    card = ModelCard.model_validate(card_fields() | {"weights": {"sha256": "a" * 64, "bytes": 1}})
    assert card.model_id == ModelId("tiny", "a" * 64)


@pytest.mark.parametrize(
    ("stored", "where"),
    [
        (STORED | {"sha256": "1" * 63}, "ancestors.0.sha256"),
        (STORED | {"name": "a\x1b[2J"}, "ancestors.0.name"),
        (STORED | {"engine": "keras"}, "ancestors.0.engine"),
        ({"name": "parent"}, "ancestors.0.sha256"),
        (ModelId("parent", ""), "ancestors.0.sha256"),
    ],
)
def test_a_model_that_is_stored_wrongly_is_refused_by_its_path(stored: Any, where: str) -> None:
    with pytest.raises(ValidationError) as refused:
        ModelLineage(ancestors=(stored,), data_sha256="2" * 64)
    assert first_validation_fault(refused.value)[0] == where
