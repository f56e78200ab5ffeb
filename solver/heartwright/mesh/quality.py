"""Quality of a tetrahedral mesh in numbers and words: angles, volumes, what is worst and where."""

import numpy as np

from heartwright.mesh import surface
from heartwright.mesh.raw import RawMesh
from heartwright.units import ML

BLOCK = 1 << 17  # cells treated at once: bounds the memory of large meshes
BINS = (0, 1, 5, 8, 15, 25, 35, 45, 60, 71)  # degrees


def dihedral_angles(points: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """The smallest of the six dihedral angles of every cell (m,), in degrees: 70.5 at best, 0 for a flat one."""
    blocks = [_dihedral_angles(points, cells[i : i + BLOCK]) for i in range(0, len(cells), BLOCK)]
    return np.concatenate([np.zeros(0), *blocks])


def _dihedral_angles(points: np.ndarray, cells: np.ndarray) -> np.ndarray:
    a, b, c = (points[cells[:, surface.FACES[:, i]]] for i in range(3))
    normals = np.cross(b - a, c - a)
    normals /= np.linalg.norm(normals, axis=2, keepdims=True)
    pairs = [(i, j) for i in range(4) for j in range(i)]
    cosines = np.stack([np.einsum("ij,ij->i", normals[:, i], normals[:, j]) for i, j in pairs])
    return 180.0 - np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0))).max(axis=0)


def summary(raw: RawMesh) -> str:
    """One line about size, cavities and worst cell."""
    cavities = {
        name: surface.enclosed_volume(raw.points, raw.surface(name)[:, ::-1])
        for name in raw.names
        if name.endswith("endo")
    }
    volumes = np.bincount(raw.region, surface.tet_volumes(raw.points, raw.cells), minlength=len(raw.regions) + 1)
    angle = dihedral_angles(raw.points, raw.cells).min()
    return summed_up(raw.source, (len(raw.cells), len(raw.points)), cavities, raw.regions, volumes, angle)


def summed_up(
    source: str,
    size: tuple[int, int],
    cavities: dict[str, float],
    regions: tuple[str, ...],
    volumes: np.ndarray,
    angle: float,
) -> str:
    """The line of `summary`. size: cells and vertices; volumes (uL): of cavities by name, and of tissue outside all
    regions and in each of them; angle: the smallest one.
    """
    hollow = "".join(f", {name} {volume / ML:.1f} mL" for name, volume in cavities.items())
    parts = ", ".join(f"{name} {volume / ML:.1f} mL" for name, volume in zip(regions, volumes[1:], strict=True))
    of_parts = f"; regions {parts}" if parts else ""
    of_all = f"{size[0]} tetrahedra, {size[1]} vertices, tissue {volumes.sum() / ML:.1f} mL"
    return f"{source}: {of_all}{hollow}{of_parts}; smallest dihedral angle {angle:.1f} deg"


def histogram(angles: np.ndarray) -> list[str]:
    """How many cells have their smallest dihedral angle in which range, one line each."""
    counts, _ = np.histogram(angles, BINS)
    longest = max(counts.max(initial=0), 1)
    return [
        f"{low:3d} to {high:2d} deg {n:9d} {'#' * int(np.ceil(40 * n / longest))}".rstrip()
        for low, high, n in zip(BINS[:-1], BINS[1:], counts.tolist(), strict=True)
    ]


def count(n: int, noun: str) -> str:
    plural = noun.replace("tetrahedron", "tetrahedra") if noun.endswith("tetrahedron") else noun + "s"
    return f"{n} {noun if n == 1 else plural}"


def near(points: np.ndarray) -> str:
    x, y, z = np.atleast_2d(points).mean(axis=0)
    return f"near ({x:.1f}, {y:.1f}, {z:.1f}) mm"
