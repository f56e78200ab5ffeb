"""Conductivity: wanted speeds are reached on a cable, or refused; fast layers and scars."""

import numpy as np
import pytest
from mpi4py import MPI

from box import box
from heartwright.electrophysiology import conductivity
from heartwright.electrophysiology.spec import (
    Bath,
    Cells,
    Conductivities,
    Domains,
    ElectrophysiologySpec,
    FastEndocardium,
    Region,
    Speeds,
)
from heartwright.errors import InputError
from heartwright.mesh.distribution import build
from heartwright.mesh.spec import MeshSpec, Slab

EPI = Cells(variant="epi")
EXTRACELLULAR = {"fibre": 0.62, "sheet": 0.24, "normal": 0.24}
MEASURED = Conductivities(fibre=0.17, sheet=0.05, normal=0.02)


def test_the_cable_of_the_benchmark_converges_to_the_published_speed():
    # Niederer et al. 2011: sigma 0.17·0.62/(0.17+0.62) S/m gives 0.612 m/s along the fibre. The cable comes
    # from above, with h^2: 2.6 % at 0.1 mm, 1.2 % at 0.05 mm, 0.7 % at 0.025 mm.
    D = 0.17 * 0.62 / (0.17 + 0.62) / (140 * 0.01)
    assert conductivity.Bundle(EPI, 0.05, 0.01, [D]).speeds(0.3)[0] == pytest.approx(0.612, rel=0.015)


def test_speeds_of_the_mass_variants_bracket_the_limit():
    # Niederer et al. 2011: 0.612 m/s along and 0.224 m/s across the fibre, of elements and steps without length
    along, across = 0.17 * 0.62 / (0.17 + 0.62) / 1.4, 0.019 * 0.24 / (0.019 + 0.24) / 1.4
    consistent, selective, lumped = (
        conductivity.Bundle(EPI, 0.1, 0.01, [along, across], lumped).speeds(0.1) for lumped in (0.0, 0.5, 1.0)
    )
    limit = np.array([0.612, 0.224])
    assert np.all(lumped < limit)
    assert np.all(limit < consistent)
    assert np.all((lumped < selective) & (selective < consistent))
    assert selective[0] == pytest.approx(0.612, rel=0.005)


@pytest.mark.parametrize(("speed", "h"), [(0.6, 1.5), (0.25, 1.0)])
def test_the_diffusivity_found_gives_the_wanted_speed(speed, h):
    D = conductivity.cable_diffusivity(EPI, speed, h, 0.05)
    # log-linear interpolation between neighbours 6 % apart leaves about 0.1 %
    assert conductivity.Bundle(EPI, h, 0.05, [D]).speeds(speed / 2)[0] == pytest.approx(speed, rel=3e-3)


def test_a_wave_too_slow_for_the_mesh_is_refused_with_advice():
    with pytest.raises(InputError, match=r"0\.05 m/s dies out between nodes 2 mm apart.*refine the mesh"):
        conductivity.cable_diffusivity(EPI, 0.05, 2.0, 0.1)


def test_faster_tissue_has_the_square_of_the_factor():
    spec = ElectrophysiologySpec(conduction=MEASURED)
    assert conductivity.conductivities(spec, 3.0, 1.0, 0.05) == pytest.approx(9 * np.array([0.17, 0.05, 0.02]))


def test_the_element_length_of_a_box_is_the_side_of_its_cubes():
    assert conductivity.element_length(box((4, 3, 2), 0.5)) == 0.5


@pytest.mark.parametrize("elements", [1, 2])
def test_the_inner_nodes_of_a_layer_hold_a_third_of_an_element_more(elements):
    """χ falls from 1 to 0 over the next element, where ∫ χ² is a third of its volume."""
    geometry = box((4.0, 4.0, 4.0), 1.0)
    layer = geometry.points[geometry.V1.dofmap.list][:, :, 2].max(axis=1) < elements + 0.5
    assert conductivity.burden(geometry, layer) == pytest.approx(1 + 1 / (3 * elements))


def test_layer_and_scar_end_up_in_the_field():
    geometry = build(MeshSpec(generate=Slab(lengths=(12.0, 6.0, 6.0), size=1.5)), MPI.COMM_SELF)
    spec = ElectrophysiologySpec(
        conduction=MEASURED,
        fast_endocardium=FastEndocardium(surfaces=["xmin"], thickness=2.0, speed_factor=2.0),
        regions=[Region(where={"box": {"lower": (9, -1, -1), "upper": (13, 7, 7)}}, conduction_scale=0.0)],
    )
    fibre = conductivity.conductivity_fields(geometry, spec, 0.05).x.array.reshape(-1, 3)[:, 0]
    x = geometry.points[geometry.V1.dofmap.list][:, :, 0].mean(axis=1)
    layer = conductivity.endocardial_layer(geometry, spec.fast_endocardium)
    assert fibre[x < 1.5] == pytest.approx(4 * 0.17 * conductivity.burden(geometry, layer))
    assert fibre[(x > 4.5) & (x < 8)] == pytest.approx(0.17)
    assert not fibre[x > 10].any()


def test_a_bath_is_a_region_or_the_cells_whose_nodes_all_lie_in_a_place():
    domains = Domains(intracellular=MEASURED.model_dump(exclude={"type"}), extracellular=EXTRACELLULAR)
    geometry = box((4.0, 2.0, 2.0), 0.5)
    x = geometry.points[geometry.V1.dofmap.list][:, :, 0]
    geometry.regions, geometry.region = {"blood": 1}, (x.mean(axis=1) > 3.0).astype(np.int32)
    for where in ({"box": {"lower": (3.0, -1, -1), "upper": (9, 9, 9)}}, {"region": "blood"}):
        bath = Bath(where=where, conductivity=0.7)
        spec = ElectrophysiologySpec(equation="bidomain", conduction=domains, bath=bath)
        inside, outside = (field.x.array.reshape(-1, 3) for field in conductivity.domain_fields(geometry, spec, 0.05))
        wet = x.min(axis=1) >= 3.0
        assert not inside[wet].any()
        assert outside[wet] == pytest.approx(0.7)
        assert inside[~wet] == pytest.approx(np.tile([0.17, 0.05, 0.02], ((~wet).sum(), 1)))
        assert outside[~wet] == pytest.approx(np.tile([0.62, 0.24, 0.24], ((~wet).sum(), 1)))


def test_domains_of_wanted_speeds_make_the_conductivity_of_the_monodomain():
    """sigma_i sigma_e / (sigma_i + sigma_e) is that of the monodomain, sigma_e / sigma_i the given ratio."""
    wanted = Speeds(fibre="0.6 m/s", cross="0.3 m/s", ratio_fibre=1.5, ratio_cross=3.0)
    monodomain = ElectrophysiologySpec(conduction=wanted, ecg=None)
    bidomain = monodomain.replace(equation="bidomain")
    sigma = conductivity.conductivities(monodomain, 1.0, 0.5, 0.1)
    inside, outside = conductivity.domains(bidomain, 1.0, 0.5, 0.1)
    np.testing.assert_allclose(inside * outside / (inside + outside), sigma)
    np.testing.assert_allclose(outside / inside, [1.5, 3.0, 3.0])


@pytest.mark.parametrize(
    ("lower", "message"),
    [
        ((3.9, -1, -1), "electrophysiology.bath: no cell of the mesh lies in it with all its nodes"),
        ((-1, -1, -1), "electrophysiology.bath: all of the mesh lies in it, nothing is muscle"),
    ],
)
def test_a_bath_without_cells_and_one_without_muscle_are_told(lower, message):
    domains = Domains(intracellular=EXTRACELLULAR, extracellular=EXTRACELLULAR)
    bath = Bath(where={"box": {"lower": lower, "upper": (9, 9, 9)}})
    spec = ElectrophysiologySpec(equation="bidomain", conduction=domains, bath=bath)
    with pytest.raises(InputError) as refused:
        conductivity.muscle_of(box((4.0, 2.0, 2.0), 0.5), spec)
    assert str(refused.value) == message
