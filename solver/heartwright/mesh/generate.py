"""Idealised hearts, slabs and vessels, meshed by gmsh on one rank, the same on every run."""

import contextlib
import itertools
from collections.abc import Callable

import numpy as np

from heartwright.errors import InputError
from heartwright.mesh import four_chambers
from heartwright.mesh.raw import RawMesh
from heartwright.mesh.spec import Biventricle, Ellipsoid, FourChambers, LeftEllipsoid, Nozzle, Slab, Strip, Tube

Shape = Ellipsoid | Biventricle | FourChambers | Slab | Strip | Tube | Nozzle
Regions = dict[str, list[int]]  # volumes of gmsh by the name of the region
Drawn = tuple[Callable[[np.ndarray], str], Regions]  # how the surface through a point is called


def generate(shape: Shape) -> RawMesh:
    """The mesh of `shape`; InputError where gmsh is missing or cannot mesh it."""
    draw = {
        **{"ellipsoid": _ellipsoid, "biventricle": _biventricle, "four_chambers": four_chambers.draw},
        **{"slab": _slab, "strip": _slab, "tube": _tube, "nozzle": _nozzle},
    }[shape.type]
    with session() as gmsh:
        name_of, regions = draw(gmsh.model.occ, shape)
        gmsh.model.occ.synchronize()
        names = _tag_surfaces(gmsh.model, name_of)
        _set_sizes(gmsh, shape)
        try:
            gmsh.model.mesh.generate(3)
        except Exception as reason:
            raise InputError(f"mesh.generate: gmsh could not mesh this {shape.type}: {reason}") from None
        return _with_regions(gmsh.model, collect(gmsh.model, names, f"generated {shape.type}"), regions)


def _with_regions(model, raw: RawMesh, regions: Regions) -> RawMesh:
    """The mesh with the regions that its volumes belong to; gmsh lists cells volume by volume."""
    number = {volume: i for i, volumes in enumerate(regions.values(), 1) for volume in volumes}
    volumes = [volume for _, volume in model.getEntities(3)]
    counts = [len(elements(model, 3, volume)) for volume in volumes]
    return raw.but(
        regions=tuple(regions), region=np.repeat([number.get(v, 0) for v in volumes], counts).astype(np.int32)
    )


@contextlib.contextmanager
def session():
    """gmsh, quiet, on one thread and without the user's own settings, so that every run gives the same mesh."""
    try:
        import gmsh
    except ImportError:
        raise InputError(
            "mesh: gmsh is needed here and is not installed (package python3-gmsh, or pip install gmsh)"
        ) from None
    gmsh.initialize(readConfigFiles=False, interruptible=False)
    try:
        for option in ("General.Terminal", "General.Verbosity"):
            gmsh.option.setNumber(option, 0)
        gmsh.option.setNumber("General.NumThreads", 1)
        gmsh.option.setNumber("Mesh.MeshSizeExtendFromBoundary", 0)
        gmsh.option.setNumber("Mesh.Algorithm", 6)  # frontal Delaunay: the most regular triangles
        gmsh.option.setNumber("Mesh.Algorithm3D", 10)  # HXT leaves fewer slivers in thin walls than Delaunay
        gmsh.model.add("heartwright")
        yield gmsh
    finally:
        gmsh.finalize()


def version() -> str:
    """The version of gmsh, which meshes depend on."""
    with session() as gmsh:
        return gmsh.option.getString("General.Version")


def collect(model, names: dict[str, tuple[int, ...]], source: str) -> RawMesh:
    """The tetrahedra and the triangles of gmsh's physical groups, tagged with their group's number."""
    node_tags, coordinates, _ = model.mesh.getNodes()
    cells = elements(model, 3, -1)
    used = np.isin(node_tags, cells)  # without the points that curves were drawn through
    index = np.zeros(int(node_tags.max()) + 1, dtype=np.int64)
    index[node_tags[used]] = np.arange(used.sum())
    facets, tags = [], []
    for _, group in model.getPhysicalGroups(2):
        for surface in model.getEntitiesForPhysicalGroup(2, group):
            facets.append(index[elements(model, 2, surface)])
            tags.append(np.full(len(facets[-1]), group, dtype=np.int32))
    points = coordinates.reshape(-1, 3)[used]
    return RawMesh(points, index[cells], np.vstack(facets), np.concatenate(tags), names, source)


def elements(model, dim: int, entity: int) -> np.ndarray:
    """Node tags of the linear simplices of an entity (n, dim + 1)."""
    _, nodes = model.mesh.getElementsByType({2: 2, 3: 4}[dim], entity)
    return nodes.astype(np.int64).reshape(-1, dim + 1)


def _tag_surfaces(model, name_of: Callable[[np.ndarray], str]) -> dict[str, tuple[int, ...]]:
    """Group the outer surfaces of all volumes by the name of a point on each."""
    groups: dict[str, list[int]] = {}
    for _, surface in model.getBoundary(model.getEntities(3), oriented=False):
        groups.setdefault(name_of(_point_on(model, surface)), []).append(surface)
    for number, (name, surfaces) in enumerate(sorted(groups.items()), 1):
        model.addPhysicalGroup(2, surfaces, number, name)
    return {name: (number,) for number, name in enumerate(sorted(groups), 1)}


def _point_on(model, surface: int) -> np.ndarray:
    """A point inside a trimmed surface: the first of a spread sequence over its parameters that lies inside."""
    low, high = (np.array(x) for x in model.getParametrizationBounds(2, surface))
    spread = np.arange(1, 2000)[:, None] * np.array([0.7548776662466927, 0.5698402909980532]) % 1.0  # R2 sequence
    uv = next(uv for uv in low + (high - low) * spread if model.isInside(2, surface, uv, True))
    return np.array(model.getValue(2, surface, uv))


def _set_sizes(gmsh, shape: Shape) -> None:
    for option in ("Mesh.MeshSizeMin", "Mesh.MeshSizeMax"):
        gmsh.option.setNumber(option, shape.size)
    if shape.type == "strip":
        _in_bricks(gmsh.model, shape.size)
    if shape.type == "four_chambers":
        _finer_above(gmsh, shape)
    if shape.type == "ellipsoid" and shape.apex_size:
        _graded_to_apex(gmsh, shape, shape.apex_size)


def _in_bricks(model, size: float) -> None:
    """A box meshed as equal bricks, each cut into six."""
    for _, curve in model.getEntities(1):
        low, high = np.array(model.getBoundingBox(1, curve)).reshape(2, 3)
        model.mesh.setTransfiniteCurve(curve, max(round(float((high - low).max()) / size), 1) + 1)
    for _, face in model.getEntities(2):
        model.mesh.setTransfiniteSurface(face)
    for _, volume in model.getEntities(3):
        model.mesh.setTransfiniteVolume(volume)


def _finer_above(gmsh, shape: FourChambers) -> None:
    """Smaller cells where the walls are thin: in the plate and the atria."""
    gmsh.option.setNumber("Mesh.MeshSizeMin", min(shape.size, shape.atrial_size))
    gmsh.option.setNumber("Mesh.MeshSizeMax", max(shape.size, shape.atrial_size))
    field = gmsh.model.mesh.field
    box, far = field.add("Box"), 1e3
    limits = {"XMin": -far, "XMax": far, "YMin": -far, "YMax": far, "ZMin": 0.0, "ZMax": far}
    for key, value in (limits | {"VIn": shape.atrial_size, "VOut": shape.size, "Thickness": shape.size}).items():
        field.setNumber(box, key, value)
    field.setAsBackgroundMesh(box)


def _graded_to_apex(gmsh, shape: Ellipsoid, apex_size: float) -> None:
    """A cell size that goes linearly from that of the base to that of the apex."""
    depth = shape.base_height + shape.length + shape.apex_wall
    field = gmsh.model.mesh.field.add("MathEval")
    gmsh.model.mesh.field.setString(field, "F", f"({shape.size} * (z + {depth}) - {apex_size} * z) / {depth}")
    gmsh.model.mesh.field.setAsBackgroundMesh(field)
    gmsh.option.setNumber("Mesh.MeshSizeMin", min(apex_size, shape.size))
    gmsh.option.setNumber("Mesh.MeshSizeMax", max(apex_size, shape.size))


def _solid_ellipsoid(occ, centre: tuple[float, ...], axes: tuple[float, ...]) -> tuple[int, int]:
    solid = (3, occ.addSphere(0, 0, 0, 1))
    occ.dilate([solid], 0, 0, 0, *axes)
    occ.translate([solid], *centre)
    return solid


def _above_base(occ, reach: float) -> tuple[int, int]:
    return (3, occ.addBox(-reach, -reach, 0, 2 * reach, 2 * reach, reach))


def _left(shape: LeftEllipsoid) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """Centre of the left ventricle, semi-axes of its endocardium and of its epicardium."""
    r, l, outer = shape.radius, shape.length, shape.radius + shape.wall
    return (0.0, 0.0, -shape.base_height), (r, r, l), (outer, outer, l + shape.apex_wall)


def _level(point: np.ndarray, centre: tuple[float, ...], axes: tuple[float, ...]) -> float:
    """|((x - c)/a)|: 1 on the ellipsoid."""
    return float(np.linalg.norm((point - centre) / np.array(axes)))


def _ellipsoid(occ, shape: Ellipsoid) -> Drawn:
    centre, inner, outer = _left(shape)
    wall, cavity = (_solid_ellipsoid(occ, centre, axes) for axes in (outer, inner))
    occ.cut([wall], [cavity, _above_base(occ, 4 * max(outer))])
    middle = (1.0 + _level(np.array([outer[0], 0.0, centre[2]]), centre, inner)) / 2.0

    def name_of(point):
        if abs(point[2]) < 1e-6:
            return "base"
        return "lv_endo" if _level(point, centre, inner) < middle else "epi"

    return name_of, {}


def _biventricle(occ, shape: Biventricle) -> Drawn:
    centre, inner, outer = _left(shape)
    right = (shape.rv_offset, 0.0, centre[2])
    rv_inner = (shape.rv_across, shape.rv_along, shape.rv_length)
    rv_outer = tuple(a + shape.rv_wall for a in rv_inner)
    left_wall, left_cavity, right_wall, right_cavity = (
        _solid_ellipsoid(occ, *ellipsoid)
        for ellipsoid in ((centre, outer), (centre, inner), (right, rv_outer), (right, rv_inner))
    )
    free_wall, _ = occ.cut([right_wall], [right_cavity])
    free_wall, _ = occ.cut(free_wall, [left_wall], removeTool=False)
    both, _ = occ.fuse([left_wall], free_wall)
    occ.cut(both, [left_cavity, _above_base(occ, 4 * max(outer + rv_outer))])

    def name_of(point):
        if abs(point[2]) < 1e-6:
            return "base"
        if _level(point, centre, inner) < 1.0 + 1e-4:
            return "lv_endo"
        return "rv_endo" if _level(point, right, rv_inner) < 1.0 + 1e-4 else "epi"

    return name_of, {}


def _slab(occ, shape: Slab | Strip) -> Drawn:
    occ.addBox(0, 0, 0, *shape.lengths)
    ends = np.array([[0.0, 0.0, 0.0], shape.lengths])

    def name_of(point):
        # the face with the smallest distance, in the order xmin, xmax, ymin, ...
        return shape.faces[int(np.argmin(np.abs(point - ends).T.ravel()))]

    return name_of, {}


def _revolved(occ, outline: list[list[tuple[float, float]]]) -> tuple[int, int]:
    """The solid inside an outline turned about the z axis: runs of (radius, z), two points a line, more a curve."""
    first, last = outline[0][0], outline[-1][-1]
    points = [[occ.addPoint(r, 0, z) for r, z in run] for run in outline]
    for before, after in itertools.pairwise(points):
        after[0] = before[-1]
    bottom, top = occ.addPoint(0, 0, first[1]), occ.addPoint(0, 0, last[1])
    curves = [occ.addLine(*run) if len(run) == 2 else occ.addSpline(run) for run in points]
    ends = [occ.addLine(points[-1][-1], top), occ.addLine(top, bottom), occ.addLine(bottom, points[0][0])]
    face = occ.addPlaneSurface([occ.addCurveLoop([*curves, *ends])])
    made = occ.revolve([(2, face)], 0, 0, 0, 0, 0, 1, 2 * np.pi)
    occ.remove([(2, face)])
    return next(entity for entity in made if entity[0] == 3)


def _tube_outline(shape: Tube, thickness: float) -> list[list[tuple[float, float]]]:
    radius, narrow = shape.radius + thickness, shape.stenosis
    if narrow is None:
        return [[(radius, 0.0), (radius, shape.length)]]
    z = np.linspace(-0.5, 0.5, 41)
    r = radius - shape.radius * narrow.severity / 2 * (1 + np.cos(2 * np.pi * z))
    curve = list(zip(r.tolist(), (narrow.at + narrow.length * z).tolist(), strict=True))
    return [[(radius, 0.0), curve[0]], curve, [curve[-1], (radius, shape.length)]]


def _tube(occ, shape: Tube) -> Drawn:
    lumen = _revolved(occ, _tube_outline(shape, 0.0))
    if shape.wall:
        occ.cut([_revolved(occ, _tube_outline(shape, shape.wall))], [lumen])

    def radius(z: float) -> float:
        outline = np.array([point for run in _tube_outline(shape, 0.0) for point in run])
        return float(np.interp(z, outline[:, 1], outline[:, 0]))

    def name_of(point):
        if not shape.wall:
            return _along(point, shape.length) or "wall"
        inner = np.hypot(*point[:2]) < radius(point[2]) + shape.wall / 2
        return _along(point, shape.length) or ("inner" if inner else "outer")

    return name_of, {}


def _nozzle(occ, shape: Nozzle) -> Drawn:
    wide, narrow, cone, throat = 6.0, 2.0, 22.685, 40.0  # mm
    z = np.cumsum([0.0, shape.inlet, cone, throat, 0.0, shape.outlet]).tolist()
    corners = list(zip((wide, wide, narrow, narrow, wide, wide), z, strict=True))
    _revolved(occ, [list(pair) for pair in itertools.pairwise(corners)])
    return (lambda point: _along(point, z[-1]) or "wall"), {}


def _along(point: np.ndarray, length: float) -> str | None:
    """Which end of a vessel a point is on."""
    return "inlet" if point[2] < 1e-6 else "outlet" if point[2] > length - 1e-6 else None
