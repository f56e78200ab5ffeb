"""Exchange: an array gathered in the order of its numbers is the same on any ranks, and comes back as it was."""

import numpy as np
import pytest

import heart
import mpi

pytestmark = pytest.mark.parallel

PROGRAM = """
import numpy as np
from mpi4py import MPI
from heartwright.output.exchange import Exchange
from heartwright.parts import Rows

comm, every = MPI.COMM_WORLD, np.random.default_rng(0).permutation(100) * 7
mine = every[comm.rank :: comm.size] if {own!r} == "some" else every[: 100 * (comm.rank == 0)]
mine = np.concatenate([mine, every[3:9]])  # a few rows are on every rank
for axis in (0, 1):
    exchange = Exchange(Rows(mine, axis), comm)
    values = np.stack([mine, -mine, mine / 3], axis=1 - axis)
    assert exchange.total == 100 and exchange.width(values) == 3
    block = exchange.gather(values, 3)
    whole = np.vstack(comm.allgather(block))
    np.testing.assert_array_equal(whole[:, 0], np.sort(every))
    np.testing.assert_array_equal(whole[:, 2], np.sort(every) / 3)
    back = np.zeros_like(values)
    exchange.scatter(block, back)
    np.testing.assert_array_equal(back, values)
"""


@pytest.mark.parametrize("ranks", [1, 2, 3])
@pytest.mark.parametrize("own", ["some", "all on the first"])
def test_blocks_hold_every_row_once_in_order(ranks, own):
    done = mpi.run(ranks, PROGRAM.format(own=own))
    assert done.returncode == 0, done.stderr


STATE = """
import numpy as np
from mpi4py import MPI
from heartwright import scenario, simulation
from heartwright.output.exchange import Exchange

comm = MPI.COMM_WORLD
heart = simulation.build(scenario.load({path!r}, ["mechanics.prestress={{lv: 4 mmHg}}"]).resolve(), comm)
for part in heart.parts:
    state = part.state()
    for name, rows in part.rows().items():
        exchange = Exchange(rows, comm)
        block = exchange.gather(state[name], exchange.width(state[name]))
        back = state[name].copy()
        exchange.scatter(block, back)
        np.testing.assert_array_equal(back, state[name])  # copies of a row on several ranks are equal
        if name in ("frame", "G"):
            whole = np.vstack(comm.gather(block) or [block])
            if comm.rank == 0:
                np.save({folder!r} + f"/{{name}}-{{comm.size}}.npy", whole)
"""


def test_fibres_and_prestrain_are_numbered_the_same_on_any_ranks(tmp_path):
    path = str(heart.scenario(tmp_path, heart.ONE_VENTRICLE))
    for ranks in (1, 2, 3):
        done = mpi.run(ranks, STATE.format(path=path, folder=str(tmp_path)))
        assert done.returncode == 0, done.stderr
    for name in ("frame", "G"):
        one, two, three = (np.load(tmp_path / f"{name}-{ranks}.npy") for ranks in (1, 2, 3))
        np.testing.assert_allclose(two, one, rtol=0, atol=1e-7)  # fibres come from an iterative solver
        np.testing.assert_allclose(three, one, rtol=0, atol=1e-7)
