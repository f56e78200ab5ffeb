"""The command line: run, restart, submit, status, check, show, list, compare, report, verify, doctor; mesh, model."""

import contextlib
import fcntl
import os
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any, TextIO

import click

from heartwright import __version__, scenario, start, units
from heartwright.errors import BAD_INPUT, DONE, INTERNAL, STORAGE, HeartwrightError, InputError, StorageError, refusal
from heartwright.files import LOCK
from heartwright.mesh_commands import mesh

UNUSED = {LOCK, "resolved.yaml", "log.txt", "audit.jsonl"}  # what a run folder holds before there are results
INTERRUPTED = 130  # as shells say it: 128 + SIGINT
PATIENCE = 10.0  # seconds that a failed rank waits for the others to fail too

FILE = click.argument("file", type=click.Path(path_type=Path))
SET = click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one value: time.beats=2.")
HOURS = click.option(
    "--maxh", "hours", type=click.FloatRange(min=0, min_open=True), metavar="H", help="Stop with a checkpoint in time."
)


def _folder(name: str):
    return click.argument(name, type=click.Path(path_type=Path))


def _output(text: str, default: str | None = None):
    return click.option("-o", "--output", type=click.Path(path_type=Path), default=default, help=text)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="heartwright")
def app() -> None:
    """Cardiac electromechanics with the body attached."""


@app.command()
@FILE
@SET
@_output("Folder of the run [runs/NAME].")
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
        lock = _prepare(folder, force) if comm.rank == 0 else None
    from heartwright import simulation

    with _held(lock, folder):
        _leave_the_users_folder()
        return simulation.run(described, folder, comm, hours)


@app.command()
@_folder("folder")
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
        lock = _claim(folder) if comm.rank == 0 else None
    from heartwright import simulation

    with _held(lock, folder):
        _leave_the_users_folder()
        return simulation.restart(folder, comm, list(overrides), hours)


@app.command()
@FILE
@SET
@_output("Folder of the run or of the sweep [runs/NAME].")
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
    """Hand the scenario FILE, or a sweep over it, to Slurm."""
    from heartwright import submit as slurm

    file, folder = file.absolute(), (output or Path("runs") / file.stem).absolute()
    if time == "auto":
        time = _time_needed(slurm.members(file, overrides, axes), nodes * ranks)
    shared = slurm.options(nodes, ranks, time, after)
    if not _first_of_the_job():
        return
    with _storage(folder):
        if axes:
            jobs = slurm.sweep(file, overrides, axes, folder, shared, throttle)
        else:
            jobs = slurm.single(file, overrides, folder, shared)
    if not slurm.is_here():
        click.echo("Slurm is not here; on a machine that has it:\n" + "\n".join(slurm.lines(jobs)))
        return
    numbers = slurm.submit(jobs)
    click.echo(", ".join(f"{name} {number}" for name, number in numbers.items()) + f"; heartwright status {folder}")


def _time_needed(members: list[scenario.Scenario], ranks: int) -> str:
    """The time of a job on so many ranks, long enough for each of the members.

    From steps of the first one on the ranks that there are here; more ranks are not trusted to be faster.
    """
    from heartwright import submit as slurm

    needs = _probe(members[0])
    steps = max(round(member.time.duration / member.time.dt) for member in members)
    return slurm.limit(needs.seconds(steps) * max(1.0, needs.ranks / ranks))


@app.command()
@_folder("folder")
def status(folder: Path) -> None:
    """How far the run, or the members of the sweep, in FOLDER have come."""
    from heartwright import status as states

    for line in states.lines(folder):
        click.echo(line)


@app.command()
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
        good += f"\n{_probe(described)}"
    if _first_of_the_job():
        click.echo(good)


def _quantity(unit: str):
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


@app.command()
@click.option("--fibre", required=True, callback=_quantity("mm/ms"), help="Speed along the fibres: '0.6 m/s'.")
@click.option("--cross", required=True, callback=_quantity("mm/ms"), help="Speed across them: '0.3 m/s'.")
@click.option("--size", required=True, callback=_quantity("mm"), help="Element length: '1 mm'.")
@click.option("--dt", default="0.05 ms", callback=_quantity("ms"), help="Substep [0.05 ms].")
@click.option("--model", default="tentusscher_panfilov_2006", help="The cells.")
@click.option("--variant", help="Of the cells.")
def tune(fibre: float, cross: float, size: float, dt: float, model: str, variant: str | None) -> None:
    """Find the conductivities that give wanted conduction speeds on a mesh of some element length."""
    from heartwright import tissue_commands

    for line in tissue_commands.tune(fibre, cross, size, dt, model, variant):
        click.echo(line)


@app.command()
@FILE
@SET
@click.option("--stimulus", required=True, help="Name of the stimulus to vary.")
@click.option("--within", default="100 ms", callback=_quantity("ms"), help="Time for half of the muscle to fire.")
def threshold(file: Path, overrides: tuple[str, ...], stimulus: str, within: float) -> None:
    """Find the least amplitude with which a stimulus of the scenario FILE captures its tissue."""
    comm = start.world()
    from heartwright import tissue_commands
    from heartwright.parallel import together

    with together(comm):
        described = scenario.load(file, overrides).resolve()
    found = tissue_commands.threshold(described, stimulus, within, comm, _print_once)
    if comm.rank == 0:
        click.echo(f"threshold of {stimulus}: {found:.4g} uA/uF")


def _probe(described: scenario.Scenario) -> Any:
    """What a run will need, from a few steps of it in a folder of their own. Collective."""
    comm = start.world()
    from heartwright import simulation
    from heartwright.parallel import together

    with together(comm):
        folder = Path(tempfile.mkdtemp(prefix="heartwright-")) if comm.rank == 0 else None
    folder = comm.bcast(folder)
    _leave_the_users_folder()
    try:
        return simulation.estimate(described, folder, comm)
    finally:
        if comm.rank == 0:
            shutil.rmtree(folder, ignore_errors=True)


@app.command()
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


@app.command("list")
@click.argument("kind", required=False)
def list_(kind: str | None) -> None:
    """List what there is to choose from: scenarios, models, pathologies, devices, laws, keys."""
    from heartwright import catalogue

    for line in catalogue.lines(kind):
        click.echo(line)


@app.command()
@_folder("first")
@_folder("second")
@_output("The page to write [compare.html].", "compare.html")
def compare(first: Path, second: Path, output: Path) -> None:
    """Lay two runs over each other in one HTML page: loops, ECG, table of differences."""
    from heartwright.output import report as reports

    with _storage(output):
        click.echo(f"written: {reports.compare(first, second, output)}")


@app.command()
@_folder("folder")
def report(folder: Path) -> None:
    """Write the report of the run in FOLDER again."""
    from heartwright.output import audit
    from heartwright.output import report as reports

    with _storage(folder):
        page = reports.write(folder)
        audit.amend(folder, [page, *(page.parent / "plots").glob("*")])
        click.echo(f"written: {page}")


@app.command()
@_folder("folder")
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


@app.command()
def doctor() -> int:
    """Say what Heartwright finds of what it needs, and what is wrong."""
    from heartwright import doctor as examination

    healthy = True
    for finding in examination.examine():
        click.echo(str(finding))
        healthy = healthy and finding.good
    return DONE if healthy else INTERNAL


app.add_command(mesh)


@app.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def model(arguments: tuple[str, ...]) -> None:
    """Cell models alone: info, run, plot, import."""
    from heartwright import models

    models.model.main(list(arguments) or ["--help"], prog_name="heartwright model", standalone_mode=False)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; every error becomes a message and an exit code. Raises nothing."""
    code = _main(arguments)
    try:
        sys.stdout.flush()
    except OSError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - the reader of our output has left; so do we, quietly
    return code


def _main(arguments: list[str] | None) -> int:
    try:
        return app(arguments, standalone_mode=False, prog_name="heartwright") or DONE
    except click.ClickException as error:
        return _leave(error.format_message() + _usage(error), BAD_INPUT)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        return DONE
    except HeartwrightError as error:
        return _leave(str(error), error.exit_code)
    except OSError as error:
        return _leave(refusal(error), STORAGE)
    except Exception as error:  # a mistake of ours: kept for us, one line for the user
        return _leave(f"internal error: {type(error).__name__}: {error} (details in {_crash_log()})", INTERNAL)


def _usage(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f"\nTry: {context.command_path} --help" if context else ""


def _leave_the_users_folder() -> None:
    if ignored := start.leave_the_users_folder():
        _print_once(f"note: not read: {', '.join(ignored)}")


def _hide(described: scenario.Scenario) -> None:
    """Let nobody else read what a run on a patient's data writes."""
    if described.data == "patient":
        os.umask(0o077)


def _prepare(folder: Path, force: bool) -> TextIO:
    """An empty folder for a run, and its lock; a folder that holds anything but a run is never emptied."""
    with _storage(folder):
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder}: is a file; choose another folder with -o")
        folder.mkdir(parents=True, exist_ok=True)
        inside = {path.name for path in folder.iterdir()}
        if inside - UNUSED and not (folder / "resolved.yaml").exists():
            raise InputError(f"{folder}: is not empty and holds no run; choose another folder with -o")
        if inside - UNUSED and not force:
            raise InputError(f"{folder}: holds a run already; go on with restart, replace it with --force, or use -o")
        lock = _claim(folder)
        _empty(folder)
    return lock


def _empty(folder: Path) -> None:
    """Remove everything but the lock."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()


def _claim(folder: Path) -> TextIO:
    """The lock of a run folder, kept open as long as this process writes there."""
    with _storage(folder):
        lock = open(folder / LOCK, "a")  # noqa: SIM115 - held until the run ends
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise InputError(f"{folder}: another run is writing here") from None
    return lock


@contextlib.contextmanager
def _held(lock: TextIO | None, folder: Path):
    """Keep the lock during a run; input that turns out to be bad leaves no folder behind."""
    try:
        yield
    except InputError:
        if lock and {path.name for path in folder.iterdir()} <= UNUSED:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        if lock:
            lock.close()


@contextlib.contextmanager
def _storage(path: Path):
    """Refusals of the file system as StorageError."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"{error.filename or path}: {error.strerror or error}") from None


def _leave(message: str, code: int) -> int:
    """Print `message` once and return `code`; a rank that fails while the others go on ends them all."""
    parallel = sys.modules.get("mpi4py.MPI")
    comm = parallel.COMM_WORLD if parallel else None
    if comm is None or comm.size == 1:
        _print_once(message)
        return code
    if comm.rank == 0:
        _print(message)
    if not _all_arrive(comm):
        _print(f"rank {comm.rank} failed alone: {message}")
        comm.Abort(INTERNAL)
    return code


def _all_arrive(comm: Any) -> bool:
    """Whether every rank comes here too within PATIENCE."""
    request, end = comm.Ibarrier(), time.monotonic() + PATIENCE
    while not request.Test():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def _first_of_the_job() -> bool:
    """Whether this process is rank 0, as far as the launcher's environment tells (MPI may not have been started)."""
    names = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "SLURM_PROCID")
    return next((os.environ[name] for name in names if name in os.environ), "0") == "0"


def _print_once(message: str) -> None:
    if _first_of_the_job():
        _print(message)


def _print(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _crash_log() -> str:
    """Where the traceback of the running exception was written."""
    with tempfile.NamedTemporaryFile("w", prefix="heartwright-crash-", suffix=".log", delete=False) as log:
        log.write(f"heartwright {__version__}: {' '.join(sys.argv)}\n\n{traceback.format_exc()}")
    return log.name
