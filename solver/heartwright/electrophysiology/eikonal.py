"""Eikonal: arrival times without cells, sqrt(∇T · V∇T) = 1, V = v_f² f0⊗f0 + v_s² s0⊗s0 + v_n² n0⊗n0."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import ufl
from dolfinx import fem

from heartwright.electrophysiology.conductivity import endocardial_layer, region_scale
from heartwright.electrophysiology.purkinje.network import Network
from heartwright.electrophysiology.spec import HIS, ElectrophysiologySpec, Speeds
from heartwright.errors import InputError
from heartwright.linalg import JIT
from heartwright.mesh.geometry import Geometry
from heartwright.mesh.select import select
from heartwright.native import library_on
from heartwright.parts import State

SOURCE = Path(__file__).with_suffix(".c")
TOLERANCE = 1e-9  # ms, below which an arrival is not earlier
FOOT_RATE, FOOT_DURATION = 60.0, 2.0  # mV/ms, ms


class Eikonal:
    """Arrival times of waves that start at given nodes, by the label-correcting form of the fast iterative method.

    A node takes the least of what the opposite faces of its cells offer, min over a face of T + travel time in the
    cell's metric (Fu, Kirby & Whitaker 2013, doi:10.1137/120881956), and tells its neighbours when it was lowered.
    Every rank does so with its own cells; then ranks agree on the nodes they share, until none is lowered.

    geometry: the mesh. speeds: (local cells, 3) along f0, s0, n0 [mm/ms]. directions: f0, s0, n0 (UFL, orthonormal).
    """

    def __init__(self, geometry: Geometry, speeds: np.ndarray, directions: Sequence):
        self.geometry = geometry
        self._x = np.ascontiguousarray(geometry.points)
        self._cells = np.ascontiguousarray(geometry.V1.dofmap.list, dtype=np.int32)
        self._metric = _metric(geometry, speeds, directions)
        counts = np.bincount(self._cells.ravel(), minlength=len(self._x))
        self._first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        self._around = (np.argsort(self._cells.ravel(), kind="stable") // 4).astype(np.int32)
        library = library_on(geometry.comm, SOURCE.read_text(), "eikonal")
        self._lower = library.heartwright_eikonal
        pointer, size, real = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double
        self._lower.argtypes = [size, *[pointer] * 5, real, pointer, pointer]
        self._lower.restype = size

    def solve(self, start: np.ndarray) -> np.ndarray:
        """Arrival times [ms] at the local nodes, ghosts included, from times `start` (inf where no wave starts).

        inf where none arrives. Collective.
        """
        T = fem.Function(self.geometry.V1)
        T.x.array[:] = start
        active = np.ones(len(self._x), dtype=np.uint8)
        shared = _shared(self.geometry)
        while True:
            before = T.x.array[shared].copy()
            self._sweep(active, T.x.array)
            _least_of_ranks(T, shared)
            changed = shared[T.x.array[shared] < before - TOLERANCE]
            if not self.geometry.comm.allreduce(len(changed)):
                return T.x.array
            near = np.isin(self._cells, changed).any(axis=1)
            active[self._cells[near]] = 1

    def _sweep(self, active: np.ndarray, T: np.ndarray) -> None:
        arrays = (self._x, self._cells, self._metric, self._first, self._around)
        pointers = (array.ctypes.data for array in arrays)
        self._lower(len(self._x), *pointers, TOLERANCE, active.ctypes.data, T.ctypes.data)


def activation(
    geometry: Geometry, spec: ElectrophysiologySpec, directions: Sequence, network: Network | None = None
) -> np.ndarray:
    """Activation times [ms] of one beat at the local nodes, ghosts included, from the places and starts of the stimuli.

    Waves pass between the muscle and its `network` in both directions until neither is lowered any more. inf where no
    wave arrives. Collective. Raises InputError where no speeds are given or a stimulus holds no node.
    """
    start = np.full(geometry.n_vertices, np.inf)
    for stimulus in spec.stimuli:
        if stimulus.where == HIS:
            network.fire(stimulus.start)
        else:
            nodes = select(geometry, stimulus.where)
            start[nodes] = np.minimum(start[nodes], stimulus.start)
    eikonal = Eikonal(geometry, speed_field(geometry, spec), directions)
    T = eikonal.solve(start)
    while network and network.exchange(T):
        T = eikonal.solve(T)
    return T


class Foot:
    """What stands for diffusion in the reaction-eikonal equation (Neic et al. 2017, doi:10.1016/j.jcp.2017.06.020).

    Where the eikonal equation says that a wave arrives, in every cycle, it drives the potential up at FOOT_RATE for
    FOOT_DURATION, as the approaching wave would; the rest is up to the cell. `onset` and `period` [ms] are those of the
    ventricles' activation. Waves come from stimuli that follow the ventricles' clock, one in each cycle.

    Collective. Raises InputError for other stimuli and as `activation` does.
    """

    def __init__(
        self,
        geometry: Geometry,
        spec: ElectrophysiologySpec,
        directions: Sequence,
        network: Network | None,
        onset: float,
        period: float,
    ):
        others = [s.name for s in spec.stimuli if s.clock != "ventricles" or s.period or s.count]
        if others:
            raise InputError(
                f"electrophysiology.stimuli: {', '.join(others)}: the reaction-eikonal equation knows one wave per "
                "cycle: clock ventricles, no period, no count"
            )
        arrival = activation(geometry, spec, directions, network)
        self.arrival = arrival[: geometry.V1.dofmap.index_map.size_local] + onset
        self.period = period
        self.nodes, self.iterations, self.steps = slice(0), 0, 0

    def step(self, t: float, dt: float, v: fem.Function) -> None:
        """Raise the owned values of v over [t, t + dt] [ms] where a wave arrives."""
        self.steps += 1
        since = (t - self.arrival) % self.period  # of the step's beginning; nan where no wave ever arrives
        left = np.clip(FOOT_DURATION - since, 0.0, dt)
        coming = np.clip(since + dt - self.period, 0.0, dt)
        begun = t + dt > self.arrival
        v.x.array[: len(since)] += FOOT_RATE * np.where(begun, np.nan_to_num(np.minimum(left + coming, dt)), 0.0)

    def state(self) -> State:
        return {}


def speed_field(geometry: Geometry, spec: ElectrophysiologySpec) -> np.ndarray:
    """Speeds (local cells, 3) along f0, s0, n0 [mm/ms]; the fast endocardium and the regions of `spec` are in them.

    A region's `conduction_scale` is a factor on conductivities: speeds go with its root. Collective.
    """
    if not isinstance(spec.conduction, Speeds):
        raise InputError("electrophysiology.conduction: the eikonal equation needs speeds (type: speed)")
    fibre, cross = spec.conduction.fibre, spec.conduction.cross
    speeds = np.tile([fibre, cross, cross], (len(geometry.V1.dofmap.list), 1))
    if spec.fast_endocardium is not None:
        speeds[endocardial_layer(geometry, spec.fast_endocardium)] *= spec.fast_endocardium.speed_factor
    return speeds * region_scale(geometry, spec.regions)[:, None] ** 0.5


def _metric(geometry: Geometry, speeds: np.ndarray, directions: Sequence) -> np.ndarray:
    """V^-1 of every local cell as (xx, yy, zz, yz, xz, xy); infinite slowness where a speed is zero."""
    D0 = fem.functionspace(geometry.mesh, ("DG", 0, (3,)))
    slowness = 1 / np.maximum(speeds, 1e-9) ** 2
    M = np.zeros((len(speeds), 3, 3))
    one = fem.Constant(geometry.mesh, 1.0)  # constant directions know no mesh
    for k, direction in enumerate(directions):
        field = fem.Function(D0)
        on_mesh = one * ufl.as_vector(direction)
        field.interpolate(fem.Expression(on_mesh, D0.element.interpolation_points(), jit_options=JIT))
        a = field.x.array.reshape(-1, 3)
        a = a / np.linalg.norm(a, axis=1, keepdims=True)
        M += slowness[:, k, None, None] * a[:, :, None] * a[:, None, :]
    return np.ascontiguousarray(M[:, [0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]])


def _shared(geometry: Geometry) -> np.ndarray:
    """Local nodes that other ranks know too."""
    index_map = geometry.V1.dofmap.index_map
    owned = np.flatnonzero(np.diff(index_map.index_to_dest_ranks().offsets)[: index_map.size_local])
    return np.concatenate([owned, np.arange(index_map.size_local, index_map.size_local + index_map.num_ghosts)])


def _least_of_ranks(T: fem.Function, shared: np.ndarray) -> None:
    """Give shared nodes the least value any rank has for them. Collective."""
    index_map = T.function_space.dofmap.index_map
    wanted = index_map.local_to_global(shared.astype(np.int32))
    numbers, values = zip(*T.function_space.mesh.comm.allgather((wanted, T.x.array[shared])), strict=True)
    known, where = np.unique(np.concatenate(numbers), return_inverse=True)
    least = np.full(len(known), np.inf)
    np.minimum.at(least, where, np.concatenate(values))
    T.x.array[shared] = least[np.searchsorted(known, wanted)]
