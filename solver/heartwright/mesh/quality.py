"""Checks of a mesh before any solver sees it: every finding at once, in the user's words."""

import numpy as np

from heartwright.errors import InputError
from heartwright.mesh import surface
from heartwright.mesh.raw import RawMesh
from heartwright.mesh.spec import UNIT, MeshSpec
from heartwright.units import ML

FLAT = 1e-7  # 6 V / (longest edge)^3 below which a tetrahedron has no volume; a sliver of 0.1 degrees has 1e-3


def checked(raw: RawMesh, spec: MeshSpec) -> RawMesh:
    """The mesh cleaned of what cannot matter, each repair noted; InputError with all findings where it cannot be used.

    Dropped and noted: points of no cell, repeated cells and triangles, triangles inside the tissue. Cells may be turned
    round if `fix: [orientation]` asks for it. Refused: numbers that are none, cells without volume or inverted, faces
    of three cells, overlaps, several parts, surfaces that are missing, cavities that leak or have an unlikely volume.
    """
    key = "mesh.file" if spec.file else "mesh.generate"

    def stop_at(findings: list[str]) -> None:
        if findings:
            raise InputError(*(f"{key}: {raw.source}: {finding}" for finding in findings))

    stop_at(_broken_numbers(raw))
    raw = _without_repeats(raw)
    volumes = surface.tet_volumes(raw.points, raw.cells)
    findings = _flat_cells(raw, volumes)
    if (volumes < 0.0).any():
        convention = (volumes < 0.0).all()  # the other order of corners, which cannot mean a folded mesh
        findings += [] if convention or "orientation" in spec.fix else [_inverted_cells(volumes)]
        raw = _turned_round(raw, volumes)
    stop_at(findings + _bad_neighbours(raw) + _parts(raw) + _bad_regions(raw))
    raw = _on_the_boundary_only(_without_orphans(raw))
    stop_at(_empty_regions(raw) + _bad_cavities(raw, spec))
    return raw.but(summary(raw))


def _broken_numbers(raw: RawMesh) -> list[str]:
    """Coordinates that are no numbers, and corners that are no points."""
    findings = []
    bad = ~np.isfinite(raw.points).all(axis=1)
    if bad.any():
        first = int(np.argmax(bad))
        where = ", ".join(f"{x:g}" for x in raw.points[first])
        findings.append(
            f"{_count(bad.sum(), 'point')} without finite coordinates; the first is point {first + 1}: {where}"
        )
    for what, corners in (("tetrahedron", raw.cells), ("triangle", raw.facets)):
        bad = ((corners < 0) | (corners >= len(raw.points))).any(axis=1)
        if bad.any():
            findings.append(
                f"{_count(bad.sum(), what)} with corners outside the {len(raw.points)} points of the file; "
                f"the first is {what} {int(np.argmax(bad)) + 1}"
            )
    return findings


def _without_repeats(raw: RawMesh) -> RawMesh:
    """Each tetrahedron once, and each triangle once per tag."""
    cells = _first_of_each(np.sort(raw.cells, axis=1))
    facets = _first_of_each(np.column_stack([np.sort(raw.facets, axis=1), raw.facet_tags]))
    notes = []
    if len(cells) < len(raw.cells):
        notes.append(f"dropped {_count(len(raw.cells) - len(cells), 'tetrahedron')} listed more than once")
    if len(facets) < len(raw.facets):
        notes.append(f"dropped {_count(len(raw.facets) - len(facets), 'triangle')} listed more than once")
    return raw.keep_cells(cells).but(*notes, facets=raw.facets[facets], facet_tags=raw.facet_tags[facets])


def _first_of_each(rows: np.ndarray) -> np.ndarray:
    return np.sort(np.unique(rows, axis=0, return_index=True)[1])


def _flat_cells(raw: RawMesh, volumes: np.ndarray) -> list[str]:
    corners = raw.points[raw.cells]
    edges = corners[:, [0, 0, 0, 1, 1, 2]] - corners[:, [1, 2, 3, 2, 3, 3]]
    longest = np.sqrt((edges**2).sum(axis=2).max(axis=1))
    flat = np.abs(6.0 * volumes) <= FLAT * longest**3
    if not flat.any():
        return []
    first = int(np.argmax(flat))
    n, where = _count(flat.sum(), "tetrahedron"), _near(corners[first])
    return [f"{n} without volume; the first is tetrahedron {first + 1} {where}"]


def _inverted_cells(volumes: np.ndarray) -> str:
    inverted = volumes < 0.0
    return (
        f"{inverted.sum()} of {len(volumes)} tetrahedra are inverted (negative volume); the first is tetrahedron "
        f"{int(np.argmax(inverted)) + 1}. If the file only lists corners in another order, give "
        f"`mesh: {{fix: [orientation]}}`; otherwise the mesh is folded and has to be made again"
    )


def _turned_round(raw: RawMesh, volumes: np.ndarray) -> RawMesh:
    cells = raw.cells.copy()
    cells[volumes < 0.0] = cells[volumes < 0.0][:, surface.RIGHT_WAY_ROUND]
    return raw.but(f"turned {_count((volumes < 0.0).sum(), 'inverted tetrahedron')} the right way round", cells=cells)


def _bad_neighbours(raw: RawMesh) -> list[str]:
    """Faces of more than two cells, and cells on the same side of the face they share."""
    faces = surface.faces_of(raw.cells)
    _, face, count = np.unique(surface.face_keys(faces, len(raw.points)), return_inverse=True, return_counts=True)
    face = face.ravel()
    if (count > 2).any():
        first = faces[np.argmax(count[face] > 2)]
        return [f"{_count((count > 2).sum(), 'face')} shared by three or more tetrahedra, {_near(raw.points[first])}"]
    turns = np.bincount(face, weights=_parity(faces), minlength=len(count))
    folded = (count == 2) & (turns != 0.0)
    if not folded.any():
        return []
    first = faces[np.argmax(folded[face])]
    n, where = _count(folded.sum(), "pair"), _near(raw.points[first])
    return [f"{n} of neighbouring tetrahedra overlap: the mesh is folded {where}"]


def _parity(triangles: np.ndarray) -> np.ndarray:
    """+1 where the corners are an even permutation of ascending order, −1 where an odd one."""
    a, b, c = triangles.T
    return np.sign((b - a) * 1.0) * np.sign((c - b) * 1.0) * np.sign((c - a) * 1.0)


def _parts(raw: RawMesh) -> list[str]:
    """Groups of cells that share no face with each other."""
    keys = surface.face_keys(surface.faces_of(raw.cells), len(raw.points))
    order = np.argsort(keys, kind="stable")
    same = np.flatnonzero(keys[order][1:] == keys[order][:-1])
    a, b = order[same] // 4, order[same + 1] // 4
    sizes = np.sort(np.bincount(surface.components(len(raw.cells), a, b)))[::-1]
    parts = len(sizes)
    if parts == 1:
        return []
    shown = ", ".join(str(size) for size in sizes[:4]) + (", …" if parts > 4 else "")
    return [
        f"the tissue falls into {parts} parts that share no face ({shown} tetrahedra); one connected piece is expected"
    ]


def _bad_regions(raw: RawMesh) -> list[str]:
    """Tags that the file does not have, and tags given to two names."""
    present = set(np.unique(raw.facet_tags).tolist())
    findings = [
        f"tag {tag} for '{name}' is not on any surface; it has {raw.inventory()}"
        for name, tags in raw.names.items()
        for tag in tags
        if tag not in present
    ]
    owners: dict[int, list[str]] = {}
    for name, tags in raw.names.items():
        for tag in tags:
            owners.setdefault(tag, []).append(name)
    return findings + [
        f"tag {tag} is given to {' and '.join(names)}; each surface needs tags of its own"
        for tag, names in owners.items()
        if len(names) > 1
    ]


def _without_orphans(raw: RawMesh) -> RawMesh:
    """Only the points that belong to a cell, and the triangles between them."""
    used = np.zeros(len(raw.points), dtype=bool)
    used[raw.cells] = True
    if used.all():
        return raw
    return raw.keep_points(used, f"dropped {_count((~used).sum(), 'point')} that no tetrahedron uses")


def _on_the_boundary_only(raw: RawMesh) -> RawMesh:
    """The named triangles that bound the tissue, pointing out of it."""
    boundary = surface.boundary_faces(raw.cells, len(raw.points))
    named = np.isin(raw.facet_tags, [tag for tags in raw.names.values() for tag in tags])
    row, found = surface.find(raw.facets, boundary, len(raw.points))
    keep, inside = named & found, (named & ~found).sum()
    notes = [f"ignored {_count(inside, 'tagged triangle')} not on the boundary of the tissue"] if inside else []
    return raw.but(*notes, facets=boundary[row[keep]], facet_tags=raw.facet_tags[keep])


def _empty_regions(raw: RawMesh) -> list[str]:
    """Names none of whose triangles bound the tissue, and triangles with two names."""
    findings = [
        f"no triangle of '{name}' (tag {', '.join(map(str, tags))}) is on the boundary of the tissue"
        for name, tags in raw.names.items()
        if not len(raw.surface(name))
    ]
    named, which = raw.named_facets()
    keys = surface.face_keys(named, len(raw.points))
    twice = len(np.unique(np.column_stack([keys, which]), axis=0)) - len(np.unique(keys))
    return findings + ([f"{_count(twice, 'triangle')} with two names; each belongs to one surface"] if twice else [])


def _bad_cavities(raw: RawMesh, spec: MeshSpec) -> list[str]:
    """Cavities that do not close, are inside out, or have a volume no ventricle has."""
    findings = []
    for name in raw.names:
        triangles = raw.surface(name)
        if not name.endswith("endo") or not len(triangles):
            continue
        leak = _leak(raw, triangles) or _no_opening(triangles)
        volume = surface.enclosed_volume(raw.points, triangles[:, ::-1])
        if leak:
            findings.append(f"the cavity of '{name}' {leak}")
        elif volume <= 0.0:
            findings.append(f"'{name}' is convex towards the tissue: is it an epicardium? Check `mesh.regions`")
        elif spec.file:
            findings += _unlikely(name, volume, spec)
    return findings


def _leak(raw: RawMesh, triangles: np.ndarray) -> str:
    """Where a rim borders boundary faces without a name although the base has one."""
    if "base" not in raw.names:
        return ""
    n = len(raw.points)
    named, _ = raw.named_facets()
    boundary = surface.boundary_faces(raw.cells, n)
    unnamed = boundary[~surface.find(boundary, named, n)[1]]
    around = unnamed[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    rim = surface.rim_edges(triangles)
    open_ = np.isin(rim[:, 1] * n + rim[:, 0], around[:, 0] * n + around[:, 1])
    if not open_.any():
        return ""
    where = _near(raw.points[rim[np.argmax(open_)]])
    return f"leaks: {_count(open_.sum(), 'edge')} of its rim borders faces of no surface, {where}"


def _no_opening(triangles: np.ndarray) -> str:
    return "" if len(surface.rim_edges(triangles)) else "is closed all around: an opening at its base is expected"


def _unlikely(name: str, volume: float, spec: MeshSpec) -> list[str]:
    low, high = spec.cavity_volumes
    if low <= volume <= high:
        return []
    for unit, factor in UNIT.items():
        other = volume * (factor / UNIT[spec.unit or "mm"]) ** 3
        if low <= other <= high:
            return [f"'{name}' encloses {volume / ML:.3g} mL; with `unit: {unit}` it would be {other / ML:.1f} mL"]
    return [
        f"'{name}' encloses {volume / ML:.3g} mL, expected {low / ML:g} to {high / ML:g} mL; check `unit` and `scale`, "
        "or give the expected range as `cavity_volumes`"
    ]


def dihedral_angles(points: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """The smallest of the six dihedral angles of every cell (m,), in degrees: 70.5 at best, 0 for a flat one."""
    a, b, c = (points[cells[:, surface.FACES[:, i]]] for i in range(3))
    normals = np.cross(b - a, c - a)
    normals /= np.linalg.norm(normals, axis=2, keepdims=True)
    pairs = [(i, j) for i in range(4) for j in range(i)]
    cosines = np.stack([np.einsum("ij,ij->i", normals[:, i], normals[:, j]) for i, j in pairs])
    return 180.0 - np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0))).max(axis=0)


def summary(raw: RawMesh) -> str:
    """One line about size, cavities and worst cell."""
    wall = surface.tet_volumes(raw.points, raw.cells).sum() / ML
    cavities = "".join(
        f", {name} {surface.enclosed_volume(raw.points, raw.surface(name)[:, ::-1]) / ML:.1f} mL"
        for name in raw.names
        if name.endswith("endo")
    )
    angle = dihedral_angles(raw.points, raw.cells).min()
    size = f"{len(raw.cells)} tetrahedra, {len(raw.points)} vertices, tissue {wall:.1f} mL"
    return f"{raw.source}: {size}{cavities}; smallest dihedral angle {angle:.1f} deg"


def _count(n: int, noun: str) -> str:
    plural = noun.replace("tetrahedron", "tetrahedra") if noun.endswith("tetrahedron") else noun + "s"
    return f"{n} {noun if n == 1 else plural}"


def _near(points: np.ndarray) -> str:
    x, y, z = np.atleast_2d(points).mean(axis=0)
    return f"near ({x:.1f}, {y:.1f}, {z:.1f}) mm"
