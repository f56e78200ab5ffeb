"""Multigrid on several ranks: the same increment, in about as many iterations."""

import pytest

from mpi import answer

INCREMENT = """
import json
import contracting
from heartwright.linalg import Linear

wall = contracting.wall(20.0)
linear, x = Linear(wall.K, "amg", "increment", rtol=1e-8), wall.r.duplicate()
linear.renew()
count = linear.solve(wall.r, x)
found = [count, x.norm(), x.dot(wall.r)]
if wall.comm.rank == 0:
    print(json.dumps(found))
"""


@pytest.mark.parallel
def test_the_increment_is_the_same_on_one_and_on_two_ranks():
    (alone, *one), (together, *two) = (answer(ranks, INCREMENT) for ranks in (1, 2))
    assert two == pytest.approx(one, rel=1e-4)  # 1e-8 of the residual, times the condition of soft muscle
    assert together < 1.5 * alone
