"""The commands for Slurm: submit, status."""

from pathlib import Path

import click

from heartwright import scenario
from heartwright.cli.ending import first_of_the_job
from heartwright.cli.options import FILE, SET, folder_argument, output_option
from heartwright.cli.runs import probe
from heartwright.errors import InputError


@click.command()
@FILE
@SET
@output_option("Folder of the run or of the sweep [runs/NAME].")
@click.option("--sweep", "axes", multiple=True, metavar="KEY=A,B,C", help="One run per value; several multiply.")
@click.option("--nodes", type=click.IntRange(min=1), default=1, show_default=True, help="Nodes of each run.")
@click.option("--ranks", type=click.IntRange(min=1), default=4, show_default=True, help="MPI ranks on each node.")
@click.option(
    "--time", metavar="H:MM:SS|auto", help="Time of each job; auto takes a few steps here and asks for what it needs."
)
@click.option("--throttle", type=click.IntRange(min=1), default=8, show_default=True, help="Runs of a sweep at once.")
@click.option("--after", metavar="JOB", help="Start when this job has succeeded.")
def submit(
    file: Path,
    overrides: tuple[str, ...],
    output: Path | None,
    axes: tuple[str, ...],
    nodes: int,
    ranks: int,
    time: str | None,
    throttle: int,
    after: str | None,
) -> None:
    """Hand the scenario FILE, or a sweep over it, to Slurm; or the folder of a run or a sweep that is to go on."""
    from heartwright import submit as slurm

    file = file.absolute()
    if file.is_dir() and (axes or output):
        raise InputError(f"{file}: goes on in its own folder; --sweep and -o are for scenarios")
    folder = file if file.is_dir() else (output or Path("runs") / file.stem).absolute()
    if time == "auto":
        time = _time_needed(slurm.members(file, overrides, axes), nodes * ranks)
    shared = slurm.options(nodes, ranks, time, after)
    if not first_of_the_job():
        return
    if file.is_dir():
        jobs = slurm.again(folder, overrides, shared, throttle)
    elif axes:
        jobs = slurm.sweep(file, overrides, axes, folder, shared, throttle)
    else:
        jobs = slurm.single(file, overrides, folder, shared)
    if not slurm.is_here():
        click.echo("Slurm is not here; on a machine that has it:\n" + "\n".join(slurm.lines(jobs)))
        return
    numbers = slurm.submit(jobs)
    click.echo(", ".join(f"{name} {number}" for name, number in numbers.items()) + f"; heartwright status {folder}")


def _time_needed(members: list[scenario.Scenario], ranks: int) -> str:
    """The time of a job on so many ranks, long enough for each of the members; says so.

    From steps of the first one on the ranks that there are here; more ranks are not trusted to be faster.
    """
    from heartwright import submit as slurm

    needs = probe(members[0])
    steps = max(round(member.time.duration / member.time.dt) for member in members)
    time = slurm.limit(needs.seconds(steps) * max(1.0, needs.ranks / ranks))
    if first_of_the_job():
        click.echo(f"{needs}; --time={time}")
    return time


@click.command()
@folder_argument("folder")
def status(folder: Path) -> None:
    """How far the run, or the members of the sweep, in FOLDER have come."""
    from heartwright import status as states

    for line in states.lines(folder):
        click.echo(line)
