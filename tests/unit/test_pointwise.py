"""Pointwise: stress and stiffness of the graph against differences of the energy, for all laws."""

import math
import operator

import basix.ufl
import numpy as np
import pytest
import ufl

from heartwright.errors import InputError
from heartwright.mechanics.passive import volumetric
from heartwright.mechanics.pointwise import Pointwise
from laws import LAWS

MESH = ufl.Mesh(basix.ufl.element("Lagrange", "tetrahedron", 1, shape=(3,)))
AXES = tuple(ufl.as_vector(row) for row in np.eye(3).tolist())
COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq}
C = ufl.Constant(MESH, shape=(6,))
MATRIX = ufl.as_matrix([[C[0], C[1], C[2]], [C[1], C[3], C[4]], [C[2], C[4], C[5]]])


def value(graph, node: int, x: np.ndarray) -> float:
    """The graph by the rules of Python instead of C."""
    operation, *operands = graph.operations[node]
    if operation == "number":
        return operands[0]
    if operation == "symbol":
        return x[int(operands[0][2])]
    a = [value(graph, operand, x) for operand in operands]
    if operation.startswith("?"):
        return a[2] if COMPARE[operation[1:]](a[0], a[1]) else a[3]
    known = {"+": operator.add, "*": operator.mul, "inverse": lambda y: 1 / y}
    return known.get(operation, getattr(math, operation, None))(*a)


def derivatives(energy) -> tuple[Pointwise, list[int], np.ndarray]:
    """The energy, its gradient and its Hessian by the components of C, as nodes."""
    law = Pointwise(energy, [C])
    symbols = [law.symbol(C, k) for k in range(6)]
    first = [law.graph.derivative(law.energy, s) for s in symbols]
    return law, first, np.array([[law.graph.derivative(y, s) for s in symbols] for y in first])


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.type)
def test_stress_and_stiffness_are_derivatives_of_the_energy(law):
    psi = law.psi(MATRIX, *AXES) + volumetric(ufl.sqrt(ufl.det(MATRIX)), 100.0)
    graph, first, second = derivatives(psi)
    g, x, h = graph.graph, np.array([1.15, 0.04, -0.03, 0.95, 0.05, 1.02]), 1e-5
    stiffness = np.array([[value(g, node, x) for node in row] for row in second])
    for k, step in enumerate(h * np.eye(6)):
        slope = (value(g, graph.energy, x + step) - value(g, graph.energy, x - step)) / (2 * h)
        assert value(g, first[k], x) == pytest.approx(slope, rel=1e-6, abs=1e-7)
        column = [(value(g, y, x + step) - value(g, y, x - step)) / (2 * h) for y in first]
        # h^2 times a fourth derivative: the switch of the fibres is 100 per unit of C steep
        assert np.allclose(stiffness[:, k], column, rtol=0, atol=2e-5 * np.abs(stiffness).max())


@pytest.mark.parametrize(
    ("expression", "expected", "slope"),
    [
        (C[0] ** 3, 8.0, 12.0),
        (C[0] ** -2, 0.25, -0.25),
        (C[0] ** 2.5, 2**2.5, 2.5 * 2**1.5),
        (ufl.sqrt(C[0]), 2**0.5, 0.5 / 2**0.5),
        (ufl.sin(C[0]) * ufl.cos(C[0]), math.sin(2) * math.cos(2), math.cos(4)),
        (ufl.tanh(C[0]), math.tanh(2), 1 - math.tanh(2) ** 2),
        (abs(1 - C[0]), 1.0, 1.0),
        (ufl.conditional(ufl.lt(C[0], 1.0), C[0], 3 * C[0]), 6.0, 3.0),
        (ufl.max_value(C[0], C[1]) + ufl.min_value(C[0], C[1]), 3.0, 1.0),
        (ufl.tr(MATRIX * MATRIX.T), 4.0 + 2 * 1.0, 4.0),
    ],
)
def test_functions_and_their_slopes(expression, expected, slope):
    law, first, _ = derivatives(expression)
    x = np.array([2.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    assert value(law.graph, law.energy, x) == pytest.approx(expected, rel=1e-14)
    assert value(law.graph, first[0], x) == pytest.approx(slope, rel=1e-14)


def test_nothing_is_computed_twice():
    law = Pointwise(ufl.exp(C[0] * C[1]) + ufl.exp(C[1] * C[0]), [C])
    assert "".join(law.graph.code({"y": law.energy})).count("exp") == 1


def test_what_has_no_translation_is_refused():
    with pytest.raises(InputError, match="cannot use Erf"):
        Pointwise(ufl.erf(C[0]), [C])
