"""The time loop: failed steps are rolled back and halved; what cannot be solved ends with its state on disk."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI

import heart
from heartwright import scenario, simulation
from heartwright.coupling.clock import Clock
from heartwright.errors import DIVERGED, DONE, RESUME, InputError, SolveFailed, StorageError
from heartwright.estimate import estimate
from heartwright.mechanics.solid import Solid
from heartwright.mesh import distribution
from heartwright.output import audit, fields, series

SOLVE = Solid.solve


@pytest.fixture(scope="module")
def begun(tmp_path_factory) -> Path:
    """The run of one small ventricle after six steps, with checkpoints of steps 5 and 6."""
    folder = tmp_path_factory.mktemp("begun")
    described = scenario.load(heart.scenario(folder, heart.ONE_VENTRICLE), ["time.end=6 ms"]).resolve()
    assert simulation.run(described, folder / "run", MPI.COMM_WORLD) == DONE
    return folder / "run"


@pytest.fixture
def go_on(begun, tmp_path):
    """`go_on(name, end)`: a copy of that run, taken on to the end [ms]; returns its folder."""

    def restart(name: str, end: int = 12, *overrides: str) -> Path:
        folder = tmp_path / name
        if not folder.exists():
            shutil.copytree(begun, folder)
        simulation.restart(folder, MPI.COMM_WORLD, [f"time.end={end} ms", *overrides])
        return folder

    return restart


def run_file(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text())


def fails_after_solving(times: int):
    """A `solve` that leaves its result behind and then fails, so often."""
    left = [times]

    def solve(self, t, dt, volumes):
        SOLVE(self, t, dt, volumes)
        if left[0]:
            left[0] -= 1
            raise SolveFailed("solid", "made to fail")

    return solve


def test_a_step_that_fails_once_is_taken_in_two_halves(go_on, monkeypatch):
    smooth = series.read(go_on("smooth") / "series.csv")
    monkeypatch.setattr(Solid, "solve", fails_after_solving(1))
    folder = go_on("bumpy")
    found = run_file(folder)
    assert found["outcome"] == "done"
    assert found["metrics"]["retries"]["value"] == 1 and found["metrics"]["steps"]["value"] == 12
    assert "t 6 ms: solid: made to fail; trying again in two steps of 0.5 ms" in (folder / "log.txt").read_text()
    bumpy = series.read(folder / "series.csv")
    np.testing.assert_array_equal(bumpy["time"], np.arange(13))
    assert bumpy["cavity_error"].max() < 1e-6
    # Two halves in place of one step of six: they differ by no more than the error of a first-order step.
    for name in ("lv_pressure", "lv_volume"):
        assert np.abs(bumpy[name] - smooth[name]).max() < 0.03 * np.ptp(smooth[name]), name


def test_halves_that_fail_are_halved_again(go_on, monkeypatch):
    monkeypatch.setattr(Solid, "solve", fails_after_solving(3))
    folder = go_on("bumpy", 8)
    assert run_file(folder)["metrics"]["retries"]["value"] == 3
    assert "two steps of 0.125 ms" in (folder / "log.txt").read_text()
    assert series.read(folder / "series.csv")["cavity_error"].max() < 1e-6


def test_what_never_converges_ends_with_its_last_good_state(go_on, monkeypatch):
    monkeypatch.setattr(Solid, "solve", fails_after_solving(10**9))
    with pytest.raises(SolveFailed) as error:
        go_on("stuck")
    message = str(error.value)
    assert error.value.exit_code == DIVERGED
    for part in ("solid: made to fail", "t = 6 ms", "steps of 0.0625 ms", "checkpoints/ck-000000006", "Try a smaller"):
        assert part in message


def test_the_last_state_of_a_run_that_diverged_can_be_looked_at(go_on, monkeypatch, tmp_path):
    monkeypatch.setattr(Solid, "solve", fails_after_solving(10**9))
    with pytest.raises(SolveFailed, match=r"last_state\.xdmf"):
        go_on("stuck")
    last = fields.read(tmp_path / "stuck" / "last_state", -1)
    assert last["time"] == 6 and all(np.isfinite(last[name]).all() for name in ("u", "v", "active_tension"))


def test_a_run_whose_time_is_up_saves_and_stops(begun, tmp_path):
    folder = shutil.copytree(begun, tmp_path / "late")
    assert simulation.restart(folder, MPI.COMM_WORLD, ["time.end=12 ms"], hours=1e-9) == RESUME
    assert run_file(folder)["message"] == "resume from checkpoints/ck-000000006"
    assert "stopped because its time is up at t 6 ms" in (folder / "log.txt").read_text()


def test_a_disk_without_room_is_told_before_the_first_step(begun, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 100, 0))
    folder = shutil.copytree(begun, tmp_path / "full")
    with pytest.raises(StorageError, match=r"this run needs about .* GB are free"):
        simulation.restart(folder, MPI.COMM_WORLD, ["time.end=2000 ms"])


def test_what_a_run_will_take_is_estimated_from_a_few_steps(begun, tmp_path):
    described = scenario.load(begun / "resolved.yaml", ["time.end=20000 ms"])
    found = re.fullmatch(
        r"about (\d+) min on 1 rank \(\d+ s until the heart is filled, ([\d.]+) s per step\), [\d.]+ GB of memory, "
        r"([\d.]+) GB on disk",
        str(estimate(described, tmp_path, MPI.COMM_WORLD)),
    )
    assert found
    minutes, step, disk = map(float, found.groups())
    assert minutes == pytest.approx(20_000 * step / 60, rel=0.1, abs=1)
    nodes, frames = 726, 20_000 / 4  # v, u (3) and activation in single precision; 20 digits of each trace
    traces = 20 * 20_000 * len(series.header(begun / "series.csv"))
    assert disk == pytest.approx((4 * 5 * nodes * frames + traces) / 1e9, rel=0.1, abs=0.01)


def test_every_run_can_be_verified(begun):
    assert list(audit.findings(begun, [])) == []


def test_a_run_that_diverged_says_so_and_can_go_on_once_the_cause_is_gone(go_on, monkeypatch, tmp_path):
    smooth = series.read(go_on("smooth", 10) / "series.csv")

    def fails_in_the_second_half_of_a_step(self, t, dt, volumes):
        if t + dt > 8.5:
            raise SolveFailed("solid", "made to fail")
        SOLVE(self, t, dt, volumes)

    monkeypatch.setattr(Solid, "solve", fails_in_the_second_half_of_a_step)
    with pytest.raises(SolveFailed):
        go_on("stuck", 10)
    found = run_file(tmp_path / "stuck")
    assert (found["outcome"], found["exit_code"]) == ("diverged", 65)
    assert "made to fail" in found["message"] and found["metrics"]["steps"]["value"] == 8
    assert found["metrics"]["retries"]["value"] > 1
    assert series.read(tmp_path / "stuck" / "series.csv")["time"][-1] == 8
    # The checkpoint is that of the whole step, not of the first half that could be solved.
    monkeypatch.setattr(Solid, "solve", SOLVE)
    apart = heart.differences(smooth, series.read(go_on("stuck", 10) / "series.csv"))
    assert max(apart.values()) < 1e-6, apart


def test_a_load_that_cannot_be_carried_ends_with_where_it_failed_and_how_far_it_came(tmp_path):
    """Suction of 30 kPa on a wall of 1 kPa: no balance, before the first beat."""
    soft = "{passive: {type: neo_hooke, mu: 1 kPa}, bulk_modulus: 50 kPa, boundaries: [{type: robin, where: base, "
    soft += "stiffness: 1 kPa/mm, direction: full}, {type: pressure, where: epi, value: -30 kPa}]}"
    text = re.sub("mechanics: .*", f"mechanics: {soft}", heart.ONE_VENTRICLE)
    described = scenario.load(heart.scenario(tmp_path, text)).resolve()
    with pytest.raises(SolveFailed) as failed:
        simulation.run(described, tmp_path / "run", MPI.COMM_WORLD)
    assert re.fullmatch(
        r"passive filling: the wall gives way under \d+ % of the pressure; most compressed is element \d+ at "
        r"\(.*\) mm, (to \S+ of its volume|turned inside out), before the first beat; "
        r"how far it came is in last_state.xdmf. Try a finer or better mesh, a stiffer passive law, or less blood",
        str(failed.value),
    )
    assert run_file(tmp_path / "run")["message"] == str(failed.value)
    assert len(fields.times(tmp_path / "run" / "last_state")) == 1


def test_going_on_from_a_checkpoint_is_exact(go_on):
    folder = go_on("whole", 15)  # leaves checkpoints of steps 5, 10 and 15; from 10 on again:
    whole = series.read(folder / "series.csv")
    shutil.rmtree(folder / "checkpoints" / "ck-000000015")
    apart = heart.differences(whole, series.read(go_on("whole", 15) / "series.csv"))
    assert max(apart.values()) < 1e-12, apart


@pytest.mark.parametrize("unloading", ["pointwise", "inverse"])
def test_a_prestressed_heart_restarts_with_the_same_prestress(tmp_path, unloading):
    changes = ["time.end=6 ms", "output.checkpoint.every=4 ms", "mechanics.prestress={lv: 4 mmHg}"]
    changes.append(f"mechanics.unloading={unloading}")
    described = scenario.load(heart.scenario(tmp_path, heart.ONE_VENTRICLE), changes).resolve()
    assert simulation.run(described, tmp_path / "run", MPI.COMM_WORLD) == DONE
    whole = Path(shutil.copytree(tmp_path / "run", tmp_path / "whole"))
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "ck-000000006")
    assert simulation.restart(tmp_path / "run", MPI.COMM_WORLD) == DONE
    apart = heart.differences(*(series.read(folder / "series.csv") for folder in (whole, tmp_path / "run")))
    assert max(apart.values()) < 1e-12, apart


def test_a_failure_while_filling_ends_before_the_beat_with_a_remedy(tmp_path, monkeypatch):
    def fails(self, pressures, say):
        raise SolveFailed("passive filling", "made to fail")

    monkeypatch.setattr(Solid, "inflate", fails)
    described = scenario.load(heart.scenario(tmp_path, heart.ONE_VENTRICLE)).resolve()
    with pytest.raises(SolveFailed, match=r"passive filling: made to fail, before the first beat; .* Try"):
        simulation.run(described, tmp_path / "run", MPI.COMM_WORLD)
    assert run_file(tmp_path / "run")["exit_code"] == 65
    assert list(audit.findings(tmp_path / "run", [])) == []


def test_our_own_mistakes_are_recorded_as_such(go_on, monkeypatch, tmp_path):
    def fails(self, t, dt, volumes):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(Solid, "solve", fails)
    with pytest.raises(ZeroDivisionError):
        go_on("broken")
    found = run_file(tmp_path / "broken")
    assert (found["outcome"], found["exit_code"]) == ("failed", 70)


def test_a_restart_names_every_change_that_would_make_it_another_run(go_on):
    with pytest.raises(InputError) as error:
        go_on("other", 12, "mesh.refine=0", "mechanics.bulk_modulus=500 kPa", "output.fields.every=1 ms")
    first, second = error.value.findings
    assert "mesh.refine was 1 so far and would be 0: a restart cannot change it" in first
    assert "mechanics.bulk_modulus was 1000.0 kPa so far and would be 500.0 kPa" in second


def test_a_restart_on_another_mesh_is_refused_even_where_the_scenario_is_the_same(go_on, monkeypatch):
    partition = distribution.partition
    monkeypatch.setattr(distribution, "partition", lambda share, digest, comm: partition(share, f"not {digest}", comm))
    with pytest.raises(InputError, match="ck-000000006 belongs to another mesh than this run"):
        go_on("other")


def test_a_restart_cannot_end_before_what_is_computed_and_leaves_all_files_as_they_were(go_on, tmp_path):
    with pytest.raises(InputError, match="the run has come to 6 ms already; it cannot end at 4 ms"):
        go_on("shorter", 4)
    assert list(audit.findings(tmp_path / "shorter", [])) == []


def test_a_run_that_ended_before_its_first_checkpoint_begins_anew(begun, go_on, tmp_path):
    shutil.rmtree(Path(shutil.copytree(begun, tmp_path / "early")) / "checkpoints")
    apart = heart.differences(*(series.read(go_on(name, 8) / "series.csv") for name in ("early", "whole")))
    assert max(apart.values()) < 1e-6, apart


def test_both_physics_may_share_one_mesh(tmp_path):
    described = scenario.load(
        heart.scenario(tmp_path, heart.ONE_VENTRICLE), ["time.end=2 ms", "mesh.refine=0"]
    ).resolve()
    assert simulation.run(described, tmp_path / "run", MPI.COMM_WORLD) == DONE
    dofs = run_file(tmp_path / "run")["dofs"]
    trace = series.read(tmp_path / "run" / "series.csv")
    assert dofs["tissue"] == 128  # the vertices of the mechanics mesh
    assert trace["activated"][-1] > 0 and trace["cavity_error"].max() < 1e-6


def test_the_papers_behind_a_scenario_are_cited(tmp_path):
    described = scenario.load(heart.scenario(tmp_path, heart.ONE_VENTRICLE)).resolve()
    cited = simulation.cite(described)
    assert [line.partition(": doi:10.")[0] for line in cited] == [
        "tentusscher_panfilov_2006",
        "land_2017",
        "closed_loop",
    ]


def test_the_clock_counts_steps_and_never_drifts():
    clock = Clock(0.1, 1000.0, 800.0)
    while not clock.finished():
        clock.advance()
    assert clock.t == 1000.0 and clock.n == 10000 and clock.beat == 1
    assert clock.due(0.1) and clock.due(200.0) and not clock.due(300.0)


def test_a_wall_with_inertia_tells_its_energies(tmp_path):
    changes = ["time.end=3 ms", "mechanics.density=1.06 mg/mm^3"]
    described = scenario.load(heart.scenario(tmp_path, heart.ONE_VENTRICLE), changes).resolve()
    assert simulation.run(described, tmp_path / "run", MPI.COMM_WORLD) == DONE
    trace = series.read(tmp_path / "run" / "series.csv")
    assert trace["kinetic_energy"][0] == trace["dissipation"][0] == 0.0  # filled slowly
    assert (trace["kinetic_energy"][1:] > 0).all() and (trace["dissipation"][1:] > 0).all()
    assert (np.diff(trace["elastic_energy"]) > 0).all()  # it fills on
    work = trace["lv_pressure"][0] * 0.13332 * (trace["lv_volume"][0] - 71.3) / 2  # mJ, from 71.3 mL along a line
    assert trace["elastic_energy"][0] == pytest.approx(work, rel=0.2)
