"""Small ODE models for tests."""

from pathlib import Path

from heartwright.odes.model import Model, read

# An excitable membrane after Hodgkin and Huxley 1952 (doi:10.1113/jphysiol.1952.sp004764), with one gate in each form
# (inf/tau, alpha/beta, a rate times a difference) and a buffered concentration that is no gate.
CELL = """
[[model]]
name: small cell
doi: 10.1113/jphysiol.1952.sp004764
variants: plain leaky
leaky: leak.g=0.6, membrane.V=-70
# Initial values
membrane.V = -75
ina.m = 0.05
ina.h = 0.6
ik.n = 0.32
pool.c = 0.1

[engine]
time = 0 [ms] in [ms] bind time

[membrane]
C = 1 [uF/cm^2]
    in [uF/cm^2]
i_stim = 0 [uA/cm^2]
    in [uA/cm^2]
    label stimulus_current
dot(V) = -(ina.i + ik.i + leak.i - i_stim) / C
    in [mV]
    label membrane_potential

[ina]
use membrane.V
g = 120 [mS/cm^2] in [mS/cm^2]
E = 50 [mV] in [mV]
am = 0.1 [1/ms] * if(abs(V + 40 [mV]) < 1e-7 [mV], 10, (V / 1 [mV] + 40) / (1 - exp(-(V + 40 [mV]) / 10 [mV])))
    in [1/ms]
bm = 4 [1/ms] * exp(-(V + 65 [mV]) / 18 [mV])
    in [1/ms]
dot(m) = am * (1 - m) - bm * m
ah = 0.07 [1/ms] * exp(-(V + 65 [mV]) / 20 [mV])
    in [1/ms]
bh = 1 [1/ms] / (1 + exp(-(V + 35 [mV]) / 10 [mV]))
    in [1/ms]
h_inf = ah / (ah + bh)
tau_h = 1 / (ah + bh)
    in [ms]
dot(h) = (h_inf - h) / tau_h
i = g * m^3 * h * (V - E)
    in [uA/cm^2]

[ik]
use membrane.V
g = 36 [mS/cm^2] in [mS/cm^2]
E = -77 [mV] in [mV]
an = 0.01 [1/ms] * if(abs(V + 55 [mV]) < 1e-7 [mV], 10, (V / 1 [mV] + 55) / (1 - exp(-(V + 55 [mV]) / 10 [mV])))
    in [1/ms]
bn = 0.125 [1/ms] * exp(-(V + 65 [mV]) / 80 [mV])
    in [1/ms]
k = an + bn
    in [1/ms]
dot(n) = k * (an / k - n)
i = g * n^4 * (V - E)
    in [uA/cm^2]

[leak]
g = 0.3 [mS/cm^2] in [mS/cm^2]
i = g * (membrane.V + 54.4 [mV])
    in [uA/cm^2]

[pool]
buffer = 1 / (1 + 0.2 / (c + 0.3)^2)
dot(c) = buffer * (0.01 [1/ms] * ik.n^2 - 0.3 [1/ms] * c^1.5)
    label concentration
"""

# y'' = -y + x(t): with x = a + b t the solution is x + A cos t + B sin t.
OSCILLATOR = """
[[model]]
name: oscillator
body.y = 1
body.v = 0

[engine]
time = 0 [ms] in [ms] bind time

[body]
force = 0
    label force
dot(y) = v / 1 [ms]
    label position
dot(v) = (force - y) / 1 [ms]
    label speed
energy = 0.5 * (y^2 + v^2)
    label energy
"""


def model(folder: Path, text: str, variant: str | None = None, **parameters) -> Model:
    """The model with this text, read from a file in `folder`."""
    file = folder / "small.mmt"
    file.write_text(text)
    return read(file, variant, {name.replace("__", "."): value for name, value in parameters.items()})
