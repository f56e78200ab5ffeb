"""A kernel advances one model on a whole batch of lanes: mesh nodes for cells, virtual patients for bodies."""

from __future__ import annotations

import ctypes

import numpy as np

from heartwright import native
from heartwright.errors import InputError, did_you_mean
from heartwright.odes.codegen import generate
from heartwright.odes.model import Model
from heartwright.odes.schemes import EXPONENTIAL, SCHEMES
from heartwright.odes.table import Range

LANES = 8  # of a block; the C code knows the same number
TABLE = Range()
TABLES = 12  # kept at once: of a tissue's half, whole and quiet steps


class Kernel:
    """`n` copies of `model`, advanced together by generated C.

    scheme            order  for
    `rush_larsen`     1      cells: gates exactly (Rush & Larsen 1978, doi:10.1109/TBME.1978.326270), other states by
                             the exponential Euler method with the diagonal of the Jacobian, the potential explicitly
    `rush_larsen_2`   2      the same about the midpoint (after Sundnes et al. 2009, doi:10.1109/TBME.2009.2014739)
    `rk4`             4      circulations: the classical explicit method of Runge and Kutta

    `inputs` (labels or qualified names) are given from outside, per lane; `parameters_per_lane` are parameters that may
    differ between lanes, set the same way and starting with their values. All other constants are compiled in.
    `outputs` are what `outputs(t)` computes. Names that do not exist raise InputError.

    Functions of the potential alone, most of what gates cost, are read from a `table` by linear interpolation; with
    None they are computed. In `single` precision rates and increments are, the states are not: y is double.

    With `comm` (collective then) rank 0 compiles and all ranks fail or none does.
    """

    def __init__(
        self,
        model: Model,
        n: int,
        inputs: tuple[str, ...] = (),
        outputs: tuple[str, ...] = (),
        scheme: str = "rush_larsen",
        comm=None,
        parameters_per_lane: tuple[str, ...] = (),
        precision: str = "double",
        table: Range | None = TABLE,
    ):
        if scheme not in SCHEMES:
            raise InputError(f"no time-stepping scheme '{scheme}'{did_you_mean(scheme, SCHEMES)}")
        model.require_parameters(parameters_per_lane)
        self.model = model.with_inputs(*inputs, *parameters_per_lane)
        self.n = n
        self.states = self.model.states
        self._outputs = tuple(outputs)
        self._lanes = -(-n // LANES) * LANES
        # An odd number of cache lines per row: with a power of two all states of a lane would share a few cache sets.
        self._stride = (self._lanes // LANES | 1) * LANES
        self._y = _aligned(len(self.states), self._stride)
        self._begin, self._end = (_aligned(len(self.model.inputs), self._stride) for _ in range(2))
        self._out = _aligned(len(outputs), self._stride)
        self.y = self._y[:, :n]
        """States, (n_states, n), a live view; rows as in `states`."""
        self._row = {name: i for i, name in enumerate(self.states)}
        self._input = {name: i for i, name in enumerate(self.model.inputs)}
        source = generate(self.model, scheme, self._outputs, precision, table)
        self._library = _compile(source, model.name, comm)
        self._parts_of_step = EXPONENTIAL[scheme] if hasattr(self._library, "heartwright_tabulate") else ()
        self._tables: dict[float, np.ndarray] = {}  # by the step they are made for
        self.reset()

    def reset(self) -> None:
        """All lanes to the model's initial state, all inputs to the values they start with."""
        self._y[:] = np.array(self.model.initial_state())[:, None]
        self._begin[:] = np.array([self.model.value(name) for name in self.model.inputs])[:, None]
        self._end[:] = self._begin

    def __getitem__(self, name: str) -> np.ndarray:
        """The row of a state, (n,), a live view: reading and writing it is reading and writing the state."""
        qualified = self.model.variable(name).qname()
        if qualified not in self._row:
            raise InputError(f"{self.model.name}: '{name}' is not a state{did_you_mean(name, self.states)}")
        return self.y[self._row[qualified]]

    def __setitem__(self, name: str, value: float | np.ndarray) -> None:
        self[name][:] = value

    def set(self, name: str, value: float | np.ndarray) -> None:
        """Give an input its value (scalar or (n,)); it stays until it is set again."""
        self.ramp(name, value, value)

    def ramp(self, name: str, begin: float | np.ndarray, end: float | np.ndarray) -> None:
        """Let an input run linearly from `begin` to `end` during each following `step`, until it is set again."""
        row = self._input_row(name)
        for array, value in ((self._begin, begin), (self._end, end)):
            array[row, : self.n] = value
            # lanes of padding compute something harmless
            array[row, self.n :] = array[row, self.n - 1] if self.n else 0.0

    def step(self, t: float, dt: float, substeps: int = 1) -> None:
        """Advance all lanes from `t` to `t + dt` [ms] in `substeps` equal steps."""
        if substeps < 1:
            raise ValueError(f"substeps must be positive, got {substeps}")
        pointers = (array.ctypes.data for array in (self._y, self._begin, self._end))
        tables = self._tables_for(dt / substeps)
        self._library.heartwright_step(*pointers, self._lanes, self._stride, t, dt, substeps, tables)

    def watched_step(self, t: float, dt: float, name: str, most: float) -> None:
        """One step from `t` to `t + dt` [ms], in two halves for lanes whose state `name` would change by more than
        `most`."""
        pointers = (array.ctypes.data for array in (self._y, self._begin, self._end))
        row = self._row[self.model.variable(name).qname()]
        whole, halves = self._tables_for(dt), self._tables_for(dt / 2)
        self._library.heartwright_watched_step(*pointers, self._lanes, self._stride, t, dt, row, most, whole, halves)

    def _tables_for(self, h: float) -> ctypes.Array:
        """Pointers to the tables of a step of h."""
        tables = [self._table(part * h).ctypes.data for part in self._parts_of_step]
        return (ctypes.c_void_p * max(1, len(tables)))(*tables)

    def _table(self, h: float) -> np.ndarray:
        """The table for steps of h, made at the first of them."""
        if h not in self._tables:
            if len(self._tables) == TABLES:
                self._tables.pop(next(iter(self._tables)))
            self._tables[h] = _aligned(1, self._library.heartwright_table_size() // 8)
            self._library.heartwright_tabulate(h, self._tables[h].ctypes.data)
        return self._tables[h]

    def outputs(self, t: float) -> dict[str, np.ndarray]:
        """The outputs, (n,) each, at the present state, with the inputs' values at the end of their ramps.

        The arrays are views that the next call overwrites.
        """
        y, x, out = (array.ctypes.data for array in (self._y, self._end, self._out))
        self._library.heartwright_outputs(y, x, self._lanes, self._stride, t, out)
        return {name: self._out[i, : self.n] for i, name in enumerate(self._outputs)}

    def _input_row(self, name: str) -> int:
        qualified = self.model.variable(name).qname()
        if qualified not in self._input:
            raise InputError(f"{self.model.name}: '{name}' is not an input{did_you_mean(name, self._input)}")
        return self._input[qualified]


def _aligned(rows: int, columns: int) -> np.ndarray:
    """Zeros, (rows, columns), starting at a multiple of 64 bytes."""
    raw = np.zeros(rows * columns * 8 + 64, dtype=np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + rows * columns * 8].view(np.float64).reshape(rows, columns)


def _compile(source: str, name: str, comm) -> ctypes.CDLL:
    name = "ode_" + "".join(c if c.isalnum() and c.isascii() else "_" for c in name)[:50]
    library = native.library(source, name) if comm is None else native.library_on(comm, source, name)
    pointer, size, real = ctypes.c_void_p, ctypes.c_long, ctypes.c_double
    library.heartwright_step.argtypes = [pointer, pointer, pointer, size, size, real, real, size, pointer]
    library.heartwright_watched_step.argtypes = [*[pointer] * 3, size, size, real, real, size, real, pointer, pointer]
    library.heartwright_outputs.argtypes = [pointer, pointer, size, size, real, pointer]
    if hasattr(library, "heartwright_tabulate"):
        library.heartwright_table_size.argtypes, library.heartwright_table_size.restype = [], size
        library.heartwright_tabulate.argtypes, library.heartwright_tabulate.restype = [real, pointer], None
    for function in (library.heartwright_step, library.heartwright_watched_step, library.heartwright_outputs):
        function.restype = None
    return library
