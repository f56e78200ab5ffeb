"""Tissue: cells coupled by diffusion, chi Cm dv/dt = div(sigma grad v) - chi Cm (i_ion - i_stim)."""

import math
from collections.abc import Sequence

import numpy as np
from dolfinx import fem, la
from mpi4py import MPI

from heartwright.electrophysiology import eikonal, heterogeneity
from heartwright.electrophysiology.bidomain import Bidomain
from heartwright.electrophysiology.cells import Population, require_resolved
from heartwright.electrophysiology.conductivity import conductivity_fields, domain_fields, muscle_of
from heartwright.electrophysiology.diffusion import Diffusion, conductivity_tensor
from heartwright.electrophysiology.ecg import LeadField
from heartwright.electrophysiology.purkinje.junctions import Junctions
from heartwright.electrophysiology.purkinje.network import Network
from heartwright.electrophysiology.quadratic import Quadratic
from heartwright.electrophysiology.repolarisation import Repolarisation
from heartwright.electrophysiology.spec import HIS, LUMPED, ElectrophysiologySpec
from heartwright.electrophysiology.stimulus import Stimulation
from heartwright.electrophysiology.upstrokes import Upstrokes, filaments
from heartwright.errors import SolveFailed
from heartwright.mesh import rows
from heartwright.mesh.geometry import Geometry
from heartwright.mesh.select import nodes_of_cells, select
from heartwright.parts import Rows, State
from heartwright.stopwatch import Stopwatch

THRESHOLD = 0.0  # mV, as in Niederer et al. 2011, doi:10.1098/rsta.2011.0139

# Between two waves nothing moves fast: no upstroke or its foot anywhere, at most the slow slopes of repolarisation.
QUIET_RISE, QUIET_FALL = 1.0, 4.0  # mV/ms
QUIET_STEPS = 4  # substeps are this much longer then


class Tissue:
    """Cells coupled by diffusion, second order in space and time.

    Strang splitting (doi:10.1137/0705041): half a step of the cells, a step of diffusion, half a step of the cells;
    inside one `step` call the two halves that meet are one. Cells are integrated at the nodes.

    geometry: the electrophysiology mesh, with the potential's nodes; quadratic elements are the cells it was refined
    from. directions: f0, s0, n0 (UFL, orthonormal). dt: largest substep [ms] while a wave is under way; where nothing
    has risen for a step and no stimulus comes, substeps are four times as long.
    onset, period: onset of ventricular activation within the cycle, and the cycle's length [ms].

    v: transmembrane potential [mV], 0 in a bath. activation: time [ms] at which v first rose through 0 mV in the
    present cycle, nan where it has not yet (local, ghosts included). repolarisation: likewise of its repolarisation by
    90 % (owned nodes).

    Raises InputError when a place of `spec` holds no node, a wanted speed cannot be had, or dt is too long for a model.
    """

    name = "tissue"

    def __init__(
        self,
        geometry: Geometry,
        spec: ElectrophysiologySpec,
        directions: Sequence,
        dt: float,
        onset: float = 0.0,
        period: float = 1000.0,
    ):
        self.geometry, self.dt, self.period = geometry, dt, period
        self.watch = Stopwatch()
        self.v = fem.Function(geometry.V1, name="v")
        self.n = geometry.V1.dofmap.index_map.size_local
        self._v = self.v.x.array[: self.n]

        def nodes_of(item):
            return select(geometry, item.where)

        muscle_cells = muscle_of(geometry, spec)
        self.muscle = nodes_of_cells(geometry, muscle_cells)[: self.n]
        require_resolved(spec.cells, dt, geometry.comm)
        self.cells = Population(spec.cells, nodes_of, self.muscle, geometry.comm, spec.precision)
        heterogeneity.apply(geometry, spec.cells, self.cells)
        self.cells.rest(self._v)
        self.network = Network(geometry, spec.purkinje) if spec.purkinje else None
        self.sources: list[Stimulation | Junctions] = []
        self.junctions: Junctions | None = None
        if spec.equation != "reaction_eikonal":
            of_muscle = [stimulus for stimulus in spec.stimuli if stimulus.where != HIS]
            self.sources.append(Stimulation(of_muscle, nodes_of, self.n, onset, period))
            if self.network:
                of_his = [stimulus for stimulus in spec.stimuli if stimulus.where == HIS]
                self.junctions = Junctions(self.network, of_his, self._v, onset, period)
                self.sources.append(self.junctions)
        solver = spec.chi * spec.Cm, LUMPED[spec.mass], spec.tolerance, self.watch
        match spec.equation:
            case "monodomain":
                sigma = conductivity_tensor(conductivity_fields(geometry, spec, dt), directions)
                self.diffusion = (
                    Quadratic(geometry, sigma, *solver, spec.precision)
                    if spec.element == "P2"
                    else Diffusion(geometry.V1, sigma, *solver, spec.precision)
                )
            case "bidomain":
                sigma, outside = (conductivity_tensor(s, directions) for s in domain_fields(geometry, spec, dt))
                self.diffusion = Bidomain(geometry, sigma, outside, *solver, muscle_cells)
            case "reaction_eikonal":
                self.diffusion = eikonal.Foot(geometry, spec, directions, self.network, onset, period)
        self._ecg = LeadField.around(geometry, spec, directions)

        self.v.x.scatter_forward()
        self._calcium = fem.Function(geometry.V1, name="calcium")
        self._activation = fem.Function(geometry.V1, name="activation")
        self.activation = self._activation.x.array
        self.activation[:] = np.nan
        self.upstrokes = Upstrokes(self.n, geometry.comm)
        self._t, self._cycle, self._quiet = np.zeros(1), np.zeros(1), np.zeros(1)
        self._before, self._middle = self._v.copy(), self._v.copy()
        self._repolarisation = Repolarisation(self._v)
        self.repolarisation = self._repolarisation.times

    def step(self, t: float, dt: float) -> None:
        """Advance from t to t + dt [ms] in equal substeps. Collective.

        Raises SolveFailed when the potential is no longer finite.
        """
        if self.junctions:
            self.junctions.fire(t, dt)
        stimulated = any(source.during(t, dt) for source in self.sources)
        if stimulated:
            self.upstrokes.stimulated(t + dt)
        quiet = self._quiet[0] and not stimulated
        substeps = math.ceil(dt / (self.dt * (QUIET_STEPS if quiet else 1)) - 1e-9)
        h = dt / substeps
        self._begin_cycle(t)
        self._middle[:] = self._v
        self._react(t, h / 2)
        for k in range(1, substeps + 1):
            self.diffusion.step(t + (k - 1) * h, h, self.v)
            last = k == substeps
            self._react(t + (k - 0.5) * h, h / 2 if last else h)
            self._mark(t + k * h, h, last)
        self._t[0] = t + dt
        self._repolarisation.mark(t, dt, self._v, np.isfinite(self.activation[: self.n]))
        if self.junctions:
            self.junctions.listen(t, dt, self._v)
        self.v.x.scatter_forward()
        self._activation.x.scatter_forward()
        self._check(h)

    def calcium(self) -> np.ndarray:
        """Intracellular calcium [mM] at the nodes, ghosts included. Collective."""
        self.cells.read("calcium", self._calcium.x.array[: self.n])
        self._calcium.x.scatter_forward()
        return self._calcium.x.array

    def potentials(self) -> dict[str, np.ndarray]:
        """v and, of the bidomain, phi_e [mV] at the nodes, ghosts included. Collective."""
        found = {"v": self.v.x.array}
        if isinstance(self.diffusion, Bidomain):
            found["phi_e"] = self.with_ghosts(self.diffusion.phi_e(self.v))
        return found

    def with_ghosts(self, own: np.ndarray) -> np.ndarray:
        """The values of owned nodes, and those of ghosts after them. Collective."""
        vector = la.vector(self.geometry.V1.dofmap.index_map)
        vector.array[: self.n] = own
        vector.scatter_forward()
        return vector.array

    def phase(self) -> np.ndarray:
        """Phase at the nodes, ghosts included: 0 at the upstroke, 2 pi one cycle later. Collective."""
        return self.with_ghosts(self.upstrokes.phase(self._t[0], self.period))

    def filament_cells(self) -> int:
        """How many cells lie on the core of a rotating wave. Collective."""
        return self.geometry.comm.allreduce(int(filaments(self.phase(), self.geometry.V1.dofmap.list).sum()))

    def ecg(self) -> dict[str, float]:
        """The twelve leads [mV]; none where there are no electrodes. Collective."""
        return self._ecg.leads(self._v) if self._ecg else {}

    def summary(self) -> dict[str, float]:
        """Activation of the present cycle (first, last, total [ms], share of nodes), solver effort. Collective."""
        activated = self.activation[: self.n][np.isfinite(self.activation[: self.n])]
        comm = self.geometry.comm
        first = comm.allreduce(activated.min(initial=np.inf), op=MPI.MIN)
        last = comm.allreduce(activated.max(initial=-np.inf), op=MPI.MAX)
        count = comm.allreduce(len(activated))
        return {
            "activation_first": first if count else math.nan,
            "activation_last": last if count else math.nan,
            "activation_total": last - first if count else math.nan,
            "activated": count / comm.allreduce(int(self.muscle.sum())),
            "cg_iterations": self.diffusion.iterations / max(1, self.diffusion.steps),
        }

    def state(self) -> State:
        own = {"v": self.v.x.array, "activation": self.activation}
        own |= {"t": self._t, "cycle": self._cycle, "quiet": self._quiet} | self.upstrokes.state()
        network = self.junctions.state() if self.junctions else {}
        return own | self._repolarisation.state() | self.cells.state() | self.diffusion.state() | network

    def rows(self) -> dict[str, Rows]:
        every, own = (rows.of_vertices(self.geometry, slice(n)) for n in (None, self.n))
        cells = {
            name: Rows(own.keys[at], axis=1) for name, at in zip(self.cells.state(), self.cells.nodes, strict=True)
        }
        times = dict.fromkeys([*self._repolarisation.state(), *self.upstrokes.nodal()], own)
        solver = rows.of_vertices(self.geometry, self.diffusion.nodes)
        rates = dict.fromkeys(self.diffusion.state(), Rows(solver.keys, axis=1))
        return {"v": every, "activation": every} | times | rates | cells

    def _begin_cycle(self, t: float) -> None:
        """Forget the activation times of the cycle before."""
        cycle = math.floor(t / self.period + 1e-9)
        if cycle != self._cycle[0]:
            self._cycle[0] = cycle
            self.activation[:] = np.nan
            self._repolarisation.begin_cycle(self._v)

    def _react(self, t: float, dt: float) -> None:
        with self.watch("ep_cells"):
            if any([source.update(t, dt) for source in self.sources]):  # all of them, not up to the first
                self.cells.stimulate(sum(source.current for source in self.sources))
            self._before[:] = self._v
            self.cells.react(t, dt, self._v)

    def _mark(self, t: float, dt: float, last: bool) -> None:
        """Note the nodes that rose through the threshold in [t - dt, t], by linear interpolation.

        Within the chain of merged steps the potential at t lies half way through the cells' step.
        """
        with self.watch("ep_activation"):
            if last:
                self._before[:] = self._v
            else:
                self._before += self._v
                self._before *= 0.5
            rose = np.flatnonzero((self._before > THRESHOLD) & (self._middle <= THRESHOLD))
            old, new = self._middle[rose], self._before[rose]
            times = t - dt + dt * (THRESHOLD - old) / (new - old)
            self.upstrokes.note(rose, times)
            first = np.isnan(self.activation[rose])
            self.activation[rose[first]] = times[first]
            self._middle, self._before = self._before, self._middle

    def _check(self, dt: float) -> None:
        """See whether the last substep was quiet; a wave that runs away becomes inf or nan within a few steps."""
        change = np.subtract(self._middle, self._before, out=self._before)
        mine = np.array([np.abs(self._v).max(initial=0.0), change.max(initial=0.0), -change.min(initial=0.0)])
        mine[~np.isfinite(mine)] = np.inf
        self.geometry.comm.Allreduce(MPI.IN_PLACE, mine, op=MPI.MAX)
        largest, rise, fall = mine
        if largest > 1e3:
            raise SolveFailed("transmembrane potential", "it left the range of +-1000 mV: use a smaller time step")
        self._quiet[0] = rise < QUIET_RISE * dt and fall < QUIET_FALL * dt
