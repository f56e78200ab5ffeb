"""Remeshing keeps volumes, regions and cavities, and gives the same mesh on every run."""

import numpy as np
import pytest
from mpi4py import MPI

pytest.importorskip("gmsh")

from heartwright.mesh import checks, quality, surface
from heartwright.mesh.distribution import distribute
from heartwright.mesh.generate import generate
from heartwright.mesh.prepare import prepare
from heartwright.mesh.remesh import remesh, without_specks
from heartwright.mesh.spec import Biventricle, Ellipsoid, MeshSpec


def cavity(raw, name):
    return surface.enclosed_volume(raw.points, raw.surface(name)[:, ::-1])


@pytest.fixture(scope="module")
def fine():
    shape = Biventricle(size=4.5)
    return checks.checked(generate(shape), MeshSpec(generate=shape))


def test_a_coarser_heart_is_the_same_heart(fine):
    coarse = checks.checked(remesh(fine, 6.0), MeshSpec(file="fine.msh", unit="mm"))
    assert len(coarse.cells) < 0.7 * len(fine.cells)
    assert quality.dihedral_angles(coarse.points, coarse.cells).min() > 8.0
    rims = distribute(coarse, MPI.COMM_SELF).rims
    for name in ("lv_endo", "rv_endo"):
        # facets of 6 mm cut 1 % off both; the crease of the right one, inside its region, is rounded as well
        assert cavity(coarse, name) == pytest.approx(cavity(fine, name), rel=0.035)
        assert len(rims[name]) == 1
    base = coarse.points[coarse.surface("base")]
    np.testing.assert_allclose(base[..., 2], 0.0, atol=1e-6)  # the line between base and walls stayed in its plane


def test_two_runs_give_the_same_mesh():
    shape = Ellipsoid(size=6.0)
    raw = checks.checked(generate(shape), MeshSpec(generate=shape))
    first, second = remesh(raw, 8.0), remesh(raw, 8.0)
    np.testing.assert_array_equal(first.points, second.points)
    np.testing.assert_array_equal(first.cells, second.cells)


def test_specks_join_their_larger_neighbour(fine):
    triangles, patch = fine.named_facets()
    speckled = patch.copy()
    middle = np.argmin(np.linalg.norm(fine.points[triangles].mean(axis=1) - [0, 0, -80], axis=1))
    speckled[middle] = 0
    np.testing.assert_array_equal(without_specks(fine.points, triangles, speckled, area=60.0), patch)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, size, low, high",
    [
        ("cobiveco_geo1/derived_cobiveco_geo1.msh", 3.2, 20000, 35000),
        ("bivme_patient1/derived_ED_remeshed.msh", 4, 15e3, 25e3),
    ],
)
def test_real_hearts_become_coarser_within_one_percent(shared_data, name, size, low, high):
    spec = MeshSpec(
        file=str(shared_data / name), unit="mm", regions={"base": 11, "epi": 12, "lv_endo": 13, "rv_endo": 14}
    )
    fine, coarse = prepare(spec), prepare(spec.replace(size=size))
    assert low < len(coarse.cells) < high
    assert quality.dihedral_angles(coarse.points, coarse.cells).min() > 5.0
    for cavity_name in ("lv_endo", "rv_endo"):
        assert cavity(coarse, cavity_name) == pytest.approx(cavity(fine, cavity_name), rel=0.01)
