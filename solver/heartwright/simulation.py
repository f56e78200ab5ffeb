"""Simulation: build the parts a scenario names, step them together, leave the results behind."""

import signal
import time
from pathlib import Path

from mpi4py import MPI

from heartwright import scenario as scenarios
from heartwright.body.circulation import Circulation
from heartwright.coupling.clock import Clock
from heartwright.coupling.electromechanics import Heart
from heartwright.coupling.recorder import Recorder
from heartwright.electrophysiology.tissue import Tissue
from heartwright.errors import DONE, RESUME, HeartwrightError, InputError, SolveFailed
from heartwright.log import Log
from heartwright.mechanics.active import Contraction
from heartwright.mechanics.solid import Solid
from heartwright.mesh import geometry as geometries
from heartwright.mesh.fibres import directions
from heartwright.mesh.transfer import Transfer
from heartwright.odes.model import read
from heartwright.output import runfile
from heartwright.output.fields import write_atomically
from heartwright.parallel import together
from heartwright.parts import restore, snapshot
from heartwright.scenario import Scenario
from heartwright.units import ML

RETRIES = 4  # a step is halved at most this often before the run gives up


def run(scenario: Scenario, folder: Path, comm: MPI.Comm) -> int:
    """Simulate a resolved `scenario` from its start, results into `folder`; returns the exit code. Collective."""
    with together(comm):
        if comm.rank == 0:
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / "resolved.yaml", scenarios.dump(scenario))
    simulation = Simulation(scenario, folder, comm)
    return simulation.run(simulation.begin)


def restart(folder: Path, comm: MPI.Comm, overrides: list[str] | None = None) -> int:
    """Go on with the run in `folder` from its newest good checkpoint; returns the exit code. Collective.

    Raises InputError when the folder holds no run or no usable checkpoint.
    """
    resolved = folder / "resolved.yaml"
    if not resolved.is_file():
        raise InputError(f"{folder}: no run here to restart (it has no resolved.yaml)")
    simulation = Simulation(scenarios.load(resolved, overrides or []), folder, comm)
    return simulation.run(simulation.resume)


class Simulation:
    """One scenario, built and ready to step."""

    def __init__(self, scenario: Scenario, folder: Path, comm: MPI.Comm):
        self.scenario, self.folder, self.comm = scenario, folder, comm
        self.started = time.perf_counter()
        self.log = Log(folder / "log.txt", comm.rank)
        self.log.say(f"Heartwright: {scenario.name} on {comm.size} rank{'s' if comm.size > 1 else ''}")
        time_ = scenario.time
        self.clock = Clock(time_.dt, time_.duration, time_.cycle_length)
        self.heart = build(scenario, comm)
        dofs = ", ".join(f"{count:,} of the {equation}" for equation, count in self.heart.dofs().items())
        self.log.say(f"unknowns: {dofs}")
        self.steps, self.retries, self._stop = 0, 0, 0

    def run(self, start) -> int:
        """`start` the clock (begin or resume), then step to the end; returns the exit code."""
        try:
            start()
            with _StopSignals(self._request_stop):
                return self._loop()
        except HeartwrightError as error:
            self._write_run_file(type(error).__name__, error.exit_code, str(error))
            raise

    def begin(self) -> None:
        """Fill the heart to the start of its beat and write the first row and frame."""
        volumes = self.heart.fill()
        self.log.say("filled: " + ", ".join(f"{name} {volume / ML:.1f} mL" for name, volume in volumes.items()))
        self.recorder = Recorder(self.folder, self.scenario.output, self.heart, self.clock, self.comm)
        self.recorder.begin()

    def resume(self) -> None:
        """Put the newest good checkpoint back."""
        self.recorder = Recorder(self.folder, self.scenario.output, self.heart, self.clock, self.comm)
        for note in self.recorder.resume():
            self.log.say(note)
        self.log.say(f"restarted at t {self.clock.t:.0f} ms")

    def _loop(self) -> int:
        while not self.clock.finished():
            began = time.perf_counter()
            self._attempt(self.clock.t, self.clock.dt, RETRIES)
            self.clock.advance()
            self.steps += 1
            self.recorder.when_due()
            self.log.step(self._line(time.perf_counter() - began))
            if self._stop_requested():
                return self._save_and_stop()
        return self._finish()

    def _attempt(self, t: float, dt: float, retries: int) -> None:
        """One step of dt; where it fails, roll back and take it in two halves."""
        saved = snapshot(self.heart.parts)
        try:
            self.heart.step(t, dt)
        except SolveFailed as failure:
            restore(self.heart.parts, saved)
            self.retries += 1
            if retries == 0:
                self._give_up(t, dt, failure)
            self.log.say(f"t {t:.4g} ms: {failure}; trying again in two steps of {dt / 2:g} ms")
            self._attempt(t, dt / 2, retries - 1)
            self._attempt(t + dt / 2, dt / 2, retries - 1)

    def _give_up(self, t: float, dt: float, failure: SolveFailed) -> None:
        kept = self.recorder.save()
        raise SolveFailed(
            failure.equation,
            f"{failure.reason} at t = {t:.4g} ms even with steps of {dt:g} ms; the last good state is in {kept.name}. "
            "Try a smaller time.dt, a finer or better mesh, or lower active tension",
        ) from failure

    def _request_stop(self) -> None:
        self._stop += 1

    def _stop_requested(self) -> bool:
        return self.comm.allreduce(self._stop, op=MPI.MAX) > 0

    def _save_and_stop(self) -> int:
        kept = self.recorder.save()
        self.recorder.close()
        self.log.say(f"stopped on request at t {self.clock.t:.0f} ms; go on with: heartwright restart {self.folder}")
        self._write_run_file(f"stopped, resume from {kept.name}", RESUME)
        return RESUME

    def _finish(self) -> int:
        self.recorder.save()
        self.recorder.close()
        self._write_run_file("done", DONE)
        with together(self.comm):
            if self.comm.rank == 0 and self.scenario.output.report:
                from heartwright.output import report  # matplotlib and pyvista take seconds to import

                with self.heart.watch("report"):
                    report.write(self.folder)
        self.log.say(f"results in {self.folder}: report.html, series.csv, fields.xdmf, run.json")
        return DONE

    def _write_run_file(self, outcome: str, exit_code: int, message: str = "") -> None:
        with together(self.comm):
            dofs = self.heart.dofs()
            if self.comm.rank == 0:
                runfile.write(
                    self.folder,
                    outcome=outcome,
                    exit_code=exit_code,
                    message=message,
                    ranks=self.comm.size,
                    inputs=[Path(self.scenario.mesh.file)] if self.scenario.mesh.file else [],
                    dofs=dofs,
                    wall_s=time.perf_counter() - self.started,
                    phases=self.heart.watch.seconds,
                    period=self.clock.period,
                    facts={"steps": self.steps, "retries": self.retries},
                    cite=cite(self.scenario),
                )

    def _line(self, seconds: float) -> str:
        row = self.recorder.row
        left = (time.perf_counter() - self.started) / max(self.steps, 1) * (self.clock.steps - self.clock.n)
        cavities = "  ".join(
            f"{side.upper()} {row[f'{side}_pressure'][0]:.0f} mmHg {row[f'{side}_volume'][0]:.0f} mL"
            for side in self.heart.solid.cavities
        )
        return (
            f"t {self.clock.t:.0f} ms  dt {self.clock.dt:g}  Newton {row['newton'][0]:.0f}  {cavities}  "
            f"{seconds:.2f} s  ETA {_readable(left)}"
        )


def build(scenario: Scenario, comm: MPI.Comm) -> Heart:
    """The heart a scenario describes, its mesh read or made, nothing stepped yet."""
    geometry = geometries.build(scenario.mesh, comm)
    fine = geometry.refined(scenario.mesh.refine)
    time_, cavities = scenario.time, scenario.circulation.cavities
    fibres = directions(fine, scenario.mesh.fibres, "DG0")
    return Heart(
        tissue=Tissue(fine, scenario.electrophysiology, fibres, time_.dt_ep, time_.av_delay, time_.cycle_length),
        contraction=Contraction(geometry, scenario.mechanics, time_.dt),
        solid=Solid(geometry, scenario.mechanics, scenario.mesh.fibres, cavities, time_.dt),
        circulation=Circulation(scenario.circulation, time_.cycle_length, time_.av_delay, tuple(cavities)),
        transfer=Transfer(geometry, fine),
        fibres=fibres[0],
    )


def cite(scenario: Scenario) -> list[str]:
    """DOIs of the models a scenario uses."""
    models = [cells.model for cells in scenario.electrophysiology.cells]
    models += [scenario.mechanics.active.model, scenario.circulation.model]
    return [f"{name}: doi:{read(name).doi}" for name in dict.fromkeys(models)]


class _StopSignals:
    """SIGUSR1 and SIGTERM ask for a stop after the running step; a second one ends the process at once."""

    def __init__(self, request):
        self.request = request

    def __enter__(self):
        self._before = {s: signal.signal(s, self._handle) for s in (signal.SIGUSR1, signal.SIGTERM)}

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number, _):
        self.request()
        signal.signal(number, signal.SIG_DFL)


def _readable(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
