"""Surfaces become tissue: closed ones are filled, labels of points and edges become surfaces, open ones are refused."""

import meshio
import numpy as np
import pytest

from cup import cup
from heartwright.errors import InputError
from heartwright.mesh import importers, labels, quality, surface
from heartwright.mesh.fill import fill
from heartwright.mesh.formats.contents import Contents
from heartwright.mesh.prepare import prepare
from heartwright.mesh.spec import MeshSpec

TISSUE, CAVITY = 80 * 80 * 40 - 40 * 40 * 20, 40 * 40 * 20


def shell():
    """The surface of the cup alone, its triangles turned at random, as surfaces come."""
    raw = cup()
    used, corners = np.unique(raw.facets, return_inverse=True)
    corners = corners.reshape(-1, 3)
    turned = np.random.default_rng(2).random(len(corners)) < 0.4
    corners[turned] = corners[turned][:, ::-1]
    return raw.points[used].astype(float), corners, raw.facet_tags


def write_vtp(path, points, corners, point_labels):
    def item(name, kind, values, width=1):
        text = " ".join(map(str, np.asarray(values).ravel().tolist()))
        form = f'type="{kind}" Name="{name}" NumberOfComponents="{width}" format="ascii"'
        return f"<DataArray {form}>{text}</DataArray>"

    path.write_text(
        f'<VTKFile type="PolyData" version="0.1" byte_order="LittleEndian"><PolyData><Piece '
        f'NumberOfPoints="{len(points)}" NumberOfPolys="{len(corners)}"><PointData>'
        f"{item('class', 'Int32', point_labels)}</PointData><CellData></CellData><Points>"
        f"{item('Points', 'Float64', points, 3)}</Points><Polys>{item('connectivity', 'Int64', corners)}"
        f"{item('offsets', 'Int64', 3 * np.arange(1, len(corners) + 1))}</Polys></Piece></PolyData></VTKFile>"
    )


@pytest.fixture
def gmsh():
    return pytest.importorskip("gmsh")


def volumes(raw):
    cavity = surface.enclosed_volume(raw.points, raw.surface("lv_endo")[:, ::-1])
    return surface.tet_volumes(raw.points, raw.cells).sum(), cavity


@pytest.mark.parametrize("size", [None, "9 mm"])
@pytest.mark.parametrize("suffix", ["stl", "ply", "off"])
def test_a_closed_surface_without_labels_is_filled_and_its_sharp_edges_kept(tmp_path, gmsh, suffix, size):
    points, corners, _ = shell()
    path = tmp_path / f"cup.{suffix}"
    meshio.Mesh(points, [("triangle", corners)]).write(path)
    spec = MeshSpec.model_validate({"file": str(path), "unit": "mm", "regions": {"lv_endo": [5]}, "size": size})
    found = importers.read(spec)
    assert set(np.unique(found.facet_tags)) == set(range(1, 12))  # of a box: 5 faces outside, 5 inside, the rim between
    tags = np.unique(found.facet_tags[np.isin(found.facets, _inner(found.points)).all(axis=1)]).tolist()
    tissue, cavity = volumes(prepare(spec.replace(regions={"lv_endo": tuple(tags)})))
    assert tissue == pytest.approx(TISSUE, rel=1e-9) and cavity == pytest.approx(CAVITY, rel=1e-9)


def _inner(points):
    """Points of the cavity's wall: within its box."""
    return np.flatnonzero((abs(points[:, :2] - 40.0) <= 20.0).all(axis=1) & (points[:, 2] >= 20.0))


def test_labels_of_points_become_surfaces(tmp_path, gmsh):
    points, corners, _ = shell()
    classes = np.full(len(points), 2)
    classes[_inner(points)] = 3
    classes[points[:, 2] == 40.0] = 1
    classes[_inner(points)[points[_inner(points), 2] == 40.0]] = 3  # the rim belongs to the cavity
    write_vtp(tmp_path / "cup.vtp", points, corners, classes)
    spec = MeshSpec(file=str(tmp_path / "cup.vtp"), unit="mm", regions={"base": 1, "epi": 2, "lv_endo": 3})
    raw = prepare(spec)
    assert volumes(raw) == pytest.approx((TISSUE, CAVITY))
    assert any("tagged the surface of cup.vtp by 'class' on its points" in note for note in raw.notes)


@pytest.mark.parametrize("version", [42, 51])
@pytest.mark.parametrize("binary", [True, False])
def test_vtk_surfaces_with_fields_are_read(tmp_path, binary, version):
    """As VTK itself writes them, with lines before the triangles and labels on both cells and points."""
    pyvista = pytest.importorskip("pyvista")
    from vtkmodules.vtkIOLegacy import vtkPolyDataWriter

    points, corners, tags = shell()
    mesh = pyvista.PolyData(points, np.column_stack([np.full(len(corners), 3), corners]).ravel(), lines=[2, 0, 1])
    mesh.cell_data["surface"] = np.concatenate([[99], tags])
    mesh.point_data["normal"] = points * 0.5
    mesh.point_data["class"] = np.arange(len(points), dtype=np.uint8)
    writer = vtkPolyDataWriter()
    writer.SetFileName(str(tmp_path / "cup.vtk"))
    writer.SetFileVersion(version)
    writer.SetFileType(2 if binary else 1)
    writer.SetInputData(mesh)
    assert writer.Write()
    found = importers.contents(MeshSpec(file=str(tmp_path / "cup.vtk"), unit="mm"))
    np.testing.assert_array_equal(found.corners["triangle"], corners)
    np.testing.assert_array_equal(found.data["triangle"]["surface"], tags)
    np.testing.assert_allclose(found.points, points)
    np.testing.assert_allclose(found.point_data["normal"], points * 0.5)
    whole = (tmp_path / "cup.vtk").read_bytes()
    for part in (0.3, 0.6, 0.9):
        (tmp_path / "cup.vtk").write_bytes(whole[: int(part * len(whole))])
        with pytest.raises(InputError, match=r"cup.vtk is damaged or not a .vtk mesh: "):
            importers.contents(MeshSpec(file=str(tmp_path / "cup.vtk"), unit="mm"))


def test_fields_of_decimals_on_points_are_not_mistaken_for_labels():
    """A tetrahedral mesh without triangles that carries, say, segments and chambers as decimals is cut at its edges."""
    raw = cup()
    bare = raw.but(facets=raw.facets[:0], facet_tags=raw.facet_tags[:0])
    fields = {"aha": np.ones(len(raw.points)), "chamber": np.ones(len(raw.points))}
    found = labels.labelled(bare, Contents(raw.points, point_data=fields), None)
    assert found.facet_tags.max() == 11 and "by its edges" in found.notes[-1]


def test_an_open_surface_is_refused_with_its_gap(tmp_path):
    points, corners, _ = shell()
    meshio.Mesh(points, [("triangle", corners[3:])]).write(tmp_path / "cup.stl")
    spec = MeshSpec(file=str(tmp_path / "cup.stl"), unit="mm", regions={"lv_endo": 5})
    with pytest.raises(InputError, match=r"\d+ of its edges belong to one triangle and 0 to three or more, near \("):
        prepare(spec)


def test_holes_are_shells_of_their_own(gmsh):
    """A box with a closed cavity: two shells, whatever way round they are listed."""
    lid = [[0, 0], [1, 0], [1, 1], [0, 1]]
    box = np.array([[*xy, z] for z in (0, 1) for xy in lid], dtype=float)
    faces = np.array([[0, 2, 1], [0, 3, 2], [4, 5, 6], [4, 6, 7], [0, 1, 5], [0, 5, 4], [1, 2, 6], [1, 6, 5]])
    faces = np.vstack([faces, [[2, 3, 7], [2, 7, 6], [3, 0, 4], [3, 4, 7]]])
    raw = cup().but(
        points=np.vstack([30.0 * box, 10.0 + 10.0 * box]),
        cells=np.zeros((0, 4), dtype=np.int64),
        facets=np.vstack([faces[:, ::-1], faces + 8]),
        facet_tags=np.repeat([11, 13], 12),
    )
    full = fill(raw, None)
    assert abs(surface.tet_volumes(full.points, full.cells)).sum() == pytest.approx(30.0**3 - 10.0**3)


def test_triangles_are_turned_to_point_outwards():
    points, corners, _ = shell()
    outwards = surface.outwards(points, corners, np.zeros(len(corners), dtype=int))
    assert np.linalg.det(points[outwards]).sum() / 6.0 == pytest.approx(TISSUE)


def test_sharp_edges_part_a_cup():
    raw = cup()
    faces = labels.between_edges(raw.points.astype(float), raw.facets)
    assert faces.max() == 11
    assert np.bincount(faces, weights=(raw.facet_tags == 12) * 1.0)[1] > 0  # the largest is the bottom, outside


BIVENTRICLE = {"unit": "m", "fix": ["orientation"], "regions": {"base": 10, "rv_endo": 20, "lv_endo": 30, "epi": 40}}
CLASSES = {"regions": {"base": 1, "epi": 2, "lv_endo": 3, "rv_endo": 4}}
TAGS = {"regions": {"base": 11, "epi": 12, "lv_endo": 13, "rv_endo": 14}}


@pytest.mark.parametrize(
    "file, changes, lv, rv, wall",
    [
        ("cobiveco_geo1/heart.vtp", CLASSES, 148.8, 168.6, 144.8),
        ("bivme_patient1/bivme_p1_ED_myocardium.vtp", TAGS, 174.5, 170.1, None),
        ("arostica2025/biv_coarse_p1/bi_ventricular.xdmf", BIVENTRICLE, 90.1, 96.5, 209.2),
        ("arostica2025/biv_coarse_p1/bi_ventricular.h5", BIVENTRICLE, 90.1, 96.5, 209.2),
    ],
)
def test_real_hearts_have_their_published_volumes(shared_data, gmsh, file, changes, lv, rv, wall):
    raw = prepare(MeshSpec.model_validate({"unit": "mm", "file": str(shared_data / file)} | changes))
    for name, expected in (("lv_endo", lv), ("rv_endo", rv)):
        volume = surface.enclosed_volume(raw.points, raw.surface(name)[:, ::-1])
        assert volume / 1000.0 == pytest.approx(expected, rel=1e-3)
    if wall:
        assert surface.tet_volumes(raw.points, raw.cells).sum() / 1000.0 == pytest.approx(wall, rel=1e-3)


@pytest.mark.slow
def test_the_surface_of_an_mri_fit_becomes_a_mesh_without_slivers(shared_data, gmsh):
    file = str(shared_data / "bivme_patient1/bivme_p1_ED_myocardium.vtp")
    raw = prepare(MeshSpec.model_validate({"file": file, "unit": "mm", "size": "4 mm"} | TAGS))
    assert 18e3 < len(raw.cells) < 22e3
    assert quality.dihedral_angles(raw.points, raw.cells).min() > 8.0


@pytest.mark.parametrize("part, volume", [(1, 150.9), (2, 162.8), ([1, 2], 313.7)])
def test_two_files_that_share_their_points_are_one_mesh(shared_data, part, volume):
    folder = shared_data / "ambit_lalv"
    spec = {"file": str(folder / "lalv_domain.xdmf"), "also": [str(folder / "lalv_boundary.xdmf")], "unit": "mm"}
    raw = prepare(MeshSpec.model_validate(spec | {"tissues": {"myocardium": part}, "regions": {"wall": [1, 3, 4, 5]}}))
    assert surface.tet_volumes(raw.points, raw.cells).sum() / 1000.0 == pytest.approx(volume, rel=1e-3)
