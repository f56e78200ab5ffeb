"""Simulation: step the parts of a scenario together, leave the results behind."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from mpi4py import MPI

from heartwright import __version__
from heartwright import scenario as scenarios
from heartwright.building import build
from heartwright.coupling.clock import Clock
from heartwright.coupling.recorder import Recorder
from heartwright.errors import (
    DIVERGED,
    DONE,
    INTERNAL,
    RESUME,
    STORAGE,
    HeartwrightError,
    InputError,
    SolveFailed,
    Stopped,
    StorageError,
)
from heartwright.files import write_atomically
from heartwright.log import Log, readable, taken_back
from heartwright.odes.model import read
from heartwright.output import audit, checkpoint, runfile
from heartwright.parallel import together
from heartwright.parts import restore, snapshot
from heartwright.scenario import Scenario
from heartwright.stopping import Stop
from heartwright.units import ML

RETRIES = 4  # a step is halved at most this often before the run gives up
LOG = "log.txt"
OUTCOMES = {DONE: "done", DIVERGED: "diverged", STORAGE: "storage failed", RESUME: "stopped"}


def run(scenario: Scenario, folder: Path, comm: MPI.Comm, hours: float | None = None) -> int:
    """Simulate a resolved `scenario` from its start, results into `folder`; returns the exit code. Collective.

    `hours`: how long it may take, before it stops with a checkpoint.
    """
    with together(comm):
        if comm.rank == 0:
            scenario = scenarios.by_digest(scenario)
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / "resolved.yaml", scenarios.dump(scenario, folder))
    scenario = comm.bcast(scenario)
    with Stop(comm, hours) as stop:
        simulation = Simulation(scenario, folder, comm, stop)
        return simulation.run(simulation.begin)


def restart(folder: Path, comm: MPI.Comm, overrides: list[str] | None = None, hours: float | None = None) -> int:
    """Go on with the run in `folder` from its newest good checkpoint; returns the exit code. Collective.

    A run that ended before its first checkpoint begins anew. Raises InputError, with everything in the folder as it
    was, when it holds no run, no checkpoint that fits, or when a change is asked for that would make it another run.
    """
    resolved = folder / "resolved.yaml"
    with together(comm):
        if not resolved.is_file():
            raise InputError(f"{folder}: no run here to restart (it has no resolved.yaml)")
        scenario = scenarios.by_digest(scenarios.load(resolved, overrides or []))
        before = checkpoint.newest_facts(folder / "checkpoints")
        if refused := list(scenarios.refused_changes(before, scenarios.kept_in(folder, scenario)) if before else ()):
            raise InputError(*(f"{folder}: {change}" for change in refused))
    begun = comm.bcast(bool(checkpoint.existing(folder / "checkpoints")))
    with Stop(comm, hours) as stop, taken_back(folder / LOG) if comm.rank == 0 else contextlib.nullcontext():
        simulation = Simulation(scenario, folder, comm, stop)
        return simulation.run(simulation.resume if begun else simulation.begin)


class Simulation:
    """One scenario, built and ready to step."""

    def __init__(self, scenario: Scenario, folder: Path, comm: MPI.Comm, stop: Stop):
        self.scenario, self.folder, self.comm, self.stop = scenario, folder, comm, stop
        self.started = time.perf_counter()
        self.log = Log(folder / LOG, comm.rank)
        self.log.say(f"Heartwright: {scenario.name} on {comm.size} rank{'s' if comm.size > 1 else ''}")
        time_ = scenario.time
        self.clock = Clock(time_.dt, time_.duration, time_.cycle_length)
        self.heart = build(scenario, comm)
        for note in self.heart.geometry.notes:
            self.log.say(f"mesh: {note}")
        dofs = ", ".join(f"{count:,} of the {equation}" for equation, count in self.heart.dofs().items())
        self.log.say(f"unknowns: {dofs}")
        described = scenarios.kept_in(folder, scenario)
        self.recorder = Recorder(folder, scenario.output, described, self.heart, self.clock, comm)

    def run(self, start: Callable[[], None]) -> int:
        """`start` the clock (begin or resume), then step to the end; returns the exit code."""
        try:
            start()
            with together(self.comm):
                self._write_run_file("running")
            return self._loop()
        except InputError:  # found before anything was computed: what lies in the folder stays as it is
            raise
        except Exception as error:
            self._record_failure(error)
            raise

    def begin(self) -> None:
        """Fill the heart to the start of its beat and write the first row and frame.

        Raises Stopped where it is asked to end meanwhile: what is half filled cannot be gone on from.
        """
        self._note_start()
        try:
            volumes = self.heart.fill(self._filling)
        except SolveFailed as failure:
            self.recorder.show_last_state()
            raise SolveFailed(
                failure.equation,
                f"{failure.reason}, before the first beat; how far it came is in last_state.xdmf. "
                "Try a finer or better mesh, a stiffer passive law, or less blood",
            ) from failure
        if volumes:
            self.log.say("filled: " + ", ".join(f"{name} {volume / ML:.1f} mL" for name, volume in volumes.items()))
        self.recorder.begin()

    def _filling(self, line: str) -> None:
        self.log.step(line)
        if why := self.stop.reason():
            raise Stopped(f"{why} before the first beat; heartwright restart begins anew")

    def resume(self) -> None:
        """Put the newest good checkpoint back."""
        for note in self.recorder.resume():
            self.log.say(note)
        self._note_start()
        with together(self.comm):
            if self.comm.rank == 0:
                write_atomically(self.folder / "resolved.yaml", scenarios.dump(self.scenario, self.folder))
        self.log.say(f"restarted at t {self.clock.t:.0f} ms")

    def advance(self) -> None:
        """One whole step of the clock; where its smallest parts fail too, a checkpoint and SolveFailed."""
        try:
            self._attempt(self.clock.t, self.clock.dt, RETRIES)
        except SolveFailed as failure:
            kept = self.recorder.save()
            self.recorder.show_last_state()
            raise SolveFailed(
                failure.equation,
                f"{failure.reason}, at t = {self.clock.t:.4g} ms even with steps of {self.clock.dt / 2**RETRIES:g} ms; "
                f"the last good state is in checkpoints/{kept.name}, to be looked at in last_state.xdmf. "
                "Try a smaller time.dt, a finer or better mesh, or lower active tension",
            ) from failure
        self.clock.advance()
        if self.scenario.reproducible:
            self.heart.forget()

    def close(self) -> None:
        """Close what it writes to."""
        self.recorder.close()
        self.log.close()

    def _loop(self) -> int:
        before, began = self.clock.n, time.perf_counter()
        while not self.clock.finished():
            if why := self.stop.reason():
                return self._save_and_stop(why)
            step_began = time.perf_counter()
            self.advance()
            self.recorder.when_due()
            now = time.perf_counter()
            left = (now - began) / (self.clock.n - before) * (self.clock.steps - self.clock.n)
            self.log.step(self._line(now - step_began, left))
            self.stop.stepped()
        return self._finish()

    def _attempt(self, t: float, dt: float, halvings: int) -> None:
        """One step of dt; where it fails, roll back and take it in two halves. SolveFailed leaves all parts as at t."""
        saved = snapshot(self.heart.parts)
        try:
            self.heart.step(t, dt)
        except SolveFailed as failure:
            restore(self.heart.parts, saved)
            if halvings == 0:
                raise
            self.clock.retried()
            self.log.say(f"t {t:.4g} ms: {failure}; trying again in two steps of {dt / 2:g} ms")
            try:
                self._attempt(t, dt / 2, halvings - 1)
                self._attempt(t + dt / 2, dt / 2, halvings - 1)
            except SolveFailed:
                restore(self.heart.parts, saved)
                raise

    def _save_and_stop(self, why: str) -> int:
        kept = self.recorder.save()
        self.recorder.close()
        self.log.say(f"{why} at t {self.clock.t:.0f} ms; go on with: heartwright restart {self.folder}")
        self.log.close()
        with together(self.comm):
            self._write_run_file(OUTCOMES[RESUME], RESUME, f"resume from checkpoints/{kept.name}")
            self._note_end(RESUME)
        return RESUME

    def _finish(self) -> int:
        self.recorder.save()
        self.recorder.close()
        made = ["series.csv", "run.json"] + ["fields.xdmf"] * bool(self.scenario.output.fields.of)
        with together(self.comm):
            self._write_run_file(OUTCOMES[DONE], DONE)
        if self.comm.rank == 0 and self.scenario.output.report:
            made = self._report() + made
        self.log.say(f"results in {self.folder}: {', '.join(made)}")
        self.log.close()
        with together(self.comm):
            self._note_end(DONE)
        return DONE

    def _report(self) -> list[str]:
        """Write the report; returns its name. A report that fails does not undo a run that is done."""
        from heartwright.output import report  # matplotlib takes a second to import

        try:
            return [report.write(self.folder).name]
        except Exception as error:
            self.log.say(f"no report: {type(error).__name__}: {error}; try: heartwright report {self.folder}")
            return []

    def _record_failure(self, error: Exception) -> None:
        """How the run ended, in run.json and the log. Not collective: a rank may fail alone."""
        code = error.exit_code if isinstance(error, HeartwrightError) else INTERNAL
        self.log.record(f"ended: {error}")
        with contextlib.suppress(StorageError, OSError):  # where the disk is full, that is the error already
            self._write_run_file(OUTCOMES.get(code, "failed"), code, f"{error}")
            self._note_end(code)

    def _note_start(self) -> None:
        """What this run is made of, in the audit."""
        with together(self.comm):
            if self.comm.rank == 0:
                digests = {file.name: audit.sha256(file) for file in scenarios.inputs(self.scenario)}
                facts = {"version": __version__, "commit": runfile.commit(), "ranks": self.comm.size, "t": self.clock.t}
                audit.record(self.folder, "started", inputs=digests, **facts)

    def _note_end(self, code: int) -> None:
        """How it ended, and what its files are then, in the audit. Not collective."""
        if self.comm.rank == 0:
            audit.close(self.folder, exit_code=code, t=self.clock.t)

    def _write_run_file(self, outcome: str, exit_code: int | None = None, message: str = "") -> None:
        """Rank 0 writes run.json; an exit code of None: it has not ended."""
        if self.comm.rank:
            return
        runfile.write(
            self.folder,
            outcome=outcome,
            exit_code=exit_code,
            message=message,
            ranks=self.comm.size,
            inputs=scenarios.inputs(self.scenario),
            dofs=self.heart.dofs(),
            wall_s=time.perf_counter() - self.started,
            phases=self.heart.watch.seconds,
            period=self.clock.period,
            facts={"steps": self.clock.n, "retries": self.clock.retries},
            cite=cite(self.scenario),
        )

    def _line(self, seconds: float, left: float) -> str:
        row = self.recorder.row
        return (
            f"t {self.clock.t:.0f} ms  dt {self.clock.dt:g}  {self.heart.progress(row)}  "
            f"{seconds:.2f} s  ETA {readable(left)}"
        )


def cite(scenario: Scenario) -> list[str]:
    """DOIs of the models a scenario uses."""
    return [f"{Path(name).name}: doi:{read(name).doi}" for name in scenarios.models(scenario)]
