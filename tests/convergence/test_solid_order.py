"""Displacement and the pressure in the muscle converge with the order of the element: manufactured states of a cube."""

import numpy as np
import pytest
import ufl
from dolfinx import fem
from dolfinx import mesh as dmesh
from mpi4py import MPI

from heartwright.mechanics.passive import NeoHooke, volumetric
from heartwright.mechanics.solid import Solid
from heartwright.mechanics.spec import Fixed, MechanicsSpec
from heartwright.mechanics.wall import bind
from heartwright.mesh.geometry import Geometry
from heartwright.mesh.where import FibresConstant

SPEC = MechanicsSpec(
    passive=NeoHooke(mu=1.0),
    bulk_modulus=10.0,
    viscosity=0.0,
    boundaries=[Fixed(where="surface")],
    active={"scale": 0.0},
)


def cube(n: int) -> Geometry:
    mesh = dmesh.create_unit_cube(MPI.COMM_SELF, n, n, n, ghost_mode=dmesh.GhostMode.none)
    mesh.topology.create_connectivity(2, 3)
    facets = dmesh.exterior_facet_indices(mesh.topology)
    tags = dmesh.meshtags(mesh, 2, facets, np.ones(len(facets), np.int32))
    return Geometry(mesh, tags, {"surface": 1}, {}, np.arange(len(mesh.geometry.x)))


def wanted(geometry: Geometry):
    """u = 0.1 sin(pi x) sin(pi y) sin(pi z) (1, -1, 1/2): det F between 0.6 and 1.4, zero on the surface."""
    x = ufl.SpatialCoordinate(geometry.mesh)
    bump = ufl.sin(ufl.pi * x[0]) * ufl.sin(ufl.pi * x[1]) * ufl.sin(ufl.pi * x[2])
    return 0.1 * bump * ufl.as_vector([1.0, -1.0, 0.5])


def force(geometry: Geometry, element: str):
    """The body force -Div P(u) that holds the cube in that shape; where q is an unknown, U = κ/2 (J - 1)²."""
    F = ufl.variable(ufl.Identity(3) + ufl.grad(wanted(geometry)))
    law, kappa, J = bind(SPEC.passive, geometry.mesh), fem.Constant(geometry.mesh, SPEC.bulk_modulus), ufl.det(F)
    U = volumetric(J, kappa) if element == "P2" else kappa / 2 * (J - 1) ** 2
    return -ufl.div(ufl.diff(law.psi(F.T * F, None, None, None) + U, F))


def errors(n: int, element: str) -> np.ndarray:
    """L2 errors of u, of its gradient, and, where there is one, of q = κ (J - 1)."""
    geometry = cube(n)
    spec = SPEC.replace(element=element, stabilisation=1.0 if element == "P1P1" else None)
    solid = Solid(geometry, spec, FibresConstant(), {}, 1.0, body_force=force(geometry, element))
    solid.solve(0.0, 1.0, lambda p: (np.zeros(0), np.zeros((0, 0))))
    off = solid.u - wanted(geometry)
    found = [off, ufl.grad(off)]
    if element != "P2":
        found.append(solid.wall.q - SPEC.bulk_modulus * (ufl.det(ufl.Identity(3) + ufl.grad(wanted(geometry))) - 1))
    forms = [fem.form(ufl.inner(e, e) * ufl.dx(degree=6)) for e in found]
    return np.sqrt([fem.assemble_scalar(form) for form in forms])


@pytest.mark.parametrize(
    ("element", "cells", "orders"), [("P2", 3, [3, 2]), ("P2P1", 3, [3, 2, 2]), ("P1P1", 6, [2, 1, 1.5])]
)
def test_the_error_falls_with_the_order_of_the_element(element, cells, orders):
    coarse, fine = errors(cells, element), errors(2 * cells, element)
    # These orders in the limit of small cells; these cells are a sixth of a half wave. The displacement of P2P1 falls
    # by 3.5 here, for some of its error is that of the pressure.
    found = np.log2(coarse / fine)
    assert (np.array(orders) - 0.35 < found).all() and (found < np.array(orders) + 0.6).all(), found


def energy_lost(steps: int) -> float:
    """What a cube that swings freely about its fixed face has lost of its energy after 2 ms, as a share."""
    geometry = cube(2)
    base = dmesh.locate_entities_boundary(geometry.mesh, 2, lambda x: x[2] < 1e-9)
    geometry.facets = dmesh.meshtags(geometry.mesh, 2, np.sort(base), np.ones(len(base), np.int32))
    spec = SPEC.replace(density=1.0)
    solid = Solid(geometry, spec, FibresConstant(), {}, 1.0)
    wall, dt = solid.wall, 2.0 / steps
    wall.v.interpolate(lambda x: np.stack([0.2 * x[2], 0 * x[0], 0 * x[0]]))
    F = ufl.Identity(3) + ufl.grad(wall.u)
    psi = wall.law.psi(F.T * F, None, None, None) + volumetric(ufl.det(F), wall.bulk_modulus)
    total = fem.form((psi + spec.density / 2 * ufl.inner(wall.v, wall.v)) * wall.dx)
    before = fem.assemble_scalar(total)
    for k in range(steps):
        solid.step(k * dt, dt, lambda p: (np.zeros(0), np.zeros((0, 0))))
    return 1.0 - fem.assemble_scalar(total) / before


def test_energy_is_kept_up_to_the_order_of_the_time_steps():
    """Backward Euler takes energy out, never puts any in, and the less the shorter its steps: first order.

    The ratio reaches 2 from below, when steps are short for the stiffest modes too (1.83 from 200 to 400 steps).
    """
    coarse, fine = energy_lost(100), energy_lost(200)
    assert 0.0 < fine < 0.2
    assert coarse / fine == pytest.approx(2.0, abs=0.25)
