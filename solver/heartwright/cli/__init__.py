"""The command line: run, restart, submit, status, check, show, list, compare, report, verify, doctor; mesh, model."""

import click

from heartwright import __version__
from heartwright.cli import cluster, mesh, model, results, runs, scenarios, tissue
from heartwright.cli.ending import ended

COMMANDS = (
    *(runs.run, runs.restart),
    *(cluster.submit, cluster.status),
    *(scenarios.check, scenarios.show, scenarios.list_, scenarios.doctor),
    *(tissue.tune, tissue.threshold),
    *(results.compare, results.report, results.verify),
    *(mesh.mesh, model.model),
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="heartwright")
def app() -> None:
    """Cardiac electromechanics with the body attached."""


for command in COMMANDS:
    app.add_command(command)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; every error becomes a message and an exit code. Raises nothing."""
    return ended(lambda: app(arguments, standalone_mode=False, prog_name="heartwright"))
