"""Repairs that cannot change what a mesh means: repeats, orphans, corners in another order, triangles inside."""

import numpy as np

from heartwright.mesh import surface
from heartwright.mesh.quality import count
from heartwright.mesh.raw import RawMesh


def without_repeats(raw: RawMesh) -> RawMesh:
    """Each tetrahedron once, and each triangle once per tag."""
    cells = _first_of_each(np.sort(raw.cells, axis=1))
    facets = _first_of_each(np.column_stack([np.sort(raw.facets, axis=1), raw.facet_tags]))
    notes = []
    if len(cells) < len(raw.cells):
        notes.append(f"dropped {count(len(raw.cells) - len(cells), 'tetrahedron')} listed more than once")
    if len(facets) < len(raw.facets):
        notes.append(f"dropped {count(len(raw.facets) - len(facets), 'triangle')} listed more than once")
    return raw.keep_cells(cells).but(*notes, facets=raw.facets[facets], facet_tags=raw.facet_tags[facets])


def _first_of_each(rows: np.ndarray) -> np.ndarray:
    return np.sort(np.unique(rows, axis=0, return_index=True)[1])


def turned_round(raw: RawMesh, volumes: np.ndarray) -> RawMesh:
    """Cells of negative volume with two corners swapped."""
    cells = raw.cells.copy()
    cells[volumes < 0.0] = cells[volumes < 0.0][:, surface.RIGHT_WAY_ROUND]
    return raw.but(f"turned {count((volumes < 0.0).sum(), 'inverted tetrahedron')} the right way round", cells=cells)


def without_orphans(raw: RawMesh) -> RawMesh:
    """Only the points that belong to a cell, and the triangles between them."""
    used = np.zeros(len(raw.points), dtype=bool)
    used[raw.cells] = True
    if used.all():
        return raw
    return raw.keep_points(used, f"dropped {count((~used).sum(), 'point')} that no tetrahedron uses")


def on_the_boundary_only(raw: RawMesh) -> RawMesh:
    """The named triangles that bound the tissue, pointing out of it."""
    boundary = surface.boundary_faces(raw.cells, len(raw.points))
    named = np.isin(raw.facet_tags, [tag for tags in raw.names.values() for tag in tags])
    row, found = surface.find(raw.facets, boundary, len(raw.points))
    keep, inside = named & found, (named & ~found).sum()
    notes = [f"ignored {count(inside, 'tagged triangle')} not on the boundary of the tissue"] if inside else []
    return raw.but(*notes, facets=boundary[row[keep]], facet_tags=raw.facet_tags[keep])
