"""The tissue as a part of a simulation: its state is complete, its cycles begin afresh, dead regions stay dead."""

import numpy as np
import pytest

from box import AXES, at, box
from heartwright.electrophysiology import tissue as tissue_module
from heartwright.electrophysiology.singlecell import duration, pace
from heartwright.electrophysiology.spec import Cells, Conductivities, Domains, ElectrophysiologySpec, Region, Stimulus
from heartwright.electrophysiology.tissue import Tissue
from heartwright.errors import InputError, SolveFailed
from heartwright.odes.model import list_models, read
from heartwright.parts import restore, snapshot

MEASURED = Conductivities(fibre=0.1334, sheet=0.0176, normal=0.0176)
EXTRACELLULAR = {"fibre": 0.62, "sheet": 0.24, "normal": 0.24}
PACING = Stimulus(name="pacing", where={"box": {"lower": (-1, -1, -1), "upper": (1, 9, 9)}}, clock="absolute")


def bar(spec: ElectrophysiologySpec, period: float = 1000.0, length: float = 8.0) -> Tissue:
    return Tissue(box((length, 1.0, 1.0), 0.5), spec, AXES, dt=0.05, period=period)


@pytest.fixture
def spec() -> ElectrophysiologySpec:
    return ElectrophysiologySpec(cells=[Cells(variant="epi")], conduction=MEASURED, stimuli=[PACING])


@pytest.fixture(params=["linear", "quadratic", "bidomain"])
def new(request, spec):
    """Makes bars that are equal."""
    domains = Domains(intracellular=MEASURED.model_dump(exclude={"type"}), extracellular=EXTRACELLULAR)
    quadratic = request.param == "quadratic"
    if quadratic:
        spec = spec.replace(element="P2")
    if request.param == "bidomain":
        spec = spec.replace(equation="bidomain", conduction=domains)
    return lambda: Tissue(box((8.0, 1.0, 1.0), 0.5).refined(int(quadratic)), spec, AXES, dt=0.05)


def test_a_step_that_is_rolled_back_and_repeated_gives_the_same_bits(new):
    tissue = new()
    tissue.step(0.0, 3.0)
    saved = snapshot([tissue])
    tissue.step(3.0, 2.0)
    expected = snapshot([tissue])
    restore([tissue], saved)
    tissue.step(3.0, 2.0)
    assert all(np.array_equal(a, expected["tissue"][k], equal_nan=True) for k, a in tissue.state().items())


def test_a_new_tissue_continues_from_a_saved_state(new):
    tissue, other = new(), new()
    tissue.step(0.0, 3.0)
    restore([other], snapshot([tissue]))
    for each in (tissue, other):
        each.step(3.0, 2.0)
    assert np.array_equal(tissue.v.x.array, other.v.x.array)
    assert np.array_equal(tissue.activation, other.activation, equal_nan=True)


def test_two_half_steps_are_one_step_up_to_the_splitting_error(spec):
    tissue, other = bar(spec), bar(spec)
    for k in range(10):
        tissue.step(float(k), 1.0)
        other.step(float(k), 0.5)
        other.step(k + 0.5, 0.5)
    # splitting a merged cell step in two changes the error of 0.05 ms by a few percent of itself
    reached = np.isfinite(tissue.activation)
    assert np.abs(tissue.activation - other.activation)[reached].max() < 0.02


def test_activation_runs_along_the_bar_once_per_cycle(spec):
    tissue = bar(spec, period=400.0)
    for t in range(25):
        tissue.step(float(t), 1.0)
    plane = np.round(tissue.geometry.points[:, 0] / 0.5).astype(int)
    arrival = np.bincount(plane, tissue.activation) / np.bincount(plane)
    assert np.all(np.diff(arrival[2:]) > 0)  # the stimulated end, up to 1 mm, lights up at once
    assert tissue.summary()["activated"] == 1.0
    tissue.step(400.0, 1.0)
    assert np.isnan(tissue.activation).all()
    assert np.isnan(tissue.summary()["activation_total"])


def test_calcium_rises_after_activation(spec):
    tissue = bar(spec)
    rest = tissue.calcium().copy()
    for t in range(20):
        tissue.step(float(t), 1.0)
    assert tissue.calcium().max() > 3 * rest.max()
    assert 5e-5 < rest.min() <= rest.max() < 2e-4  # mM: diastolic calcium is about 0.1 uM


def test_a_wave_does_not_enter_a_region_without_conduction(spec):
    scar = Region(where={"box": {"lower": (4.0, -1, -1), "upper": (9, 9, 9)}}, conduction_scale=0.0)
    tissue = bar(spec.replace(regions=[scar]))
    for t in range(25):
        tissue.step(float(t), 1.0)
    early, inside = at(tissue.geometry, tissue.v.x.array, np.array([[2.0, 0.5, 0.5], [7.0, 0.5, 0.5]]))
    assert early > 0
    assert inside == pytest.approx(-85.5, abs=1.0)


def test_the_last_entry_wins_where_regions_of_cells_overlap():
    right = {"box": {"lower": (4.0, -1, -1), "upper": (9, 9, 9)}}
    cells = [Cells(variant="epi"), Cells(where=right, variant="endo", parameters={"membrane.V": -80.0})]
    tissue = bar(ElectrophysiologySpec(cells=cells, conduction=MEASURED))
    x = tissue.geometry.points[:, 0]
    assert tissue.v.x.array[x > 3.9] == pytest.approx(-80.0)
    assert tissue.v.x.array[x < 3.9] == pytest.approx(-85.4, abs=0.3)


def test_a_step_too_long_for_the_cells_is_refused_with_the_longest_that_is_not(spec):
    # the sodium current of the upstroke: 14.8 / ms times the share of open channels
    with pytest.raises(InputError) as refused:
        Tissue(box((2.0, 1.0, 1.0), 0.5), spec, AXES, dt=0.5)
    assert str(refused.value) == (
        "time.dt_ep: 0.5 ms is too long for tentusscher_panfilov_2006, whose potential reacts at 4.43 / ms in its "
        "upstroke: at most 0.45 ms"
    )


def test_a_stimulus_that_touches_no_node_is_told_the_nearest(spec):
    beside = PACING.replace(where={"sphere": {"centre": (2.2, 0.5, 3.0), "radius": 0.5}})
    with pytest.raises(InputError) as refused:
        bar(spec.replace(stimuli=[beside]))
    assert str(refused.value) == (
        "electrophysiology.stimuli: pacing: where: no node in {sphere: {centre: [2.2 mm, 0.5 mm, 3.0 mm], radius: "
        "0.5 mm}}; the nearest, at (2, 0.5, 1) mm, is 1.51 mm outside"
    )


def test_nodes_without_cells_are_told():
    left = {"box": {"lower": (-1, -1, -1), "upper": (4, 9, 9)}}
    with pytest.raises(InputError, match="some nodes belong to no entry"):
        bar(ElectrophysiologySpec(cells=[Cells(where=left)], conduction=MEASURED))


def test_a_runaway_potential_fails_the_step(spec):
    absurd = PACING.replace(amplitude=1e5)
    with pytest.raises(SolveFailed):
        bar(spec.replace(stimuli=[absurd])).step(0.0, 1.0)


@pytest.mark.slow
def test_longer_steps_between_waves_change_less_than_the_splitting(spec, monkeypatch):
    late = spec.replace(stimuli=[PACING.replace(start=20.0)])

    def beat(factor: int, dt: float) -> tuple[Tissue, np.ndarray]:
        monkeypatch.setattr(tissue_module, "QUIET_STEPS", factor)
        tissue, v = Tissue(box((2.0, 0.5, 0.5), 0.5), late, AXES, dt=dt), []
        for t in range(400):
            tissue.step(float(t), 1.0)
            v.append(tissue.v.x.array.copy())
        return tissue, np.array(v)

    (plain, v), (longer, w), (finer, x) = beat(1, 0.05), beat(4, 0.05), beat(1, 0.025)
    assert longer.diffusion.steps < 0.5 * plain.diffusion.steps
    # second order: of the error of 0.05 ms, three quarters are gone at 0.025 ms
    assert np.abs(v - w).max() < 4 / 3 * np.abs(v - x).max()
    for times in ("activation", "repolarisation"):
        one, other, fine = (getattr(tissue, times) for tissue in (plain, longer, finer))
        assert np.abs(one - other).max() < 4 / 3 * np.abs(one - fine).max()


def test_every_node_repolarises_after_its_action_potential(spec):
    """APD90 in the bar is that of the cell alone to a few percent: coupling evens it out, nothing more."""
    tissue = bar(spec, length=4.0)
    for t in range(450):
        tissue.step(float(t), 1.0)
    apd = tissue.repolarisation - tissue.activation[: tissue.n]
    alone = pace(read("tentusscher_panfilov_2006", "epi"), 1000.0, 1)
    assert apd == pytest.approx(duration(alone.time, alone.v), rel=0.03)


def test_repolarisation_is_nan_before_it_happens(spec):
    tissue = bar(spec, length=4.0)
    for t in range(20):
        tissue.step(float(t), 1.0)
    assert np.isfinite(tissue.activation).all()
    assert np.isnan(tissue.repolarisation).all()


def test_a_cell_with_a_stimulus_of_its_own_is_refused(spec, tmp_path):
    file = tmp_path / "own.mmt"
    text = list_models()["mitchell_schaeffer_2003"].read_text()
    file.write_text(text.replace("i_stim = 0 [A/F]", "i_stim = if(engine.time < 1 [ms], 50 [A/F], 0 [A/F])"))
    with pytest.raises(InputError, match=r"own: driven by time in membrane\.i_stim"):
        bar(spec.replace(cells=[Cells(model=str(file))]))
