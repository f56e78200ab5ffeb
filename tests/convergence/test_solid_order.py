"""Displacement and the pressure in the muscle converge with the order of the element: manufactured states of a cube."""

import numpy as np
import pytest
import ufl
from dolfinx import fem
from dolfinx import mesh as dmesh
from mpi4py import MPI

from heartwright.mechanics.energy import Energy
from heartwright.mechanics.passive import NeoHooke, volumetric
from heartwright.mechanics.solid import Solid
from heartwright.mechanics.spec import Fixed, MechanicsSpec, Robin
from heartwright.mesh.fibre_rules import FibresConstant
from heartwright.mesh.geometry import Geometry

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
    kappa, J = fem.Constant(geometry.mesh, SPEC.bulk_modulus), ufl.det(F)
    U = volumetric(J, kappa) if element == "P2" else kappa / 2 * (J - 1) ** 2
    return -ufl.div(ufl.diff(SPEC.passive.psi(F.T * F, None, None, None) + U, F))


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


def swinging(spectral_radius: float | None) -> Solid:
    """A viscous cube on springs and dashpots, pulled by a body force, thrown sideways."""
    geometry = cube(2)
    base = dmesh.locate_entities_boundary(geometry.mesh, 2, lambda x: x[2] < 1e-9)
    geometry.facets = dmesh.meshtags(geometry.mesh, 2, np.sort(base), np.ones(len(base), np.int32))
    held = [Robin(where="surface", stiffness=20.0, damping=0.5, direction="full")]
    spec = SPEC.replace(density=1.0, spectral_radius=spectral_radius, viscosity=0.1, boundaries=held)
    solid = Solid(geometry, spec, FibresConstant(), {}, 1.0, body_force=ufl.as_vector(PULL))
    solid.wall.v.interpolate(lambda x: np.stack([0.2 * x[2], 0 * x[0], 0 * x[0]]))
    return solid


PULL = (0.0, 0.2, -0.1)  # mN/mm³


def energy_lost(spectral_radius: float | None, steps: int) -> float:
    """What the books of 1 ms lack, as a share of the energy it was thrown with."""
    solid, dt = swinging(spectral_radius), 1.0 / steps
    energy, work = Energy(solid.wall), fem.form(ufl.inner(ufl.as_vector(PULL), solid.u) * solid.wall.dx)
    thrown, heat = energy.kinetic(), [energy.heat()]
    for k in range(steps):
        solid.step(k * dt, dt, lambda p: (np.zeros(0), np.zeros((0, 0))))
        heat.append(energy.heat())
    books = energy.kinetic() + energy.elastic() + np.trapezoid(heat, dx=dt) - fem.assemble_scalar(work)
    return 1.0 - books / thrown


@pytest.mark.parametrize(("spectral_radius", "order"), [(None, 1.0), (1.0, 2.0)])
def test_the_energy_balance_closes_with_the_order_of_the_time_steps(spectral_radius, order):
    """Kinetic and elastic energy and heat are what the cube was thrown with and the work of the body force.

    Backward Euler takes energy out, never puts any in.
    """
    coarse, fine = energy_lost(spectral_radius, 100), energy_lost(spectral_radius, 200)
    assert np.log2(coarse / fine) == pytest.approx(order, abs=0.25)
    assert abs(fine) < 1e-2 if spectral_radius else fine > 0.0
