"""Elements with the pressure as an unknown do not lock: Cook's panel, whose muscle may change its volume less and less.

A tapered panel 48 mm long, held on the left, is sheared on the right (Cook 1974, doi:10.1061/JSDEAG.0003877).
"""

import numpy as np
from dolfinx import mesh as dmesh
from mpi4py import MPI

from heartwright.mechanics.passive import NeoHooke
from heartwright.mechanics.solid import Solid
from heartwright.mechanics.spec import Fixed, MechanicsSpec, Robin
from heartwright.mesh.fibre_rules import FibresConstant
from heartwright.mesh.geometry import Geometry

SHEAR = 0.05  # kPa
SOFT, STIFF = 2.0, 1e5  # kPa: bulk moduli of muscle whose shear modulus is 1 kPa


def panel(n: int) -> Geometry:
    """n x n cells along the panel, a quarter of that through its 12 mm."""
    mesh = dmesh.create_unit_cube(MPI.COMM_SELF, n, n, n // 4, ghost_mode=dmesh.GhostMode.none)
    x, y, z = mesh.geometry.x.T.copy()
    mesh.geometry.x[:] = np.stack([48 * x, 44 * x + y * (44 - 28 * x), 12 * z], axis=1)
    mesh.topology.create_connectivity(2, 3)
    ends = [dmesh.locate_entities_boundary(mesh, 2, lambda x, end=end: abs(x[0] - end) < 1e-9) for end in (0.0, 48.0)]
    facets, tags = np.concatenate(ends), np.repeat(np.array([1, 2], np.int32), [len(end) for end in ends])
    order = np.argsort(facets)
    marked = dmesh.meshtags(mesh, 2, facets[order], tags[order])
    return Geometry(mesh, marked, {"held": 1, "sheared": 2}, {}, np.arange(len(mesh.geometry.x)))


def rise(n: int, element: str, bulk_modulus: float | None) -> float:
    """How far the middle of the right end goes up (mm)."""
    geometry, soft = panel(n), 1e-6  # kPa/mm: springs so soft and so much stretched that they pull with a dead load
    held = [Fixed(where="held"), Robin(where="sheared", stiffness=soft, direction="full")]
    law = NeoHooke(mu=1.0)
    spec = MechanicsSpec(passive=law, element=element, bulk_modulus=bulk_modulus, viscosity=0.0, boundaries=held)
    if element == "P1P1":
        spec = spec.replace(stabilisation=1.0)
    solid = Solid(geometry, spec, FibresConstant(), {}, 1.0)
    for part in range(1, 5):
        solid.wall.slack.x.array[1::3] = part / 4 * SHEAR / soft
        solid.solve(0.0, 1.0, lambda p: (np.zeros(0), np.zeros((0, 0))))
    X = solid.wall.V.tabulate_dof_coordinates()
    middle = np.linalg.norm(X - [48.0, 52.0, 6.0], axis=1).argmin()
    return float(solid.u.x.array[3 * middle + 1])


def test_the_error_of_linear_elements_does_not_grow_with_the_bulk_modulus():
    """What they lack of quadratic displacement with the same nodes: 5.4 % where volume may change, 5.9 % where not."""
    soft, stiff, kept = (1.0 - rise(16, "P1P1", kappa) / rise(8, "P2P1", kappa) for kappa in (SOFT, STIFF, None))
    assert 0.0 < soft < 0.1
    assert max(stiff, kept) < 1.2 * soft
