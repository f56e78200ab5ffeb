"""Graph: scalar expressions in which nothing is computed twice, their derivatives, and their C code.

A node is a number, the place of its operation in `operations`; operands come before what is made of them. Asking for
an operation that is already there gives the node that is there: common subexpressions never arise.
"""

import math

Node = int

# name in C -> derivative of y = f(a), as a function of the graph, y and a
FUNCTIONS = {
    "exp": lambda g, y, a: y,
    "log": lambda g, y, a: g.divide(g.number(1.0), a),
    "sqrt": lambda g, y, a: g.divide(g.number(0.5), y),
    "sin": lambda g, y, a: g.call("cos", a),
    "cos": lambda g, y, a: g.multiply(g.number(-1.0), g.call("sin", a)),
    "tanh": lambda g, y, a: g.add(g.number(1.0), g.multiply(g.number(-1.0), g.multiply(y, y))),
    "fabs": lambda g, y, a: g.select("<", a, g.number(0.0), g.number(-1.0), g.number(1.0)),
}


class Graph:
    """Nodes made of numbers, symbols (C text that stands for a value), and operations on them."""

    def __init__(self):
        self.operations: list[tuple] = []
        self._known: dict[tuple, Node] = {}
        self._derivatives: dict[tuple[Node, Node], Node] = {}

    def number(self, value: float) -> Node:
        return self._node("number", float(value))

    def symbol(self, text: str) -> Node:
        return self._node("symbol", text)

    def add(self, a: Node, b: Node) -> Node:
        x, y = self._value(a), self._value(b)
        if x is not None and y is not None:
            return self.number(x + y)
        if x == 0.0 or y == 0.0:
            return b if x == 0.0 else a
        return self._node("+", *sorted((a, b)))

    def multiply(self, a: Node, b: Node) -> Node:
        x, y = self._value(a), self._value(b)
        if x is not None and y is not None:
            return self.number(x * y)
        if x == 0.0 or y == 0.0:
            return self.number(0.0)
        if x == 1.0 or y == 1.0:
            return b if x == 1.0 else a
        return self._node("*", *sorted((a, b)))

    def divide(self, a: Node, b: Node) -> Node:
        if self._value(b) is not None:
            return self.multiply(a, self.number(1.0 / self._value(b)))
        return self.multiply(a, self._node("inverse", b))

    def power(self, a: Node, n: Node) -> Node:
        exponent = self._value(n)
        if exponent is None:
            return self._node("pow", a, n)
        if exponent < 0.0:
            return self.divide(self.number(1.0), self.power(a, self.number(-exponent)))
        if exponent == 0.5:
            return self.call("sqrt", a)
        if exponent != int(exponent) or exponent > 16:
            return self._node("pow", a, n)
        if exponent == 0.0:
            return self.number(1.0)
        half = self.power(a, self.number(exponent // 2))
        square = self.multiply(half, half)
        return self.multiply(square, a) if exponent % 2 else square

    def call(self, function: str, a: Node) -> Node:
        """A function of C, one of `FUNCTIONS`."""
        if self._value(a) is not None:
            return self.number(getattr(math, function)(self._value(a)))
        return self._node(function, a)

    def select(self, comparison: str, a: Node, b: Node, then: Node, otherwise: Node) -> Node:
        """`then` where a compares to b as `comparison` (in C) says, elsewhere `otherwise`; both are computed."""
        return then if then == otherwise else self._node("?" + comparison, a, b, then, otherwise)

    def derivative(self, y: Node, x: Node) -> Node:
        """dy/dx by the chain rule; x is a symbol."""
        if (y, x) not in self._derivatives:
            self._derivatives[y, x] = self._differentiate(y, x)
        return self._derivatives[y, x]

    def _differentiate(self, y: Node, x: Node) -> Node:
        d = self.derivative
        match self.operations[y]:
            case ("number" | "symbol", _):
                return self.number(float(y == x))
            case ("+", a, b):
                return self.add(d(a, x), d(b, x))
            case ("*", a, b):
                return self.add(self.multiply(d(a, x), b), self.multiply(a, d(b, x)))
            case ("inverse", a):
                return self.multiply(self.multiply(self.number(-1.0), d(a, x)), self.multiply(y, y))
            case ("pow", a, n):
                return self.multiply(d(a, x), self._slope_of_power(y, a, n))
            case (comparison, a, b, then, otherwise):
                return self.select(comparison[1:], a, b, d(then, x), d(otherwise, x))
            case (function, a):
                return self.multiply(d(a, x), FUNCTIONS[function](self, y, a))
        raise AssertionError(self.operations[y])

    def _slope_of_power(self, y: Node, a: Node, n: Node) -> Node:
        """n a^(n-1): from y = a^n itself where a may not be zero, which saves a power."""
        exponent = self._value(n)
        if exponent is not None and exponent < 1.0:
            return self.multiply(n, self.divide(y, a))
        return self.multiply(n, self.power(a, self.add(n, self.number(-1.0))))

    def code(self, results: dict[str, Node]) -> list[str]:
        """Statements in C that assign each result (an lvalue) its value; only what is needed is computed."""
        needed, pending = set(), list(results.values())
        while pending:
            node = pending.pop()
            if node not in needed:
                needed.add(node)
                pending += [a for a in self.operations[node][1:] if isinstance(a, int)]
        lines = [f"const double {_name(node)} = {self._text(node)};" for node in sorted(needed)]
        return lines + [f"{target} = {_name(node)};" for target, node in results.items()]

    def _text(self, node: Node) -> str:
        operation, *operands = self.operations[node]
        if operation == "number":
            return repr(operands[0])
        if operation == "symbol":
            return operands[0]
        names = [_name(a) for a in operands]
        if operation in "+*":
            return f"{names[0]} {operation} {names[1]}"
        if operation == "inverse":
            return f"1.0 / {names[0]}"
        if operation.startswith("?"):
            return f"{names[0]} {operation[1:]} {names[1]} ? {names[2]} : {names[3]}"
        return f"{operation}({', '.join(names)})"

    def _value(self, node: Node) -> float | None:
        """The value of a number, None for anything else."""
        operation = self.operations[node]
        return operation[1] if operation[0] == "number" else None

    def _node(self, *operation) -> Node:
        if operation not in self._known:
            self._known[operation] = len(self.operations)
            self.operations.append(operation)
        return self._known[operation]


def _name(node: Node) -> str:
    return f"x{node}"
