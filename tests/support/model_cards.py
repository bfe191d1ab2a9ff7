"""Card fields for bundles made in tests; free of TensorFlow."""

from __future__ import annotations

from typing import Any

TINY_CONFIG: dict[str, Any] = {"size": [64, 64], "filters": 2, "levels": 3, "gate_filters": 4}


def card_fields(**changes: Any) -> dict[str, Any]:
    """Everything a card needs but its weights."""
    return {
        "name": "tiny",
        "title": "Tiny",
        "description": "An untrained network for tests.",
        "family": "attention_unet_2d",
        "config": TINY_CONFIG,
        "preprocessing": {"size": [64, 64], "spacing_mm": 7.0},
        "training": {"command": "none", "seed": 3, "steps": 0, "seconds": 0.0, "data": []},
        "intended_use": "Tests.",
        "limits": "It knows nothing.",
        "licence": "Apache-2.0",
        "versions": {},
    } | changes
