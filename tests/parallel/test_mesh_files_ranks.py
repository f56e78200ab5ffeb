"""Mesh files written and read on 1, 2 and 3 ranks hold the same heart."""

import json

import numpy as np
import pytest

from heartwright.mesh import fields, importers
from heartwright.mesh.fibre_rules import FibresBayer
from heartwright.mesh.prepare import prepare
from heartwright.mesh.spec import MeshSpec
from mpi import answer, run

pytestmark = pytest.mark.parallel


def heartwright(ranks, folder, *arguments):
    done = run(ranks, ["-m", "heartwright", "mesh", *arguments], cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One generated heart, with fibres, coordinates and a refined child computed on 1, 2 and 3 ranks."""
    pytest.importorskip("gmsh")
    folder = tmp_path_factory.mktemp("meshes")
    heartwright(1, folder, "generate", "biventricle", "--set", "size='9 mm'", "-o", "heart.h5")
    for ranks in (1, 2, 3):
        heartwright(ranks, folder, "fibres", "heart.h5", "-o", f"f{ranks}.h5")
        told = heartwright(ranks, folder, "coordinates", f"f{ranks}.h5", "-o", f"c{ranks}.h5")
        assert told.count("written:") == 1  # by one rank only
        heartwright(ranks, folder, "refine", f"f{ranks}.h5", "-o", f"r{ranks}.h5")
    return folder


@pytest.mark.parametrize("ranks", [2, 3])
def test_fibres_and_coordinates_are_the_same(made, ranks):
    one, other = (importers.read(MeshSpec(file=str(made / f"c{n}.h5"))) for n in (1, ranks))
    np.testing.assert_array_equal(one.points, other.points)
    np.testing.assert_array_equal(one.cells, other.cells)
    assert {"f0", "s0", "n0"} <= one.cell_fields.keys() and {"aha", "transmural"} <= one.point_fields.keys()
    for where in ("cell_fields", "point_fields"):
        for name, values in getattr(one, where).items():
            np.testing.assert_allclose(getattr(other, where)[name], values, atol=1e-8, err_msg=name)


@pytest.mark.parametrize("ranks", [2, 3])
def test_refined_meshes_are_the_same(made, ranks):
    def rows(raw):
        order = np.lexsort(np.sort(raw.cells, axis=1).T)
        return np.sort(raw.cells, axis=1)[order], raw.cell_fields["f0"][order], np.sort(raw.surface("lv_endo").ravel())

    one, other = (importers.read(MeshSpec(file=str(made / f"r{n}.h5"))) for n in (1, ranks))
    np.testing.assert_allclose(one.points, other.points, atol=1e-12)
    (cells, f0, endo), (same_cells, same_f0, same_endo) = rows(one), rows(other)
    np.testing.assert_array_equal(cells, same_cells)
    np.testing.assert_array_equal(endo, same_endo)
    np.testing.assert_allclose(f0, same_f0, atol=1e-8)


CHAMBERS = """
import json
from mpi4py import MPI
from dolfinx import fem
from heartwright.mesh.distribution import build
from heartwright.mesh.select import select, select_cells
from heartwright.mesh.spec import MeshSpec
from heartwright.mesh.where import WhereRegion

comm = MPI.COMM_WORLD
heart = build(MeshSpec.model_validate(json.loads('''{spec}''')), comm)
facts = []
for g in (heart, heart.refined(1)):
    inside = fem.Function(fem.functionspace(g.mesh, ("DG", 0)))
    for where in (WhereRegion(region="la"), WhereRegion(region="lv"), WhereRegion(region=("la", "lv"))):
        inside.x.array[:] = select_cells(g, where)
        owned = g.V1.dofmap.index_map.size_local
        facts.append(comm.allreduce(fem.assemble_scalar(fem.form(inside * g.dx))))
        facts.append(comm.allreduce(int(select(g, where)[:owned].sum())))
whole = heart.whole()
if comm.rank == 0:
    print(json.dumps([*facts, whole.regions, sorted((whole.region == 1).nonzero()[0].shape)]))
"""


def test_several_tissues_of_a_file_are_regions_on_any_ranks(shared_data):
    """An atrium and a ventricle; between them the nodes of their border belong to both."""
    folder = shared_data / "ambit_lalv"
    spec = {"file": str(folder / "lalv_domain.xdmf"), "also": [str(folder / "lalv_boundary.xdmf")], "unit": "mm"}
    spec |= {"tissues": {"la": 1, "lv": 2}, "regions": {"wall": [1, 3, 4, 5]}, "fibres": {"type": "none"}}
    told = [run(ranks, CHAMBERS.replace("{spec}", json.dumps(spec))) for ranks in (1, 2, 3)]
    assert all(done.returncode == 0 for done in told), "".join(done.stderr for done in told)
    one, two, three = (json.loads(done.stdout.splitlines()[-1]) for done in told)
    assert one[12:] == two[12:] == three[12:] and one[12] == ["la", "lv"]
    np.testing.assert_allclose(two[:12], one[:12], rtol=1e-12)
    np.testing.assert_allclose(three[:12], one[:12], rtol=1e-12)
    la, la_nodes, lv, lv_nodes, both, all_nodes = one[:6]
    np.testing.assert_allclose(np.array([la, lv, both]) / 1000.0, [150.9, 162.8, 313.7], atol=0.05)
    assert all_nodes < la_nodes + lv_nodes
    np.testing.assert_allclose(one[6::2][:3], one[0:6:2], rtol=1e-12)  # of the refined mesh


AMBIT = """
import json
from mpi4py import MPI
from dolfinx import fem
from heartwright.mesh.fibres import directions
from heartwright.mesh.distribution import build
from heartwright.mesh.spec import MeshSpec

comm = MPI.COMM_WORLD
spec = MeshSpec.model_validate(json.loads('''{spec}'''))
g = build(spec, comm)
f0 = directions(g, spec.fibres, "DG0")[0]
def integral(expression):
    return comm.allreduce(fem.assemble_scalar(fem.form(expression * g.dx)))
facts = [g.cavity_volume(name) for name in g.cavities] + [integral(fem.Constant(g.mesh, 1.0)), integral(f0[2] ** 2)]
if comm.rank == 0:
    print(json.dumps(facts))
"""


def test_xdmf_whose_fibres_and_surfaces_lie_in_other_files_is_read_on_any_ranks(shared_data):
    folder = shared_data / "ambit_lalv"
    spec = {
        "file": str(folder / "heart3D_domain.xdmf"),
        "also": [str(folder / f"{name}.xdmf") for name in ("heart3D_boundary", "fib_fiber_nodal", "fib_sheet_nodal")],
        "unit": "mm",
        "regions": {"lv_endo": 1, "rv_endo": 2, "epi": 3, "base": 4},
        "fibres": {"type": "file", "fibre": "fiber", "sheet": "sheet"},
    }
    one, two = (answer(ranks, AMBIT.replace("{spec}", json.dumps(spec))) for ranks in (1, 2))
    np.testing.assert_allclose(one, two, rtol=1e-10)
    np.testing.assert_allclose(np.array(one[:3]) / 1000.0, [116.1, 83.8, 203.7], atol=0.05)


STORED = """
import numpy as np
from mpi4py import MPI
from heartwright.mesh import coordinates, importers
from heartwright.mesh.distribution import build
from heartwright.mesh.spec import MeshSpec

coordinates.compute = None  # must not be asked for
g = build(MeshSpec(file="{file}"), MPI.COMM_WORLD)
held = importers.read(MeshSpec(file="{file}")).point_fields
for name in ("transmural", "apicobasal", "rotation", "chamber", "aha", "septum"):
    assert np.array_equal(getattr(g.coordinates, name), held[name][g.input_vertex]), name
"""


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_stored_coordinates_are_used_as_they_are(made, ranks):
    done = run(ranks, STORED.replace("{file}", str(made / "c2.h5")))
    assert done.returncode == 0, done.stderr


def test_stored_coordinates_of_another_mesh_are_not_used(made):
    raw = prepare(MeshSpec(file=str(made / "c1.h5")))
    assert raw.coordinates_of == raw.digest()
    kept = fields.only_needed(raw, FibresBayer(), (), raw.digest())
    assert kept.point_fields.keys() == set(fields.COORDINATES) and kept.notes == raw.notes
    swapped = raw.names | {"lv_endo": raw.names["rv_endo"], "rv_endo": raw.names["lv_endo"]}
    for other in (raw.but(names=swapped), raw.but(points=2.0 * raw.points)):
        left = fields.only_needed(other, FibresBayer(), (), other.digest())
        assert not left.point_fields and "computed anew" in left.notes[-1]


SHARED = """
import json
from pathlib import Path
import numpy as np
from mpi4py import MPI
from heartwright.mesh import digests, distribution, shares
from heartwright.mesh.formats import native
from heartwright.mesh.prepare import prepare
from heartwright.mesh.spec import Biventricle, MeshSpec

comm = MPI.COMM_WORLD
digests.BLOCK = 200  # rows: so that every rank has a share of a small mesh
spec = MeshSpec.model_validate({"file": "shared.h5", "fibres": {"type": "file"}})
if comm.rank == 0:
    raw = prepare(MeshSpec(generate=Biventricle(size=12.0)))
    rng = np.random.default_rng(1)
    f0, s0 = np.linalg.qr(rng.normal(size=(len(raw.cells), 3, 2)))[0].transpose(2, 0, 1)
    depth = {name: rng.random(len(raw.points)) for name in ("transmural", "apicobasal", "rotation")}
    depth |= {name: np.zeros(len(raw.points)) for name in ("chamber", "aha", "septum")}
    parts = {"regions": ("left", "right"), "region": 1 + (raw.points[raw.cells[:, 0], 0] > 0).astype(np.int32)}
    raw = raw.but(cell_fields={"f0": f0, "s0": s0, "unused": s0}, point_fields=depth, **parts)
    native.write(Path("shared.h5"), raw.but(checked=raw.digest(), coordinates_of=raw.digest()))
comm.barrier()
share = shares.read(spec, comm)
assert 0 < len(share.cells) < comm.allreduce(len(share.cells)) or comm.size == 1
here = distribution.build(spec, comm)
shares.read = lambda *_: None  # as if it were any other file
there = distribution.build(spec, comm)
assert here.notes == there.notes and here.digest == there.digest, (here.notes, there.notes)
for name, loops in here.rims.items():
    assert all(np.array_equal(a, b) for a, b in zip(loops, there.rims[name], strict=True))
facts = []
for g in (here, there):
    assert g.cell_fields.keys() == {"f0", "s0"} and len(g.stored) == 6 and not g.point_fields
    corners = np.sort(g.input_vertex[g.V1.dofmap.list], axis=1)
    rows = [g.gathered_cells(values) for values in (corners, g.region, g.cell_fields["f0"], g.cell_fields["s0"])]
    rows += [g.gathered_points(values) for values in (g.points, *g.stored.values())]
    triangles = np.vstack(comm.allgather(np.sort(g.input_vertex[g.local_triangles("rv_endo")], axis=1)))
    facts.append([*rows, np.unique(triangles, axis=0)])
if comm.rank == 0:
    assert all(np.array_equal(a, b) for a, b in zip(*facts, strict=True))
    print(json.dumps(here.digest))
"""


def test_our_file_read_by_all_ranks_is_the_mesh_that_one_rank_reads(tmp_path):
    pytest.importorskip("gmsh")
    told = {answer(ranks, f"import os; os.chdir({str(tmp_path)!r})" + SHARED) for ranks in (1, 2, 3)}
    assert len(told) == 1
