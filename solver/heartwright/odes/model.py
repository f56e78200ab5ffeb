"""ODE models are data: one Myokit `.mmt` file each, with units, labels (ports), variants and its source's DOI."""

from __future__ import annotations

import dataclasses
import functools
import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from heartwright import units
from heartwright.errors import InputError, did_you_mean, refusal

if TYPE_CHECKING:  # myokit takes 0.2 s to import: `list_models` must not need it
    import myokit

SHIPPED = Path(__file__).parent
FOLDERS = ("ionic", "contraction", "circulation", "organs")
IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
BASE_UNITS = ("g", "m", "s", "A", "K", "cd", "mol")


def list_models() -> dict[str, Path]:
    """Name -> file of every model that comes with the package (a file dropped into one of FOLDERS is one)."""
    files = [file for folder in FOLDERS for file in sorted((SHIPPED / folder).glob("*.mmt"))]
    return {file.stem: file for file in files}


@dataclasses.dataclass(frozen=True)
class Model:
    """An ODE model dy/dt = f(y, x, t) with named ports.

    `source` is the Myokit model behind it and is never changed: `with_…` methods return another Model. Time is in ms.
    Variables are named by their qualified name (`ina.g_Na`), by their label (`membrane_potential`), or by the last
    part of their name where only one variable ends so (`g_Na`).
    """

    source: myokit.Model
    name: str

    @property
    def doi(self) -> str:
        """The DOI of the publication the model comes from."""
        return self.source.meta.get("doi", "")

    @property
    def substep(self) -> float | None:
        """The longest step (ms) the file allows, where it says so."""
        return float(self.source.meta["substep"]) if "substep" in self.source.meta else None

    @property
    def states(self) -> tuple[str, ...]:
        """Qualified names of the states, in the order of the kernel's rows."""
        return tuple(state.qname() for state in self.source.states())

    @property
    def labels(self) -> dict[str, str]:
        """Label -> unit of every port."""
        return {label: _unit_text(variable) for label, variable in sorted(self.source.labels())}

    @property
    def parameters(self) -> dict[str, float]:
        """Qualified name -> value of every literal constant, in its own unit."""
        return {v.qname(): v.rhs().eval() for v in self.source.variables(deep=True) if _is_parameter(v)}

    @property
    def inputs(self) -> tuple[str, ...]:
        """Qualified names of the variables whose value comes from outside (see `with_inputs`)."""
        return tuple(sorted(v.qname() for v in self.source.variables(bound=True, deep=True) if v != self.source.time()))

    def unit(self, name: str) -> str:
        """The unit of a variable, e.g. '[mV]'."""
        return _unit_text(self.variable(name))

    def variable(self, name: str) -> myokit.Variable:
        """The Myokit variable called `name`; InputError with suggestions where there is none."""
        found = self._named(name)
        if len(found) == 1:
            return found[0]
        if found:
            raise InputError(f"{self.name}: '{name}' is ambiguous: {', '.join(v.qname() for v in found)}")
        known = [*self.labels, *(v.qname() for v in self.source.variables(deep=True))]
        raise InputError(f"{self.name}: no variable or label '{name}'{did_you_mean(name, known)}")

    def _named(self, name: str) -> list[myokit.Variable]:
        """What `name` may mean: a label, a qualified name, or the last part of some."""
        labelled = self.source.label(name)
        if labelled is not None:  # a Myokit variable without children is false
            return [labelled]
        if self.source.has_variable(name):
            return [self.source.get(name)]
        return [v for v in self.source.variables(deep=True) if v.name() == name]

    def initial_state(self) -> list[float]:
        """The value of every state at the start, in the order of `states`."""
        return self.source.initial_values(as_floats=True)

    def value(self, name: str) -> float:
        """The value of a variable at the initial state."""
        return _value(self.variable(name))

    def require_parameters(self, names: Iterable[str]) -> None:
        """InputError for every name that is no parameter of this model, all together."""
        findings = []
        for name in names:
            try:
                self._parameter(name)
            except InputError as error:
                findings += error.findings
        if findings:
            raise InputError(*findings)

    def with_inputs(self, *names: str) -> Model:
        """The model in which the named variables are given from outside, whatever their equations were.

        A state that becomes an input leaves the system. The value an input has before it is set is the one its
        equation has at the initial state.
        """
        missing = [name for name in names if not self.variable(name).is_bound()]
        if not missing:
            return self
        source = self.source.clone()
        for variable in [source.get(self.variable(name).qname()) for name in missing]:
            _cut(variable)
        source.validate()
        return Model(source, self.name)

    def with_parameters(self, parameters: Mapping[str, float | str]) -> Model:
        """The model with other values of some literal constants; text carries a unit (`"12 mmHg"`), numbers do not.

        The initial value of a state may be given the same way. Raises InputError for every unknown name, for names
        that are no parameters, and for units that do not fit, all together.
        """
        source, findings = self.source.clone(), []
        for name, value in parameters.items():
            try:
                _assign(source.get(self._parameter(name).qname()), value, self.name)
            except InputError as error:
                findings += error.findings
        if findings:
            raise InputError(*findings)
        source.validate()
        return Model(source, self.name)

    def _parameter(self, name: str) -> myokit.Variable:
        if not self._named(name):
            known = [*self.parameters, *(parameter.rpartition(".")[2] for parameter in self.parameters)]
            raise InputError(f"{self.name}: no parameter '{name}'{did_you_mean(name, known)}")
        variable = self.variable(name)
        if not (_is_parameter(variable) or variable.is_state()):
            raise InputError(f"{self.name}: '{name}' is computed ({variable.rhs().code()}), not a parameter")
        return variable


def read(name: str | Path, variant: str | None = None, parameters: Mapping[str, float | str] | None = None) -> Model:
    """Read a model by its name (see `list_models`) or from an `.mmt` file.

    `variant` is one of those the file declares (`variants: endo mid epi`); without it the first one is taken. The
    values of a variant stand in the file, one line each: `epi: ito.g_to=0.294, iks.g_Ks=0.392`. `parameters` are
    applied last. Files are parsed, never executed. Units that do not add up are an error in the package's own files
    and a warning in others.

    Raises InputError naming the file and line, or what there is to choose from.
    """
    file = _find(name)
    model = Model(_parse(file, _model_section(file)), file.stem)
    values = _variant(model, variant)
    return model.with_parameters(values | dict(parameters or {})) if values or parameters else model


def _find(name: str | Path) -> Path:
    models = list_models()
    if str(name) in models:
        return models[str(name)]
    if Path(name).suffix != ".mmt":
        raise InputError(f"no model '{name}'{did_you_mean(str(name), models)}")
    if not Path(name).is_file():
        raise InputError(f"{name}: no such file")
    return Path(name)


@functools.cache
def _parse(file: Path, text: str) -> myokit.Model:
    """The checked Myokit model in a file, with time in ms."""
    myokit = _myokit()
    try:
        source = myokit.parse_model(text)
    except myokit.ParseError as error:
        where = f"{file}:{error.line}" if error.line else file
        raise InputError(f"{where}: {error.name}: {error.desc or ''}") from None
    except (myokit.MyokitError, RecursionError) as error:
        raise InputError(f"{file}: cannot be read as an .mmt model: {error}") from None
    _check_names(source, file)
    _check_units(source, file)
    _in_milliseconds(source, file)
    from heartwright.odes.markov import close_chains

    return close_chains(source)


def _myokit():
    """Myokit, imported when first needed."""
    from heartwright.odes.mmt import myokit

    return myokit


def _model_section(file: Path) -> str:
    """The `[[model]]` part of the file: protocols are not used and scripts are never run."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(refusal(error)) from None
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: cannot be read: {error}") from None
    starts = [i for i, line in enumerate(lines) if re.match(r"\[\[(protocol|script)\]\]", line)]
    return "\n".join(lines[: starts[0]] if starts else lines)


def _check_names(source: myokit.Model, file: Path) -> None:
    """Names go into generated C: plain ASCII identifiers only (Myokit would take any letter Unicode has)."""
    names = [item.name() for item in (*source.components(), *source.variables(deep=True))]
    bad = [name for name in names if not IDENTIFIER.fullmatch(name)]
    if bad:
        raise InputError(*(f"{file}: name {name!r}: use at most 64 of A-Z a-z 0-9 _" for name in bad))


def _check_units(source: myokit.Model, file: Path) -> None:
    """Our own files: every number and variable, strictly. Others: contradictions only, and as a warning."""
    myokit = _myokit()
    own = file.is_relative_to(SHIPPED)
    try:
        source.check_units(myokit.UNIT_STRICT if own else myokit.UNIT_TOLERANT)
    except myokit.IncompatibleUnitError as error:
        if own:
            raise InputError(f"{file}: {error}") from None
        warnings.warn(f"{file}: {error}", stacklevel=2)


def _in_milliseconds(source: myokit.Model, file: Path) -> None:
    myokit = _myokit()
    if source.time().unit() is None:
        raise InputError(f"{file}: time needs a unit (write `in [ms]`)")
    try:
        source.time().convert_unit("ms")
    except myokit.IncompatibleUnitError as error:
        raise InputError(f"{file}: time: {error}") from None


def _variant(model: Model, variant: str | None) -> dict[str, float | str]:
    """The values the file gives for a variant (the first one declared where none is asked for)."""
    declared = model.source.meta.get("variants", "").replace(",", " ").split()
    if variant is None and not declared:
        return {}
    chosen = declared[0] if variant is None else variant
    if chosen not in declared:
        raise InputError(f"{model.name}: no variant '{chosen}'{did_you_mean(chosen, declared)}")
    entries = [entry.partition("=") for entry in model.source.meta.get(chosen, "").split(",") if entry.strip()]
    return {name.strip(): _number_or_text(value.strip()) for name, _, value in entries}


def _number_or_text(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _is_parameter(variable: myokit.Variable) -> bool:
    return variable.is_literal() and not variable.is_bound() and not variable.is_state()


def _unit_text(variable: myokit.Variable) -> str:
    return str(variable.unit() or "[1]")


def _assign(variable: myokit.Variable, value: float | str, model: str) -> None:
    if isinstance(value, str):
        value = _in_unit_of(variable, value, model)
    if variable.is_state():
        variable.set_initial_value(float(value))
    else:
        variable.set_rhs(_myokit().Number(float(value), variable.unit()))


def _in_unit_of(variable: myokit.Variable, text: str, model: str) -> float:
    """The number that the quantity `text` has in the variable's unit."""
    unit = variable.unit() or _myokit().units.dimensionless
    powers = [(name, round(power)) for name, power in zip(BASE_UNITS, unit.exponents(), strict=True) if power]
    base = "*".join(f"{name}^{power}" for name, power in powers) or "1"
    try:
        return units.read(text, base) / unit.multiplier()
    except ValueError as error:
        raise InputError(f"{model}: {variable.qname()} in {unit}: {error}") from None


def _cut(variable: myokit.Variable) -> None:
    """Make `variable` an input: bound to a name of its own, keeping as its value the one it has at the start."""
    source, unit = variable.model(), variable.unit()
    if variable.is_state():
        value = variable.initial_value(as_float=True)
        _refuse_rate_readers(variable)
        variable.demote()
    else:
        value = _value(variable)
    variable.set_rhs(_myokit().Number(value, unit))
    variable.remove_child_variables()
    binding = "input_" + variable.qname().replace(".", "_")
    while source.binding(binding) is not None:
        binding += "_"
    variable.set_binding(binding)


def _value(variable: myokit.Variable) -> float:
    """What the variable's equation gives at the initial state."""
    try:
        return float(variable.rhs().eval())
    except _myokit().NumericalError as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{variable.qname()} has no value at the initial state: {reason}") from None


def _refuse_rate_readers(variable: myokit.Variable) -> None:
    readers = sorted(reader.qname() for reader in variable.refs_by(state_refs=False))
    if readers:
        raise InputError(f"{variable.qname()} cannot be an input: its rate of change is read by {', '.join(readers)}")
