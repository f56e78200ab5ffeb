"""Cells: the ionic models of a tissue, each integrated over the nodes of its region."""

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
from mpi4py import MPI

from heartwright.electrophysiology.ionic import cell_model
from heartwright.electrophysiology.spec import Cells
from heartwright.errors import InputError
from heartwright.odes.kernel import Kernel
from heartwright.parallel import together
from heartwright.parts import State

# Second order in time like the splitting around it: a first-order scheme alone slows the wave by 4 % at 0.05 ms.
SCHEME = "rush_larsen_2"
# Where the potential changes by more than this in a step, in the upstroke, cells step twice: their scheme leaves most
# of the error of arrival times, and this takes three quarters of that away.
FAST = 1.0  # mV
# The upstroke in which the fastest rate of a model is looked for: a current raises the potential to 0 mV.
UPSTROKE, STEP, CURRENT = 6.0, 0.02, 60.0  # ms, ms, A/F
APART, INSTANT = 0.5, 1e-4  # mV, ms


def cell_kernel(cells: Cells, n: int, comm: MPI.Comm, precision: str = "double") -> Kernel:
    """The kernel of one ionic model on n nodes: dv/dt = -i_ion + stimulus_current, and all its other states.

    Parameters with `scales` may differ between nodes, and begin with their values.
    """
    model = cell_model(cells)
    scaled = tuple(dict.fromkeys(model.variable(scale.parameter).qname() for scale in cells.scales))
    return Kernel(model, n, ("stimulus_current",), (), SCHEME, comm, scaled, precision)


def fastest_rate(cells: Cells, comm: MPI.Comm) -> float:
    """The largest |∂(dv/dt)/∂v| [1/ms] in an upstroke: what the explicit step of the potential has to resolve."""
    kernel, fastest = cell_kernel(cells, 3, comm), 0.0
    v = kernel["membrane_potential"]
    for t in np.arange(0.0, UPSTROKE, STEP):
        kernel.set("stimulus_current", CURRENT if v[0] < 0 else 0.0)
        kernel.step(t, STEP)
        state = kernel.y.copy()
        v += (-APART, 0.0, APART)
        before = v.copy()
        kernel.step(t, INSTANT)
        low, _, high = (v - before) / INSTANT
        kernel.y[:] = state
        fastest = max(fastest, abs(high - low) / (2 * APART))
    return fastest


def require_resolved(entries: Sequence[Cells], dt: float, comm: MPI.Comm) -> None:
    """Raises InputError for every model for which steps of dt [ms] are beyond the stability of its upstroke, 2/rate."""
    rates = [(cells.model, fastest_rate(cells, comm)) for cells in entries]
    findings = [
        f"time.dt_ep: {dt:g} ms is too long for {model}, whose potential reacts at {rate:.3g} / ms in its upstroke: "
        f"at most {2 / rate:.2g} ms"
        for model, rate in rates
        if dt * rate > 2
    ]
    if findings:
        raise InputError(*dict.fromkeys(findings))


def cell_digest(cells: Cells) -> str:
    """A digest of the model with its variant and parameters: equal for equal equations."""
    return hashlib.sha256(cell_model(cells).source.code().encode()).hexdigest()


def owners(masks: Sequence[np.ndarray]) -> np.ndarray:
    """For every node the index of the last mask that holds it; -1 where none does."""
    owner = np.full(len(masks[0]), -1)
    for index, mask in enumerate(masks):
        owner[mask] = index
    return owner


class Population:
    """The cells at those of this rank's n nodes that are `muscle` (n,).

    Raises InputError when a node belongs to no entry of `cells`.
    """

    def __init__(
        self,
        entries: Sequence[Cells],
        nodes_of: Callable[[Cells], np.ndarray],
        muscle: np.ndarray,
        comm: MPI.Comm,
        precision: str = "double",
    ):
        n = len(muscle)
        owner = owners([nodes_of(entry)[:n] for entry in entries])
        with together(comm):
            if np.any(owner[muscle] < 0):
                raise InputError(
                    "electrophysiology.cells: some nodes belong to no entry: let the first say `where: all`"
                )
        nodes = [np.flatnonzero(muscle & (owner == index)) for index in range(len(entries))]
        self.kernels = [cell_kernel(entry, len(at), comm, precision) for entry, at in zip(entries, nodes, strict=True)]
        self.nodes = [slice(None) if len(at) == n else at for at in nodes]
        self.v = [kernel["membrane_potential"] for kernel in self.kernels]

    def rest(self, v: np.ndarray) -> None:
        """Write the cells' own potentials into v (n,)."""
        for at, row in zip(self.nodes, self.v, strict=True):
            v[at] = row

    def stimulate(self, current: np.ndarray) -> None:
        """Set the stimulus current at all nodes (n,) [uA/uF]."""
        for at, kernel in zip(self.nodes, self.kernels, strict=True):
            kernel.set("stimulus_current", current[at])

    def react(self, t: float, dt: float, v: np.ndarray) -> None:
        """Advance all cells over [t, t + dt] from the potential v (n,), in place."""
        for at, row, kernel in zip(self.nodes, self.v, self.kernels, strict=True):
            row[:] = v[at]
            kernel.watched_step(t, dt, "membrane_potential", FAST)
            v[at] = row

    def have(self, label: str) -> bool:
        """Whether all models have a state called `label`."""
        return all(label in kernel.model.labels for kernel in self.kernels)

    def read(self, label: str, values: np.ndarray) -> None:
        """Write the state called `label` into values (n,)."""
        for at, kernel in zip(self.nodes, self.kernels, strict=True):
            values[at] = kernel[label]

    def state(self) -> State:
        return {f"cells_{index}": kernel.y for index, kernel in enumerate(self.kernels)}
