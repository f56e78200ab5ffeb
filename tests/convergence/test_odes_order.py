"""The schemes have the order they promise, on a cell and on an oscillator with a ramped force."""

import numpy as np
import pytest

from cvode import solve
from heartwright.odes.kernel import Kernel
from heartwright.odes.model import read
from small_models import CELL, OSCILLATOR, model

END = 8.0  # ms: the upstroke and half of the repolarisation of the small cell


def cell_at_end(cell, scheme: str, dt: float) -> np.ndarray:
    kernel = Kernel(cell, 1, inputs=("stimulus_current",), scheme=scheme)
    kernel.set("stimulus_current", 15)
    kernel.step(0, END, round(END / dt))
    return kernel.y[:, 0].copy()


def orders(errors: list[float]) -> np.ndarray:
    return np.log2(np.array(errors[:-1]) / np.array(errors[1:]))


@pytest.mark.parametrize(("scheme", "order"), [("rush_larsen", 1), ("rush_larsen_2", 2), ("rk4", 4)])
def test_order_on_a_cell(tmp_path, scheme, order):
    """Errors at a fixed time fall as dt^order; measured in V, a gate and the pool, none of which may lag behind."""
    cell = model(tmp_path, CELL)
    exact = cell_at_end(cell, "rk4", 0.001)  # error below 1e-9 by its own order
    steps = (0.02, 0.01, 0.005)
    errors = np.array([np.abs(cell_at_end(cell, scheme, dt) - exact) for dt in steps])
    for state in ("membrane.V", "ina.h", "ik.n", "pool.c"):
        column = errors[:, cell.states.index(state)]
        assert orders(column)[-1] == pytest.approx(order, abs=0.25), state


def test_calm_cells_do_not_spoil_the_second_order():
    """In the plateau, where steps of 0.1 ms need one evaluation and those of 0.025 ms two, the error falls by 4^2 and
    more; by 2^2 if the step about y were of the first order there."""
    kernel = Kernel(read("tentusscher_panfilov_2006"), 1, inputs=("stimulus_current",), scheme="rush_larsen_2")
    kernel.set("stimulus_current", 53)
    kernel.step(0, 1, 100)
    kernel.set("stimulus_current", 0)
    kernel.step(1, 149, 7450)
    plateau, ends = kernel.y.copy(), {}
    for h in (0.1, 0.025, 0.005):
        kernel.y[:] = plateau
        kernel.step(0, 20, round(20 / h))
        ends[h] = kernel["membrane_potential"][0]
    coarse, fine = (abs(ends[h] - ends[0.005]) for h in (0.1, 0.025))
    assert fine < coarse / 16
    assert coarse < 2e-3  # mV


def test_small_cell_agrees_with_cvode(tmp_path):
    """Same model, another program: 1e-3 mV on a trace of 100 mV, which is what CVODE's own tolerance leaves."""
    cell = model(tmp_path, CELL)
    times = np.arange(0, 30, 0.5)
    reference = solve(cell, times, ("membrane_potential", "concentration"), ("stimulus_current", 0, 10, 15))
    kernel = Kernel(cell, 1, inputs=("stimulus_current",), scheme="rk4")
    v, c = [], []
    for t in times:
        v.append(kernel["membrane_potential"][0])
        c.append(kernel["concentration"][0])
        kernel.set("stimulus_current", 15 if t < 10 else 0)
        kernel.step(t, 0.5, 50)
    assert np.ptp(v) > 90
    assert v == pytest.approx(reference["membrane_potential"], abs=1e-3)
    assert c == pytest.approx(reference["concentration"], abs=1e-6)


def oscillator_error(folder, substeps: int) -> float:
    kernel = Kernel(model(folder, OSCILLATOR), 1, inputs=("force",), scheme="rk4")
    for t in range(4):
        kernel.ramp("force", 0.5 * t, 0.5 * (t + 1))
        kernel.step(t, 1.0, substeps)
    exact = 0.5 * 4 + np.cos(4) - 0.5 * np.sin(4)  # y(0) = 1, y'(0) = 0, force t/2
    return abs(kernel["position"][0] - exact)


def test_rk4_keeps_its_order_with_a_ramped_input(tmp_path):
    assert orders([oscillator_error(tmp_path, n) for n in (4, 8, 16)]) == pytest.approx(4, abs=0.2)


@pytest.mark.parametrize("scheme", ["rush_larsen", "rush_larsen_2"])
def test_order_with_a_ramped_input(tmp_path, scheme):
    """Ramps start at the beginning of a substep for order 1 and are met at its middle for order 2."""

    def error(n: int) -> float:
        kernel = Kernel(model(tmp_path, OSCILLATOR), 1, inputs=("force",), scheme=scheme)
        kernel.ramp("force", 0, 1)
        kernel.step(0, 2.0, n)
        return abs(kernel["position"][0] - (1 + np.cos(2) - 0.5 * np.sin(2)))

    order = 2 if scheme.endswith("2") else 1
    assert orders([error(n) for n in (100, 200, 400)])[-1] == pytest.approx(order, abs=0.1)
