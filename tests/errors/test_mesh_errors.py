"""Meshes that cannot be used: the same complete message on every rank, exit code 64, and nobody left waiting."""

import json

import h5py
import numpy as np
import pytest

from cup import CUP_REGIONS, cup, write
from heartwright.mesh import checks
from heartwright.mesh.formats import native
from heartwright.mesh.spec import MeshSpec
from mpi import run

pytest.importorskip("gmsh")
pytestmark = pytest.mark.parallel

# Builds every mesh of the list and prints, per rank, what it was told.
PROGRAM = """
import json, sys
from mpi4py import MPI
from heartwright.errors import InputError
from heartwright.mesh.distribution import build
from heartwright.mesh.spec import MeshSpec

told = []
for spec in json.loads('''{specs}'''):
    try:
        build(MeshSpec.model_validate(spec), MPI.COMM_WORLD)
        told.append([0, "no error"])
    except InputError as error:
        told.append([error.exit_code, str(error)])
everybody = MPI.COMM_WORLD.gather(told)
if everybody:
    print(json.dumps(everybody))
"""


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """Specs of meshes that are broken, each with what the message must say."""
    folder = tmp_path_factory.mktemp("meshes")
    raw = cup()
    inverted = raw.cells.copy()
    inverted[:7] = inverted[:7][:, [1, 0, 2, 3]]
    write(raw, folder / "good.msh", "2.2")
    write(raw.but(cells=inverted), folder / "inverted.msh", "2.2")
    text = (folder / "good.msh").read_text().splitlines()
    row = text.index("$Nodes") + 5
    text[row] = " ".join([text[row].split()[0], "1.0", "nan", "2.0"])
    (folder / "nan.msh").write_text("\n".join(text) + "\n")
    (folder / "cut.msh").write_text("\n".join(text[:40]) + "\n")
    (folder / "empty.msh").write_text("")
    (folder / "mesh.xyz").write_text("solid\n")

    def spec(name, **changes):
        return {"file": str(folder / name), "unit": "mm", "regions": CUP_REGIONS} | changes

    return [
        (
            spec("good.msh", regions=CUP_REGIONS | {"rv_endo": 14}),
            "good.msh: tag 14 for 'rv_endo' is not on any surface",
        ),
        (spec("good.msh", unit="m"), "with `unit: mm` it would be 32.0 mL"),
        (spec("good.msh", regions={}), "mesh.regions: missing"),
        (spec("inverted.msh"), "inverted.msh: 7 of "),
        (spec("nan.msh"), "nan.msh: 1 point without finite coordinates"),
        (spec("cut.msh"), "cut.msh is damaged or not a .msh mesh"),
        (spec("empty.msh"), "empty.msh is damaged or not a .msh mesh"),
        (spec("none.msh"), "there is no file "),
        (spec("mesh.xyz"), "cannot read '.xyz' files; expected .msh, .vtk, "),
    ]


@pytest.fixture(scope="module")
def broken_of_ours(tmp_path_factory):
    """The same for files of ours that passed all checks when they were written, or say so."""
    folder = tmp_path_factory.mktemp("ours")
    good = checks.checked(cup(), MeshSpec(file="cup.msh", unit="mm"))
    long = np.tile([2.0, 0.0, 0.0], (len(good.cells), 1))
    outside = good.cells.copy()
    outside[9, 2] = 10**9
    meshes = {
        "good": good,
        "long": good.but(cell_fields={"f0": long, "s0": long}),
        "moved": good,
        "cut": good,
        "outside": good.but(cells=outside),
        "half": good.keep_cells(slice(0, 20)),
    }
    for name, raw in meshes.items():
        native.write(folder / f"{name}.h5", raw if name == "half" else raw.but(checked=raw.digest()))
    with h5py.File(folder / "moved.h5", "a") as file:
        file["points"][3, 1] += 1.0
    (folder / "cut.h5").write_bytes((folder / "good.h5").read_bytes()[:5000])

    def spec(name, **changes):
        return {"file": str(folder / name)} | changes

    return [
        (spec("good.h5", fibres={"type": "file"}), "good.h5: has no vectors 'f0' for fibres; it has none"),
        (spec("good.h5", cavity_volumes=["50 mL", "400 mL"]), "'lv_endo' encloses 32 mL, expected 50 to 400 mL"),
        (spec("long.h5", fibres={"type": "file"}), "vectors of 'f0' are no unit vectors, the first has length 2"),
        (spec("moved.h5"), "was changed after it was written"),
        (spec("cut.h5"), "cut.h5 is damaged or not a .h5 mesh: cut.h5 is truncated"),
        (spec("outside.h5"), "1 tetrahedron with corners outside the "),
        (spec("half.h5"), "half.h5: "),
    ]


def told(ranks: int, broken: list[tuple[dict, str]]) -> list[list]:
    """Exit code and text of every one of `broken`, the same on all ranks, each with its message."""
    done = run(ranks, PROGRAM.replace("{specs}", json.dumps([spec for spec, _ in broken])))
    assert done.returncode == 0, done.stderr
    everybody = json.loads(done.stdout.splitlines()[-1])
    assert len(everybody) == ranks and all(heard == everybody[0] for heard in everybody)
    for (_, expected), (code, text) in zip(broken, everybody[0], strict=True):
        assert code == 64 and expected in text
    return everybody[0]


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_bad_file_of_ours_is_told_as_any_other(broken_of_ours, ranks):
    told(ranks, broken_of_ours)


@pytest.mark.parametrize("ranks", [1, 2])
def test_every_rank_hears_the_same(broken, ranks):
    heard = told(ranks, broken)
    assert "the first is tetrahedron 1" in heard[3][1] and "fix: [orientation]" in heard[3][1]
