"""The biventricle of Arostica et al. 2025: the published coarse mesh and fibres, the muscle of the monoventricle."""

from pathlib import Path

from monoventricle import TIMES, curve, muscle, pressure, tension
from mpi4py import MPI

from heartwright.mechanics.solid import Solid
from heartwright.mechanics.spec import MechanicsSpec, Robin, SurfacePressure
from heartwright.mesh.distribution import build
from heartwright.mesh.fibre_rules import FibresFile
from heartwright.mesh.spec import MeshSpec

REGIONS = {"base": 10, "rv_endo": 20, "lv_endo": 30, "epi": 40}
PROBES = {"p0": (25.0, 30.0, 0.0), "p1": (0.0, 30.0, 0.0), "p2": (25.0, 0.0, 72.0)}


def mesh(folder: Path) -> MeshSpec:
    """45 k tetrahedra; half are inverted in the file."""
    return MeshSpec(
        file=str(folder / "bi_ventricular.xdmf"),
        also=(str(folder / "fiber_directions.xdmf"),),
        unit="m",
        regions=REGIONS,
        fix=("orientation",),
        fibres=FibresFile(fibre="fiber", sheet="sheet"),
    )


def spec() -> MechanicsSpec:
    """Active stress and a pressure in either cavity; the base is held ten times as stiffly as the monoventricle's."""
    boundaries = [
        Robin(where="epi", stiffness=100.0, damping=5.0, direction="facet"),
        Robin(where="base", stiffness=1.0, damping=5.0, direction="full"),
        SurfacePressure(where="lv_endo", value=curve(pressure(TIMES, pre=(5.0, 12.0), mid=(15.0, 16.0)))),
        SurfacePressure(where="rv_endo", value=curve(pressure(TIMES, pre=(1.0, 3.0), mid=(10.0, 4.0)))),
    ]
    return muscle(boundaries, curve(tension(TIMES)))


def solid(folder: Path) -> Solid:
    """Both ventricles. Collective."""
    read = mesh(folder)
    return Solid(build(read, MPI.COMM_WORLD), spec(), read.fibres, {}, 1.0)
