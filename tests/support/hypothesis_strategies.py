"""Hypothesis strategies for what the product must survive: grids of every kind."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from attunet_gui.core.voxel_grid import VoxelGrid

ORIENTATIONS = tuple(
    np.eye(3)[:, list(order)] * signs
    for order in permutations(range(3))
    for signs in product((1.0, -1.0), repeat=3)
)
"""The 48 ways to lay three array axes along the patient's axes."""


@st.composite
def shapes(draw: st.DrawFn, largest: int = 5) -> tuple[int, int, int]:
    """Three different sizes more often than not; one slice and one voxel included."""
    sizes = [draw(st.integers(1, largest)) for _ in range(3)]
    return sizes[0], sizes[1], sizes[2]


@st.composite
def rotations(draw: st.DrawFn) -> np.ndarray:
    """A rotation away from the patient's axes, far enough to be oblique."""
    angles = [draw(st.integers(-40, 40)) for _ in range(3)]
    return Rotation.from_euler("xyz", angles, degrees=True).as_matrix()


@st.composite
def shears(draw: st.DrawFn) -> np.ndarray:
    """What a tilted gantry does: slices shifted against each other."""
    shear = np.eye(3)
    shear[1, 2] = draw(st.sampled_from([-0.4, -0.1, 0.2, 0.45]))
    return shear


@st.composite
def grids(draw: st.DrawFn, kinds: tuple[str, ...] = ("straight", "oblique", "sheared")) -> VoxelGrid:
    """Grids over all 48 orientations, anisotropic, far from the origin."""
    kind = draw(st.sampled_from(kinds))
    spacing = [draw(st.sampled_from([0.4, 0.7, 0.9765625, 1.0, 2.5, 5.0])) for _ in range(3)]
    matrix = np.diag(spacing)
    if kind == "sheared":
        matrix = matrix @ draw(shears())
    matrix = draw(st.sampled_from(ORIENTATIONS)) @ matrix
    if kind == "oblique":
        matrix = draw(rotations()) @ matrix
    affine = np.eye(4)
    affine[:3, :3] = matrix
    affine[:3, 3] = [draw(st.integers(-1500, 1500)) + 0.37 for _ in range(3)]
    return VoxelGrid(draw(shapes()), affine)
