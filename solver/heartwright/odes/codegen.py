"""From a model to C: its rates over a block of lanes, a table of what depends on the potential alone, and a scheme.

What Myokit's model names is computed once.
"""

from __future__ import annotations

import dataclasses

from heartwright.errors import InputError
from heartwright.odes.body import DOUBLE, SINGLE, Body, Columns
from heartwright.odes.mmt import hh, myokit
from heartwright.odes.model import Model
from heartwright.odes.schemes import ENTRIES, EXPONENTIAL, HEAD, RUNTIME, SCHEMES
from heartwright.odes.table import LOOKUP, NO_TABLE, TABULATE, TRANSPOSE, Range

PRECISIONS = {"double": DOUBLE, "single": SINGLE}


@dataclasses.dataclass(frozen=True)
class Split:
    """The states by how they are advanced; the order of positions in a block is gates, relaxing, explicit."""

    gates: dict[myokit.Variable, tuple[myokit.Variable, myokit.Variable]]  # state -> (inf, tau)
    relaxing: list[myokit.Variable]
    explicit: list[myokit.Variable]

    @property
    def order(self) -> list[myokit.Variable]:
        return [*self.gates, *self.relaxing, *self.explicit]


def generate(
    model: Model, scheme: str, outputs: tuple[str, ...] = (), precision: str = "double", table: Range | None = None
) -> str:
    """The C text of `heartwright_step` with `scheme` and of `heartwright_outputs`, for the states, inputs and outputs
    of `model` in the order of `model.states`, `model.inputs` and `outputs`; with a `table`, of `heartwright_tabulate`
    too."""
    source = _gates_in_inf_tau_form(model.source)
    split, v = _split(source, scheme), source.label("membrane_potential")
    inputs = [source.get(name) for name in model.inputs]
    wanted = [myokit.Name(source.get(model.variable(name).qname())) for name in outputs]
    tabulated = table is not None and v in source.states() and scheme in EXPONENTIAL
    columns = Columns(source, v) if tabulated else None
    values = Body(source, _loads(split, inputs))
    try:
        rates = _rates(source, split, inputs, precision, columns)
        if columns is not None and len(columns) < max(1, table.fewest):
            columns, rates = None, _rates(source, split, inputs, precision, None)
        for i, value in enumerate(wanted):
            values.assign("o", i, value)
    except RecursionError:
        raise InputError(f"{model.name}: equations are nested too deeply") from None
    lookup = _table(columns, split.order.index(v), table, precision) if columns is not None else NO_TABLE
    rows = ", ".join(str(state.index()) for state in split.order)
    sizes = {
        "STATES": len(split.order),
        "GATES": len(split.gates),
        "RELAXING": len(split.relaxing),
        "INPUTS": len(inputs),
        "OUTPUTS": len(wanted),
    }
    enum = f"enum {{ {', '.join(f'{name} = {size}' for name, size in sizes.items())} }};\n"
    order = f"static const long ROW[STATES + 1] = {{{rows}}};  // position -> row of y\n"
    floors = ", ".join(f"{_floor(state):g}" for state in split.order)
    floor = f"static const real FLOOR[STATES + 1] = {{{floors}}};\n"
    real = f"typedef {PRECISIONS[precision].name} real;\n"
    title = f"// {model.name}, {scheme}, {precision}: generated\n"
    return "".join(
        [
            *(title, real, HEAD, enum, order, floor, lookup),
            _function("rates", "real", "const real *restrict c, real h, real t", "f, a", rates),
            _function("outputs", "double", "double t", "o", values),
            *(RUNTIME, SCHEMES[scheme], ENTRIES),
        ]
    )


def _gates_in_inf_tau_form(source: myokit.Model) -> myokit.Model:
    v = source.label("membrane_potential")
    return source.clone() if v is None else hh.convert_hh_states_to_inf_tau_form(source, v)


def _split(source: myokit.Model, scheme: str) -> Split:
    """Sort the states. The membrane potential is explicit: its Jacobian would cost as much as all currents. So are the
    states that the file calls `slow`: they change by less than 1 % of themselves in a millisecond."""
    states, v = list(source.states()), source.label("membrane_potential")
    if scheme not in EXPONENTIAL:
        return Split({}, [], states)
    found = {} if v is None else {s: hh.get_inf_and_tau(s, v) for s in states if s is not v}
    gates = {state: pair for state, pair in found.items() if pair}
    rest = [state for state in states if state not in gates]
    explicit = {v, *(source.get(name) for name in source.meta.get("slow", "").split())}
    relaxing = [s for s in rest if s not in explicit and s.rhs().depends_on(myokit.Name(s), deep=True)]
    return Split(gates, relaxing, [s for s in rest if s not in relaxing])


def _floor(state: myokit.Variable) -> float:
    """What is added to |y| for the scale of a state's changes: 1 to numbers, such as gates, nothing to others."""
    return 1.0 if (state.unit() or myokit.units.dimensionless) == myokit.units.dimensionless else 0.0


def _loads(split: Split, inputs: list[myokit.Variable]) -> dict[myokit.Variable, str]:
    """Where a lane finds its states and inputs."""
    loads = {v: f"y[{i} * W + l]" for i, v in enumerate(split.order)}
    return loads | {v: f"x[{i} * W + l]" for i, v in enumerate(inputs)}


def _rates(
    source: myokit.Model, split: Split, inputs: list[myokit.Variable], precision: str, columns: Columns | None
) -> Body:
    """f = inf, a = 1 - exp(-h/tau) of gates; f = dy/dt, a = df/dy of relaxing states; f = dy/dt of explicit ones."""
    body = Body(source, _loads(split, inputs), PRECISIONS[precision], columns)
    for i, (inf, tau) in enumerate(split.gates.values()):
        body.assign("f", i, myokit.Name(inf))
        body.write("a", i, _decay(body, myokit.Name(tau)))
    for i, state in enumerate(split.order[len(split.gates) :], len(split.gates)):
        body.assign("f", i, state.rhs())
        if state in split.relaxing:
            body.assign("a", i, _own_rate(state))
    return body


def _own_rate(state: myokit.Variable) -> myokit.Expression:
    """df/dx; of f = (inf - x)/tau the -1/tau alone. What inf feels of x, as in release gates, is bounded, and its
    derivative may be 0 times infinity."""
    match state.rhs():
        case myokit.Divide() as f if isinstance(f[0], myokit.Minus) and f[0][1] == myokit.Name(state):
            return myokit.Divide(myokit.Number(-1), f[1])
    return state.rhs().diff(myokit.Name(state))


def _decay(body: Body, tau: myokit.Name) -> str:
    """1 - exp(-h/tau), read from the table where tau depends on the potential alone."""
    if body.columns is not None and body.columns.holds(tau):
        return body.columns.column(f"(1 - exp(-h / {body.columns.body.expression(tau)}))")
    return f"(1 - {body.function('exp')}(-h / {body.expression(tau)}))"


def _function(name: str, real: str, arguments: str, results: str, body: Body) -> str:
    lines = "\n".join("    " + line for line in body.lines)
    given = f"const {real} *restrict y, const {real} *restrict x, {arguments}"
    pointers = ", ".join(f"{real} *restrict {result}" for result in results.split(", "))
    return f"""
static __attribute__((noinline)) void {name}({given}, {pointers}) {{
#pragma omp simd aligned(y, x, {results} : 64)
  for (int l = 0; l < W; l++) {{
{lines}
  }}
}}
"""


def _table(columns: Columns, v: int, table: Range, precision: str) -> str:
    """The table's sizes, the code that fills W of its rows, and the code that reads it."""
    sizes = f"enum {{ COLUMNS = {len(columns)}, POTENTIAL = {v}, ROWS = {table.rows} }};\n"
    numbers = f"static const double LOWEST = {table.lowest!r}, SPACING = {table.spacing!r};\n"
    lines = "\n".join("    " + line for line in columns.body.lines)
    return f"""{sizes}{numbers}
static __attribute__((noinline)) void columns(const double *restrict v, double h, double *restrict c) {{
#pragma omp simd aligned(v, c : 64)
  for (int l = 0; l < W; l++) {{
{lines}
  }}
}}
{TABULATE}{TRANSPOSE[precision]}{LOOKUP}"""
