"""A left ventricle that has just begun to contract: the tangent that multigrid is tested and timed with."""

import numpy as np
from mpi4py import MPI

from heartwright.mechanics.spec import MechanicsSpec
from heartwright.mechanics.wall import Wall
from heartwright.mesh.distribution import build
from heartwright.mesh.spec import Ellipsoid, MeshSpec


def wall(size: float) -> Wall:
    """A wall of cells of so many mm at rest, on which 30 kPa of active tension and 5 kPa of blood pressure set in.

    K and r are those of the first iteration of a step of 1 ms. Collective over all ranks.
    """
    mesh = MeshSpec(generate=Ellipsoid(size=size))
    found = Wall(build(mesh, MPI.COMM_WORLD), MechanicsSpec(), mesh.fibres, ["lv_endo"])
    found.rate.value = 1.0
    found.Ta.x.array[:], found.Ka.x.array[:] = 30.0, 60.0
    found.load(np.array([5.0]))
    found.tangent()
    found.residual(found.r)
    return found
