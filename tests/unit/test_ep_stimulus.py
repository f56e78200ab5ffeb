"""Stimuli: when they are on, and how much charge they bring."""

import numpy as np
import pytest

from heartwright.electrophysiology.spec import Stimulus
from heartwright.electrophysiology.stimulus import Stimulation, overlap


def on(stimulus: Stimulus, begin: float, end: float, onset: float = 150.0, cycle: float = 800.0) -> float:
    return overlap(stimulus, begin, end - begin, onset, cycle)


def test_ventricular_stimuli_start_with_the_ventricles_of_every_beat():
    s = Stimulus(name="s", where="all", start=10.0, duration=2.0)
    assert on(s, 0, 160) == 0
    assert on(s, 160, 162) == 2
    assert on(s, 162, 960) == 0
    assert on(s, 959, 961) == pytest.approx(1)
    assert on(s, 0, 2400) == pytest.approx(6)


def test_absolute_stimuli_ignore_the_onset_and_may_have_a_period_and_a_count():
    s = Stimulus(name="s", where="all", clock="absolute", start=5.0, duration=1.0, period=100.0, count=3)
    assert on(s, 5, 6) == 1
    assert on(s, 0, 1000) == pytest.approx(3)
    assert on(s, 300, 1000) == 0


def test_a_stimulus_before_the_first_beat_is_not_made_up_for():
    s = Stimulus(name="s", where="all", clock="absolute", start=-50.0, duration=20.0)
    assert on(s, 0, 700) == 0
    assert on(s, 740, 780) == pytest.approx(20)


@pytest.mark.parametrize("dt", [0.05, 0.3, 1.0, 7.0])
def test_the_charge_does_not_depend_on_the_step(dt):
    s = Stimulus(name="s", where="all", clock="absolute", start=1.23, duration=2.0, amplitude=50.0)
    stimulation = Stimulation([s], lambda _: np.array([True, False]), 2, 0.0, 1000.0)
    charge = np.zeros(2)
    for k in range(round(21 / dt)):
        stimulation.update(k * dt, dt)
        charge += dt * stimulation.current
    assert charge == pytest.approx([100.0, 0.0])  # 50 uA/uF for 2 ms


def test_overlapping_stimuli_add_up_and_changes_are_told():
    stimuli = [Stimulus(name=n, where="all", clock="absolute", amplitude=a) for n, a in (("a", 10.0), ("b", 5.0))]
    masks = {"a": np.array([True, True, False]), "b": np.array([False, True, True])}
    stimulation = Stimulation(stimuli, lambda s: masks[s.name], 3, 0.0, 1000.0)
    assert stimulation.update(0.0, 1.0)
    assert stimulation.current.tolist() == [10.0, 15.0, 5.0]
    assert not stimulation.update(1.0, 1.0)
    assert stimulation.update(2.0, 1.0)
    assert not stimulation.current.any()
