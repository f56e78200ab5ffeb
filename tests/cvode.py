"""The solution of an ODE model by Myokit's own CVODE solver, against which the generated kernels are checked."""

import os
import shutil
from unittest import mock

import numpy as np
import pytest

from heartwright.odes.mmt import myokit
from heartwright.odes.model import Model


def solve(
    model: Model,
    times: np.ndarray,
    names: tuple[str, ...],
    pulse: tuple[str, float, float, float] | tuple[str, float, float, float, float] | None = None,
    tolerance: float = 1e-9,
) -> dict[str, np.ndarray]:
    """Values of the named variables at `times`, CVODE with the given tolerance.

    `pulse` = (name, start, duration, amplitude) gives one variable a rectangular course instead of its equation; a
    fifth number is the period with which it repeats.
    """
    source, protocol = model.source.clone(), None
    if pulse is not None:
        name, start, duration, amplitude, *period = pulse
        variable = source.get(model.variable(name).qname())
        pace = variable.parent().add_variable("pace_of_test", rhs=0)
        pace.set_binding("pace")
        variable.set_rhs(myokit.Multiply(myokit.Number(amplitude, variable.unit()), myokit.Name(pace)))
        protocol = myokit.Protocol()
        protocol.schedule(1, start, duration, *period)
    compiler = {"CC": "mpicc"} if shutil.which("mpicc") else {}  # Debian's SUNDIALS includes mpi.h
    try:
        with mock.patch.dict(os.environ, compiler):
            simulation = myokit.Simulation(source, protocol)
    except myokit.CompilationError as error:
        pytest.skip(f"SUNDIALS cannot be used here: {str(error)[-200:]}")
    simulation.set_tolerance(tolerance, tolerance)
    columns = [model.variable(name).qname() for name in names]
    log = simulation.run(float(times[-1]) + 1e-6, log=columns, log_times=times)
    return {name: np.array(log[column]) for name, column in zip(names, columns, strict=True)}
