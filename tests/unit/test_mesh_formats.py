"""Every mesh format: the same cup comes back, and files that are cut, swollen or pointing elsewhere are refused."""

import random
import resource

import h5py
import meshio
import numpy as np
import pytest

from cup import CUP_REGIONS, cup
from heartwright.errors import InputError
from heartwright.mesh import importers, surface
from heartwright.mesh.formats import carp, foreign, native
from heartwright.mesh.prepare import prepare
from heartwright.mesh.spec import MeshSpec

TISSUE, CAVITY = 80 * 80 * 40 - 40 * 40 * 20, 40 * 40 * 20


def with_fibres(raw):
    """The cup with a unit vector per cell, another per node, and a number per node."""
    rng = np.random.default_rng(1)
    f0, fiber = rng.normal(size=(len(raw.cells), 3)), rng.normal(size=(len(raw.points), 3))
    unit = [v / np.linalg.norm(v, axis=1)[:, None] for v in (f0, fiber)]
    return raw.but(cell_fields={"f0": unit[0]}, point_fields={"fiber": unit[1], "depth": raw.points[:, 2] / 40.0})


def mixed(raw):
    cells = [("triangle", raw.facets), ("tetra", raw.cells)]
    return meshio.Mesh(raw.points, cells, cell_data={"tags": [raw.facet_tags, np.ones(len(raw.cells), dtype=np.int64)]})


def write_tetgen(raw, path):
    def save(suffix, head, rows):
        text = "\n".join(" ".join(f"{x:.17g}" for x in row) for row in rows)
        path.with_suffix(suffix).write_text(f"# made for a test\n{head}\n{text}\n# end\n")

    def counted(rows):
        return np.column_stack([np.arange(1, len(rows) + 1), rows])

    save(".node", f"{len(raw.points)} 3 0 0", counted(raw.points))
    save(".ele", f"{len(raw.cells)} 4 0", counted(raw.cells + 1))
    save(".face", f"{len(raw.facets)} 1", counted(np.column_stack([raw.facets + 1, raw.facet_tags])))


def write_dolfin(raw, path):
    with h5py.File(path, "w") as file:  # as HDF5File writes a mesh and a MeshFunction on facets
        file["facets/topology"], file["facets/values"] = raw.facets, raw.facet_tags.astype("u8")
        file["facets/coordinates"] = raw.points
        file["mesh/topology"], file["mesh/coordinates"] = np.sort(raw.cells, axis=1), raw.points


def write_inp(raw, path):
    sets = {name: [np.flatnonzero(raw.facet_tags == tag), []] for name, tag in CUP_REGIONS.items()}
    mesh = meshio.Mesh(raw.points, [("triangle", raw.facets), ("tetra", raw.cells)], cell_sets=sets)
    meshio.abaqus.write(str(path), mesh)


def write_pair(raw, path):
    """Tetrahedra in one file and triangles in another, numbers in the XML, as some solvers keep them."""
    for name, kind, corners in (
        (path, "tetrahedron", raw.cells),
        (path.with_name("faces.xdmf"), "triangle", raw.facets),
    ):
        tags = raw.facet_tags if kind == "triangle" else np.ones(len(corners), dtype=int)
        text = {
            key: " ".join(map(str, values.ravel().tolist()))
            for key, values in (("x", raw.points.astype(float)), ("c", corners), ("t", tags))
        }
        name.write_text(
            f'<Xdmf Version="3.0"><Domain><Grid Name="Grid"><Geometry GeometryType="XYZ"><DataItem DataType="Float" '
            f'Dimensions="{len(raw.points)} 3" Format="XML" Precision="8">{text["x"]}</DataItem></Geometry><Topology '
            f'NumberOfElements="{len(corners)}" TopologyType="{kind}"><DataItem DataType="Int" Format="XML" '
            f'Dimensions="{len(corners)} {corners.shape[1]}">{text["c"]}</DataItem></Topology><Attribute Name="id" '
            f'AttributeType="Scalar" Center="Cell"><DataItem DataType="Int" Dimensions="{len(tags)}" Format="XML">'
            f"{text['t']}</DataItem></Attribute></Grid></Domain></Xdmf>"
        )


def tagged(raw, *names):
    mesh = mixed(raw)
    return meshio.Mesh(raw.points, mesh.cells, cell_data={name: mesh.cell_data["tags"] for name in names})


def write_msh(raw, path):
    meshio.gmsh.write(str(path), tagged(raw, "gmsh:physical", "gmsh:geometrical"), "2.2", binary=True)


def write_medit(raw, path):
    meshio.medit.write(str(path), tagged(raw, "medit:ref"))


WRITERS = {
    "cup.h5": lambda raw, path: native.write(path, raw),
    "dolfin.h5": write_dolfin,
    "cup.xdmf": lambda raw, path: meshio.xdmf.write(str(path), mixed(raw), data_format="HDF"),
    "text.xdmf": lambda raw, path: meshio.xdmf.write(str(path), mixed(raw), data_format="XML"),
    "pair.xdmf": write_pair,
    "packed.vtu": lambda raw, path: meshio.vtu.write(str(path), mixed(raw), compression="zlib"),
    "lzma.vtu": lambda raw, path: meshio.vtu.write(str(path), mixed(raw), compression="lzma"),
    "plain.vtu": lambda raw, path: meshio.vtu.write(str(path), mixed(raw), compression=None),
    "text.vtu": lambda raw, path: meshio.vtu.write(str(path), mixed(raw), binary=False),
    "cup.vtk": lambda raw, path: meshio.vtk.write(str(path), mixed(raw)),
    "cup.msh": write_msh,
    "cup.inp": write_inp,
    "cup.pts": lambda raw, path: carp.write(path, raw),
    "cup.ele": write_tetgen,
    "cup.mesh": write_medit,
}
NAMED = ("cup.h5", "cup.pts", "cup.inp")  # formats that keep our names


def spec_of(path, **changes):
    regions = {} if path.name in NAMED else CUP_REGIONS
    also = (str(path.with_name("faces.xdmf")),) if path.name.startswith("pair") else ()
    given = {"file": str(path), "unit": "um" if path.suffix == ".pts" else "mm", "regions": regions, "also": also}
    return MeshSpec.model_validate(given | {"fix": ("orientation",)} | changes)


@pytest.fixture(params=WRITERS)
def written(request, tmp_path):
    path = tmp_path / request.param
    WRITERS[request.param](cup(), path)
    return path


def test_the_same_heart_comes_back(written):
    raw = prepare(spec_of(written))
    assert surface.tet_volumes(raw.points, raw.cells).sum() == pytest.approx(TISSUE)
    assert surface.enclosed_volume(raw.points, raw.surface("lv_endo")[:, ::-1]) == pytest.approx(CAVITY)
    assert {name: len(raw.surface(name)) for name in raw.names} == {n: len(cup().surface(n)) for n in cup().names}


def payload(path):
    """The file of a format that holds most of its numbers."""
    return max((p for p in path.parent.iterdir()), key=lambda p: p.stat().st_size)


def test_a_file_that_ends_early_is_refused(written):
    target = payload(written)
    whole = target.read_bytes()
    for part in (0.0, 0.2, 0.6, 0.95):
        target.write_bytes(whole[: int(part * len(whole))])
        with pytest.raises(InputError) as caught:
            prepare(spec_of(written))
        assert "Traceback" not in str(caught.value) and len(str(caught.value)) < 2000


def test_flipped_bytes_give_a_mesh_or_a_reason(written):
    target = payload(written)
    whole, rng = target.read_bytes(), random.Random(1)
    for _ in range(20):
        damaged = bytearray(whole)
        for _ in range(rng.randrange(1, 20)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        target.write_bytes(bytes(damaged))
        try:
            prepare(spec_of(written))
        except InputError as error:
            assert str(error).startswith("mesh.")


def test_another_format_under_this_name_is_refused(written):
    payload(written).write_bytes(b"PK\x03\x04" + bytes(2000))
    with pytest.raises(InputError, match=r"mesh\.(file|also)"):
        prepare(spec_of(written))


@pytest.mark.parametrize("name", ["cup.h5", "cup.vtu"])
def test_what_we_write_comes_back_with_its_fields(tmp_path, name):
    raw, path = with_fibres(cup()), tmp_path / name
    {"cup.h5": native.write, "cup.vtu": foreign.write_vtu}[name](path, raw)
    regions = {} if name == "cup.h5" else {n: i for i, n in enumerate(raw.names, 1)}
    back = importers.read(MeshSpec(file=str(path), unit="mm", regions=regions))
    np.testing.assert_array_equal(back.points, raw.points)
    np.testing.assert_array_equal(back.cells, raw.cells)
    for where in ("cell_fields", "point_fields"):
        ours, theirs = getattr(raw, where), getattr(back, where)
        assert ours.keys() == theirs.keys() and all(np.array_equal(ours[key], theirs[key]) for key in ours)


def test_carp_comes_back_with_its_fibres(tmp_path):
    raw = with_fibres(cup())
    carp.write(tmp_path / "cup.pts", raw)
    back = importers.read(MeshSpec(file=str(tmp_path / "cup.elem"), unit="um"))
    np.testing.assert_allclose(back.points, raw.points, atol=1e-6)
    np.testing.assert_allclose(back.cell_fields["f0"], raw.cell_fields["f0"], atol=1e-8)
    assert set(back.names) == set(raw.names)


def test_paraview_reads_what_stands_beside_our_file(tmp_path):
    raw = with_fibres(cup())
    native.write(tmp_path / "cup.h5", raw)
    mesh = importers.read(MeshSpec(file=str(tmp_path / "cup.xdmf"), unit="mm", regions={"lv_endo": 3}))
    np.testing.assert_array_equal(mesh.points, raw.points)
    np.testing.assert_array_equal(mesh.cell_fields["f0"], raw.cell_fields["f0"])
    np.testing.assert_array_equal(mesh.point_fields["depth"], raw.point_fields["depth"])
    assert len(mesh.surface("lv_endo")) == len(raw.surface("lv_endo"))


def test_our_file_changed_by_hand_is_refused(tmp_path):
    native.write(tmp_path / "cup.h5", cup())
    with h5py.File(tmp_path / "cup.h5", "a") as file:
        file["points"][3, 1] += 1.0
    with pytest.raises(InputError, match="was changed after it was written"):
        importers.read(MeshSpec(file=str(tmp_path / "cup.h5")))


def broken_hdf5(kind, path):
    write_dolfin(cup(), path)
    with h5py.File(path, "a") as file:
        del file["mesh/coordinates"]
        if kind == "link":
            file["mesh/coordinates"] = h5py.ExternalLink("elsewhere.h5", "/points")
        elif kind == "soft":
            file["mesh/coordinates"] = h5py.SoftLink("/facets/coordinates")
        elif kind == "raw":
            file.create_dataset("mesh/coordinates", (10, 3), "f8", external=[("/etc/passwd", 0, 240)])
        elif kind == "huge":
            file.create_dataset("mesh/coordinates", (10**12, 3), "f8", chunks=(10**4, 3), compression="gzip")
        elif kind == "virtual":
            layout = h5py.VirtualLayout((10, 3), "f8")
            layout[:] = h5py.VirtualSource("elsewhere.h5", "points", (10, 3))
            file.create_virtual_dataset("mesh/coordinates", layout)
        elif kind == "text":
            file["mesh/coordinates"] = ["a", "b"]


@pytest.mark.parametrize(
    "kind, reason",
    [
        ("link", r"link to another file \(elsewhere.h5\); refused"),
        ("soft", "symbolic link; refused"),
        ("raw", "keeps its numbers in another file; refused"),
        ("virtual", "keeps its numbers in another file; refused"),
        ("huge", r"declares 2.4e\+04 GB in a file of [\d.]+ kB; refused"),
        ("text", "holds no numbers"),
    ],
)
def test_hdf5_that_points_elsewhere_or_lies_about_its_size_is_refused(tmp_path, kind, reason):
    broken_hdf5(kind, tmp_path / "cup.h5")
    with pytest.raises(InputError, match=reason):
        importers.read(MeshSpec(file=str(tmp_path / "cup.h5"), unit="mm", regions=CUP_REGIONS))


def test_xdmf_names_no_file_outside_its_folder(tmp_path):
    write_dolfin(cup(), tmp_path / "cup.h5")
    (tmp_path / "inner").mkdir()
    item = '<DataItem Dimensions="10 3" Format="HDF">../cup.h5:/mesh/coordinates</DataItem>'
    path = tmp_path / "inner" / "cup.xdmf"
    path.write_text(f"<Xdmf><Domain><Grid><Geometry>{item}</Geometry></Grid></Domain></Xdmf>")
    with pytest.raises(InputError, match="is not a dataset of a file in the same folder"):
        importers.read(MeshSpec(file=str(path), unit="mm", regions=CUP_REGIONS))


@pytest.mark.parametrize(
    "name, text, reason",
    [
        ("a.xdmf", '<!DOCTYPE x [<!ENTITY a "aaaa">]><Xdmf>&a;</Xdmf>', "defines XML entities"),
        ("a.vtu", '<!DOCTYPE x [<!ENTITY a "aaaa">]><VTKFile>&a;</VTKFile>', "defines XML entities"),
        ("a.inp", "*NODE\n1, 0, 0, 0\n*INCLUDE, INPUT=/etc/passwd\n", "includes another file"),
        (
            "a.vtk",
            "# vtk DataFile Version 3.0\nx\nBINARY\nDATASET UNSTRUCTURED_GRID\nPOINTS 1000000000000 double\n",
            "",
        ),
        ("a.msh", "$MeshFormat\n2.2 1 8\n\1\0\0\0\n$EndMeshFormat\n$Nodes\n900000000000\n0\n$EndNodes\n", ""),
    ],
)
def test_files_that_ask_for_more_than_they_hold_are_refused_before_memory_is_taken(tmp_path, name, text, reason):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=reason):
        importers.read(MeshSpec(file=str(tmp_path / name), unit="mm", regions=CUP_REGIONS))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4e6  # kB: nothing near what was asked for
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY


def test_fields_of_a_second_file_are_added_if_its_points_agree(tmp_path):
    raw = with_fibres(cup())
    write_pair(raw, tmp_path / "pair.xdmf")
    vectors = meshio.Mesh(raw.points, [("tetra", raw.cells)], point_data={"fiber": raw.point_fields["fiber"]})
    meshio.xdmf.write(str(tmp_path / "fibres.xdmf"), vectors)
    also = (str(tmp_path / "faces.xdmf"), str(tmp_path / "fibres.xdmf"))
    back = importers.read(spec_of(tmp_path / "pair.xdmf", also=also))
    np.testing.assert_array_equal(back.point_fields["fiber"], raw.point_fields["fiber"])
    meshio.xdmf.write(str(tmp_path / "fibres.xdmf"), meshio.Mesh(raw.points + 1.0, [("tetra", raw.cells)]))
    with pytest.raises(
        InputError, match=r"mesh.also.1: fibres.xdmf does not belong to .*has other points \(\d+ differ"
    ):
        importers.read(spec_of(tmp_path / "pair.xdmf", also=also))


def as_smesh(raw, corners=3, header=True):
    """The boundary of a mesh as TetGen's simple piecewise linear complex; without its points if not `header`."""
    nodes = [f"{i} {x} {y} {z}" for i, (x, y, z) in enumerate(raw.points, 1)]
    facets = [f"{corners} {a} {b} {c} {tag}" for (a, b, c), tag in zip(raw.facets + 1, raw.facet_tags, strict=True)]
    head = [f"{len(nodes)} 3 0 0", *nodes] if header else ["0 3 0 0  # in the .node"]
    return "\n".join([*head, "# facets", f"{len(facets)} 1", *facets, "0", "0"])


@pytest.mark.parametrize("header", [True, False])
def test_a_tetgen_surface_is_read_with_its_markers(tmp_path, header):
    raw = cup()
    write_tetgen(raw, tmp_path / "cup")
    (tmp_path / "cup.smesh").write_text(as_smesh(raw, header=header))
    back = importers.read(MeshSpec(file=str(tmp_path / "cup.smesh"), unit="mm", regions=CUP_REGIONS))
    assert not len(back.cells)
    np.testing.assert_array_equal(back.facets, raw.facets)
    np.testing.assert_array_equal(back.facet_tags, raw.facet_tags)


def test_tetgen_triangles_may_stand_in_a_sur_file_and_alone(tmp_path):
    raw = cup()
    write_tetgen(raw, tmp_path / "cup")
    (tmp_path / "cup.face").rename(tmp_path / "cup.sur")
    spec = MeshSpec(file=str(tmp_path / "cup.sur"), unit="mm", regions=CUP_REGIONS)
    back = importers.read(spec)
    np.testing.assert_array_equal(back.cells, raw.cells)
    np.testing.assert_array_equal(back.facet_tags, raw.facet_tags)
    (tmp_path / "cup.ele").unlink()
    alone = importers.read(spec)
    assert not len(alone.cells)
    np.testing.assert_array_equal(alone.facets, raw.facets)
    with pytest.raises(InputError, match=r"needs cup.ele beside it"):
        importers.read(spec.replace(file=str(tmp_path / "cup.node")))


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda text: text[: len(text) // 2], "ends early|numbers where"),
        (lambda text: text.replace("\n3 ", "\n4 "), "not triangles"),
        (lambda text: "", "ends early"),
        (lambda text: "9999999 3 0 0\n1 0 0 0", "numbers where 9999999"),
        (lambda text: "x" + text, "not a number"),
    ],
)
def test_a_damaged_tetgen_surface_is_refused(tmp_path, change, message):
    path = tmp_path / "cup.smesh"
    path.write_text(change(as_smesh(cup())))
    with pytest.raises(InputError, match=message):
        importers.read(MeshSpec(file=str(path), unit="mm", regions=CUP_REGIONS))
