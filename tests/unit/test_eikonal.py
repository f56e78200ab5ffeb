"""Eikonal: plane and point waves whose arrival is known, barriers, and what a scenario says."""

import numpy as np
import pytest

from box import AXES, box
from heartwright.electrophysiology.eikonal import Eikonal, activation, speed_field
from heartwright.electrophysiology.spec import Conductivities, ElectrophysiologySpec, Region, Speeds, Stimulus
from heartwright.electrophysiology.tissue import Tissue
from heartwright.errors import InputError

SPEEDS = np.array([0.6, 0.3, 0.2])
CORNER = {"box": {"lower": (-1, -1, -1), "upper": (0.1, 0.1, 0.1)}}


def arrival(geometry, speeds, sources: np.ndarray) -> np.ndarray:
    field = np.broadcast_to(speeds, (len(geometry.V1.dofmap.list), 3))
    return Eikonal(geometry, field, AXES).solve(np.where(sources, 0.0, np.inf))


def test_a_plane_wave_is_exact():
    """Linear in space: the cells represent it without error, in any direction of an anisotropic metric."""
    geometry = box((4.0, 2.0, 2.0), 0.5)
    for axis in range(3):
        T = arrival(geometry, SPEEDS, geometry.points[:, axis] < 1e-9)
        assert pytest.approx(geometry.points[:, axis] / SPEEDS[axis], abs=1e-9) == T


def test_a_point_wave_converges():
    """First order up to a logarithm, because the front is sharply curved near its source."""
    errors = []
    for h in (1.0, 0.5, 0.25):
        geometry = box((6.0, 3.0, 2.0), h)
        T = arrival(geometry, SPEEDS, np.linalg.norm(geometry.points, axis=1) < 1e-9)
        exact = np.linalg.norm(geometry.points / SPEEDS, axis=1)
        assert (exact - 1e-9 < T).all()  # paths along cells are never shorter than the shortest
        errors.append(np.abs(T - exact).mean() / exact.max())
    assert errors[2] < 0.02
    assert errors[0] / errors[1] > 1.2 and errors[1] / errors[2] > 1.4


def test_a_barrier_is_walked_around():
    """A wall across the lower half of the slab: behind it the wave comes over the gap."""
    geometry = box((6.0, 4.0, 1.0), 0.5)
    wall = {"box": {"lower": (2.9, -1.0, -1.0), "upper": (3.6, 2.1, 9.0)}}
    spec = ElectrophysiologySpec(
        conduction=Speeds(fibre=0.5, cross=0.5),
        regions=[Region(where=wall, conduction_scale=0.0)],
        stimuli=[Stimulus(name="corner", where=CORNER, start=5.0)],
    )
    T = activation(geometry, spec, AXES)
    behind = np.linalg.norm(geometry.points - (6.0, 0.0, 0.0), axis=1).argmin()
    direct, around = 5 + 6 / 0.5, 5 + (np.hypot(3, 2.5) + 0.5 + np.hypot(2.5, 2.5)) / 0.5  # over y = 2.5 mm
    assert T[behind] == pytest.approx(around, rel=0.07)
    assert T[behind] > direct + 1


def test_two_sites_share_the_tissue():
    geometry = box((8.0, 1.0, 1.0), 0.5)
    right = {"box": {"lower": (7.9, -1, -1), "upper": (9, 9, 9)}}
    left = {"box": {"lower": (-1, -1, -1), "upper": (0.1, 9, 9)}}
    stimuli = [Stimulus(name="left", where=left, start=0.0), Stimulus(name="right", where=right, start=4.0)]
    spec = ElectrophysiologySpec(conduction=Speeds(fibre=0.5, cross=0.5), stimuli=stimuli)
    x = geometry.points[:, 0]
    assert activation(geometry, spec, AXES) == pytest.approx(np.minimum(x / 0.5, 4 + (8 - x) / 0.5), abs=1e-9)


def test_nothing_arrives_without_a_source():
    geometry = box((2.0, 1.0, 1.0), 0.5)
    assert np.isinf(activation(geometry, ElectrophysiologySpec(conduction=Speeds(fibre=0.5, cross=0.5)), AXES)).all()


def test_conductivities_are_no_speeds():
    with pytest.raises(InputError, match="needs speeds"):
        speed_field(
            box((1.0, 1.0, 1.0), 0.5),
            ElectrophysiologySpec(conduction=Conductivities(fibre=0.1, sheet=0.1, normal=0.1)),
        )


def beating(stimuli: list[Stimulus], **more) -> Tissue:
    spec = ElectrophysiologySpec(
        equation="reaction_eikonal", conduction=Speeds(fibre=0.5, cross=0.25), stimuli=stimuli, **more
    )
    return Tissue(box((8.0, 2.0, 2.0), 1.0), spec, AXES, dt=0.05, onset=10.0, period=500.0)


def test_cells_fire_when_the_wave_arrives_in_every_cycle():
    """At 1 mm, where a monodomain wave of 0.25 m/s would not run: arrival plus one delay, that of the foot."""
    tissue = beating([Stimulus(name="corner", where=CORNER)])
    expected = tissue.diffusion.arrival
    delays = []
    for cycle in range(2):
        for t in range(80):
            tissue.step(500.0 * cycle + t, 1.0)
        assert np.isfinite(tissue.activation).all()
        delays.append(tissue.activation[: tissue.n] - 500 * cycle - expected)
        for t in range(80, 500, 4):
            tissue.step(500.0 * cycle + t, 4.0)
    for delay in delays:
        assert delay.min() > 0.5 and delay.max() < 2.5
        assert np.ptp(delay) < 0.3
    assert np.isfinite(tissue.repolarisation).all()


def test_dead_tissue_stays_at_rest():
    wall = {"box": {"lower": (3.9, -1.0, -1.0), "upper": (9.0, 9.0, 9.0)}}
    tissue = beating([Stimulus(name="corner", where=CORNER)], regions=[Region(where=wall, conduction_scale=0.0)])
    for t in range(60):
        tissue.step(float(t), 1.0)
    x = tissue.geometry.points[:, 0]
    assert np.isnan(tissue.activation[x > 5]).all()
    assert np.isfinite(tissue.activation[x < 3]).all()


def test_trains_are_refused():
    with pytest.raises(InputError, match="s2: the reaction-eikonal equation knows one wave per cycle"):
        beating([Stimulus(name="s1", where=CORNER), Stimulus(name="s2", where=CORNER, clock="absolute")])
