"""Pointwise: from an energy written in UFL to C functions for its first and second derivatives at many points."""

import numpy as np
import ufl
from dolfinx import fem
from ufl.algorithms.apply_algebra_lowering import apply_algebra_lowering
from ufl.algorithms.apply_derivatives import apply_derivatives
from ufl.classes import (
    Abs,
    ComponentTensor,
    Condition,
    Conditional,
    Conj,
    Division,
    Identity,
    Indexed,
    IndexSum,
    ListTensor,
    MathFunction,
    MaxValue,
    MinValue,
    Power,
    Product,
    ScalarValue,
    Sum,
    Variable,
    Zero,
)

from heartwright.errors import InputError
from heartwright.mechanics.graph import FUNCTIONS, Graph, Node

IN_C = {"ln": "log"} | {name: name for name in FUNCTIONS}  # names of functions in UFL -> in C


class Pointwise:
    """An energy as a graph of scalars, with the C text of its derivatives.

    energy: a scalar UFL expression of Constants without values, the `arguments`, which differ between points, and
    of fem.Constants, the `parameters`, which do not: their values are read whenever they are needed.
    In C, arguments are rows of x (in the given order, component by component), parameters entries of p.
    """

    def __init__(self, energy, arguments: list[ufl.Constant]):
        self.graph, self.parameters = Graph(), []
        rows = [(argument, i) for argument in arguments for i in range(_size(argument))]
        self._symbols = {row: self.graph.symbol(f"x[{k} * N + l]") for k, row in enumerate(rows)}
        self._seen: dict[tuple, Node] = {}
        self.energy = self._scalar(apply_derivatives(apply_algebra_lowering(energy)), (), {})

    def values(self) -> np.ndarray:
        """The parameters' values now, in the order of p."""
        return np.array([value for constant in self.parameters for value in np.ravel(constant.value)], dtype=float)

    def symbol(self, argument: ufl.Constant, component: int = 0) -> Node:
        return self._symbols[argument, component]

    def function(self, name: str, results: list[Node]) -> str:
        """C text of `name(x, p, y)`, which writes row k of y with results[k] at N points."""
        lines = self.graph.code({f"y[{k} * N + l]": node for k, node in enumerate(results)})
        body = "\n".join("    " + line for line in lines)
        return f"""
static __attribute__((noinline)) void {name}(const double *restrict x, const double *restrict p, double *restrict y) {{
#pragma omp simd aligned(x, y : 32)
  for (int l = 0; l < N; l++) {{
{body}
  }}
}}
"""

    def _scalar(self, e, component: tuple[int, ...], index: dict[ufl.Index, int]) -> Node:
        """The node of a component of e, where its free indices have the values `index`."""
        key = (e, component, tuple(index[ufl.Index(count)] for count in e.ufl_free_indices))
        if key not in self._seen:
            self._seen[key] = self._convert(e, component, index)
        return self._seen[key]

    def _convert(self, e, component: tuple[int, ...], index: dict[ufl.Index, int]) -> Node:
        g = self.graph
        match e:
            case Zero():
                return g.number(0.0)
            case ScalarValue():
                return g.number(float(e))
            case Identity():
                return g.number(float(component[0] == component[1]))
            case ufl.Constant():
                return self._leaf(e, int(np.ravel_multi_index(component, e.ufl_shape)) if component else 0)
            case Indexed():
                tensor, positions = e.ufl_operands
                return self._scalar(tensor, tuple(_position(i, index) for i in positions), index)
            case ComponentTensor():
                scalar, indices = e.ufl_operands
                return self._scalar(scalar, (), index | dict(zip(indices, component, strict=True)))
            case ListTensor():
                return self._scalar(e.ufl_operands[component[0]], component[1:], index)
            case IndexSum():
                summand, (i,) = e.ufl_operands
                terms = [self._scalar(summand, component, index | {i: k}) for k in range(e.dimension())]
                return _all(g.add, terms)
            case Sum():
                return _all(g.add, [self._scalar(part, component, index) for part in e.ufl_operands])
            case Variable() | Conj():  # real numbers only
                return self._scalar(e.ufl_operands[0], component, index)
            case Conditional():
                condition, then, otherwise = e.ufl_operands
                return self._select(condition, [then, otherwise], index)
            case MinValue() | MaxValue():
                a, b = e.ufl_operands
                return self._select(ufl.lt(a, b), [a, b] if isinstance(e, MinValue) else [b, a], index)
        return self._operation(e, [self._scalar(part, (), index) for part in e.ufl_operands])

    def _operation(self, e, operands: list[Node]) -> Node:
        g = self.graph
        match e:
            case Product():
                return g.multiply(*operands)
            case Division():
                return g.divide(*operands)
            case Power():
                return g.power(*operands)
            case Abs():
                return g.call("fabs", *operands)
            case MathFunction() if e._name in IN_C:
                return g.call(IN_C[e._name], *operands)
        raise InputError(f"an energy cannot use {type(e).__name__}: it has no translation to C")

    def _select(self, condition: Condition, branches: list, index: dict[ufl.Index, int]) -> Node:
        comparison = getattr(condition, "_name", "")
        if comparison not in ("<", "<=", ">", ">=", "==", "!="):
            raise InputError(f"an energy cannot use the condition {type(condition).__name__}: compare two numbers")
        operands = [self._scalar(part, (), index) for part in (*condition.ufl_operands, *branches)]
        return self.graph.select(comparison, *operands)

    def _leaf(self, constant: ufl.Constant, i: int) -> Node:
        if (constant, i) not in self._symbols:
            if not isinstance(constant, fem.Constant):
                raise ValueError(f"{constant} is neither an argument nor has it a value")
            first = sum(_size(known) for known in self.parameters)
            self.parameters.append(constant)
            self._symbols |= {(constant, k): self.graph.symbol(f"p[{first + k}]") for k in range(_size(constant))}
        return self._symbols[constant, i]


def _size(constant: ufl.Constant) -> int:
    return int(np.prod(constant.ufl_shape, dtype=int))


def _position(i, index: dict[ufl.Index, int]) -> int:
    return index[i] if isinstance(i, ufl.Index) else int(i)


def _all(combine, nodes: list[Node]) -> Node:
    result = nodes[0]
    for node in nodes[1:]:
        result = combine(result, node)
    return result
