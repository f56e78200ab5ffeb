"""The commands about models: say what one is, run it alone, plot it, import one from CellML."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
from pydantic import ValidationError

from heartwright.document import assignment
from heartwright.electrophysiology.drugs import Drug, under
from heartwright.electrophysiology.ionic import require_undriven
from heartwright.errors import InputError
from heartwright.files import storing
from heartwright.odes.model import Model, read

if TYPE_CHECKING:
    from heartwright.electrophysiology.singlecell import Record

NAME = click.argument("name")
VARIANT = click.option("--variant", help="One of those the model declares.")


@click.group()
def model() -> None:
    """Cell models alone: info, run, plot, import."""


def chosen(name: str, variant: str | None, values: tuple[str, ...], drugs: tuple[str, ...]) -> Model:
    """The model `name` with what the options say."""
    parameters = {}
    for text in values:
        key, value = assignment(text, "ikr.g_Kr=0.01")
        parameters[key] = _number_or_text(value.strip())
    found = read(name, variant, parameters)
    require_undriven(found)
    return under(found, [_drug(text) for text in drugs])


def _drug(text: str) -> Drug:
    name, _, dose = text.partition(":")
    try:
        return Drug(name=name, dose=float(dose or 1))
    except ValidationError as error:
        reasons = [str(item["msg"]).removeprefix("Value error, ") for item in error.errors()]
        raise InputError(*(f"--drug {text}: {reason}" for reason in reasons)) from None
    except ValueError:
        raise InputError(f"--drug {text}: the dose {dose!r} is no number") from None


def _number_or_text(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


@model.command()
@NAME
@VARIANT
def info(name: str, variant: str | None) -> None:
    """Print what model NAME is: source, variants, labels, states and parameters with their values."""
    cell = read(name, variant)
    meta = cell.source.meta
    click.echo(f"{cell.name}: {meta.get('name', '')}, doi:{cell.doi}")
    if "variants" in meta:
        click.echo(f"variants: {meta['variants']}")
    for title, values in (
        ("labels", {label: f"{cell.variable(label).qname()} {unit}" for label, unit in cell.labels.items()}),
        ("states", {s: f"{y:.6g} {cell.unit(s)}" for s, y in zip(cell.states, cell.initial_state(), strict=True)}),
        ("parameters", {p: f"{value:.6g} {cell.unit(p)}" for p, value in cell.parameters.items()}),
    ):
        click.echo(f"{title}:")
        width = max((len(key) for key in values), default=0)
        for key, text in values.items():
            click.echo(f"  {key:<{width}}  {text}")


def pacing(command: Callable[[Model, float, int, Path | None], None]) -> Callable[..., None]:
    """A command on the model that NAME and the options choose: it gets the model, period [ms], beats and output."""

    @NAME
    @VARIANT
    @click.option("--set", "values", multiple=True, metavar="NAME=VALUE", help="Change a parameter: ikr.g_Kr=0.01.")
    @click.option(
        "--drug", "drugs", multiple=True, metavar="NAME[:DOSE]", help="DOSE in maximal plasma concentrations."
    )
    @click.option("--period", type=click.FloatRange(50, 10_000), default=1000.0, help="Between beats [ms].")
    @click.option("--beats", type=click.IntRange(1, 10_000), default=10, help="How many; the last is recorded.")
    @functools.wraps(command)
    def choose(
        name: str,
        variant: str | None,
        values: tuple[str, ...],
        drugs: tuple[str, ...],
        period: float,
        beats: int,
        output: Path | None,
    ) -> None:
        command(chosen(name, variant, values, drugs), period, beats, output)

    return choose


@model.command()
@pacing
@click.option("-o", "--output", type=click.Path(path_type=Path), help="CSV file for the last beat's traces.")
def run(cell: Model, period: float, beats: int, output: Path | None) -> None:
    """Pace model NAME alone and print its action potential's measures."""
    from heartwright.electrophysiology.singlecell import measures, pace

    record = pace(cell, period, beats, names=_traces(cell))
    for key, (value, unit) in measures(record).items():
        click.echo(f"{key:<22}{value:10.4g} {unit}")
    if output:
        _write(record, cell, output)


@model.command()
@pacing
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Picture file [NAME.png].")
def plot(cell: Model, period: float, beats: int, output: Path | None) -> None:
    """Draw the action potential, calcium, currents and S1-S2 restitution of model NAME."""
    from heartwright.electrophysiology.singlecell import pace, restitution
    from heartwright.output import plots

    record = pace(cell, period, beats, names=_traces(cell))
    intervals = np.concatenate([np.arange(200.0, 500.0, 10.0), np.arange(500.0, period + 1, 50.0)])
    curve = restitution(cell, period, beats, intervals)
    figure = plots.action_potential(cell.name, record.time, record.v, record.others, curve)
    path = output or Path(f"{cell.name}.png")
    try:
        with storing(path):
            figure.savefig(path, dpi=150)
    except ValueError as error:  # the suffix is of no format of pictures
        raise InputError(f"{path}: {error}") from None
    click.echo(f"{path}: written")


@model.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Model file [FILE with .mmt].")
@click.option("--force", is_flag=True, help="Replace a file that is there already.")
def import_(file: Path, output: Path | None, force: bool) -> None:
    """Make a model out of the CellML FILE, without the stimulus it brings along."""
    from heartwright.odes.cellml import convert

    path = output or file.with_suffix(".mmt")
    if path.exists() and not force:
        raise InputError(f"{path}: is there already; replace it with --force, or use -o")
    text, remarks = convert(file)
    with storing(path):
        path.write_text(text, encoding="utf-8")
    for remark in remarks:
        click.echo(f"{file}: {remark}")
    click.echo(f"{path}: written; look at it with: heartwright model info {path}")


def _traces(cell: Model) -> tuple[str, ...]:
    from heartwright.electrophysiology.singlecell import currents

    return (*(("calcium",) if "calcium" in cell.labels else ()), *currents(cell))


def _write(record: "Record", cell: Model, path: Path) -> None:
    """Time, potential, calcium and currents, one column each, named with units as in `series.csv`."""
    names = ["time [ms]", "v [mV]", *(f"{name} {cell.unit(name)}" for name in record.others)]
    columns = np.column_stack([record.time, record.v, *record.others.values()])
    with storing(path):
        np.savetxt(path, columns, delimiter=",", header=",".join(names), comments="", fmt="%.8g")
