"""RawMesh: a tetrahedral mesh with named surfaces as plain arrays, as every reader and generator hands it on."""

from dataclasses import dataclass, field, replace

import numpy as np

from heartwright.mesh import digests


@dataclass(frozen=True)
class RawMesh:
    """Points (n, 3) in mm, cells (m, 4), triangles (k, 3) with tags (k,), and which tags each name stands for.

    region (m,): of which of the named `regions` each cell is, counted from 1; 0 in none. `source` is what messages call
    it (a file name or a generator); `labels` are the names the file itself gives its tags; `notes` tell what was
    repaired on the way. `cell_fields` and `point_fields` are what the file says on its cells (m, ...) and points (n,
    ...), such as fibres. `ours`: it comes from a file that we wrote. `coordinates_of` is the digest of the mesh that
    the heart coordinates among its point fields were computed on, `checked` that of the mesh that passed all checks.
    `seeds`: of a mesh without cells yet, points (s, 3) inside its tissue and the region of each (s,).
    """

    points: np.ndarray
    cells: np.ndarray
    facets: np.ndarray
    facet_tags: np.ndarray
    names: dict[str, tuple[int, ...]]
    source: str = "mesh"
    labels: dict[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    cell_fields: dict[str, np.ndarray] = field(default_factory=dict)
    point_fields: dict[str, np.ndarray] = field(default_factory=dict)
    ours: bool = False
    coordinates_of: str = ""
    checked: str = ""
    regions: tuple[str, ...] = ()
    region: np.ndarray | None = None
    seeds: tuple[np.ndarray, np.ndarray] | None = None

    def __post_init__(self):
        if self.region is None:
            object.__setattr__(self, "region", np.zeros(len(self.cells), dtype=np.int32))

    def but(self, *notes: str, **changes) -> "RawMesh":
        """A copy with some arrays changed and the `notes` that say why added."""
        return replace(self, notes=self.notes + notes, **changes)

    def keep_cells(self, which: np.ndarray | slice, *notes: str) -> "RawMesh":
        """The mesh with some of its cells, given by number or by mask, and their fields."""
        fields = {name: values[which] for name, values in self.cell_fields.items()}
        return self.but(*notes, cells=self.cells[which], cell_fields=fields, region=self.region[which])

    def rows(self, which: slice) -> "RawMesh":
        """Some rows of every array, the numbers of points as they are."""
        return self.keep_cells(which).but(
            points=self.points[which],
            facets=self.facets[which],
            facet_tags=self.facet_tags[which],
            point_fields={name: values[which] for name, values in self.point_fields.items()},
        )

    def keep_points(self, used: np.ndarray, *notes: str) -> "RawMesh":
        """The mesh with the points of a mask (n,), the cells as they are, and the triangles between those points."""
        number, keep = np.cumsum(used) - 1, used[self.facets].all(axis=1)
        return self.but(
            *notes,
            points=self.points[used],
            cells=number[self.cells],
            facets=number[self.facets[keep]],
            facet_tags=self.facet_tags[keep],
            point_fields={name: values[used] for name, values in self.point_fields.items()},
        )

    def named_facets(self) -> tuple[np.ndarray, np.ndarray]:
        """Triangles that carry one of our names (k', 3), and the 1-based position of that name in `names` (k',)."""
        position = np.zeros(len(self.facet_tags), dtype=np.int32)
        for i, tags in enumerate(self.names.values(), 1):
            position[np.isin(self.facet_tags, tags)] = i
        return self.facets[position > 0], position[position > 0]

    def surface(self, name: str) -> np.ndarray:
        """The triangles called `name` (k, 3)."""
        return self.facets[np.isin(self.facet_tags, self.names[name])]

    def digest(self) -> str:
        """What tells points, cells, named surfaces and regions apart from others (digests.py)."""
        return digests.root(tuple(self.names), self.regions, self.leaves())

    def leaves(self) -> digests.Leaves:
        """The digests of its rows."""
        triangles, surfaces = self.named_facets()
        arrays = {"points": self.points, "cells": self.cells, "triangles": triangles, "surfaces": surfaces}
        return digests.leaves(arrays | ({"region": self.region} if self.regions else {}))

    def inventory(self) -> str:
        """What the surface tags of the file are, for messages: `11 base_rims: 475 triangles, 12: …`."""
        tags, counts = np.unique(self.facet_tags, return_counts=True)
        rows = [(f"{t} {self.labels.get(int(t), '')}".strip(), n) for t, n in zip(tags, counts, strict=True)]
        return ", ".join(f"{tag}: {n} triangles" for tag, n in rows) or "no triangles"
