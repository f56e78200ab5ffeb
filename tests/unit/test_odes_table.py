"""Tables of the potential: what interpolation and single precision change, and what must not depend on them."""

import numpy as np
import pytest

from heartwright.odes.codegen import generate
from heartwright.odes.kernel import TABLE, Kernel
from heartwright.odes.model import Model, read
from heartwright.odes.table import Range
from small_models import CELL, model

DT = 0.05
T = np.arange(0.0, 400.0, 1.0)
FORCED = Range(fewest=1)
MODELS = ("tentusscher_panfilov_2006", "tomek_2020_dyncl")


def beat(cell: Model, **how) -> np.ndarray:
    """Potential and calcium, (2, time), of one beat after a stimulus of 1 ms."""
    kernel = Kernel(cell, 1, inputs=("stimulus_current",), scheme="rush_larsen_2", **how)
    trace = np.empty((2, len(T)))
    for i, t in enumerate(T):
        trace[:, i] = kernel["membrane_potential"][0], kernel["calcium"][0]
        kernel.set("stimulus_current", 53.0 * (i == 0))
        kernel.step(t, 1.0, round(1 / DT))
    return trace


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("how", "error"), [({}, 2e-4), ({"precision": "single"}, 1e-3)])
def test_traces_are_those_of_computed_rates(name, how, error):
    """Largest difference in % of the range: far below the 0.5 % that the time step leaves."""
    exact, quick = beat(read(name), table=None), beat(read(name), **how)
    assert (np.abs(quick - exact).max(axis=1) <= error * np.ptp(exact, axis=1)).all()


def test_interpolation_is_of_second_order(tmp_path):
    """Half the spacing leaves a quarter of the error."""
    cell = model(tmp_path, CELL)

    def end(table: Range | None) -> np.ndarray:
        kernel = Kernel(cell, 1, inputs=("stimulus_current",), table=table)
        kernel.set("stimulus_current", 15)
        kernel.step(0, 2, 200)
        return kernel.y[:, 0].copy()

    exact = end(None)
    coarse, fine = (np.abs(end(Range(spacing=spacing, fewest=1)) - exact).max() for spacing in (2.0, 0.5))
    assert coarse / fine == pytest.approx(16, rel=0.5)


def test_beyond_the_table_nothing_explodes(tmp_path):
    kernel = Kernel(model(tmp_path, CELL), 4, table=FORCED)
    kernel["membrane_potential"] = [-1e4, 1e4, np.nan, -65.0]
    kernel.step(0, 0.01)
    alone = Kernel(model(tmp_path, CELL), 1, table=FORCED)
    alone["membrane_potential"] = -65.0
    alone.step(0, 0.01)
    assert kernel.y[:, 3] == pytest.approx(alone.y[:, 0], rel=1e-12)
    assert np.isfinite(kernel.y[:, :2]).all()


def test_steps_of_any_size_find_their_own_table(tmp_path):
    """More sizes than tables are kept, each used twice: the same as a kernel that has seen one size only."""
    cell = model(tmp_path, CELL)
    sizes = [0.01 * k for k in range(1, 13)]
    many = Kernel(cell, 1, table=FORCED)
    for h in [*sizes, *sizes]:
        many.reset()
        many.step(0, h)
        once = Kernel(cell, 1, table=FORCED)
        once.step(0, h)
        assert (many.y == once.y).all()


def test_only_functions_of_the_potential_are_tabulated(tmp_path):
    text = generate(model(tmp_path, CELL), "rush_larsen", table=FORCED)
    rates = text[text.index("void rates") : text.index("void outputs")]
    assert "exp(" not in rates
    assert "heartwright_tabulate" not in generate(model(tmp_path, CELL), "rush_larsen", table=None)
    assert "heartwright_tabulate" not in generate(model(tmp_path, CELL), "rk4", table=FORCED)
    assert "heartwright_tabulate" not in generate(read("bueno_orovio_2008"), "rush_larsen", table=TABLE)


@pytest.mark.parametrize("name", MODELS)
def test_states_called_slow_are_slow(name):
    """|df/dy| below 1/ms through a beat: explicit steps of 0.2 ms are then far from their limit of 2 ms.

    Measured by how fast lanes that differ by 1 % in one state move apart or together.
    """
    cell = read(name)
    slow = [cell.states.index(state) for state in cell.source.meta["slow"].split()]
    beat = Kernel(cell, 1, inputs=("stimulus_current",), scheme="rush_larsen_2")
    lanes = Kernel(cell, len(slow) + 1, scheme="rk4")
    now, h = 0.0, 1e-3
    for t in (1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 60.0, 150.0, 260.0, 300.0):
        beat.set("stimulus_current", 53.0 * (now == 0))
        beat.step(now, t - now, round((t - now) / DT))
        now = t
        lanes.y[:] = beat.y
        lanes.y[slow, range(len(slow))] *= 1.01
        apart = lanes.y[slow, range(len(slow))] - lanes.y[slow, -1]
        lanes.step(t, h)
        rates = ((lanes.y[slow, range(len(slow))] - lanes.y[slow, -1]) / apart - 1) / h
        assert np.abs(rates).max() < 1, dict(zip(cell.source.meta["slow"].split(), rates, strict=True))
