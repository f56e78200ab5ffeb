"""Building: the heart that a scenario describes, or its tissue alone, from the parts it names."""

from mpi4py import MPI

from heartwright import memory
from heartwright.body.circulation import Circulation
from heartwright.coupling.electromechanics import Heart
from heartwright.coupling.preparation import Preparation
from heartwright.electrophysiology.tissue import Tissue
from heartwright.mechanics.active import Contraction
from heartwright.mechanics.solid import Solid
from heartwright.mesh import distribution
from heartwright.mesh.fibres import directions
from heartwright.mesh.transfer import Transfer
from heartwright.scenario import Scenario


def build(scenario: Scenario, comm: MPI.Comm) -> Preparation:
    """The heart or the tissue alone that a scenario describes, its mesh read or made, nothing stepped yet."""
    geometry = distribution.build(scenario.mesh, comm)
    if scenario.mechanics:
        memory.require(geometry.unknowns(scenario.mechanics.degree), comm)
    fine = geometry.refined(scenario.mesh.refine + scenario.electrophysiology.halvings)
    time_ = scenario.time
    fibres = directions(fine, scenario.mesh.fibres, "DG0")
    tissue = Tissue(fine, scenario.electrophysiology, fibres, time_.dt_ep, time_.av_delay, time_.cycle_length)
    if scenario.mechanics is None:
        return Preparation(tissue, fibres[0])
    cavities = scenario.circulation.cavities
    return Heart(
        tissue=tissue,
        contraction=Contraction(geometry, scenario.mechanics, time_.dt),
        solid=Solid(geometry, scenario.mechanics, scenario.mesh.fibres, cavities, time_.dt),
        circulation=Circulation(scenario.circulation, time_.cycle_length, time_.av_delay, tuple(cavities)),
        transfer=Transfer(geometry, fine),
        fibres=fibres[0],
    )
