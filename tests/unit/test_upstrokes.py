"""Upstrokes: phase, cycle lengths, and which waves go on by themselves."""

import numpy as np
import pytest
from mpi4py import MPI

from heartwright.electrophysiology.upstrokes import Upstrokes, filaments

ALL = np.arange(3)


def fired(*times: float) -> Upstrokes:
    """Three nodes that fired at these times, 1 ms one after the other."""
    found = Upstrokes(3, MPI.COMM_SELF)
    for t in times:
        found.note(ALL, t + ALL)
    return found


def test_the_cycle_length_is_the_time_between_the_last_two_upstrokes():
    assert np.isnan(fired(10.0).cycle_length).all()
    np.testing.assert_allclose(fired(10.0, 210.0, 390.0).cycle_length, 180.0)


def test_a_dome_is_no_upstroke():
    np.testing.assert_allclose(fired(10.0, 40.0, 210.0).cycle_length, 200.0)


def test_phase_grows_from_upstroke_to_upstroke():
    np.testing.assert_allclose(fired(10.0).phase(60.0, otherwise=200.0), 2 * np.pi * (50.0 - ALL) / 200)
    np.testing.assert_allclose(fired(10.0, 110.0).phase(500.0, otherwise=200.0), 2 * np.pi)
    assert np.isnan(Upstrokes(2, MPI.COMM_SELF).phase(1.0, 200.0)).all()


def test_waves_of_stimuli_are_no_reentry_and_others_are_while_they_last():
    waves = fired(10.0)
    waves.stimulated(12.0)
    waves.note(ALL, 205.0 + ALL)  # the second wave of a train
    waves.stimulated(202.0)
    assert np.isnan(waves.reentry(220.0))
    waves.note(ALL, 385.0 + ALL)
    assert waves.reentry(390.0) == pytest.approx(180.0)
    assert np.isnan(waves.reentry(385.0 + 185.0))  # a cycle later nothing came any more


def test_a_spiral_has_one_core_and_a_plane_wave_none():
    """Around the axis of a bar phase grows by 2 pi: the cells that the axis passes are on a filament, and no others."""
    grid = np.array([[x, y, z] for z in (0.0, 1.0) for y in np.arange(-2.0, 3.0) for x in np.arange(-2.0, 3.0)])
    grid[:, :2] += 0.3
    corner = np.array([25 * k + 5 * j + i for k in (0, 1) for j in (0, 1) for i in (0, 1)])
    first = np.array([5 * j + i for j in range(4) for i in range(4)])
    paths = [(0, 1, 3, 7), (0, 1, 5, 7), (0, 2, 3, 7), (0, 2, 6, 7), (0, 4, 5, 7), (0, 4, 6, 7)]
    cells = (first[:, None, None] + corner[np.array(paths)]).reshape(-1, 4)
    spiral = np.mod(np.arctan2(grid[:, 1], grid[:, 0]), 2 * np.pi)
    middle = grid[cells[filaments(spiral, cells)]].mean(axis=1)
    assert len(middle) and np.abs(middle[:, :2]).max() < 1.0
    assert not filaments(np.mod(grid[:, 0], 2 * np.pi), cells).any()
    assert not filaments(np.full(len(grid), np.nan), cells).any()
