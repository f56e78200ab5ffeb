"""Linking: equal labels join, one model writes, any number read, units are converted or refused."""

import numpy as np
import pytest

from heartwright.errors import InputError
from heartwright.odes.kernel import Kernel
from heartwright.odes.link import link
from heartwright.odes.model import read
from small_models import OSCILLATOR

SENSOR = """
[[model]]
name: sensor
body.s = 0
[engine]
time = 0 [ms] in [ms] bind time
[body]
heard = 0
    label position
dot(s) = (heard - s) / 5 [ms]
    label signal
"""

HEATER = """
[[model]]
name: heater
box.p = 1
[clock]
time = 0 [ms] in [ms] bind time
[box]
dot(p) = -p / 100 [ms]
    in [kPa]
    label pressure
"""

GAUGE = """
[[model]]
name: gauge
dial.x = 0
[clock]
time = 0 [ms] in [ms] bind time
[dial]
p = 0 [mmHg]
    in [mmHg]
    label pressure
dot(x) = (p / 1 [mmHg] - x) / 1 [ms]
"""


@pytest.fixture
def read_text(tmp_path):
    def reader(text):
        name = text.split("name: ")[1].split("\n")[0]
        file = tmp_path / f"{name}.mmt"
        file.write_text(text)
        return read(file)

    return reader


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_reader_gets_the_writers_value(read_text, order):
    """Whichever comes first; the label stays with the variable that is computed."""
    parts = [read_text(OSCILLATOR), read_text(SENSOR)]
    both = link(*(parts[i] for i in order))
    assert both.variable("position").is_state()
    kernel = Kernel(both, 1, scheme="rk4")
    kernel.step(0, 3, 300)
    # s' = (cos t - s)/5, s(0) = 0
    exact = (np.cos(3) + 5 * np.sin(3) - np.exp(-3 / 5)) / 26
    assert kernel["signal"][0] == pytest.approx(exact, abs=1e-8)


def test_names_that_clash_are_kept_apart(read_text):
    assert set(link(read_text(OSCILLATOR), read_text(SENSOR)).states) == {"body.y", "body.v", "sensor_body.s"}


def test_one_writer_many_readers(read_text):
    three = link(read_text(SENSOR), read_text(SENSOR.replace("sensor", "second").replace("signal", "echo")),
                 read_text(OSCILLATOR))  # fmt: skip
    kernel = Kernel(three, 1, scheme="rk4")
    kernel.step(0, 3, 300)
    assert kernel["signal"][0] == kernel["echo"][0] != 0


def test_units_are_converted(read_text):
    kernel = Kernel(link(read_text(HEATER), read_text(GAUGE)), 1, scheme="rk4")
    kernel.step(0, 20, 2000)
    # x' = 7.50062 e^(-t/100) - x
    exact = (np.exp(-0.2) - np.exp(-20)) / 0.99 / 0.133322387415
    assert kernel["dial.x"][0] == pytest.approx(exact, rel=1e-8)


def test_units_that_do_not_fit_are_refused(read_text):
    with pytest.raises(InputError, match=r"units of 'pressure' do not fit: heater .*kPa.* and gauge .*ms"):
        link(read_text(HEATER), read_text(GAUGE.replace("[mmHg]", "[ms]")))


def test_two_writers_are_refused_unless_one_is_cut(read_text):
    one, two = read_text(OSCILLATOR), read_text(OSCILLATOR.replace("oscillator", "rival"))
    with pytest.raises(InputError, match="two models write"):
        link(one, two)
    linked = link(one.with_inputs("position", "speed", "energy"), two)
    assert linked.states == ("rival_body.y", "rival_body.v")


def test_readers_without_a_writer_share_one_parameter(read_text):
    both = link(read_text(SENSOR), read_text(SENSOR.replace("sensor", "second").replace("signal", "echo")))
    kernel = Kernel(both, 1, inputs=("position",), scheme="rk4")
    kernel.set("position", 2)
    kernel.step(0, 1, 100)
    assert kernel["signal"][0] == kernel["echo"][0] == pytest.approx(2 * (1 - np.exp(-0.2)), rel=1e-8)


def test_linked_models_are_left_as_they_were(read_text):
    one, two = read_text(OSCILLATOR), read_text(SENSOR)
    before = one.source.code(), two.source.code()
    link(one, two)
    assert (one.source.code(), two.source.code()) == before


def test_a_cell_and_its_tension_run_as_one_model():
    both = link(read("tentusscher_panfilov_2006", "epi"), read("land_2017"))
    kernel = Kernel(both, 1, inputs=("stimulus_current",), outputs=("active_tension",), scheme="rush_larsen_2")
    kernel.set("stimulus_current", 52)
    kernel.step(0, 1, 20)
    kernel.set("stimulus_current", 0)
    kernel.step(1, 150, 3000)
    assert kernel.outputs(151)["active_tension"][0] > 5  # kPa
