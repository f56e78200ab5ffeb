"""HDF5 of legacy DOLFIN: groups with `topology` and `coordinates` (or `geometry`), and with `topology` and `values`."""

from pathlib import Path

import numpy as np

from heartwright.mesh.formats import hdf5
from heartwright.mesh.formats.contents import Contents

KIND = {3: "triangle", 4: "tetra"}
POINTS = ("coordinates", "geometry")


def read(path: Path) -> Contents:
    """The mesh of a file and the values of its mesh functions on cells and facets."""
    with hdf5.opened(path) as file:
        groups: dict[str, dict[str, tuple[int, ...]]] = {}
        for name, held in hdf5.datasets(file).items():
            group, _, leaf = name.rpartition("/")
            groups.setdefault(group, {})[leaf] = held.shape
        meshes = [(g, p) for g, has in groups.items() for p in POINTS if {"topology", p} <= has.keys()]
        if not meshes:
            raise ValueError(f"holds no mesh: no group has topology and coordinates (it has: {', '.join(groups)})")
        # facets may come with a copy of the coordinates: those of the tetrahedra count
        group, points = max(meshes, key=lambda found: groups[found[0]]["topology"][-1])
        contents = Contents(hdf5.dataset(file, f"{group}/{points}"))
        _add(contents, hdf5.dataset(file, f"{group}/topology"))
        for group, has in groups.items():
            parent = group.rpartition("/")[0]
            values = next((g for g in (group, parent) if "topology" in has and "values" in groups.get(g, ())), None)
            if values is not None:
                _add(contents, *(hdf5.dataset(file, name) for name in (f"{group}/topology", f"{values}/values")))
    return contents


def _add(contents: Contents, corners: np.ndarray, values: np.ndarray | None = None) -> None:
    """Simplices with their tags; those of the mesh itself get theirs in place."""
    kind = KIND.get(corners.shape[1]) if corners.ndim == 2 else None
    if kind is None:
        contents.others.add("x".join(map(str, corners.shape[1:])) or "rows")
        return
    alone = Contents(contents.points)
    alone.add(kind, corners, {} if values is None else {"tags": values.reshape(len(corners), -1)[:, 0]})
    contents.join(alone)
