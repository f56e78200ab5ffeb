"""The commands before a run: check, show, list, doctor."""

from pathlib import Path

import click

from heartwright import scenario
from heartwright.cli.ending import first_of_the_job
from heartwright.cli.options import FILE, SET
from heartwright.cli.runs import probe
from heartwright.errors import DONE, INTERNAL


@click.command()
@FILE
@SET
@click.option("--estimate", is_flag=True, help="Take a few steps and say what the run will need.")
def check(file: Path, overrides: tuple[str, ...], estimate: bool) -> None:
    """Find every mistake in the scenario FILE, without computing anything."""
    described = scenario.load(file, overrides).resolve()
    time_ = described.time
    steps = round(time_.duration / time_.dt)
    good = f"{file}: good. {described.name}: {time_.duration:g} ms in {steps} steps of {time_.dt:g} ms"
    if estimate:
        good += f"\n{probe(described)}; ask Slurm for a third more time"
    if first_of_the_job():
        click.echo(good)


@click.command()
@FILE
@SET
@click.option("--diff", "base", metavar="BASE", type=click.Path(path_type=Path), help="Only what differs from BASE.")
def show(file: Path, overrides: tuple[str, ...], base: Path | None) -> None:
    """Print the scenario FILE with its bases, pathologies and devices worked in."""
    resolved = scenario.load(file, overrides).resolve()
    if base is None:
        click.echo(scenario.dump(resolved), nl=False)
    else:
        for line in scenario.differences(scenario.load(base).resolve(), resolved):
            click.echo(line)


@click.command("list")
@click.argument("kind", required=False)
def list_(kind: str | None) -> None:
    """List what there is to choose from: scenarios, models, pathologies, devices, laws, keys."""
    from heartwright import catalogue

    for line in catalogue.lines(kind):
        click.echo(line)


@click.command()
def doctor() -> int:
    """Say what Heartwright finds of what it needs, and what is wrong."""
    from heartwright import doctor as examination

    healthy = True
    for finding in examination.examine():
        click.echo(str(finding))
        healthy = healthy and finding.good
    return DONE if healthy else INTERNAL
