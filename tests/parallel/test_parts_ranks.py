"""Parts of a heart, and fibres laid part by part, are the same on any number of ranks."""

import json

import numpy as np
import pytest

from mpi import run

pytestmark = pytest.mark.parallel

PROGRAM = """
import json
import numpy as np
from mpi4py import MPI
from heartwright.mesh import distribution, generate
from heartwright.mesh.spec import Ellipsoid

comm = MPI.COMM_WORLD
raw = None
if comm.rank == 0:
    raw = generate.generate(Ellipsoid(size=8.0))
    z = raw.points[raw.cells].mean(axis=1)[:, 2]
    raw = raw.but(regions=("apex", "middle", "base"), region=np.digitize(z, (-45.0, -20.0)).astype(np.int32) + 1)
heart = distribution.distribute(raw, comm)


def sizes(g):
    corners = g.points[g.V1.dofmap.list]
    found = [np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1])).sum() / 6]
    for name in g.names:
        a, b, c = g.points[g.local_triangles(name).T]
        found.append(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)
    return [comm.allreduce(float(value)) for value in found]


facts = {}
for g in (heart, heart.refined(1)):
    for regions in (("apex",), ("middle",), ("apex", "middle"), ("apex", "base")):
        part = g.part(regions)
        key = f"{g.levels} {' '.join(regions)}"
        facts[key] = sizes(part)
        facts[key + " names"] = list(part.names)
        values = g.from_part(part, part.points[:, 2], -999.0)
        inside = values != -999.0
        assert np.allclose(values[inside], g.points[inside, 2], rtol=1e-12)
        owned = g.V1.dofmap.index_map.size_local
        facts[key + " nodes"] = comm.allreduce(int(inside[:owned].sum()))
if comm.rank == 0:
    print(json.dumps(facts))
"""


def test_parts_have_the_same_surfaces_and_borders_on_any_ranks():
    told = [run(ranks, PROGRAM) for ranks in (1, 2, 3)]
    assert all(done.returncode == 0 for done in told), "".join(done.stderr for done in told)
    one, *others = (json.loads(done.stdout.splitlines()[-1]) for done in told)
    for other in others:
        assert other.keys() == one.keys()
        for key, values in one.items():
            if key.endswith("names"):
                assert values == other[key]
            else:
                np.testing.assert_allclose(other[key], values, rtol=1e-12, err_msg=key)
    for level in "01":
        assert one[f"{level} apex names"] == ["epi", "lv_endo", "border_middle"]
        assert one[f"{level} middle names"] == ["epi", "lv_endo", "border_apex", "border_base"]
        apex, middle, both = (one[f"{level} {name}"] for name in ("apex", "middle", "apex middle"))
        np.testing.assert_allclose(
            np.add(apex, middle[:4])[:3], both[:3], rtol=1e-12
        )  # volume, epicardium, endocardium
        assert apex[3] == pytest.approx(middle[3])  # their common border
    assert one["0 apex"][0] == pytest.approx(one["1 apex"][0]) and one["0 apex"][3] == pytest.approx(one["1 apex"][3])


WHOLE = """
import json
import sys
import numpy as np
from mpi4py import MPI
from heartwright.mesh import distribution, fibres
from heartwright.mesh.spec import MeshSpec

comm = MPI.COMM_WORLD
spec = MeshSpec.model_validate(json.loads('''{spec}'''))
heart = distribution.build(spec, comm)
tables = {}
for element, name in (("DG0", "cells"), (("quadrature", 2), "points")):
    laid = [v.x.array[v.function_space.dofmap.list.ravel()[:, None] * 3 + range(3)]
            for v in fibres.directions(heart, spec.fibres, element)]
    laid = np.stack(laid, axis=1).reshape(len(heart.region), -1, 9).mean(axis=1)
    tables[name] = heart.gathered_cells(laid)
c = heart.coordinates
columns = (c.transmural, c.apicobasal, np.cos(c.rotation), np.sin(c.rotation), c.chamber, c.aha, c.septum)
tables["nodes"] = heart.gathered_points(np.nan_to_num(np.column_stack(columns), nan=-1.0))
if comm.rank == 0:
    np.savez(sys.argv[1], **tables)
"""


@pytest.mark.slow
def test_a_whole_heart_has_the_same_fibres_and_coordinates_on_any_ranks(tmp_path):
    pytest.importorskip("gmsh")
    rules = [{"region": ["lv", "rv"], "fibres": {"type": "doste"}}, {"region": "rings", "fibres": {"type": "constant"}}]
    rules.append({"region": ["la", "ra"], "fibres": {"type": "piersanti"}})
    spec = {"generate": {"type": "four_chambers"}, "fibres": {"type": "parts", "parts": rules}}
    (tmp_path / "lay.py").write_text(WHOLE.replace("{spec}", json.dumps(spec)))
    tables = []
    for ranks in (1, 2, 3):
        done = run(ranks, [str(tmp_path / "lay.py"), str(tmp_path / f"{ranks}.npz")], timeout=400)
        assert done.returncode == 0, done.stderr
        tables.append(np.load(tmp_path / f"{ranks}.npz"))
    for other in tables[1:]:
        # where a gradient nearly vanishes, its direction keeps fewer digits than the fields of 1e-12
        for name, tolerance in (("cells", 1e-8), ("points", 1e-6), ("nodes", 1e-8)):
            assert np.abs(other[name] - tables[0][name]).max() < tolerance, name
