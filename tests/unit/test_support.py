"""Support: which rigid motions are free, and how they are named."""

import pytest
from mpi4py import MPI

from heartwright.errors import InputError
from heartwright.mechanics import support
from heartwright.mechanics.solid import Solid
from heartwright.mechanics.spec import Displacement, Fixed, MechanicsSpec, Robin, SurfacePressure
from heartwright.mesh.distribution import build
from heartwright.mesh.spec import Biventricle, Ellipsoid, MeshSpec
from mpi import answer

MESH = MeshSpec(generate=Ellipsoid(size=13.0))
EVERYTHING = ["translation in all directions", "rotation about all axes"]


def robin(where: str, direction: str = "normal", stiffness: float = 0.1) -> Robin:
    return Robin(where=where, stiffness=stiffness, damping=1.0, direction=direction)


SUPPORTS = {
    "nothing": ([], EVERYTHING),
    "dashpots": ([robin("epi", "full", stiffness=0.0)], EVERYTHING),
    "a pressure": ([SurfacePressure(where="epi", value=1.0)], EVERYTHING),
    "a sliding base": ([robin("base")], ["translation across z", "rotation about z"]),
    "a sliding base of flat facets": ([robin("base", "facet")], ["translation across z", "rotation about z"]),
    "a smooth round sac": ([robin("epi")], ["rotation about z"]),
    "a sac and a sliding base": ([robin("epi"), robin("base")], ["rotation about z"]),
    "a sac and vessels": ([robin("epi"), robin("base", "full")], []),
    "springs": ([robin("base", "full")], []),
    "a sac that rubs": ([robin("epi", "tangential")], []),
    "a base held across its normal": (
        [robin("base", "tangential")],
        ["translation along z", "rotation about all axes across z"],
    ),
    "a base that is put": ([Displacement(where="base", value=(0.0, 0.0, 1.0))], []),
    "a fixed base": ([Fixed(where="base")], []),
}


@pytest.fixture(scope="module")
def ventricle():
    return build(MESH, MPI.COMM_SELF)


@pytest.mark.parametrize(("boundaries", "free"), SUPPORTS.values(), ids=SUPPORTS)
def test_free_motions_of_a_round_ventricle(ventricle, boundaries, free):
    assert support.free_motions(ventricle, boundaries) == free


def test_two_ventricles_cannot_turn_in_their_sac():
    hearts = build(MeshSpec(generate=Biventricle(size=16.0)), MPI.COMM_SELF)
    assert support.free_motions(hearts, [robin("epi")]) == []


PROGRAM = """
import json
from mpi4py import MPI
from heartwright.mechanics import support
from heartwright.mechanics.spec import Robin
from heartwright.mesh.distribution import build
from heartwright.mesh.spec import Ellipsoid, MeshSpec

geometry = build(MeshSpec(generate=Ellipsoid(size=16.0)), MPI.COMM_WORLD)
free = support.free_motions(geometry, [Robin(where="base", stiffness=1.0)])
if geometry.comm.rank == 0:
    print(json.dumps([free]))
"""


@pytest.mark.parallel
def test_free_motions_are_the_same_on_three_ranks():
    assert answer(3, PROGRAM) == [["translation across z", "rotation about z"]]


def test_a_heart_that_can_move_freely_is_refused_by_the_motions(ventricle):
    spec = MechanicsSpec(boundaries=[robin("base")])
    with pytest.raises(InputError) as refused:
        Solid(ventricle, spec, MESH.fibres, {"lv": "lv_endo"}, 1.0)
    assert str(refused.value) == (
        "mechanics.boundaries: nothing holds the heart against translation across z and rotation about z; "
        "fix a surface, or give springs in the direction `full`"
    )
