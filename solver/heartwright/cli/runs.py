"""The commands that compute a heart: run, restart; and what a run will need, from a few steps of it."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import click

from heartwright import scenario, start
from heartwright.cli.ending import print_once
from heartwright.cli.lock import claim, held, prepare
from heartwright.cli.options import FILE, HOURS, SET, folder_argument, output_option
from heartwright.errors import InputError


@click.command()
@FILE
@SET
@output_option("Folder of the run [runs/NAME].")
@click.option("--force", is_flag=True, help="Replace an earlier run in that folder.")
@HOURS
def run(file: Path, overrides: tuple[str, ...], output: Path | None, force: bool, hours: float | None) -> int:
    """Simulate the scenario FILE."""
    comm = start.world()
    from heartwright.parallel import together

    with together(comm):
        described = scenario.load(file, overrides).resolve()
    _hide(described)
    folder = (output or Path("runs") / described.name).absolute()
    with together(comm):
        lock = prepare(folder, force) if comm.rank == 0 else None
    from heartwright import simulation

    with held(lock, folder):
        _leave_the_users_folder()
        return simulation.run(described, folder, comm, hours)


@click.command()
@folder_argument("folder")
@SET
@HOURS
def restart(folder: Path, overrides: tuple[str, ...], hours: float | None) -> int:
    """Go on with the run in FOLDER from its newest checkpoint, on any number of ranks."""
    comm = start.world()
    from heartwright.parallel import together

    folder = folder.absolute()
    with together(comm):
        if not (folder / "resolved.yaml").is_file():
            raise InputError(f"{folder}: no run to restart here (it has no resolved.yaml)")
        _hide(scenario.load(folder / "resolved.yaml", overrides))
        lock = claim(folder) if comm.rank == 0 else None
    from heartwright import simulation

    with held(lock, folder):
        _leave_the_users_folder()
        return simulation.restart(folder, comm, list(overrides), hours)


def probe(described: scenario.Scenario) -> Any:
    """What a run will need, from a few steps of it in a folder of their own. Collective."""
    comm = start.world()
    from heartwright.estimate import estimate
    from heartwright.parallel import together

    with together(comm):
        folder = Path(tempfile.mkdtemp(prefix="heartwright-")) if comm.rank == 0 else None
    folder = comm.bcast(folder)
    _leave_the_users_folder()
    try:
        return estimate(described, folder, comm)
    finally:
        if comm.rank == 0:
            shutil.rmtree(folder, ignore_errors=True)


def _leave_the_users_folder() -> None:
    if ignored := start.leave_the_users_folder():
        print_once(f"note: not read: {', '.join(ignored)}")


def _hide(described: scenario.Scenario) -> None:
    """Let nobody else read what a run on a patient's data writes."""
    if described.data == "patient":
        os.umask(0o077)
