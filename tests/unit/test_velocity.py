"""Conduction velocity from activation times."""

import numpy as np

from box import box
from heartwright.electrophysiology.velocity import conduction_velocity


def test_a_plane_wave_has_its_speed_everywhere():
    geometry = box((4.0, 3.0, 2.0), 0.5)
    direction = np.array([0.6, 0.0, 0.8])
    speed = conduction_velocity(geometry, 5.0 + geometry.points @ direction / 0.4)
    np.testing.assert_allclose(speed, 0.4)


def test_it_is_known_where_all_around_has_fired_and_fronts_do_not_meet():
    geometry = box((6.0, 1.0, 1.0), 0.5)
    x = geometry.points[:, 0]
    T = np.where(x < 4.2, x / 0.5, np.nan)
    speed = conduction_velocity(geometry, T)
    np.testing.assert_allclose(speed[x < 3.7], 0.5)
    assert np.isnan(speed[x > 3.7]).all()
    at_once = conduction_velocity(geometry, np.zeros(len(x)))
    assert np.isnan(at_once).all()
