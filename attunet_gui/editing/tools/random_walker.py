"""A random walker with priors: it finds a smooth region that follows soft evidence and stops at edges.

The method is that of Grady 2005, Multilabel random walker image segmentation using prior models, doi
10.1109/CVPR.2005.239, for two labels. It finds the values x in [0, 1] that minimise

    sum over neighbours of w (x_i - x_j)^2  +  sum over voxels of prior (1 - x)^2 + (1 - prior) x^2,

which is one sparse, positive definite system of linear equations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import cg

from attunet_gui.editing.tools.tool_scene import BoolMask, Spacing

WalkerArray = NDArray[np.float64]

# Added to the weight of every edge, so that no edge parts two voxels entirely.
_WEAKEST_EDGE = 1e-3
# Relative tolerance of the solver. It may be coarse, because x is only compared with 0.5.
_SOLVER_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class WalkerInput:
    """The input of the random walker, all of one box.

    Attributes:
        prior: (z, y, x) float64 in [0, 1], the probability of each voxel by itself.
        image: (z, y, x) float64, scaled so that a difference of 1 between neighbours is an edge.
        spacing_mm: (z, y, x) voxel spacing in mm.
        seeds: (z, y, x) bool, voxels that belong to the region for certain.
    """

    prior: WalkerArray
    image: WalkerArray
    spacing_mm: Spacing
    seeds: BoolMask


def solve_random_walk(evidence: WalkerInput, stiffness_mm2: float) -> WalkerArray:
    """Solve the random walk.

    Args:
        evidence: the input.
        stiffness_mm2: weight of the neighbours relative to the prior. Its square root is about the distance
            over which the evidence is averaged where there is no edge.

    Returns:
        (z, y, x) float64 in [0, 1], the degree to which each voxel belongs to the region.
    """
    size = evidence.prior.size
    rows, columns, weights = (np.concatenate(part) for part in zip(*_edge_weights(evidence), strict=True))
    joined = sparse.coo_array((stiffness_mm2 * weights, (rows, columns)), shape=(size, size)).tocsr()
    joined = joined + joined.T
    # A large weight holds the seeds at 1 without removing them from the system.
    hold = np.where(evidence.seeds, 1e3, 1.0).ravel()
    diagonal = np.asarray(joined.sum(axis=1)).ravel() + hold
    right = hold * np.where(evidence.seeds, 1.0, evidence.prior).ravel()
    system = sparse.diags_array(diagonal) - joined
    start = evidence.prior.ravel()
    found, _ = cg(
        system, right, x0=start, rtol=_SOLVER_TOLERANCE, maxiter=300, M=sparse.diags_array(1 / diagonal)
    )
    return np.asarray(found.reshape(evidence.prior.shape))


def _edge_weights(evidence: WalkerInput) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp], WalkerArray]]:
    """Yield for each axis the two ends of every edge, as voxel numbers, and its weight in 1/mm^2."""
    numbers = np.arange(evidence.prior.size).reshape(evidence.prior.shape)
    for axis, step in enumerate(evidence.spacing_mm):
        change = np.diff(evidence.image, axis=axis).ravel()
        here = np.delete(numbers, -1, axis).ravel()
        there = np.delete(numbers, 0, axis).ravel()
        yield here, there, (np.exp(-(change**2)) + _WEAKEST_EDGE) / step**2
