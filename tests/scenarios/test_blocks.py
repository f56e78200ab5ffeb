"""What a cut bundle does to QRS, by the reaction-eikonal and the monodomain equation on the quickstart heart.

Minutes, so marked slow.
"""

from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI

from heartwright import scenario
from heartwright.electrophysiology.tissue import Tissue
from heartwright.mesh import distribution
from heartwright.mesh.fibres import directions
from heartwright.output import metrics

pytestmark = pytest.mark.slow

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def built(path: str, *overrides: str):
    """The fine mesh of a scenario and its fibres."""
    described = scenario.load(CONFIGS / path, overrides).resolve()
    geometry = distribution.build(described.mesh, MPI.COMM_WORLD).refined(described.mesh.refine)
    return geometry, directions(geometry, described.mesh.fibres, "DG0")


@pytest.fixture(scope="module")
def heart():
    return built("healthy/purkinje.yaml")


def qrs(heart, path: str, *overrides: str) -> float:
    """QRS [ms] of the first 220 ms after the bundle of His has fired."""
    described = scenario.load(CONFIGS / path, overrides).resolve()
    tissue = Tissue(heart[0], described.electrophysiology, heart[1], described.time.dt_ep)
    leads = []
    for t in range(220):
        tissue.step(float(t), 1.0)
        leads.append(list(tissue.ecg().values()))
    assert tissue.summary()["activated"] == 1.0
    return metrics.qrs(np.arange(220.0), np.array(leads))[1]


def test_a_cut_bundle_widens_qrs_in_the_monodomain_as_well():
    """On edges of 1.5 mm; on 3 mm the front in the base, which bears no network, is too slow."""
    changes = ("electrophysiology.equation=monodomain", "mesh.refine=2", "time.dt_ep=0.1 ms")
    heart = built("healthy/purkinje.yaml", *changes)
    healthy = qrs(heart, "healthy/purkinje.yaml", *changes)
    assert 80 <= healthy <= 100
    assert qrs(heart, "pathologies/bundle_cut.yaml", *changes) > healthy + 30


def test_a_healthy_qrs_is_narrow_and_a_cut_bundle_widens_it(heart):
    healthy = qrs(heart, "healthy/purkinje.yaml")
    assert 80 <= healthy <= 100
    assert qrs(heart, "pathologies/bundle_cut.yaml") > healthy + 30
    assert qrs(heart, "healthy/purkinje.yaml", "pathologies=[{type: rbbb}]") > healthy + 15
