"""The commands about runs that are there: compare, report, verify."""

from pathlib import Path

import click

from heartwright import scenario
from heartwright.cli.options import folder_argument, output_option
from heartwright.errors import DONE, STORAGE, InputError


@click.command()
@folder_argument("first")
@folder_argument("second")
@output_option("The page to write [compare.html].", "compare.html")
def compare(first: Path, second: Path, output: Path) -> None:
    """Lay two runs over each other in one HTML page: loops, ECG, table of differences."""
    from heartwright.output import report as reports

    click.echo(f"written: {reports.compare(first, second, output)}")


@click.command()
@folder_argument("folder")
def report(folder: Path) -> None:
    """Write the report of the run in FOLDER again."""
    from heartwright.output import audit
    from heartwright.output import report as reports

    page = reports.write(folder)
    audit.amend(folder, [page, *(page.parent / "plots").glob("*")])
    click.echo(f"written: {page}")


@click.command()
@folder_argument("folder")
def verify(folder: Path) -> int:
    """Find everything in the run in FOLDER that is not as it was recorded."""
    from heartwright.output import audit, checkpoint

    if not (folder / audit.NAME).is_file():
        raise InputError(f"{folder}: no run to verify here (it has no {audit.NAME})")
    found = list(audit.findings(folder, _recorded_inputs(folder)))
    found += [f"checkpoints/{name}: {damage}" for name, damage in checkpoint.damaged(folder / "checkpoints")]
    for finding in found:
        click.echo(finding, err=True)
    ended = "all its files" if audit.is_closed(folder) else "it has not ended: its inputs, checkpoints and audit"
    if not found:
        click.echo(f"{folder}: good ({ended})")
    return STORAGE if found else DONE


def _recorded_inputs(folder: Path) -> list[Path]:
    """The inputs of a run; none where its scenario is damaged, which the audit then tells."""
    try:
        tree = scenario.read(folder / "resolved.yaml")
        return scenario.inputs(scenario.Scenario.model_validate(tree.plain()))
    except (InputError, ValueError):
        return []
