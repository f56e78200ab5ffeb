"""The Purkinje network: how it grows, how waves run on it, and how it and the muscle excite each other."""

import meshio
import numpy as np
import pytest
from mpi4py import MPI
from scipy.spatial import cKDTree

from box import AXES, box
from heartwright.electrophysiology import eikonal
from heartwright.electrophysiology.purkinje import tree as trees
from heartwright.electrophysiology.purkinje.network import Network, planted
from heartwright.electrophysiology.purkinje.surface import Surface, gathered
from heartwright.electrophysiology.purkinje.tree import Tree
from heartwright.electrophysiology.purkinje.waves import Waves
from heartwright.electrophysiology.spec import (
    Cells,
    Conductivities,
    ElectrophysiologySpec,
    GrownTree,
    Purkinje,
    Speeds,
    Stimulus,
    TreeFile,
)
from heartwright.electrophysiology.tissue import Tissue
from heartwright.errors import InputError
from heartwright.mesh.distribution import build
from heartwright.mesh.spec import Biventricle, MeshSpec

HIS = Stimulus(name="his", where="his", clock="absolute", count=1)
SHORT = GrownTree(generations=8)


@pytest.fixture(scope="module")
def heart():
    return build(MeshSpec(generate=Biventricle(size=10.0)), MPI.COMM_WORLD)


@pytest.fixture(scope="module")
def grown(heart) -> Tree:
    return planted(heart, SHORT)


def fork() -> Tree:
    """A trunk of 4 mm along x, and two arms of 3 mm at its end: `left` up, `right` down."""
    points = np.array([[0, 0, 0], [2, 0, 0], [4, 0, 0], [4, 3, 0], [4, -3, 0]], dtype=float)
    edges = np.array([[0, 1], [1, 2], [2, 3], [2, 4]])
    return Tree(points, edges, np.array([0, 0, 1, 2]), {"his": 0, "left": 1, "right": 2})


def test_a_way_goes_straight_on_around_a_bend():
    """Two squares at a right angle, of two triangles each: over the bend the angle with it stays, and the length."""
    points = np.array([[0, 0, 0], [4, 0, 0], [4, 4, 0], [0, 4, 0], [4, 0, 4], [4, 4, 4]], dtype=float)
    bent = Surface(points, np.array([[0, 1, 2], [0, 2, 3], [1, 4, 5], [1, 5, 2]]), np.zeros(6))
    ahead = np.array([[0.8, 0.6, 0.0]])
    x, _, direction, lost = bent.walk(np.array([[2.0, 1.0, 0.0]]), np.array([0]), ahead, 4.0)
    np.testing.assert_allclose(x, [[4.0, 1.0 + 0.6 * 4.0, 4.0 * 0.8 - 2.0]])
    np.testing.assert_allclose(direction, [[0.0, 0.6, 0.8]], atol=1e-12)
    assert not lost.any()
    assert bent.walk(np.array([[2.0, 1.0, 0.0]]), np.array([0]), ahead, 9.0)[3].all()  # over the rim


def at(tree: Tree, **times: float) -> np.ndarray:
    """Start times: `at(tree, p3=5.0)` is 5 ms at point 3."""
    start = np.full(len(tree.points), np.inf)
    for name, t in times.items():
        start[int(name[1:])] = t
    return start


def test_the_same_seed_grows_the_same_tree_and_another_one_another(heart, grown):
    again, other = planted(heart, SHORT), planted(heart, SHORT.replace(seed=2))
    np.testing.assert_array_equal(again.points, grown.points)
    np.testing.assert_array_equal(again.edges, grown.edges)
    assert len(other.points) != len(grown.points)


def test_it_is_a_tree_that_hangs_together_and_lies_on_the_endocardium(heart, grown):
    assert len(grown.edges) == len(grown.points) - 1
    trees.directed(len(grown.points), grown.edges)
    some = grown.points[1::20]
    distance = [
        np.linalg.norm(gathered(heart, name).nearest(some)[0] - some, axis=1) for name in ("lv_endo", "rv_endo")
    ]
    assert np.min(distance, axis=0).max() < 1e-9


def test_every_fascicle_bears_a_tree_and_the_whole_covers_both_ventricles(heart, grown):
    fascicles = {
        "left.anterior",
        "left.septal",
        "left.posterior",
        "right.anterior",
        "right.apical",
        "right.posterior",
        "right.moderator",
    }
    assert fascicles | {"left", "right"} == set(grown.numbers)
    assert min(np.count_nonzero(grown.bundle == grown.numbers[name]) for name in fascicles) > 25
    ends = grown.points[grown.junctions]
    for name in ("lv_endo", "rv_endo"):
        corners = heart.points[np.unique(heart.local_triangles(name))]
        nearest = np.linalg.norm(corners[:, None] - ends[None], axis=2).min(axis=1)
        assert nearest.mean() < 8.0  # mm, after eight generations


def test_no_branch_grows_above_its_height(heart, grown):
    low = planted(heart, SHORT.replace(height=0.72))
    tops = []
    for tree in (grown, low):
        terminal = tree.points[tree.junctions]
        node = cKDTree(heart.points).query(terminal)[1]
        tops.append(heart.coordinates.apicobasal[node].max())
    assert tops[1] < tops[0] <= 0.85 + 0.13  # a node of the coarse mesh may lie half an edge above the end
    assert len(low.points) < len(grown.points)


def test_branches_keep_their_distance(grown):
    """Points of one branch are 1 mm apart; a branch ends before it meets another, so no two points are much nearer."""
    apart = cKDTree(grown.points[1:]).query(grown.points[1:], 2)[0][:, 1]
    assert np.median(apart) > 0.9
    assert np.quantile(apart, 0.02) > 0.3  # siblings begin side by side


def test_a_wave_takes_length_over_speed():
    waves = Waves(fork(), speed=2.0, refractory=250.0)
    waves.start(at(waves.tree, p0=10.0))
    np.testing.assert_allclose(waves.arrival, [10, 11, 12, 13.5, 13.5])


def test_waves_run_both_ways_and_die_where_they_meet():
    waves = Waves(fork(), speed=2.0, refractory=250.0)
    waves.start(at(waves.tree, p3=0.0))  # backwards along the left arm
    np.testing.assert_allclose(waves.arrival, [3.5, 2.5, 1.5, 0, 3.0])
    waves = Waves(fork(), speed=2.0, refractory=250.0)
    waves.start(at(waves.tree, p0=0.0, p4=0.0))
    np.testing.assert_allclose(waves.arrival, [0, 1, 1.5, 3.0, 0])


def test_a_second_wave_needs_the_refractory_time():
    waves = Waves(fork(), speed=2.0, refractory=250.0)
    waves.start(at(waves.tree, p0=0.0))
    first = waves.arrival.copy()
    waves.start(at(waves.tree, p0=240.0))
    np.testing.assert_array_equal(waves.arrival, first)
    waves.start(at(waves.tree, p0=260.0))
    np.testing.assert_allclose(waves.arrival, first + 260)


def test_an_earlier_wave_overtakes_one_that_is_still_on_its_way():
    waves = Waves(fork(), speed=2.0, refractory=250.0)
    waves.start(at(waves.tree, p0=100.0))
    waves.start(at(waves.tree, p3=101.0))  # from the muscle, before the first wave arrives there at 103.5
    np.testing.assert_allclose(waves.arrival, [100, 101, 102, 101, 103.5])


def test_a_cut_bundle_is_reached_only_from_its_end():
    waves = Waves(fork(), speed=2.0, refractory=250.0, cut=["left"])
    waves.start(at(waves.tree, p0=0.0))
    np.testing.assert_allclose(waves.arrival, [0, 1, 2, -np.inf, 3.5])
    waves.start(at(waves.tree, p3=40.0))
    assert waves.arrival[3] == 40 and waves.arrival[0] == 0
    with pytest.raises(InputError, match="no bundle 'lef'; there are: his, left, right"):
        Waves(fork(), speed=2.0, refractory=250.0, cut=["lef"])


def test_the_ends_are_where_it_meets_the_muscle():
    assert list(fork().junctions) == [3, 4]


@pytest.fixture
def bar_file(tmp_path):
    """A fibre along the middle of a bar of 12 x 2 x 2 mm that runs from the root outside it to both of its ends."""
    points = np.array([[6, 1, 9], [6, 1, 4], [0, 1, 1], [12, 1, 1]], dtype=float)
    edges, bundle = np.array([[0, 1], [2, 1], [1, 3]]), np.array([0, 1, 2])
    path = tmp_path / "fibre.vtu"
    meshio.Mesh(points, [("line", edges)], cell_data={"bundle": [bundle]}).write(path)
    return TreeFile(file=str(path), unit="mm", bundles={"his": 0, "left": 1, "right": 2})


ARM = np.sqrt(36 + 9)  # mm, from the fork to either end
LEFT_END = {"box": {"lower": (-1, -1, -1), "upper": (0.1, 9, 9)}}


def test_a_file_gives_the_tree_back_that_was_written(grown, tmp_path):
    grown.write(tmp_path / "tree.vtu", np.zeros(len(grown.points)))
    again = trees.read(tmp_path / "tree.vtu", 1.0, grown.numbers)
    np.testing.assert_allclose(again.points, grown.points)
    assert sorted(map(tuple, np.column_stack([again.edges, again.bundle]))) == sorted(
        map(tuple, np.column_stack([grown.edges, grown.bundle]))
    )


@pytest.mark.parametrize(
    "edges, message", [([[0, 1], [2, 3]], "do not hang together"), ([[0, 1], [1, 2], [2, 0], [2, 3]], "closes loops")]
)
def test_a_file_that_is_no_tree_is_refused(tmp_path, edges, message):
    path = tmp_path / "bad.vtu"
    meshio.Mesh(np.eye(4, 3), [("line", np.array(edges))]).write(path)
    with pytest.raises(InputError, match=f"bad.vtu is no tree: .*{message}"):
        trees.read(path, 1.0, {})


def described(tree: TreeFile, stimuli: list[Stimulus], equation: str = "monodomain", **more) -> ElectrophysiologySpec:
    purkinje = Purkinje(tree=tree, speed=2.0, antegrade=4.0, retrograde=3.0, junction_radius=1.5, **more)
    conduction = Conductivities(fibre=0.15, sheet=0.05, normal=0.05)
    if equation != "monodomain":
        conduction = Speeds(fibre=0.5, cross=0.25)
    return ElectrophysiologySpec(equation=equation, conduction=conduction, purkinje=purkinje, stimuli=stimuli, ecg=None)


def test_eikonal_muscle_starts_at_both_ends(bar_file):
    geometry = box((12.0, 2.0, 2.0), 1.0)
    spec = described(bar_file, [HIS], "reaction_eikonal")
    T = eikonal.activation(geometry, spec, AXES, Network(geometry, spec.purkinje))
    x = geometry.points[:, 0]
    begins = (5 + ARM) / 2 + 4
    assert pytest.approx(begins) == T.min()
    middle = T[np.isclose(x, 6.0)]  # 6 mm from the ends, of which up to 1.5 mm fire at once
    assert begins + 9.0 < middle.min() and middle.max() < begins + 12.5


def test_eikonal_waves_enter_the_network_and_leave_it_elsewhere(bar_file):
    geometry = box((12.0, 2.0, 2.0), 1.0)
    spec = described(bar_file, [Stimulus(name="lv", where=LEFT_END)], "reaction_eikonal")
    network = Network(geometry, spec.purkinje)
    T = eikonal.activation(geometry, spec, AXES, network)
    right = np.linalg.norm(geometry.points - (12.0, 1.0, 1.0), axis=1).argmin()
    assert T[right] == pytest.approx(3 + 2 * ARM / 2 + 4)  # through the network; 24 ms through the muscle
    assert network.waves.arrival[0] == pytest.approx(3 + (ARM + 5) / 2)


def activated(spec: ElectrophysiologySpec, end: int = 40) -> Tissue:
    tissue = Tissue(box((12.0, 2.0, 2.0), 1.0), spec, AXES, dt=0.1)
    for t in range(end):
        tissue.step(float(t), 1.0)
    return tissue


def test_monodomain_muscle_fires_where_the_network_ends(bar_file):
    tissue = activated(described(bar_file, [HIS]))
    ends = [np.linalg.norm(tissue.geometry.points - x, axis=1).argmin() for x in ((0, 1, 1), (12, 1, 1))]
    begins = (5 + ARM) / 2 + 4
    assert tissue.activation[ends] == pytest.approx([begins + 1, begins + 1], abs=0.7)  # ms to the upstroke
    assert np.isfinite(tissue.activation).all()
    assert tissue.network.waves.arrival.max() < begins  # its own waves do not come back into it


def test_monodomain_waves_enter_the_network(bar_file):
    tissue = activated(described(bar_file, [Stimulus(name="lv", where=LEFT_END, clock="absolute")]))
    left, right = (np.linalg.norm(tissue.geometry.points - x, axis=1).argmin() for x in ((0, 1, 1), (12, 1, 1)))
    expected = tissue.activation[left] + 3 + ARM + 4 + 1
    assert tissue.activation[right] == pytest.approx(expected, abs=1.0)


def test_the_front_of_a_network_crosses_layers_that_would_hold_up_another(bar_file):
    """Elements of 2.5 mm, a flat front along the sheets: conductivities for ragged fronts of 0.3 m/s are too small."""
    face = Stimulus(name="face", where={"box": {"lower": (-1, -1, -1), "upper": (0.1, 9, 9)}}, clock="absolute")
    spec = described(bar_file, [face]).replace(conduction=Speeds(fibre=0.6, cross=0.3), cells=[Cells(variant="endo")])
    silent = spec.purkinje.replace(speed=0.001)
    across = (AXES[1], AXES[0], AXES[2])
    arrivals = []
    for network in (silent, None):
        tissue = Tissue(box((40.0, 5.0, 5.0), 2.5), spec.replace(purkinje=network), across, 0.1)
        for t in range(130):
            tissue.step(float(t), 1.0)
        x = tissue.geometry.points[:, 0]
        arrivals.append([tissue.activation[np.isclose(x, place)].mean() for place in (10.0, 30.0)])
    # a fifth faster: nodes on the bar's sides and edges have less volume and run ahead
    assert 20.0 / np.diff(arrivals[0])[0] == pytest.approx(0.3, rel=0.25)
    assert np.isnan(arrivals[1]).all()


def test_a_cut_arm_leaves_its_end_to_the_muscle(bar_file):
    tissue = activated(described(bar_file, [HIS], cut=["right"]))
    x = tissue.geometry.points[:, 0]
    assert np.corrcoef(x, tissue.activation)[0, 1] > 0.95


def test_state_brings_a_network_back(bar_file):
    """Half a run, put back into a new tissue, is the whole run: also the wave that is under way."""
    spec = described(bar_file, [HIS])
    whole, half = activated(spec, 20), activated(spec, 8)
    again = activated(spec, 0)
    for key, array in again.state().items():
        array[...] = half.state()[key]
    for t in range(8, 20):
        again.step(float(t), 1.0)
    np.testing.assert_allclose(again.activation, whole.activation, atol=1e-9)


def test_his_needs_a_network():
    with pytest.raises(ValueError, match="needs a network"):
        ElectrophysiologySpec(stimuli=[HIS])
