"""Mesh files: the same heart comes back from every format, in mm, under our names."""

import meshio
import numpy as np
import pytest

from cup import CUP_REGIONS, cup, write
from heartwright.errors import InputError
from heartwright.mesh import checks, export, importers, labels, quality, remesh, surface
from heartwright.mesh.formats import native
from heartwright.mesh.prepare import prepare
from heartwright.mesh.raw import RawMesh
from heartwright.mesh.spec import MeshSpec

REGIONS = {"base": 11, "epi": 12, "lv_endo": 13, "rv_endo": 14}


def as_meshio(raw: RawMesh, names: dict[str, int]) -> meshio.Mesh:
    tags = [raw.facet_tags.astype(np.int32), np.ones(len(raw.cells), dtype=np.int32)]
    data = {"gmsh:physical": tags, "gmsh:geometrical": tags}
    fields = {name: np.array([tag, 2]) for name, tag in names.items()}
    cells = [("triangle", raw.facets), ("tetra", raw.cells)]
    return meshio.Mesh(raw.points, cells, cell_data=data, field_data=fields)


def test_cup_is_what_it_says():
    raw = checks.checked(cup(), MeshSpec(file="cup.msh", unit="mm"))
    assert surface.enclosed_volume(raw.points, raw.surface("lv_endo")[:, ::-1]) == pytest.approx(40 * 40 * 20)


@pytest.mark.parametrize("form", ["2.2", "4.1", "vtu", "vtk"])
@pytest.mark.parametrize("unit, factor", [("mm", 1.0), ("cm", 0.1), ("m", 1e-3)])
def test_the_same_heart_comes_back_from_every_format_in_mm(tmp_path, form, unit, factor):
    raw = cup()
    path = tmp_path / f"cup.{form if form.startswith('v') else 'msh'}"
    pytest.importorskip("gmsh")
    write(raw.but(points=raw.points * factor), path, form)
    back = prepare(MeshSpec(file=str(path), unit=unit, regions=CUP_REGIONS))
    np.testing.assert_allclose(np.sort(back.points, axis=0), np.sort(raw.points, axis=0), rtol=1e-12)
    assert surface.tet_volumes(back.points, back.cells).sum() == pytest.approx(80 * 80 * 40 - 40 * 40 * 20)
    assert {name: len(back.surface(name)) for name in raw.names} == {name: len(raw.surface(name)) for name in raw.names}


def test_names_in_the_file_are_used_where_they_are_ours(tmp_path):
    raw, path = cup(), tmp_path / "cup.msh"
    meshio.write(path, as_meshio(raw, names=CUP_REGIONS | {"scar": 40}), file_format="gmsh22")
    assert importers.read(MeshSpec(file=str(path), unit="mm")).names == raw.names


def test_names_that_are_not_ours_ask_for_regions(tmp_path):
    path = tmp_path / "cup.msh"
    meshio.write(path, as_meshio(cup(), names={"rims": 11, "epi": 12, "endo_lv": 13}), file_format="gmsh22")
    with pytest.raises(InputError, match=r"mesh.regions: missing.*13 endo_lv: \d+ triangles"):
        importers.read(MeshSpec(file=str(path), unit="mm"))


def test_several_tags_make_one_surface_and_untagged_rows_none():
    raw = cup()
    tags = raw.facet_tags.copy()
    tags[np.flatnonzero(tags == 13)[::2]] = 15
    raw = raw.but(facet_tags=tags, names={"lv_endo": (13, 15)})
    clean = checks.checked(raw, MeshSpec(file="cup.msh", unit="mm"))
    assert len(clean.surface("lv_endo")) == (cup().facet_tags == 13).sum()


@pytest.fixture
def three_tissues(tmp_path):
    """A file whose first 100 tetrahedra have tag 2, the next 50 tag 3, the others tag 1."""
    mesh = as_meshio(cup(), names={})
    mesh.cell_data["gmsh:physical"][1][:150] = np.repeat([2, 3], [100, 50])
    mesh.field_data["left atrium"] = np.array([2, 3])
    meshio.write(tmp_path / "cup.msh", mesh, file_format="gmsh22")
    return MeshSpec(file=str(tmp_path / "cup.msh"), unit="mm", regions=CUP_REGIONS)


def parts(raw):
    return {name: int((raw.region == i).sum()) for i, name in enumerate(raw.regions, 1)}


def test_only_the_cells_of_the_wanted_tissues_are_used(three_tissues):
    n = len(cup().cells)
    back = importers.read(three_tissues.replace(tissues={"lv": [1, 3]}))
    assert parts(back) == {"lv": n - 100} and len(back.cells) == n - 100 and set(back.names) == set(CUP_REGIONS)
    assert "left out 100 tetrahedra of no tissue" in back.notes


def test_every_tissue_keeps_its_name_or_tag(three_tissues):
    n = len(cup().cells)
    assert parts(importers.read(three_tissues)) == {"region_1": n - 150, "left atrium": 100, "region_3": 50}
    named = importers.read(three_tissues.replace(tissues={"lv": 1, "la": "left atrium", "patch": 3}))
    assert parts(named) == {"lv": n - 150, "la": 100, "patch": 50}
    assert "regions lv" in quality.summary(named)


def test_tissues_that_the_file_does_not_have_are_refused_all_at_once(three_tissues):
    with pytest.raises(InputError) as error:
        importers.read(three_tissues.replace(tissues={"lv": 7, "la": [2, "atrium"], "ra": 2}))
    text = str(error.value)
    assert "has no tetrahedra with tag 7 for 'lv'; it has 1: " in text and "2 left atrium: 100" in text
    assert "no tetrahedra with tag atrium for 'la'" in text and "tag 2 is given to more than one name" in text


def test_a_single_nameless_tissue_is_no_region():
    assert cup().regions == () and not cup().region.any()


@pytest.mark.parametrize("form", ["h5", "vtu", "pts"])
def test_regions_of_the_tissue_survive_every_format_we_write(tmp_path, three_tissues, form):
    raw = prepare(three_tissues.replace(tissues={"lv": [1, 3], "la": 2}))
    path = tmp_path / f"out.{form}"
    export.writer(path)(path, raw)
    tissues = {} if form == "h5" else {"tissues": {"lv": 1, "la": 2}}
    numbers = {"base": 1, "epi": 2, "lv_endo": 3}
    regions = {"h5": {}, "vtu": {"regions": numbers}, "pts": {"regions": numbers}}[form]
    unit = {"h5": None, "vtu": "mm", "pts": "um"}[form]
    back = prepare(MeshSpec(file=str(path), unit=unit, **tissues, **regions))
    assert back.regions == raw.regions
    np.testing.assert_array_equal(back.region, raw.region)


def test_the_native_cache_keeps_regions(tmp_path, three_tissues):
    raw = prepare(three_tissues)
    native.write(tmp_path / "kept.h5", raw.but(checked=raw.digest()))
    kept = native.mesh(tmp_path / "kept.h5")
    assert kept.regions == raw.regions and kept.digest() == raw.digest()


def test_remeshing_keeps_regions_where_they_were(three_tissues):
    raw = prepare(three_tissues)
    lower = raw.points[raw.cells].mean(axis=1)[:, 2] < 10
    raw = raw.but(regions=("below", "above"), region=np.where(lower, 1, 2))
    new = remesh.remesh(raw, 8.0)
    volumes = surface.tet_volumes(new.points, new.cells)
    assert new.regions == raw.regions
    # half a cell of 10 mm to either side of the border, which is 80 x 80 mm: less than a tenth of it on average
    assert volumes[new.region == 1].sum() == pytest.approx(80 * 80 * 10, rel=0.1)


def test_the_unsigned_no_tag_is_not_a_tag():
    tags = labels.integers(np.array([2**64 - 1, 0, 12], dtype=np.uint64))
    assert tags.tolist() == [-1, 0, 12]


@pytest.mark.parametrize(
    "name, lv, rv, wall, tolerance",
    [
        ("bivme_patient1/derived_ED_asfitted.msh", 174.5, 170.1, None, 0.001),
        ("bivme_patient1/derived_ED_remeshed.msh", 174.5, 170.1, None, 0.005),  # remeshing smoothed the surface
        ("cobiveco_geo1/derived_cobiveco_geo1.msh", 148.8, 168.6, 144.8, 0.001),
    ],
)
def test_real_hearts_have_their_published_volumes(shared_data, name, lv, rv, wall, tolerance):
    raw = prepare(MeshSpec(file=str(shared_data / name), unit="mm", regions=REGIONS))
    for surface_name, expected in (("lv_endo", lv), ("rv_endo", rv)):
        volume = surface.enclosed_volume(raw.points, raw.surface(surface_name)[:, ::-1])
        assert volume / 1000.0 == pytest.approx(expected, rel=tolerance)
    if wall:
        assert surface.tet_volumes(raw.points, raw.cells).sum() / 1000.0 == pytest.approx(wall, rel=tolerance)
