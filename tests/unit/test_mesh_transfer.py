"""Refinement and transfer on one rank: polynomials come through exactly, volumes and names stay, motion is shared."""

import numpy as np
import pytest
from dolfinx import fem
from mpi4py import MPI

from cup import cup
from heartwright.errors import InputError
from heartwright.mesh import checks, quality
from heartwright.mesh.distribution import distribute
from heartwright.mesh.spec import MeshSpec
from heartwright.mesh.transfer import Transfer

CAVITY = 40.0 * 40.0 * 20.0


@pytest.fixture(scope="module")
def parent():
    return distribute(checks.checked(cup(), MeshSpec(file="cup.msh", unit="mm")), MPI.COMM_SELF)


@pytest.fixture(scope="module", params=[1, 2])
def child(request, parent):
    return parent.refined(request.param)


def linear(x):
    return 1.0 + 2.0 * x[..., 0] - 3.0 * x[..., 1] + 0.5 * x[..., 2]


def quadratic(x):
    return np.array([x[0] ** 2 - x[1] * x[2], x[0] + x[1], x[2] ** 2 + 3.0 * x[0] * x[1]]) / 1e3


def test_each_level_multiplies_the_cells_by_eight(parent, child):
    count = [g.mesh.topology.index_map(3).size_local for g in (parent, child)]
    assert count[1] == 8**child.levels * count[0]


def test_linear_fields_go_down_and_up_unchanged(parent, child):
    transfer = Transfer(parent, child)
    np.testing.assert_allclose(transfer.prolong(linear(parent.points)), linear(child.points), atol=1e-11)
    values = np.sin(parent.points)
    np.testing.assert_array_equal(transfer.restrict(transfer.prolong(values)), values)


def test_quadratic_vectors_arrive_exactly(parent, child):
    u = fem.Function(fem.functionspace(parent.mesh, ("Lagrange", 2, (3,))))
    u.interpolate(quadratic)
    np.testing.assert_allclose(Transfer(parent, child).prolong_p2(u), quadratic(child.points.T).T, atol=1e-12)


def test_prolong_p2_keeps_up_with_the_function(parent, child):
    u = fem.Function(fem.functionspace(parent.mesh, ("Lagrange", 2)))
    transfer = Transfer(parent, child)
    for factor in (1.0, 2.0):
        u.interpolate(lambda x, a=factor: a * x[0] ** 2)
        np.testing.assert_allclose(transfer.prolong_p2(u)[:, 0], factor * child.points[:, 0] ** 2, atol=1e-10)


def test_transfer_needs_a_child(parent, child):
    with pytest.raises(ValueError, match="refined"):
        Transfer(child, parent)


def test_a_mesh_that_is_not_refined_is_its_own_child(parent):
    transfer = Transfer(parent, parent.refined(0))
    np.testing.assert_array_equal(transfer.prolong(parent.points), parent.points)


def test_surfaces_keep_area_and_cavities_volume(parent, child):
    def areas(g):
        return [fem.assemble_scalar(fem.form(fem.Constant(g.mesh, 1.0) * g.ds(tag))) for tag in g.names.values()]

    np.testing.assert_allclose(areas(child), areas(parent), rtol=1e-12)
    assert child.names == parent.names
    assert parent.cavity_volume("lv_endo") == pytest.approx(CAVITY, rel=1e-12)
    assert child.cavity_volume("lv_endo") == pytest.approx(CAVITY, rel=1e-12)


def test_vertices_of_the_parent_keep_their_number(parent, child):
    of_parent = dict(zip(parent.input_vertex.tolist(), parent.points.tolist(), strict=True))
    of_child = dict(zip(child.input_vertex.tolist(), child.points.tolist(), strict=True))
    assert len(of_child) == child.n_vertices
    assert of_parent.items() <= of_child.items()


def test_refinement_keeps_the_shape_of_cells(parent, child):
    # the worst shape of a family of tetrahedra cut by shortest diagonals is not much below the first
    angle = [quality.dihedral_angles(g.points, _positive(g)).min() for g in (parent, child)]
    assert angle[1] > 0.6 * angle[0]


def _positive(geometry):
    from heartwright.mesh.surface import tet_volumes

    cells = geometry.V1.dofmap.list.copy()
    inverted = tet_volumes(geometry.points, cells) < 0.0
    cells[inverted] = cells[inverted][:, [1, 0, 2, 3]]
    return cells


def test_a_surface_that_is_not_there_is_named(parent):
    with pytest.raises(InputError, match="no surface 'rv_endo'; it has: base, epi, lv_endo"):
        parent.tag("rv_endo")
    with pytest.raises(InputError, match="'epi' bounds no cavity; those that do: lv_endo"):
        parent.cavity_volume("epi")
