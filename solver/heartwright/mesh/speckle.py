"""Speckle: random patterns in space that depend on the place and the seed alone, not on the mesh or the ranks."""

import numpy as np


def speckle(points: np.ndarray, grain: float, seed: int) -> np.ndarray:
    """Uniform random numbers in [0, 1) at points (n, 3), the same all over each cube of side `grain` [mm].

    The numbers of a cube and the seed are mixed by splitmix64 (Steele et al. 2014, doi:10.1145/2714064.2660195).
    """
    cube = np.floor(points / grain + 1e-9).astype(np.int64).astype(np.uint64)
    state = np.full(len(points), seed, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for axis in range(3):
            state = _mixed(state + cube[:, axis] + np.uint64(0x9E3779B97F4A7C15))
    return (state >> np.uint64(11)) * 2.0**-53


def _mixed(z: np.ndarray) -> np.ndarray:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
