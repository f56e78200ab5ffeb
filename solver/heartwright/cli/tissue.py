"""The commands about tissue: tune, threshold."""

from pathlib import Path

import click

from heartwright import scenario, start
from heartwright.cli.ending import print_once
from heartwright.cli.options import FILE, SET, quantity


@click.command()
@click.option("--fibre", required=True, callback=quantity("mm/ms"), help="Speed along the fibres: '0.6 m/s'.")
@click.option("--cross", required=True, callback=quantity("mm/ms"), help="Speed across them: '0.3 m/s'.")
@click.option("--size", required=True, callback=quantity("mm"), help="Element length: '1 mm'.")
@click.option("--dt", default="0.05 ms", callback=quantity("ms"), help="Substep [0.05 ms].")
@click.option("--model", default="tentusscher_panfilov_2006", help="The cells.")
@click.option("--variant", help="Of the cells.")
def tune(fibre: float, cross: float, size: float, dt: float, model: str, variant: str | None) -> None:
    """Find the conductivities that give wanted conduction speeds on a mesh of some element length."""
    from heartwright import protocols

    for line in protocols.tune(fibre, cross, size, dt, model, variant):
        click.echo(line)


@click.command()
@FILE
@SET
@click.option("--stimulus", required=True, help="Name of the stimulus to vary.")
@click.option("--within", default="100 ms", callback=quantity("ms"), help="Time for half of the muscle to fire.")
def threshold(file: Path, overrides: tuple[str, ...], stimulus: str, within: float) -> None:
    """Find the least amplitude with which a stimulus of the scenario FILE captures its tissue."""
    comm = start.world()
    from heartwright import protocols
    from heartwright.parallel import together

    with together(comm):
        described = scenario.load(file, overrides).resolve()
    found = protocols.threshold(described, stimulus, within, comm, print_once)
    if comm.rank == 0:
        click.echo(f"threshold of {stimulus}: {found:.4g} uA/uF")
