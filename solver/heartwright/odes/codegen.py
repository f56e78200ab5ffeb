"""From a model to C: its equations as straight-line code over a block of lanes.

Each lane computes the same, so the code has no branches: both sides of an `if` are computed and one is selected (a
side that is not selected may be NaN). Constants are folded into numbers. What Myokit's model names is computed once.
"""

from __future__ import annotations

import dataclasses
import math

from heartwright.errors import InputError
from heartwright.odes.mmt import hh, myokit
from heartwright.odes.model import Model
from heartwright.odes.schemes import ENTRIES, EXPONENTIAL, HEAD, RUNTIME, SCHEMES

INFIX = {
    myokit.Plus: "+",
    myokit.Minus: "-",
    myokit.Multiply: "*",
    myokit.Divide: "/",
    myokit.Equal: "==",
    myokit.NotEqual: "!=",
    myokit.More: ">",
    myokit.Less: "<",
    myokit.MoreEqual: ">=",
    myokit.LessEqual: "<=",
    myokit.And: "&",  # not &&: no branches
    myokit.Or: "|",
}
FUNCTIONS = {
    myokit.Sqrt: "sqrt",
    myokit.Sin: "sin",
    myokit.Cos: "cos",
    myokit.Tan: "tan",
    myokit.ASin: "asin",
    myokit.ACos: "acos",
    myokit.ATan: "atan",
    myokit.Exp: "exp",
    myokit.Floor: "floor",
    myokit.Ceil: "ceil",
    myokit.Abs: "fabs",
}
POWERS = (2, 3, 4, 5, 6, 8)


@dataclasses.dataclass(frozen=True)
class Split:
    """The states by how they are advanced; the order of positions in a block is gates, relaxing, explicit."""

    gates: dict[myokit.Variable, tuple[myokit.Variable, myokit.Variable]]  # state -> (inf, tau)
    relaxing: list[myokit.Variable]
    explicit: list[myokit.Variable]

    @property
    def order(self) -> list[myokit.Variable]:
        return [*self.gates, *self.relaxing, *self.explicit]


def generate(model: Model, scheme: str, outputs: tuple[str, ...]) -> str:
    """The C text of `heartwright_step` with `scheme` and of `heartwright_outputs`, for the states, inputs and outputs
    of `model` in the order of `model.states`, `model.inputs` and `outputs`."""
    source = _gates_in_inf_tau_form(model.source)
    split = _split(source, scheme)
    inputs = [source.get(name) for name in model.inputs]
    wanted = [myokit.Name(source.get(model.variable(name).qname())) for name in outputs]
    try:
        rates, values = _rates(source, split, inputs), _outputs(source, split, inputs, wanted)
    except RecursionError:
        raise InputError(f"{model.name}: equations are nested too deeply") from None
    rows = ", ".join(str(state.index()) for state in split.order)
    sizes = {
        "STATES": len(split.order),
        "GATES": len(split.gates),
        "RELAXING": len(split.relaxing),
        "INPUTS": len(inputs),
        "OUTPUTS": len(wanted),
    }
    constants = f"enum {{ {', '.join(f'{name} = {size}' for name, size in sizes.items())} }};\n"
    table = f"static const long ROW[STATES + 1] = {{{rows}}};  // position -> row of y\n"
    title = f"// {model.name}, {scheme}: generated\n"
    return "".join([title, HEAD, constants, table, rates, values, RUNTIME, SCHEMES[scheme], ENTRIES])


def _gates_in_inf_tau_form(source: myokit.Model) -> myokit.Model:
    v = source.label("membrane_potential")
    return source.clone() if v is None else hh.convert_hh_states_to_inf_tau_form(source, v)


def _split(source: myokit.Model, scheme: str) -> Split:
    """Sort the states. The membrane potential is explicit: its Jacobian would cost as much as all currents."""
    states, v = list(source.states()), source.label("membrane_potential")
    if scheme not in EXPONENTIAL:
        return Split({}, [], states)
    found = {} if v is None else {s: hh.get_inf_and_tau(s, v) for s in states if s is not v}
    gates = {state: pair for state, pair in found.items() if pair}
    rest = [state for state in states if state not in gates]
    relaxing = [s for s in rest if s is not v and s.rhs().depends_on(myokit.Name(s), deep=True)]
    return Split(gates, relaxing, [s for s in rest if s not in relaxing])


def _rates(source: myokit.Model, split: Split, inputs: list[myokit.Variable]) -> str:
    body = Body(source, split.order, inputs)
    for i, (inf, tau) in enumerate(split.gates.values()):
        body.assign("f", i, myokit.Name(inf))
        body.assign("a", i, myokit.Divide(myokit.Number(-1), myokit.Name(tau)))
    for i, state in enumerate(split.order[len(split.gates) :], len(split.gates)):
        body.assign("f", i, state.rhs())
        if state in split.relaxing:
            body.assign("a", i, state.rhs().diff(myokit.Name(state)))
    return _function("rates", "double *restrict f, double *restrict a", "f, a", body)


def _outputs(source: myokit.Model, split: Split, inputs: list[myokit.Variable], wanted: list[myokit.Name]) -> str:
    body = Body(source, split.order, inputs)
    for i, value in enumerate(wanted):
        body.assign("o", i, value)
    return _function("outputs", "double *restrict o", "o", body)


def _function(name: str, results: str, aligned: str, body: Body) -> str:
    lines = "\n".join("    " + line for line in body.lines)
    return f"""
static __attribute__((noinline)) void {name}(const double *restrict y, const double *restrict x, double t, {results}) {{
#pragma omp simd aligned(y, x, {aligned} : 64)
  for (int l = 0; l < W; l++) {{
{lines}
  }}
}}
"""


class Body:
    """The statements of one lane; asking for a value writes first whatever it needs."""

    def __init__(self, source: myokit.Model, states: list[myokit.Variable], inputs: list[myokit.Variable]):
        self.lines: list[str] = []
        self._time = source.time()
        self._loads = {v: f"y[{i} * W + l]" for i, v in enumerate(states)}
        self._loads |= {v: f"x[{i} * W + l]" for i, v in enumerate(inputs)}
        self._names: dict[myokit.LhsExpression, str] = {}
        self._constant: dict[myokit.Variable, bool] = {}
        self._taken: set[str] = set()

    def assign(self, array: str, position: int, value: myokit.Expression) -> None:
        text = self.expression(value)
        self.lines.append(f"{array}[{position} * W + l] = {text};")

    def expression(self, e: myokit.Expression) -> str:
        """C text of the value of `e`."""
        if self._is_constant(e):
            return _number(e)
        if isinstance(e, myokit.LhsExpression):
            return self._value(e)
        if type(e) in INFIX:
            return f"({self.expression(e[0])} {INFIX[type(e)]} {self.expression(e[1])})"
        if type(e) in FUNCTIONS:
            return f"{FUNCTIONS[type(e)]}({self.expression(e[0])})"
        return self._special(e)

    def _special(self, e: myokit.Expression) -> str:
        match e:
            case myokit.PrefixPlus():
                return self.expression(e[0])
            case myokit.PrefixMinus():
                return f"(-{self.expression(e[0])})"
            case myokit.Not():
                return f"(!{self.expression(e[0])})"
            case myokit.Power():
                return self._power(e)
            case myokit.If() | myokit.Piecewise():
                return self._select(e)
            case myokit.Log():
                logarithm = f"log({self.expression(e[0])})"
                return logarithm if len(e) == 1 else f"({logarithm} / log({self.expression(e[1])}))"
            case myokit.Log10():
                return f"(log({self.expression(e[0])}) * {1 / math.log(10)!r})"
            case myokit.Quotient():
                return f"floor({self.expression(e[0])} / {self.expression(e[1])})"
            case myokit.Remainder():
                a, b = self._named(e[0]), self._named(e[1])
                return f"({a} - {b} * floor({a} / {b}))"
        raise InputError(f"'{e.code()}' cannot be used in a kernel")

    def _power(self, e: myokit.Power) -> str:
        base = self.expression(e[0])
        if not self._is_constant(e[1]):
            return f"pow({base}, {self.expression(e[1])})"
        exponent = e[1].eval()
        if exponent == 1:
            return base
        if abs(exponent) in POWERS:
            power = f"pow{abs(exponent):.0f}({base})"
        elif abs(exponent) == 0.5:
            power = f"sqrt({base})"
        else:
            return f"pow({base}, {exponent!r})"
        return power if exponent > 0 else f"(1 / {power})"

    def _select(self, e: myokit.If | myokit.Piecewise) -> str:
        """`condition ? value : …` on values that are already there: with an exp() inside, gcc would not vectorise."""
        e = e.piecewise() if isinstance(e, myokit.If) else e
        conditions, pieces = list(e.conditions()), [self._named(piece) for piece in e.pieces()]
        text = pieces[-1]
        for condition, piece in reversed(list(zip(conditions, pieces, strict=False))):
            text = f"({self.expression(condition)} ? {piece} : {text})"
        return text

    def _value(self, lhs: myokit.LhsExpression) -> str:
        """The C name of a variable, a rate `dot(x)` or a partial derivative, defined on first use."""
        if lhs not in self._names:
            text = self._definition(lhs)
            self._names[lhs] = text if text == "t" else self._define(_c_name(lhs), text)
        return self._names[lhs]

    def _definition(self, lhs: myokit.LhsExpression) -> str:
        variable = lhs.var()
        if isinstance(lhs, myokit.PartialDerivative):
            return self.expression(variable.rhs().diff(lhs.independent_expression()))
        if isinstance(lhs, myokit.Derivative):
            return self.expression(variable.rhs())
        if variable in self._loads:
            return self._loads[variable]
        return "t" if variable == self._time else self.expression(variable.rhs())

    def _named(self, e: myokit.Expression) -> str:
        text = self.expression(e)
        return text if isinstance(e, myokit.LhsExpression) or self._is_constant(e) else self._define("part", text)

    def _define(self, name: str, text: str) -> str:
        unique = name
        while unique in self._taken:
            unique = f"{name}_{len(self._taken)}"
        self._taken.add(unique)
        self.lines.append(f"const double {unique} = {text};")
        return unique

    def _is_constant(self, e: myokit.Expression) -> bool:
        if isinstance(e, myokit.Condition):
            return False
        return all(isinstance(ref, myokit.Name) and self._never_changes(ref.var()) for ref in e.references())

    def _never_changes(self, variable: myokit.Variable) -> bool:
        if variable not in self._constant:
            moving = variable.is_state() or variable.is_bound()
            self._constant[variable] = not moving and self._is_constant(variable.rhs())
        return self._constant[variable]


def _c_name(lhs: myokit.LhsExpression) -> str:
    """Readable and, by its prefix, neither a word of C nor a function of its library."""
    name = lhs.var().qname().replace(".", "_")
    match lhs:
        case myokit.PartialDerivative():
            return f"d_{name}_d_{lhs.independent_expression().var().qname().replace('.', '_')}"
        case myokit.Derivative():
            return f"dot_{name}"
    return f"v_{name}"


def _number(e: myokit.Expression) -> str:
    try:
        value = float(e.eval())
    except (myokit.NumericalError, ArithmeticError, ValueError) as error:
        raise InputError(f"'{e.code()}' has no value: {error}") from None
    if not math.isfinite(value):
        raise InputError(f"'{e.code()}' is {value}")
    return repr(value) if value >= 0 else f"({value!r})"
