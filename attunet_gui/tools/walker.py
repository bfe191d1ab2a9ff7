"""A random walker with priors: the smooth region that follows soft evidence and stops at edges.

After Grady 2005, Multilabel random walker image segmentation using prior models, doi
10.1109/CVPR.2005.239, for two labels. Of the values x in [0, 1] it finds those with the least

    sum over neighbours of w (x_i - x_j)^2  +  sum over voxels of prior (1 - x)^2 + (1 - prior) x^2,

one sparse, positive definite system of equations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import cg

from attunet_gui.tools.scene import Mask, Spacing

Floats = NDArray[np.float64]

_WEAKEST = 1e-3
_PRECISION = 1e-3
"""Of the solution relative to the right side: x is only compared to 0.5."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the walker knows of a box.

    Attributes:
        prior: (z, y, x) in [0, 1], how likely each voxel belongs, taken alone.
        image: (z, y, x), in units in which a difference of 1 between neighbours is an edge.
        spacing_mm: (z, y, x).
        seeds: voxels that belong for certain.
    """

    prior: Floats
    image: Floats
    spacing_mm: Spacing
    seeds: Mask


def walked(evidence: Evidence, stiffness_mm2: float) -> Floats:
    """(z, y, x) in [0, 1]: how much each voxel belongs.

    Args:
        evidence: of the box.
        stiffness_mm2: weight of neighbours against the prior; its root is about the distance over which
            evidence is averaged where there is no edge.
    """
    size = evidence.prior.size
    rows, columns, weights = (np.concatenate(part) for part in zip(*_edges(evidence), strict=True))
    joined = sparse.coo_array((stiffness_mm2 * weights, (rows, columns)), shape=(size, size)).tocsr()
    joined = joined + joined.T
    hold = np.where(evidence.seeds, 1e3, 1.0).ravel()
    diagonal = np.asarray(joined.sum(axis=1)).ravel() + hold
    right = hold * np.where(evidence.seeds, 1.0, evidence.prior).ravel()
    system = sparse.diags_array(diagonal) - joined
    start = evidence.prior.ravel()
    found, _ = cg(system, right, x0=start, rtol=_PRECISION, maxiter=300, M=sparse.diags_array(1 / diagonal))
    return np.asarray(found.reshape(evidence.prior.shape))


def _edges(evidence: Evidence) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp], Floats]]:
    """Of each axis: both ends of every edge, and its weight, 1/mm^2 where the image is flat."""
    numbers = np.arange(evidence.prior.size).reshape(evidence.prior.shape)
    for axis, step in enumerate(evidence.spacing_mm):
        change = np.diff(evidence.image, axis=axis).ravel()
        here = np.delete(numbers, -1, axis).ravel()
        there = np.delete(numbers, 0, axis).ravel()
        yield here, there, (np.exp(-(change**2)) + _WEAKEST) / step**2
