"""Submit: hand one scenario, every member of a sweep, or what is left of either, to Slurm."""

import csv
import hashlib
import itertools
import math
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from heartwright import scenario
from heartwright.errors import InputError, StorageError
from heartwright.files import WARM_UP

REPOSITORY = Path(__file__).resolve().parents[2]
TEMPLATE = REPOSITORY / "slurm" / "run.sbatch"
TIME = re.compile(r"\d+(-\d+(:\d\d){0,2}|(:\d\d){0,2})")  # what Slurm takes: minutes, H:MM:SS, D-HH …
PATIENCE = 10  # seconds, with a Slurm that does not answer
MEMBERS = 1000  # of a sweep
MARGIN, NOTICE = 4 / 3, 5  # of a job's time over the estimate; minutes before its end at which it is asked to stop


class Job(NamedTuple):
    """One call of sbatch: its options, what the template is given, and the job it waits for, by name."""

    name: str
    options: tuple[str, ...]
    arguments: tuple[str, ...]
    after: str | None = None
    folder: Path | None = None

    def command(self, after: str | None) -> list[str]:
        """The call, once the job it waits for has the number `after`."""
        return ["sbatch", "--parsable", *_waiting(after), *self.options, str(TEMPLATE), *self.arguments]


def members(file: Path, overrides: Iterable[str], axes: Iterable[str]) -> list[scenario.Scenario]:
    """The scenario of a file or of a run's folder, or all those of a sweep. Raises InputError with every finding."""
    if is_sweep(file):
        return [scenario.load(member).resolve() for member in sorted((file / "scenarios").glob("*.yaml"))]
    described = file / "resolved.yaml" if file.is_dir() else file
    return [scenario.load(described, [*overrides, *combination]).resolve() for combination in _combinations(axes)]


def is_sweep(folder: Path) -> bool:
    return (folder / "manifest.tsv").is_file()


def limit(seconds: float) -> str:
    """The time to ask for, for a run that takes so long: a third more, and the notice of which Slurm gives it."""
    minutes = math.ceil(seconds * MARGIN / 60) + NOTICE
    return f"{minutes // 60}:{minutes % 60:02}:00"


def options(nodes: int, ranks: int, time: str | None, after: str | None) -> tuple[str, ...]:
    """Options of sbatch that all jobs share. Raises InputError for what Slurm would not understand."""
    if time is not None and not TIME.fullmatch(time):
        raise InputError(f"--time {time}: write it as Slurm does: H:MM:SS, minutes, or D-HH; or auto")
    if after is not None and not after.isdigit():
        raise InputError(f"--after {after}: give the number of a job")
    shared = (f"--nodes={nodes}", f"--ntasks-per-node={ranks}")
    return shared + ((f"--time={time}",) if time else ()) + _waiting(after)


def _waiting(job: str | None) -> tuple[str, ...]:
    """Options of a job that starts when another has succeeded, and is cancelled when that has failed."""
    return (f"--dependency=afterok:{job}", "--kill-on-invalid-dep=yes") if job else ()


def single(file: Path, overrides: Iterable[str], folder: Path, shared: tuple[str, ...]) -> list[Job]:
    """The job of one scenario. Raises InputError with every finding in it."""
    (described,) = members(file, overrides, ())
    if (folder / "resolved.yaml").exists():
        raise InputError(f"{folder}: holds a run already; go on with it: submit {folder}, or choose another with -o")
    folder.parent.mkdir(parents=True, exist_ok=True)  # for the job's log
    return [_one(described.name, file, overrides, folder, shared)]


def sweep(
    file: Path, overrides: Iterable[str], axes: Iterable[str], folder: Path, shared: tuple[str, ...], throttle: int
) -> list[Job]:
    """The jobs of all combinations of `axes` (`KEY=A,B,C` each): one that compiles what they share, then an array.

    Lays out `folder`: `scenarios/NNN.yaml`, each complete, and `manifest.tsv` with what they differ in and their
    digests. Raises InputError, before anything is written, with every finding in any of them.
    """
    combinations = _combinations(axes)
    if folder.exists() and any(folder.iterdir()):
        more = f"go on with it: submit {folder}, or " if is_sweep(folder) else ""
        raise InputError(f"{folder}: is not empty; {more}choose another folder with -o")
    described = members(file, overrides, axes)
    texts = [scenario.dump(scenario.by_digest(member), folder / "scenarios") for member in described]
    (folder / "scenarios").mkdir(parents=True)
    with open(folder / "manifest.tsv", "w", encoding="utf-8", newline="") as table:
        rows = csv.writer(table, delimiter="\t", lineterminator="\n")
        for index, (text, combination) in enumerate(zip(texts, combinations, strict=True)):
            (folder / "scenarios" / f"{index:03d}.yaml").write_text(text, encoding="utf-8")
            rows.writerow([f"{index:03d}", hashlib.sha256(text.encode()).hexdigest(), *combination])
    one = described[0]
    first = (f"--job-name={one.name}-{WARM_UP}", f"--output={folder}/{WARM_UP}.log")
    short = ("--set", f"time.end={one.time.dt} ms", "--set", "output.report=false")
    compiling = (str(folder / "scenarios" / "000.yaml"), *short)
    return [
        Job("warm_up", shared + first, compiling, folder=folder / WARM_UP),
        _array(one.name, folder, tuple(o for o in shared if "-dep" not in o), throttle, after="warm_up"),
    ]


def again(folder: Path, overrides: Iterable[str], shared: tuple[str, ...], throttle: int) -> list[Job]:
    """The job that goes on with the run, or with what is not done of the sweep, in a folder.

    Raises InputError where there is neither, and for what cannot be changed any more.
    """
    if is_sweep(folder):
        if overrides:
            raise InputError(f"{folder}: the members of a sweep go on as they are; --set is for single runs")
        return [_array(folder.name, folder, shared, throttle)]
    if not (folder / "resolved.yaml").is_file():
        raise InputError(f"{folder}: no run and no sweep here")
    before, after = (scenario.load(folder / "resolved.yaml", changes) for changes in ((), overrides))
    if refused := list(scenario.refused_changes(scenario.kept_in(folder, before), scenario.kept_in(folder, after))):
        raise InputError(*(f"{folder}: {change}" for change in refused))
    return [_one(before.name, folder, overrides, folder, shared)]


def _one(name: str, what: Path, overrides: Iterable[str], folder: Path, shared: tuple[str, ...]) -> Job:
    """The job of a scenario's file, or of the folder of a run."""
    changes = [part for text in overrides for part in ("--set", text)]
    own = (f"--job-name={name}", f"--output={folder.parent}/{folder.name}-%j.log")
    return Job("run", shared + own, (str(what), *changes), folder=folder)


def _array(name: str, folder: Path, shared: tuple[str, ...], throttle: int, after: str | None = None) -> Job:
    """The array of all members of a sweep."""
    last = len((folder / "manifest.tsv").read_text(encoding="utf-8").splitlines()) - 1
    own = (f"--job-name={name}", f"--output={folder}/%a.log", f"--array=0-{last}%{throttle}")
    return Job("array", shared + own, (str(folder),), after=after)


def submit(jobs: list[Job]) -> dict[str, str]:
    """Call sbatch for each job; returns their numbers by name. Raises StorageError with Slurm's words."""
    numbers: dict[str, str] = {}
    for job in jobs:
        command = job.command(numbers.get(job.after or ""))
        done = subprocess.run(command, env=os.environ | _settings(job), capture_output=True, text=True)
        if done.returncode:
            raise StorageError(f"sbatch: {done.stderr.strip() or done.returncode}")
        numbers[job.name] = done.stdout.strip().partition(";")[0]
    return numbers


def lines(jobs: list[Job]) -> Iterable[str]:
    """The same as shell commands, for a machine on which Slurm is, where it is not here."""
    for job in jobs:
        place = "".join(f"{name}={shlex.quote(value)} " for name, value in _settings(job).items())
        command = shlex.join(job.command("@after@" if job.after else None)).replace("@after@", f"${job.after}")
        yield f"{job.name}=$({place}{command})"


def is_here() -> bool:
    """Whether a Slurm answers: its commands alone are in the launcher's own environment, too."""
    scontrol = shutil.which("scontrol")
    try:
        return (
            bool(scontrol) and not subprocess.run([scontrol, "ping"], capture_output=True, timeout=PATIENCE).returncode
        )
    except subprocess.TimeoutExpired:
        return False


def _settings(job: Job) -> dict[str, str]:
    """What the template finds in its environment: how Heartwright is called here, and the folder of the run."""
    launcher = {"HEARTWRIGHT": os.environ.get("HEARTWRIGHT", str(REPOSITORY / "heartwright"))}
    return launcher | ({"HEARTWRIGHT_FOLDER": str(job.folder)} if job.folder else {})


def _combinations(axes: Iterable[str]) -> list[tuple[str, ...]]:
    """Every choice of one value per axis; a single empty one without axes."""
    combinations = list(itertools.product(*(_axis(text) for text in axes)))
    if len(combinations) > MEMBERS:
        raise InputError(f"--sweep: {len(combinations)} combinations; at most {MEMBERS} at once")
    return combinations


def _axis(text: str) -> list[str]:
    """`key=value` for every value of an axis; commas inside brackets belong to a value."""
    key, equals, values = text.partition("=")
    parts = re.split(r",(?![^\[{(]*[\]})])", values)
    if not equals or not key or not all(part.strip() for part in parts):
        raise InputError(f"--sweep {text}: write it as key=a,b,c, e.g. --sweep time.heart_rate=60bpm,75bpm")
    return [f"{key}={part.strip()}" for part in parts]
