"""The result of one run of the network over a volume, and the draft mask that is made from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from attunet_gui.core.mask_edit import MaskEdit, edit_between
from attunet_gui.core.provenance import ModelId
from attunet_gui.prediction.network_grid import NetworkGrid, ResampledMapView, threshold_on_ct
from attunet_gui.prediction.postprocess import PostprocessingRule, ThresholdedMap, keep_gland_pieces


@dataclass(frozen=True, eq=False)
class GateMap:
    """The coefficients of one attention gate.

    Attributes:
        level: number of the gate; 1 is the finest.
        levels: number of gates of the network.
        values: (z, rows, columns) float16 in [0, 1], at the resolution of the gate.
    """

    level: int
    levels: int
    values: NDArray[np.float16]

    @property
    def title(self) -> str:
        """The name of the gate for people, such as "gate 2 of 4 (56 x 56)"."""
        rows, columns = self.values.shape[1:]
        return f"gate {self.level} of {self.levels} ({rows} x {columns})"


@dataclass(frozen=True, eq=False)
class NetworkPrediction:
    """Probability and gates on the network's frame. `draft_mask` and `on_ct_grid` lead to the grid of the CT.

    Attributes:
        frame: the frame on which all maps lie.
        probability: (z, rows, columns) float16 in [0, 1].
        gates: the attention gates, finest first.
        body: (z, rows, columns) bool, the body of the patient.
        model: the model that made the prediction.
        threshold: probability from which a voxel belongs to the draft.
        smallest_piece_ml: connected pieces of the draft with a smaller volume in ml are dropped.
        gland: which pieces of the draft belong to one gland.
        seconds: stage -> wall time in seconds.
    """

    frame: NetworkGrid
    probability: NDArray[np.float16]
    gates: tuple[GateMap, ...]
    body: NDArray[np.bool_]
    model: ModelId
    threshold: float
    smallest_piece_ml: float = 0.0
    gland: PostprocessingRule = field(default_factory=PostprocessingRule)
    seconds: Mapping[str, float] = field(default_factory=dict)

    def on_ct_grid(self, values: NDArray[np.generic]) -> ResampledMapView:
        """Return a map of this prediction on the grid of the CT; it is resampled when it is accessed."""
        return ResampledMapView(self.frame, values)

    @cached_property
    def merged_gates(self) -> NDArray[np.float16]:
        """The product of all gates at the resolution of the finest gate: (z, rows, columns) in [0, 1].

        The product is what would be left of the finest skip connection if every gate were applied to it.
        """
        return _merge_gates([gate.values for gate in self.gates])

    def fill_slices(self, part: PredictedSlices) -> None:
        """Copy finished slices into the maps, in place."""
        self.probability[part.slices], self.body[part.slices] = part.probability, part.body
        for gate, values in zip(self.gates, part.gates, strict=True):
            gate.values[part.slices] = values
        # A cached product would keep showing zeros for the new slices; without one there is nothing to
        # update.
        if "merged_gates" in self.__dict__:
            self.merged_gates[part.slices] = _merge_gates(part.gates)

    def select_slices(self, slices: NDArray[np.intp]) -> PredictedSlices:
        """Return the slices with the indices `slices` of all maps."""
        gates = tuple(gate.values[slices] for gate in self.gates)
        return PredictedSlices(slices, self.probability[slices], gates, self.body[slices])


@dataclass(frozen=True, eq=False)
class PredictedSlices:
    """Some slices of a prediction.

    Attributes:
        slices: (n,) indices of the slices.
        probability: (n, rows, columns) float16 in [0, 1].
        gates: one array (n, r, c) float16 for each gate, finest first.
        body: (n, rows, columns) bool.
    """

    slices: NDArray[np.intp]
    probability: NDArray[np.float16]
    gates: tuple[NDArray[np.float16], ...]
    body: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class PredictionOutline:
    """What is known of a prediction before the first slice is computed.

    Attributes:
        gate_sizes: (rows, columns) of each gate, finest first.
        frame, model, threshold, smallest_piece_ml, gland: as in `NetworkPrediction`.
    """

    frame: NetworkGrid
    gate_sizes: tuple[tuple[int, int], ...]
    model: ModelId
    threshold: float
    smallest_piece_ml: float = 0.0
    gland: PostprocessingRule = field(default_factory=PostprocessingRule)


def blank_prediction(outline: PredictionOutline) -> NetworkPrediction:
    """Return a prediction whose maps are zero; `NetworkPrediction.fill_slices` adds the slices."""
    frame, levels = outline.frame, len(outline.gate_sizes)
    slices = frame.grid.shape[0]
    return NetworkPrediction(
        frame=frame,
        probability=np.zeros((slices, *frame.size), np.float16),
        gates=tuple(
            GateMap(level, levels, np.zeros((slices, *size), np.float16))
            for level, size in enumerate(outline.gate_sizes, start=1)
        ),
        body=np.zeros((slices, *frame.size), bool),
        model=outline.model,
        threshold=outline.threshold,
        smallest_piece_ml=outline.smallest_piece_ml,
        gland=outline.gland,
    )


def _merge_gates(gates: Sequence[NDArray[np.float16]]) -> NDArray[np.float16]:
    merged = gates[0].copy()
    for values in gates[1:]:
        # The sizes of the coarser gates divide that of the finest one.
        factor = merged.shape[1] // values.shape[1]
        merged *= values.repeat(factor, axis=1).repeat(factor, axis=2)
    return merged


def outline_of_prediction(prediction: NetworkPrediction) -> PredictionOutline:
    """Return the outline from which `blank_prediction` makes a prediction of the same sizes and settings."""
    sizes = tuple((gate.values.shape[1], gate.values.shape[2]) for gate in prediction.gates)
    return PredictionOutline(
        frame=prediction.frame,
        gate_sizes=sizes,
        model=prediction.model,
        threshold=prediction.threshold,
        smallest_piece_ml=prediction.smallest_piece_ml,
        gland=prediction.gland,
    )


def draft_mask(prediction: NetworkPrediction) -> NDArray[np.uint8]:
    """Return the draft: (z, y, x) uint8 0/1 on the canonical grid, restricted to the pieces of the gland.

    The probability is interpolated first and then compared with the threshold, which keeps the outline
    smooth.
    """
    mask = np.zeros(prediction.frame.grid.shape, dtype=np.uint8)
    draft_edit(prediction).apply_to(mask)
    return mask


def draft_edit(prediction: NetworkPrediction) -> MaskEdit:
    """Return the draft as an edit of an empty mask."""
    found = ThresholdedMap(prediction.probability, prediction.threshold, prediction.frame.spacing_mm)
    cleaned = keep_gland_pieces(found, prediction.gland, prediction.smallest_piece_ml)
    return _threshold_edit(prediction, cleaned, 0)


def draft_edit_of_slices(prediction: NetworkPrediction, slices: NDArray[np.intp]) -> MaskEdit:
    """Return a preliminary draft of some slices as an edit of an empty mask.

    It comes from the threshold alone: which pieces form the gland is known only when all slices are done; see
    `draft_edit`.

    Args:
        prediction: a prediction in which at least `slices` are filled.
        slices: (n,) indices in rising order without a gap.
    """
    return _threshold_edit(prediction, prediction.probability[slices], int(slices[0]))


def _threshold_edit(prediction: NetworkPrediction, maps: NDArray[np.float16], first: int) -> MaskEdit:
    (rows, columns), placed = threshold_on_ct(prediction.frame, maps, prediction.threshold)
    return edit_between(np.zeros_like(placed), placed, (first, rows.start, columns.start))
