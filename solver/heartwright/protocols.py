"""Protocols on tissue: conductivities for wanted speeds, the threshold of capture."""

from collections.abc import Callable

from mpi4py import MPI

from heartwright.building import build
from heartwright.coupling.preparation import Preparation
from heartwright.electrophysiology.conductivity import cable_lengths, conductivities
from heartwright.electrophysiology.spec import HIS, Cells, ElectrophysiologySpec, Speeds
from heartwright.errors import InputError, did_you_mean
from heartwright.parts import restore, snapshot
from heartwright.scenario import Scenario

HIGHEST = 1000.0  # uA/uF, beyond which nothing is tried
SPREAD = 0.5  # share of the muscle that must fire for a stimulus to have captured it


def tune(fibre: float, cross: float, size: float, dt: float, model: str, variant: str | None) -> list[str]:
    """The block of a scenario with the conductivities that give the speeds `fibre` and `cross` [mm/ms].

    size: element length of the mesh [mm], the side of a cube that holds six tetrahedra. dt: substep [ms]. Raises
    InputError where there is no such model, or no conductivities give these speeds.
    """
    cells = Cells(model=model, variant=variant)
    spec = ElectrophysiologySpec(cells=[cells], conduction=Speeds(fibre=fibre, cross=cross))
    along, across, _ = conductivities(spec, 1.0, size, dt)
    lengths = cable_lengths(size, fibre, cross)
    return [
        f"# {model}, elements of {size:g} mm (cables of {lengths[0]:g} and {lengths[1]:g} mm), dt_ep {dt:g} ms",
        f"conduction: {{type: conductivity, fibre: {along:.4g} mS/mm, sheet: {across:.4g} mS/mm, "
        f"normal: {across:.4g} mS/mm}}",
    ]


def threshold(scenario: Scenario, name: str, within: float, comm: MPI.Comm, say: Callable[[str], None]) -> float:
    """The least amplitude [uA/uF] with which the stimulus `name` captures the tissue, to 2 %, by bisection. Collective.

    It does when more than half of the muscle, which must be at rest before, fires within so many ms of its first pulse;
    other stimuli are switched off. Raises InputError where there is no such stimulus, or none captures.
    """
    preparation, high = alone(scenario, name, comm)
    rest = snapshot(preparation.parts)

    def captures(amplitude: float) -> bool:
        restore(preparation.parts, rest)
        share = share_fired(preparation, amplitude, within, scenario.time.dt)
        say(f"{amplitude:.4g} uA/uF: {100 * share:.0f} % of the muscle fires")
        return share > SPREAD

    low = 0.0
    while not captures(high):
        low, high = high, 2 * high
        if high > HIGHEST:
            raise InputError(
                f"threshold: '{name}' does not capture with {low:.4g} uA/uF: a larger place, a longer pulse?"
            )
    while high - low > 0.02 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if captures(middle) else (middle, high)
    return high


def alone(scenario: Scenario, name: str, comm: MPI.Comm) -> tuple[Preparation, float]:
    """The tissue with the stimulus `name` and no other, once and at once, and its amplitude [uA/uF]. Collective."""
    ep = scenario.electrophysiology
    chosen = next((stimulus for stimulus in ep.stimuli if stimulus.name == name), None)
    if chosen is None or chosen.where == HIS:
        known = [stimulus.name for stimulus in ep.stimuli if stimulus.where != HIS]
        raise InputError(f"threshold: no stimulus '{name}' of the muscle{did_you_mean(name, known)}")
    ep = ep.replace(stimuli=[chosen.replace(clock="absolute", start=0.0, count=1)], ecg=None)
    return build(scenario.replace(electrophysiology=ep, mechanics=None, circulation=None), comm), chosen.amplitude


def share_fired(preparation: Preparation, amplitude: float, within: float, dt: float) -> float:
    """The share of the muscle that fires within so many ms of a stimulus of this amplitude at t = 0. Collective."""
    tissue = preparation.tissue
    tissue.sources[0].scale_to(amplitude)
    share = 0.0
    for step in range(round(within / dt)):
        preparation.step(step * dt, dt)
        share = tissue.summary()["activated"]
        if share > SPREAD:
            break
    return share
