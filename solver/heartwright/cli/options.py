"""Arguments and options that several commands share."""

from pathlib import Path

import click

from heartwright import units

FILE = click.argument("file", type=click.Path(path_type=Path))
SET = click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one value: time.beats=2.")
HOURS = click.option(
    "--maxh", "hours", type=click.FloatRange(min=0, min_open=True), metavar="H", help="Stop with a checkpoint in time."
)


def folder_argument(name: str):
    return click.argument(name, type=click.Path(path_type=Path))


def output_option(text: str, default: str | None = None):
    return click.option("-o", "--output", type=click.Path(path_type=Path), default=default, help=text)


def quantity(unit: str):
    """An option's text with its unit, as a number above zero in `unit`."""

    def read(context: click.Context, option: click.Parameter, text: str) -> float:
        try:
            value = units.read(text, unit)
        except ValueError as error:
            raise click.BadParameter(str(error), context, option) from None
        if value <= 0:
            raise click.BadParameter("must be greater than zero", context, option)
        return value

    return read
