"""Labels: which field of a file holds tags, and tags for triangles where only points, or nothing, are labelled."""

import numpy as np

from heartwright.errors import InputError, did_you_mean
from heartwright.mesh import shape, surface
from heartwright.mesh.formats.contents import Contents
from heartwright.mesh.raw import RawMesh

# Fields that hold tags, best first; gmsh writes both of its own, the geometrical one also where nothing was tagged.
KNOWN = ("gmsh:physical", "gmsh:geometrical", "tag", "tags", "region", "regions", "elemTag", "cell_tags", "class")
SHARP = 40.0  # degrees between the normals of neighbouring triangles, from which on they are two faces


def field(data: dict[str, np.ndarray], wanted: str | None, source: str) -> str | None:
    """The name of the field with the tags: the wanted one, a known one, or the only one made of whole numbers."""
    names = likely(data, wanted)
    if len(names) > 1:
        raise InputError(f"mesh.tags: missing: {source} has several fields that may be tags: {', '.join(names)}")
    return names[0] if names else None


def likely(data: dict[str, np.ndarray], wanted: str | None) -> list[str]:
    """Names of the fields that may hold the tags: the wanted one, a known one, or all made of whole numbers."""
    if wanted in data:
        return [wanted]
    whole = [name for name, values in data.items() if values.ndim == 1 and _whole(values)]
    return next(([name] for name in KNOWN if name in whole), whole)


def _whole(values: np.ndarray) -> bool:
    return values.dtype.kind in "iub" or bool((np.nan_to_num(values) % 1 == 0).all() and np.any(values))


def integers(values: np.ndarray) -> np.ndarray:
    """Tags as signed integers: an unsigned 'no tag' of 2⁶⁴−1 becomes −1, a NaN 0."""
    return (np.nan_to_num(values) if values.dtype.kind == "f" else values).astype(np.int64)


def labelled(raw: RawMesh, found: Contents, wanted: str | None) -> RawMesh:
    """The mesh with tags on its surface: those of its triangles, else of its points, else of faces between edges.

    Of sets of points the first that holds all corners of a triangle labels it; of values on points the one that two
    corners share, or the middle of three. Without any label the faces between sharp edges are numbered by decreasing
    area.
    """
    named = any(wanted in data for data in (*found.data.values(), found.point_data))
    if wanted and not named and wanted != shape.TAGS:
        names = {name for data in (*found.data.values(), found.point_data) for name in data}
        raise InputError(f"mesh.tags: {raw.source} has no field '{wanted}'{did_you_mean(wanted, names)}")
    by_shape = wanted == shape.TAGS and not named
    if raw.facet_tags.any() and not by_shape:
        return raw
    triangles = outside(raw)
    if not _usable(raw.points, triangles):  # what is wrong is for the checks to say
        return raw
    if by_shape:
        tags, names = shape.faces(raw.points, triangles, raw.source)
        told = f"told the surfaces of {raw.source} apart by what they face"
        return raw.but(told, facets=triangles, facet_tags=tags, labels=names)
    likely = {k: v for k, v in found.point_data.items() if v.dtype.kind in "iub" or k in (wanted, *KNOWN)}
    name = field(likely, wanted, raw.source)
    names = dict(enumerate(found.sets, 1))
    if found.sets:
        inside = np.stack([mask[triangles].all(axis=1) for mask in found.sets.values()])
        tags, how = np.where(inside.any(axis=0), np.argmax(inside, axis=0) + 1, 0), "sets of points"
    elif name:
        tags, how = np.sort(integers(found.point_data[name])[triangles], axis=1)[:, 1], f"'{name}' on its points"
    else:
        tags, how = between_edges(raw.points, triangles), f"its edges sharper than {SHARP:g} degrees"
    return raw.but(
        f"tagged the surface of {raw.source} by {how}", facets=triangles, facet_tags=tags, labels=raw.labels | names
    )


def _usable(points: np.ndarray, triangles: np.ndarray) -> bool:
    inside = triangles.min(initial=0) >= 0 and triangles.max(initial=-1) < len(points)
    return bool(inside and len(triangles) and np.isfinite(points[triangles]).all())


def outside(raw: RawMesh) -> np.ndarray:
    """Boundary triangles, pointing outwards whichever way round cells or, without cells, triangles are listed."""
    if not len(raw.cells) and _usable(raw.points, raw.facets):
        return surface.outwards(raw.points, raw.facets, surface.shells(raw.facets, len(raw.points)))
    if not len(raw.cells) or not _usable(raw.points, raw.cells):
        return raw.facets
    cells = raw.cells.copy()
    inverted = surface.tet_volumes(raw.points, cells) < 0.0
    cells[inverted] = cells[inverted][:, surface.RIGHT_WAY_ROUND]
    return surface.boundary_faces(cells, len(raw.points))


def between_edges(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Numbers (k,), from 1 by decreasing area, of the faces that sharp edges cut an oriented surface into."""
    a, b, _ = surface.neighbours(triangles, len(points))
    corners = points[triangles]
    vectors = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas = np.linalg.norm(vectors, axis=1)
    normals = vectors / np.maximum(areas, 1e-300)[:, None]
    smooth = np.einsum("ij,ij->i", normals[a], normals[b]) > np.cos(np.radians(SHARP))
    face = surface.components(len(triangles), a[smooth], b[smooth])
    order = np.argsort(-np.bincount(face, weights=areas), kind="stable")
    return np.argsort(order)[face] + 1
