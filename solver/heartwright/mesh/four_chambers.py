"""Four chambers: two ventricles under a plate with the rings of the valves, and the domes of two atria on it.

Ventricles are as in `Biventricle`, cut at z = 0. The plate between z = 0 and its thickness closes them but for the
four openings, and carries the atria, which are halves of ellipsoids; what of it hangs over belongs to the outside. The
right atrium goes round the left one, whose wall is the septum between them. x points to the right ventricle, y
to anterior, z up.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from heartwright.mesh.spec import FourChambers

TOLERANCE = (
    1e-4  # of ellipsoids' levels and, in mm, of planes and cylinders: what a point drawn on a surface misses it by
)

# Where veins leave an atrium, as directions from the middle of its floor.
PULMONARY_VEINS = {"lpv": ((-0.8, -0.5, 0.35), (-0.55, -0.45, 0.75)), "rpv": ((0.45, -0.8, 0.35), (0.35, -0.55, 0.75))}
CAVAL_VEINS = {"svc": ((0.0, -0.2, 1.0),), "ivc": ((0.2, -0.85, 0.42),)}


@dataclass(frozen=True)
class Ellipsoid:
    """Its centre and semi-axes."""

    centre: np.ndarray
    axes: np.ndarray

    def level(self, point: np.ndarray) -> float:
        """|((x - c)/a)|: 1 on the ellipsoid."""
        return float(np.linalg.norm((point - self.centre) / self.axes))

    def holds(self, point: np.ndarray) -> bool:
        """Whether a point is inside or on it."""
        return self.level(point) < 1.0 + TOLERANCE

    def thicker(self, wall: float, apex: float | None = None) -> "Ellipsoid":
        """The ellipsoid around a wall."""
        return Ellipsoid(self.centre, self.axes + np.array([wall, wall, wall if apex is None else apex]))

    def reach(self, direction: np.ndarray) -> float:
        """Distance of the ellipsoid from its centre in a direction."""
        return 1.0 / float(np.linalg.norm(direction / self.axes))


@dataclass(frozen=True)
class Opening:
    """A round hole: a point on its axis, the direction of the axis, its radius and its length along the axis."""

    name: str
    start: np.ndarray
    direction: np.ndarray
    radius: float
    length: float

    def on_wall(self, point: np.ndarray) -> bool:
        """Whether a point lies on the cylinder."""
        arm = point - self.start
        along = float(arm @ self.direction)
        away = np.linalg.norm(arm - along * self.direction)
        return -TOLERANCE < along < self.length + TOLERANCE and abs(away - self.radius) < TOLERANCE


class Plan:
    """Where everything of the four chambers lies: ellipsoids of cavities and walls, openings of valves and veins."""

    def __init__(self, shape: "FourChambers"):
        self.shape, self.top = shape, shape.ring_height
        below = -shape.base_height
        self.lv = Ellipsoid(np.array([0.0, 0.0, below]), np.array([shape.radius, shape.radius, shape.length]))
        self.rv = Ellipsoid(
            np.array([shape.rv_offset, 0.0, below]), np.array([shape.rv_across, shape.rv_along, shape.rv_length])
        )
        self.lv_wall, self.rv_wall = self.lv.thicker(shape.wall, shape.apex_wall), self.rv.thicker(shape.rv_wall)
        mitral, aortic, tricuspid, pulmonary = self._valve_centres()
        la = np.array([-3.0, mitral[1] + shape.mitral + shape.clearance - shape.la_along, self.top])
        ra = np.array(
            [tricuspid[0], pulmonary[1] - shape.pulmonary - shape.atrial_wall - shape.ra_along - 1.0, self.top]
        )
        self.la = Ellipsoid(la, np.array([shape.la_across, shape.la_along, shape.la_height]))
        self.ra = Ellipsoid(ra, np.array([shape.ra_across, shape.ra_along, shape.ra_height]))
        self.la_wall, self.ra_wall = self.la.thicker(shape.atrial_wall), self.ra.thicker(shape.atrial_wall)
        centres = {"mitral": mitral, "aortic": aortic, "tricuspid": tricuspid, "pulmonary": pulmonary}
        up = np.array([0.0, 0.0, 1.0])
        self.valves = [
            Opening(name, np.append(c, 0.0), up, getattr(shape, name), self.top) for name, c in centres.items()
        ]
        self.veins = self._veins(self.la, PULMONARY_VEINS, shape.pulmonary_vein)
        self.veins += self._veins(self.ra, CAVAL_VEINS, shape.vena_cava)

    def _valve_centres(self) -> list[np.ndarray]:
        """Mitral and aortic valve one behind the other in the left ventricle, the others beside them in the right."""
        shape, s = self.shape, self.shape.clearance
        inner = _at_base(self.lv)[0] - s
        right = _at_base(self.rv)
        outer = _at_base(self.lv_wall)[0]

        def between(y: float) -> np.ndarray:
            x = np.sqrt(max(outer**2 - y**2, 0.0)), shape.rv_offset + right[0] * np.sqrt(1 - (y / right[1]) ** 2)
            return np.array([sum(x) / 2, y])

        left = [np.array([0.0, shape.mitral - inner]), np.array([0.0, inner - shape.aortic])]
        return [*left, between(-0.3 * right[1]), between(0.56 * right[1])]

    def _veins(self, atrium: Ellipsoid, directions: dict, radius: float) -> list[Opening]:
        found = []
        for name, ways in directions.items():
            for way in ways:
                d = np.array(way) / np.linalg.norm(way)
                reach = atrium.reach(d)
                found.append(Opening(name, atrium.centre + 0.5 * reach * d, d, radius, reach + self.shape.atrial_wall))
        return found

    def crowded(self) -> str | None:
        """What does not fit, in words; None where all does."""
        turn = np.linspace(0.0, 2.0 * np.pi, 64, endpoint=False)
        circle = np.column_stack([np.cos(turn), np.sin(turn)])
        for valve in self.valves:
            rim = valve.start[:2] + (valve.radius + self.shape.clearance / 2) * circle
            below, above = np.column_stack([rim, 0 * turn]), np.column_stack([rim, 0 * turn + self.top])
            left = valve.name in ("mitral", "aortic")
            if not all(self._in_ventricle(point, left) for point in below):
                return f"the {valve.name} valve does not fit into its ventricle: make it smaller or the ventricle wider"
            into = {"mitral": self.la, "tricuspid": self.ra}.get(valve.name)
            if into and not all(into.holds(point) for point in above):
                return f"the {valve.name} valve does not open into its atrium: make the atrium wider"
            if valve.name == "tricuspid" and any(self.la_wall.holds(point) for point in above):
                return "the left atrium covers the tricuspid valve: decrease la_across"
            if not into and any(wall.holds(point) for wall in (self.la_wall, self.ra_wall) for point in above):
                return f"an atrium covers the {valve.name} valve: make the atria or the valve smaller"
            for other in self.valves:
                gap = np.linalg.norm(valve.start - other.start) - valve.radius - other.radius
                if other is not valve and gap < self.shape.clearance:
                    return f"the {valve.name} and the {other.name} valve overlap: make one of them smaller"
        if self.la_wall.axes[0] + self.la.centre[0] <= self.ra.centre[0] - self.ra.axes[0]:
            return "the atria do not touch: increase la_across or ra_across"
        return None

    def _in_ventricle(self, point: np.ndarray, left: bool) -> bool:
        return self.lv.holds(point) if left else self.rv.holds(point) and not self.lv_wall.holds(point)

    def name_of(self, point: np.ndarray) -> str:
        """The surface that a point of the boundary belongs to."""
        z = point[2]
        if z < TOLERANCE:
            return self._cavity(point, self.lv, "lv_endo", self.lv_wall, self.rv, "rv_endo")
        if z < self.top - TOLERANCE:
            return next((valve.name for valve in self.valves if valve.on_wall(point)), "epi")
        vein = next((vein.name for vein in self.veins if vein.on_wall(point)), None)
        return vein or self._cavity(point, self.la, "la_endo", self.la_wall, self.ra, "ra_endo")

    def _cavity(
        self, point, left: Ellipsoid, left_name: str, wall: Ellipsoid, right: Ellipsoid, right_name: str
    ) -> str:
        """Left cavity, right cavity (outside the left wall) or epicardium."""
        if left.holds(point):
            return left_name
        return right_name if right.holds(point) and wall.level(point) > 1.0 - TOLERANCE else "epi"


def _at_base(ellipsoid: Ellipsoid) -> np.ndarray:
    """Semi-axes (2,) of the cut at z = 0."""
    return ellipsoid.axes[:2] * np.sqrt(1.0 - (ellipsoid.centre[2] / ellipsoid.axes[2]) ** 2)


def draw(occ, shape: "FourChambers") -> tuple[Callable[[np.ndarray], str], dict[str, list[int]]]:
    """Draw the tissue with gmsh; how its surfaces are called, and the volumes of the regions lv, rv, rings, la, ra."""
    plan = Plan(shape)
    far = 10.0 * max(*plan.rv_wall.axes, *plan.lv_wall.axes)

    def solid(e: Ellipsoid):
        one = (3, occ.addSphere(0, 0, 0, 1))
        occ.dilate([one], 0, 0, 0, *e.axes)
        occ.translate([one], *e.centre)
        return one

    def half_space(above: bool):
        return (3, occ.addBox(-far, -far, 0 if above else plan.top - far, 2 * far, 2 * far, far))

    def column(centre, axes):
        one = (3, occ.addCylinder(0, 0, 0, 0, 0, plan.top, 1))
        occ.dilate([one], 0, 0, 0, *axes, 1.0)
        occ.translate([one], *centre[:2], 0)
        return one

    def hole(o: Opening):
        return (3, occ.addCylinder(*o.start, *(o.direction * o.length), o.radius))

    def cut(what, *tools):
        return occ.cut(what, list(tools))[0]

    lv = cut([solid(plan.lv_wall)], solid(plan.lv), half_space(above=True))
    rv = cut([solid(plan.rv_wall)], solid(plan.rv), solid(plan.lv_wall), half_space(above=True))
    la = cut([solid(plan.la_wall)], solid(plan.la), half_space(above=False))
    la = cut(la, *(hole(vein) for vein in plan.veins if vein.name in PULMONARY_VEINS))
    ra = cut([solid(plan.ra_wall)], solid(plan.ra), solid(plan.la_wall), half_space(above=False))
    ra = cut(ra, *(hole(vein) for vein in plan.veins if vein.name in CAVAL_VEINS))
    feet = [column(e.centre, _at_base(e)) for e in (plan.lv_wall, plan.rv_wall)]
    feet += [column(e.centre, e.axes[:2]) for e in (plan.la_wall, plan.ra_wall)]
    plate, _ = occ.fuse(feet[:1], feet[1:])
    plate = cut(plate, *(hole(valve) for valve in plan.valves))
    parts = {"lv": lv, "rv": rv, "rings": plate, "la": la, "ra": ra}
    _, pieces = occ.fragment([solid for solids in parts.values() for solid in solids], [])
    owners = [name for name, solids in parts.items() for _ in solids]
    regions: dict[str, list[int]] = {name: [] for name in parts}
    for name, made in zip(owners, pieces, strict=True):
        regions[name] += [tag for dim, tag in made if dim == 3]
    return plan.name_of, regions
