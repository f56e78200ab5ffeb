"""Checks of a mesh before any solver sees it: every finding at once, in the user's words."""

import numpy as np

from heartwright.errors import InputError
from heartwright.mesh import fields, repair, surface
from heartwright.mesh.quality import count, dihedral_angles, near, summary
from heartwright.mesh.raw import RawMesh
from heartwright.mesh.spec import UNIT, MeshSpec
from heartwright.units import ML

FLAT = 1e-7  # 6 V / (longest edge)^3 below which a tetrahedron has no volume; a sliver of 0.1 degrees has 1e-3
FAR = 1e30  # mm: coordinates beyond overflow when they are multiplied, as infinite ones do
SLIVER = 5.0  # degrees: cells with a smaller dihedral angle are told
EXTENT = (5.0, 500.0)  # mm, of any heart's longest side


def checked(raw: RawMesh, spec: MeshSpec) -> RawMesh:
    """The mesh cleaned of what cannot matter, each repair noted; InputError with all findings where it cannot be used.

    Dropped and noted: points of no cell, repeated cells and triangles, triangles inside the tissue. Cells may be turned
    round if `fix: [orientation]` asks for it, or if all are listed the other way round. Refused: numbers that are none,
    cells without volume or inverted, faces of three cells, overlaps, several parts, surfaces that are missing, cavities
    that leak or have an unlikely volume, fibres that are none.
    """
    findings = _broken_numbers(raw)
    raw = repair.without_repeats(_sound(raw) if findings else raw)
    volumes = surface.tet_volumes(raw.points, raw.cells)
    findings += _flat_cells(raw, volumes)
    if (volumes < 0.0).any():
        convention = (volumes < 0.0).all()  # the other order of corners, which cannot mean a folded mesh
        findings += [] if convention or "orientation" in spec.fix else [_inverted_cells(raw, volumes)]
        raw = repair.turned_round(raw, volumes)
    findings += _bad_neighbours(raw) + _parts(raw) + _bad_regions(raw)
    raw = repair.without_orphans(raw)
    findings += fields.bad_directions(raw, spec.fibres) + fields.bad_scalars(raw, spec.fields)
    if not findings:  # what follows would only repeat it
        raw = repair.on_the_boundary_only(raw)
        findings = _empty_regions(raw) + _bad_cavities(raw, spec)
        if spec.file and not any(name.endswith("endo") for name in raw.names):
            findings += bad_extent(np.ptp(raw.points, axis=0))
    if findings:
        key = "mesh.file" if spec.file else "mesh.generate"
        raise InputError(*(f"{key}: {raw.source}: {finding}" for finding in findings))
    angles = dihedral_angles(raw.points, raw.cells)
    worst = int(np.argmin(angles))
    told = slivers(int((angles < SLIVER).sum()), angles[worst], raw.points[raw.cells[worst]])
    return raw.but(*told, summary(raw), checked=raw.digest())


def _sound(raw: RawMesh) -> RawMesh:
    """The mesh without the cells and triangles that have corners without coordinates, to look for other findings."""
    finite = np.append((np.abs(raw.points) < FAR).all(axis=1), False)

    def sound(corners: np.ndarray) -> np.ndarray:
        inside = (corners >= 0) & (corners < len(raw.points))
        return finite[np.where(inside, corners, len(raw.points))].all(axis=1)

    keep = sound(raw.facets)
    return raw.keep_cells(sound(raw.cells)).but(facets=raw.facets[keep], facet_tags=raw.facet_tags[keep])


def _broken_numbers(raw: RawMesh) -> list[str]:
    """Coordinates that are no numbers, and corners that are no points."""
    findings = []
    bad = ~(np.abs(raw.points) < FAR).all(axis=1)
    if bad.any():
        first = int(np.argmax(bad))
        where = ", ".join(f"{x:g}" for x in raw.points[first])
        findings.append(
            f"{count(bad.sum(), 'point')} without finite coordinates; the first is point {first + 1}: {where}"
        )
    for what, corners in (("tetrahedron", raw.cells), ("triangle", raw.facets)):
        bad = ((corners < 0) | (corners >= len(raw.points))).any(axis=1)
        if bad.any():
            findings.append(
                f"{count(bad.sum(), what)} with corners outside the {len(raw.points)} points of the file; "
                f"the first is {what} {int(np.argmax(bad)) + 1}"
            )
    return findings


def _flat_cells(raw: RawMesh, volumes: np.ndarray) -> list[str]:
    corners = raw.points[raw.cells]
    edges = corners[:, [0, 0, 0, 1, 1, 2]] - corners[:, [1, 2, 3, 2, 3, 3]]
    longest = np.sqrt((edges**2).sum(axis=2).max(axis=1))
    flat = np.abs(6.0 * volumes) <= FLAT * longest**3
    if not flat.any():
        return []
    first = int(np.argmax(flat))
    n, where = count(flat.sum(), "tetrahedron"), near(corners[first])
    return [f"{n} without volume; the first is tetrahedron {first + 1} {where}"]


def _inverted_cells(raw: RawMesh, volumes: np.ndarray) -> str:
    inverted = volumes < 0.0
    where = near(raw.points[raw.cells[np.argmax(inverted)]])
    return (
        f"{inverted.sum()} of {len(volumes)} tetrahedra are inverted (negative volume); the first is tetrahedron "
        f"{int(np.argmax(inverted)) + 1} {where}. If the file only lists corners in another order, give "
        f"--fix (`fix: [orientation]`); otherwise the mesh is folded and has to be made again"
    )


def _bad_neighbours(raw: RawMesh) -> list[str]:
    """Faces of more than two cells, and cells on the same side of the face they share."""
    faces = surface.faces_of(raw.cells)
    _, face, times = np.unique(surface.face_keys(faces, len(raw.points)), return_inverse=True, return_counts=True)
    face = face.ravel()
    if (times > 2).any():
        first = faces[np.argmax(times[face] > 2)]
        return [f"{count((times > 2).sum(), 'face')} shared by three or more tetrahedra, {near(raw.points[first])}"]
    turns = np.bincount(face, weights=_parity(faces), minlength=len(times))
    folded = (times == 2) & (turns != 0.0)
    if not folded.any():
        return []
    first = faces[np.argmax(folded[face])]
    n, where = count(folded.sum(), "pair"), near(raw.points[first])
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
    return findings + ([f"{count(twice, 'triangle')} with two names; each belongs to one surface"] if twice else [])


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
            findings += unlikely(name, volume, spec)
    return findings


def _leak(raw: RawMesh, triangles: np.ndarray) -> str:
    """Where a rim borders boundary faces without a name although the base has one."""
    if "base" not in raw.names:
        return ""
    n = len(raw.points)
    named, _ = raw.named_facets()
    boundary = surface.boundary_faces(raw.cells, n)
    unnamed = boundary[~surface.find(boundary, named, n)[1]]
    around = surface.edges_of(unnamed)
    rim = surface.rim_edges(triangles)
    open_ = np.isin(rim[:, 1] * n + rim[:, 0], around[:, 0] * n + around[:, 1])
    if not open_.any():
        return ""
    where = near(raw.points[rim[np.argmax(open_)]])
    return f"leaks: {count(open_.sum(), 'edge')} of its rim borders faces of no surface, {where}"


def bad_extent(sides: np.ndarray) -> list[str]:
    """A size (3,) no heart has, where there is no cavity to show it."""
    if EXTENT[0] <= sides.max() <= EXTENT[1]:
        return []
    told = " x ".join(f"{side:.3g}" for side in sides)
    return [f"measures {told} mm; check `unit` and `scale`"]


def slivers(n: int, angle: float, corners: np.ndarray) -> list[str]:
    """A note about n cells that are nearly flat, the worst with this angle and these corners (4, 3)."""
    if not n:
        return []
    return [f"{count(n, 'sliver')} with an angle below {SLIVER:g} deg, the worst {angle:.2g} deg {near(corners)}"]


def _no_opening(triangles: np.ndarray) -> str:
    return "" if len(surface.rim_edges(triangles)) else "is closed all around: an opening at its base is expected"


def unlikely(name: str, volume: float, spec: MeshSpec) -> list[str]:
    """A volume (uL) no ventricle has."""
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
