"""Heterogeneity: factors on cell parameters by region, along coordinates, from fields of the mesh file."""

import meshio
import numpy as np
import pytest
from mpi4py import MPI

from box import AXES, box
from heartwright.electrophysiology.spec import (
    Cells,
    Conductivities,
    ElectrophysiologySpec,
)
from heartwright.electrophysiology.tissue import Tissue
from heartwright.errors import InputError
from heartwright.mesh import scaling
from heartwright.mesh.distribution import build
from heartwright.mesh.geometry import Geometry
from heartwright.mesh.scale import ScaleCoordinate, ScaleField, ScaleRegion
from heartwright.mesh.spec import Biventricle, MeshSpec, Slab

RIGHT_HALF = {"box": {"lower": (5.0, -1.0, -1.0), "upper": (11.0, 9.0, 9.0)}}
TT = "tentusscher_panfilov_2006"


def tissue(geometry: Geometry, *entries: Cells) -> Tissue:
    conduction = Conductivities(fibre=0.13, sheet=0.02, normal=0.02)
    spec = ElectrophysiologySpec(cells=list(entries), conduction=conduction, ecg=None)
    return Tissue(geometry, spec, AXES, dt=0.05)


def values(made: Tissue, parameter: str) -> np.ndarray:
    """A parameter at the owned nodes, all of whose cells are of one entry."""
    kernel = made.cells.kernels[0]
    return kernel._begin[kernel._input_row(parameter), : made.n]


def test_a_region_has_its_factor_and_factors_multiply():
    geometry = box((10.0, 1.0, 1.0), 1.0)
    scales = [
        ScaleRegion(parameter="iks.g_Ks", where="all", factor=3.0),
        ScaleRegion(parameter="conductance_ks", where=RIGHT_HALF, factor=2.0),  # the label of the same parameter
    ]
    made = tissue(geometry, Cells(model=TT, variant="endo", scales=scales))
    x = geometry.points[: made.n, 0]
    g = made.cells.kernels[0].model.value("iks.g_Ks")
    np.testing.assert_allclose(values(made, "iks.g_Ks"), g * np.where(x >= 5.0, 6.0, 3.0))


def test_a_scaled_cell_behaves_like_one_with_the_parameter():
    """Half a beat of two tissues: g_Ks scaled node by node, and g_Ks given."""
    geometry = box((2.0, 1.0, 1.0), 1.0)
    scaled = tissue(geometry, Cells(model=TT, scales=[ScaleRegion(parameter="iks.g_Ks", where="all", factor=2.0)]))
    g = scaled.cells.kernels[0].model.value("iks.g_Ks")
    given = tissue(geometry, Cells(model=TT, parameters={"iks.g_Ks": 2 * g}))
    for each in (scaled, given):
        each.v.x.array[:] = 0.0
        for t in range(150):
            each.step(float(t), 1.0)
    np.testing.assert_allclose(scaled.v.x.array, given.v.x.array, atol=1e-6)  # mV


def test_along_a_coordinate_factors_are_linear_between_places():
    heart = build(MeshSpec(generate=Biventricle(size=10.0)), MPI.COMM_SELF)
    scale = ScaleCoordinate(parameter="iks.g_Ks", along="apicobasal", at=[0.2, 0.8], factors=[2.0, 0.5])
    height = heart.coordinates.apicobasal
    expected = np.where(height < 0.2, 2.0, np.where(height > 0.8, 0.5, 2.0 - 2.5 * (height - 0.2)))
    np.testing.assert_allclose(scaling.factors(heart, scale), expected)


@pytest.fixture
def slab_file(tmp_path):
    """A slab with the field `x` on its points, and `above` on its cells: 1 beyond x = 5 mm, 0 before."""
    from heartwright.mesh.generate import generate

    raw = generate(Slab(lengths=(10.0, 2.0, 2.0), size=1.0))
    middles = raw.points[raw.cells].mean(axis=1)
    x, above = raw.points[:, 0], (middles[:, 0] > 5.0).astype(float)
    nothing = [np.zeros(len(raw.facets)), raw.facet_tags]
    meshio.Mesh(
        raw.points,
        [("tetra", raw.cells), ("triangle", raw.facets)],
        point_data={"x": x},
        cell_data={"above": [above, nothing[0]], "tag": [np.zeros(len(raw.cells), dtype=int), nothing[1]]},
    ).write(tmp_path / "slab.vtu")
    return tmp_path / "slab.vtu"


def slab(file, *fields: str) -> MeshSpec:
    return MeshSpec(file=str(file), unit="mm", tags="tag", regions={"epi": 1, "base": 2}, fields=fields)


def test_a_field_of_the_mesh_file_scales_at_its_points(slab_file):
    """Also on a refined mesh, linear between the points of the file; fields of cells are means at their points."""
    geometry = build(slab(slab_file, "x", "above"), MPI.COMM_SELF).refined(1)
    scale = ScaleField(parameter="iks.g_Ks", field="x")
    np.testing.assert_allclose(scaling.factors(geometry, scale), geometry.points[:, 0], atol=1e-12)
    above, x = geometry.scalars["above"], geometry.points[:, 0]
    assert np.all(above[x > 7] == 1.0) and np.all(above[x < 3] == 0.0)


def test_what_the_file_does_not_have_is_named(slab_file):
    with pytest.raises(InputError, match=r"has no scalar field 'y'; it has .*above.*x"):
        build(slab(slab_file, "y"), MPI.COMM_SELF)
    geometry = build(slab(slab_file, "x"), MPI.COMM_SELF)
    with pytest.raises(InputError, match=r"the mesh keeps no field 'above'; mesh\.fields names x"):
        scaling.factors(geometry, ScaleField(parameter="iks.g_Ks", field="above"))


def test_unknown_parameters_are_named():
    geometry = box((2.0, 1.0, 1.0), 1.0)
    with pytest.raises(InputError, match=r"no parameter 'g_Kss'; did you mean 'g_Ks'"):
        tissue(geometry, Cells(model=TT, scales=[ScaleRegion(parameter="g_Kss", where="all", factor=2.0)]))
    with pytest.raises(InputError, match=r"'ina\.i_Na' is computed"):
        tissue(geometry, Cells(model=TT, scales=[ScaleRegion(parameter="ina.i_Na", where="all", factor=2.0)]))


@pytest.mark.parametrize(
    ("at", "factors", "message"),
    [([0.0, 1.0], [1.0], "2 places but 1 factors"), ([0.5, 0.5], [1.0, 2.0], "must ascend")],
)
def test_tables_that_say_nothing_are_refused(at, factors, message):
    with pytest.raises(ValueError, match=message):
        ScaleCoordinate(parameter="iks.g_Ks", along="transmural", at=at, factors=factors)
