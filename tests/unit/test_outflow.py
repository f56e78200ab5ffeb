"""Outflow tracts: fibres run along them inside, around them outside, and as by Bayer's rule elsewhere."""

import math

import numpy as np
import pytest
from mpi4py import MPI
from scipy.spatial.transform import Rotation

from heartwright.errors import InputError
from heartwright.mesh import distribution, fibres, generate, outflow
from heartwright.mesh.coordinates import left_axes
from heartwright.mesh.fibre_rules import FibresBayer, FibresDoste
from heartwright.mesh.prepare import prepare
from heartwright.mesh.spec import Biventricle, Ellipsoid, MeshSpec

RULE, PLAIN = FibresDoste(), FibresBayer(rv_endo=math.radians(90), rv_epi=math.radians(-25))


def with_valves(raw):
    """The flat base cut in four: behind y = 0 the rings of the inflow, before it those of the outflow."""
    centre = raw.points[raw.facets].mean(axis=1)
    inner = np.hypot(*(centre[:, :2].T)) < 32.0
    valve = 11 + 2 * (~inner) + (centre[:, 1] > 0)
    tags = np.where(raw.facet_tags == raw.names["base"][0], valve, raw.facet_tags)
    rings = {"mitral": (11,), "aortic": (12,), "tricuspid": (13,), "pulmonary": (14,)}
    return raw.but(facet_tags=tags, names={k: v for k, v in raw.names.items() if k != "base"} | rings)


@pytest.fixture(scope="module")
def raw():
    return with_valves(generate.generate(Biventricle(size=7.0)))


@pytest.fixture(scope="module")
def heart(raw):
    return distribution.distribute(raw, MPI.COMM_SELF)


def lay(heart, rule):
    return [v.x.array.reshape(-1, 3) for v in fibres.directions(heart, rule, "DG0")]


def places(heart):
    return heart.points[heart.V1.dofmap.list].mean(axis=1)


def test_at_the_outflow_fibres_run_along_the_tract_inside_and_around_it_outside(heart):
    f0, x = lay(heart, RULE)[0], places(heart)
    r, up = np.hypot(x[:, 0], x[:, 1]), np.abs(f0[:, 2])
    aortic = (x[:, 2] > -8) & (x[:, 1] > 8) & (x[:, 0] < -10)
    # 90 degrees inside, 0 outside: linear in depth; cells of 7 mm have their middle up to a third of the wall from it
    assert np.degrees(np.arcsin(up[aortic & (r < 25)])).mean() > 55
    assert np.degrees(np.arcsin(up[aortic & (r > 28)])).mean() < 30


def test_below_the_inflow_the_fibres_are_those_of_bayer(heart):
    """There w = 1, and the inflow's ring lies straight above; elsewhere l leans towards it."""
    x = places(heart)
    apical = (x[:, 2] < -40) & (x[:, 0] < 0) & (x[:, 1] < -12)
    cosine = np.abs(np.einsum("ni,ni->n", lay(heart, RULE)[0], lay(heart, PLAIN)[0]))
    assert np.degrees(np.arccos(np.minimum(cosine[apical], 1))).mean() < 6


def test_weights_are_one_at_the_inflow_and_zero_at_the_outflow(heart):
    rings = outflow.ring_dofs(heart, heart.V1)
    found = outflow.fields(heart, heart.V1, left_axes(heart))
    for side, (inflow, out) in outflow.VALVES.items():
        w = found[f"{side}_weight"].x.array
        # the nodes between two rings belong to both: the outflow decides
        assert (w[rings[out]] == 0).all() and np.isin(w[rings[inflow]], (0, 1)).all()
        assert (w[rings[inflow]] == 1).mean() > 0.8 and w.min() >= 0 and w.max() <= 1


def test_directions_are_orthonormal_and_turn_with_the_heart(raw, heart):
    turn = Rotation.from_euler("xyz", [0.4, 1.3, -0.7]).as_matrix()
    there = distribution.distribute(raw.but(points=raw.points @ turn.T + [30.0, 2.0, -9.0]), MPI.COMM_SELF)
    here, turned = lay(heart, RULE), lay(there, RULE)
    Q = np.stack(here, axis=2)
    assert np.abs(np.swapaxes(Q, 1, 2) @ Q - np.eye(3)).max() < 1e-12
    for a, b in zip(here, turned, strict=True):
        assert np.abs(a @ turn.T - b).max() < 1e-6


def test_hearts_without_valves_are_sent_to_bayers_rule():
    left = distribution.build(MeshSpec(generate=Ellipsoid(size=12.0)), MPI.COMM_SELF)
    with pytest.raises(InputError, match=r"needs the rings of valves, .* none of mitral, aortic: .*`type: bayer`"):
        fibres.directions(left, RULE, "DG0")


def test_rims_of_a_real_heart_tell_its_valves(shared_data):
    """One subject's MRI: two openings per ventricle; lengths of the rings as of an adult, fibres along the tracts."""
    file = str(shared_data / "bivme_patient1/derived_ED_asfitted.msh")
    tags = {"base": 11, "epi": 12, "lv_endo": 13, "rv_endo": 14}
    heart = distribution.distribute(prepare(MeshSpec(file=file, unit="mm", regions=tags)), MPI.COMM_SELF)
    rings = outflow.ring_dofs(heart, heart.V1)
    middle = {valve: heart.points[dofs].mean(axis=0) for valve, dofs in rings.items()}
    apex = left_axes(heart).epi_apex
    assert all(np.linalg.norm(point - apex) > 60 for point in middle.values())
    # the aortic valve lies between the three others
    others = [np.linalg.norm(middle["aortic"] - middle[valve]) for valve in ("mitral", "tricuspid", "pulmonary")]
    assert max(others) < 1.1 * np.linalg.norm(middle["mitral"] - middle["tricuspid"])
    f0, x = lay(heart, RULE)[0], places(heart)
    depth = heart.coordinates.transmural[heart.V1.dofmap.list].mean(axis=1)
    for valve in ("aortic", "pulmonary"):
        near = np.linalg.norm(x - middle[valve], axis=1) < 20
        tract = middle[valve] - x[near].mean(axis=0)
        along = np.abs(f0[near] @ tract) / np.linalg.norm(tract)
        assert along[depth[near] < 0.4].mean() > along[depth[near] > 0.6].mean()
