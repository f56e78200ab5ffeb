"""The statements of one lane: equations as straight-line C, each variable computed once.

Each lane computes the same, so the code has no branches: both sides of an `if` are computed and one is selected (a
side that is not selected may be NaN). Constants are folded into numbers.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator

from heartwright.errors import InputError
from heartwright.odes.mmt import myokit

INFIX = {
    myokit.Plus: "+",
    myokit.Minus: "-",
    myokit.Multiply: "*",
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
COSTLY = (myokit.Function, myokit.Divide, myokit.Power)  # dearer than reading a table


@dataclasses.dataclass(frozen=True)
class Real:
    """A floating-point type of C and what its literals and functions end with."""

    name: str
    suffix: str


DOUBLE, SINGLE = Real("double", ""), Real("float", "f")


class Body:
    """The statements of one lane; asking for a value writes first whatever it needs.

    `loads` says where states and inputs are found. With `columns`, costly functions of the potential alone are read
    from a table instead of being computed.
    """

    def __init__(
        self,
        source: myokit.Model,
        loads: dict[myokit.Variable, str],
        real: Real = DOUBLE,
        columns: Columns | None = None,
    ):
        self.lines: list[str] = []
        self.columns = columns
        self._time, self._loads, self._real = source.time(), loads, real
        self._names: dict[myokit.LhsExpression, str] = {}
        self._reciprocals: dict[str, str] = {}
        self._constant: dict[myokit.Variable, bool] = {}
        self._taken: set[str] = set()

    def assign(self, array: str, position: int, value: myokit.Expression) -> None:
        self.write(array, position, self.expression(value))

    def write(self, array: str, position: int, text: str) -> None:
        self.lines.append(f"{array}[{position} * W + l] = {text};")

    def expression(self, e: myokit.Expression) -> str:
        """C text of the value of `e`."""
        if self._is_constant(e):
            return self._number(e)
        if self.columns is not None and self.columns.holds(e):
            return self.columns.read(e)
        if isinstance(e, myokit.LhsExpression):
            return self._value(e)
        if isinstance(e, myokit.Divide):
            return f"({self.expression(e[0])} * {self._reciprocal(e[1])})"
        if type(e) in INFIX:
            return f"({self.expression(e[0])} {INFIX[type(e)]} {self.expression(e[1])})"
        if type(e) in FUNCTIONS:
            return f"{self.function(FUNCTIONS[type(e)])}({self.expression(e[0])})"
        return self._special(e)

    def _reciprocal(self, e: myokit.Expression) -> str:
        """1/e. Divisions are dear and derivatives full of them: each is done once, 1/e^n is a power of 1/e."""
        if self._is_constant(e):
            return self._number(myokit.Divide(myokit.Number(1), e))
        if self.columns is not None and self.columns.holds(e):
            return self.columns.read(myokit.Divide(myokit.Number(1), e))
        match e:
            case myokit.Power() if self._is_constant(e[1]) and e[1].eval() in POWERS:
                return f"{self.function(f'pow{e[1].eval():.0f}')}({self._reciprocal(e[0])})"
            case myokit.Divide():
                return f"({self.expression(e[1])} * {self._reciprocal(e[0])})"
            case myokit.Multiply() if self._is_constant(e[0]) or self._is_constant(e[1]):
                return f"({self._reciprocal(e[0])} * {self._reciprocal(e[1])})"
        text = self.expression(e)
        if text not in self._reciprocals:
            self._reciprocals[text] = self._define("per", f"1 / {text}")
        return self._reciprocals[text]

    def function(self, name: str) -> str:
        return name + self._real.suffix

    def _special(self, e: myokit.Expression) -> str:
        log, floor = self.function("log"), self.function("floor")
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
                logarithm = f"{log}({self.expression(e[0])})"
                return logarithm if len(e) == 1 else f"({logarithm} / {log}({self.expression(e[1])}))"
            case myokit.Log10():
                return f"({log}({self.expression(e[0])}) * {self.literal(1 / math.log(10))})"
            case myokit.Quotient():
                return f"{floor}({self.expression(e[0])} / {self.expression(e[1])})"
            case myokit.Remainder():
                a, b = self._named(e[0]), self._named(e[1])
                return f"({a} - {b} * {floor}({a} / {b}))"
        raise InputError(f"'{e.code()}' cannot be used in a kernel")

    def _power(self, e: myokit.Power) -> str:
        base, pow_ = self.expression(e[0]), self.function("pow")
        if not self._is_constant(e[1]):
            return f"{pow_}({base}, {self.expression(e[1])})"
        exponent = e[1].eval()
        if exponent == 1:
            return base
        if abs(exponent) in POWERS:
            power = f"{self.function(f'pow{abs(exponent):.0f}')}({base})"
        elif abs(exponent) == 0.5:
            power = f"{self.function('sqrt')}({base})"
        else:
            return f"{pow_}({base}, {self.literal(exponent)})"
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
        if lhs.var() == self._time:
            return "t"
        if isinstance(lhs, myokit.Name) and lhs.var() in self._loads:
            return self._loads[lhs.var()]
        return self.expression(equation(lhs))

    def _named(self, e: myokit.Expression) -> str:
        text = self.expression(e)
        return text if isinstance(e, myokit.LhsExpression) or self._is_constant(e) else self._define("part", text)

    def _define(self, name: str, text: str) -> str:
        unique = name
        while unique in self._taken:
            unique = f"{name}_{len(self._taken)}"
        self._taken.add(unique)
        self.lines.append(f"const {self._real.name} {unique} = {text};")
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

    def _number(self, e: myokit.Expression) -> str:
        try:
            value = float(e.eval())
        except (myokit.NumericalError, ArithmeticError, ValueError) as error:
            raise InputError(f"'{e.code()}' has no value: {error}") from None
        if not math.isfinite(value):
            raise InputError(f"'{e.code()}' is {value}")
        return self.literal(value)

    def literal(self, value: float) -> str:
        return f"{value!r}{self._real.suffix}" if value >= 0 else f"({value!r}{self._real.suffix})"


class Columns:
    """Functions of the potential v alone: the columns of a table with one row per potential.

    `body` holds the statements that fill W rows, in double precision whatever reads them.
    """

    def __init__(self, source: myokit.Model, v: myokit.Variable):
        self.v, self.body = v, Body(source, {v: "v[l]"})
        self._position: dict[str, int] = {}
        self._leaves: dict[myokit.LhsExpression, frozenset[myokit.Variable]] = {}

    def __len__(self) -> int:
        return len(self._position)

    def holds(self, e: myokit.Expression) -> bool:
        """Whether `e` is a costly function of v alone. A condition is none: there is nothing between yes and no."""
        return not isinstance(e, myokit.Condition) and self._leaves_of(e) == {self.v} and _costly(e)

    def read(self, e: myokit.Expression) -> str:
        return self.column(self.body.expression(e))

    def column(self, text: str) -> str:
        """Where the value of the C expression `text` (of names in `body`) is found: a new column at its first use."""
        if text not in self._position:
            position = len(self)
            self._position[text] = position
            self.body.write("c", position, text)
        return f"c[{self._position[text]} * W + l]"

    def _leaves_of(self, e: myokit.Expression) -> frozenset[myokit.Variable]:
        """The states and inputs that `e` depends on."""
        return frozenset().union(*(self._leaves_behind(lhs) for lhs in e.references()))

    def _leaves_behind(self, lhs: myokit.LhsExpression) -> frozenset[myokit.Variable]:
        if lhs not in self._leaves:
            variable = lhs.var()
            leaf = variable.is_bound() or (isinstance(lhs, myokit.Name) and variable.is_state())
            self._leaves[lhs] = frozenset([variable]) if leaf else self._leaves_of(equation(lhs))
        return self._leaves[lhs]


def equation(lhs: myokit.LhsExpression) -> myokit.Expression:
    """The right-hand side of a variable, of a rate `dot(x)`, or of a partial derivative."""
    rhs = lhs.var().rhs()
    return rhs.diff(lhs.independent_expression()) if isinstance(lhs, myokit.PartialDerivative) else rhs


def _costly(e: myokit.Expression) -> bool:
    return any(isinstance(part, COSTLY) for part in _parts(e))


def _parts(e: myokit.Expression) -> Iterator[myokit.Expression]:
    """Every expression in `e` and, through the variables it names, behind it."""
    yield from e.walk()
    names: Iterable[myokit.LhsExpression] = e.references()
    for lhs in names:
        if not (isinstance(lhs, myokit.Name) and (lhs.var().is_state() or lhs.var().is_bound())):
            yield from _parts(equation(lhs))


def _c_name(lhs: myokit.LhsExpression) -> str:
    """Readable and, by its prefix, neither a word of C nor a function of its library."""
    name = lhs.var().qname().replace(".", "_")
    match lhs:
        case myokit.PartialDerivative():
            return f"d_{name}_d_{lhs.independent_expression().var().qname().replace('.', '_')}"
        case myokit.Derivative():
            return f"dot_{name}"
    return f"v_{name}"
