"""`heartwright mesh`: from a file as it is to a mesh that a scenario reads, with the reasons when it cannot."""

import os
import shutil

import pytest

from cup import CUP_REGIONS, cup, write
from heartwright import cli
from heartwright.errors import InputError
from heartwright.mesh import importers, quality, suggest
from heartwright.mesh.distribution import build
from heartwright.mesh.fibres import directions
from heartwright.mesh.formats.contents import Contents
from heartwright.mesh.generate import generate
from heartwright.mesh.labels import labelled
from heartwright.mesh.spec import Ellipsoid, MeshSpec

REGIONS = "{base: 11, epi: 12, lv_endo: 13}"


@pytest.fixture
def files(tmp_path, monkeypatch):
    pytest.importorskip("gmsh")
    monkeypatch.chdir(tmp_path)
    write(cup(), tmp_path / "cup.msh", "2.2")
    return tmp_path


def heartwright(capsys, *arguments):
    code = cli.main(["mesh", *map(str, arguments)])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_a_file_is_imported_with_the_regions_given(files, capsys):
    code, out, _ = heartwright(capsys, "import", "cup.msh", "--unit", "mm", "--regions", REGIONS, "-o", "cup.h5")
    assert code == 0 and "lv_endo 32.0 mL" in out and "written: cup.h5" in out
    raw = importers.read(MeshSpec(file="cup.h5"))
    assert len(raw.cells) == len(cup().cells) and set(raw.names) == set(CUP_REGIONS)


def test_unit_and_regions_are_suggested_and_used(files, capsys):
    write(cup().but(points=cup().points * 1e-3), files / "cup.msh", "2.2")
    code, out, _ = heartwright(capsys, "import", "cup.msh", "--suggest", "-o", "cup.h5")
    assert code == 0 and "unit: m\n" in out and "regions: {lv_endo: [13], epi: [12], base: [11]}" in out
    assert "lv_endo 32.0 mL" in out


def test_regions_may_stand_in_a_file_and_nothing_is_replaced_unasked(files, capsys):
    (files / "regions.yaml").write_text("base: 11\nepi: 12\nlv_endo: 13\n")
    arguments = ("import", "cup.msh", "--unit", "mm", "--regions", "regions.yaml", "-o", "cup.h5")
    assert heartwright(capsys, *arguments)[0] == 0
    code, _, err = heartwright(capsys, *arguments)
    assert code == 64 and "cup.h5: exists already; replace it with --force" in err
    assert heartwright(capsys, *arguments, "--force")[0] == 0


def test_tissues_may_stand_in_a_file(files, capsys):
    (files / "tissues.yaml").write_text("muscle: 1\n")
    given = ("--unit", "mm", "--regions", REGIONS, "--tissues", "tissues.yaml")
    code, out, _ = heartwright(capsys, "check", "cup.msh", *given)
    assert code == 0 and "regions muscle" in out


def test_check_tells_every_finding_and_ends_with_64(files, capsys):
    raw = cup()
    cells = raw.cells.copy()
    cells[:7] = cells[:7][:, [1, 0, 2, 3]]
    write(raw.but(cells=cells), files / "bad.msh", "2.2")
    given = ("--unit", "mm", "--regions", "{lv_endo: 13, rv_endo: 14}")
    code, out, err = heartwright(capsys, "check", "bad.msh", *given)
    assert code == 64 and len(err.splitlines()) == 2
    assert "7 of " in err and "tag 14 for 'rv_endo' is not on any surface" in err
    code, out, _ = heartwright(capsys, "check", "bad.msh", "--unit", "mm", "--regions", "{lv_endo: 13}", "--fix")
    assert code == 0 and "turned 7 inverted tetrahedra the right way round" in out and "bad.msh: good" in out


def test_info_needs_neither_unit_nor_regions(files, capsys):
    code, out, _ = heartwright(capsys, "info", "cup.msh")
    assert code == 0 and f"{len(cup().points)} points, {len(cup().cells)} tetrahedra" in out
    assert "on triangles: 'gmsh:physical' 11, 12, 13" in out


@pytest.mark.parametrize(
    "arguments, reason",
    [
        (("import", "cup.msh", "--unit", "mm"), "say with -o where to write the mesh"),
        (("import", "cup.msh", "-o", "cup.h5"), "cup.msh: a mesh file needs its `unit`"),
        (("import", "none.msh", "--unit", "mm", "-o", "cup.h5"), "there is no file none.msh"),
        (("import", "cup.msh", "--unit", "mm", "-o", "cup.foo"), "cannot write '.foo' files; expected .h5, .vtu, .pts"),
        (("import", "cup.msh", "--set", "unti=mm", "-o", "a.h5"), "unti: unknown key; did you mean 'unit'?"),
        (("remesh", "cup.msh", "--unit", "mm", "-o", "a.h5"), "give the wanted edge length, e.g. --size '4 mm'"),
        (("generate", "heart", "-o", "a.h5"), "unknown type 'heart'"),
        (("check", "none.yaml"), "none.yaml: no such file"),
    ],
)
def test_what_cannot_be_done_is_told(files, capsys, arguments, reason):
    code, _, err = heartwright(capsys, *arguments)
    assert code == 64 and reason in err


def test_generated_refined_and_with_fibres_a_mesh_goes_into_a_scenario(files, capsys):
    from mpi4py import MPI

    assert heartwright(capsys, "generate", "ellipsoid", "--set", "size='9 mm'", "-o", "lv.h5")[0] == 0
    assert heartwright(capsys, "fibres", "lv.h5", "--set", "fibres.endo='50 deg'", "-o", "fibres.h5")[0] == 0
    assert heartwright(capsys, "coordinates", "fibres.h5", "-o", "all.h5")[0] == 0
    assert heartwright(capsys, "refine", "all.h5", "-o", "fine.h5")[0] == 0
    assert heartwright(capsys, "check", "fine.h5")[0] == 0
    coarse, fine = (importers.read(MeshSpec(file=name)) for name in ("all.h5", "fine.h5"))
    assert len(fine.cells) == 8 * len(coarse.cells) and {"f0", "s0", "n0"} <= fine.cell_fields.keys()
    assert set(coarse.point_fields) == {"transmural", "apicobasal", "rotation", "chamber", "aha", "septum"}
    stored = MeshSpec.model_validate({"file": "all.h5", "fibres": {"type": "file"}})
    rule = MeshSpec.model_validate({"file": "all.h5", "fibres": {"type": "bayer", "endo": "50 deg"}})
    ours, theirs = (
        directions(build(spec, MPI.COMM_SELF), spec.fibres, "DG0")[0].x.array.reshape(-1, 3) for spec in (stored, rule)
    )
    assert abs((ours * theirs).sum(axis=1)).min() == pytest.approx(1.0, abs=1e-12)


def test_a_mesh_is_drawn(files, capsys):
    pytest.importorskip("pyvista")
    if not (os.environ.get("DISPLAY") or shutil.which("xvfb-run")):
        pytest.skip("no display and no xvfb-run")
    assert heartwright(capsys, "generate", "ellipsoid", "--set", "size='12 mm'", "-o", "lv.h5")[0] == 0
    code, _, err = heartwright(capsys, "import", "lv.h5", "--suggest", "--picture", "lv.png")
    assert code == 0, err
    assert (files / "lv.png").read_bytes().startswith(b"\x89PNG") and (files / "lv.png").stat().st_size > 10_000


def test_a_scenario_says_what_its_mesh_is(files, capsys):
    (files / "case.yaml").write_text(f"mesh:\n  file: cup.msh\n  unit: mm\n  regions: {REGIONS}\n")
    code, out, _ = heartwright(capsys, "check", "case.yaml")
    assert code == 0 and "lv_endo 32.0 mL" in out


def test_a_scenario_forgets_the_regions_of_its_base_for_a_mesh_of_ours(files, capsys):
    heartwright(capsys, "import", "cup.msh", "--unit", "mm", "--regions", REGIONS, "-o", "cup.h5")
    (files / "base.yaml").write_text("mesh: {unit: cm, regions: {lv_endo: 99}}\n")
    (files / "case.yaml").write_text("extends: base.yaml\nmesh: {file: cup.h5, unit: null, regions: null}\n")
    code, out, _ = heartwright(capsys, "check", "case.yaml")
    assert code == 0 and "lv_endo 32.0 mL" in out


def test_a_septum_with_a_tag_of_its_own_belongs_to_its_cavity():
    """The wall of the cup's cavity in two tags is one endocardium, as it is in one."""
    raw = cup()
    tags = raw.facet_tags.copy()
    floor = (raw.points[raw.facets][..., 2] == 20.0).all(axis=1) & (tags == 13)
    tags[floor] = 15
    proposed, _ = suggest.regions(raw.but(facet_tags=tags))
    assert proposed == {"lv_endo": [13, 15], "epi": [12], "base": [11]}


def test_a_surface_without_cavities_gets_no_suggestion():
    raw = cup()
    solid = raw.but(facet_tags=0 * raw.facet_tags, labels={})
    with pytest.raises(InputError, match="no surface looks like an endocardium"):
        suggest.regions(solid)


def test_a_heart_without_labels_is_recognised_by_its_edges():
    pytest.importorskip("gmsh")
    raw = generate(Ellipsoid(size=9.0))
    bare = labelled(raw.but(facet_tags=0 * raw.facet_tags), Contents(raw.points), None)
    proposed, _ = suggest.regions(bare)
    assert set(proposed) == {"lv_endo", "epi", "base"}
    inside = bare.but(names={"lv_endo": tuple(proposed["lv_endo"])}).surface("lv_endo")
    assert len(inside) == len(raw.surface("lv_endo"))


@pytest.mark.parametrize(
    "file, also, expected",
    [
        ("cobiveco_geo1/heart.vtp", None, {"lv_endo": [3], "rv_endo": [4], "epi": [2], "base": [1]}),
        (
            "bivme_patient1/bivme_p1_ED_myocardium.vtp",
            None,
            {"lv_endo": [13], "rv_endo": [14], "epi": [12], "base": [11]},
        ),
        (
            "arostica2025/biv_coarse_p1/bi_ventricular.xdmf",
            None,
            {"lv_endo": [30], "rv_endo": [20], "epi": [40], "base": [10]},
        ),
        (
            "arostica2025/biv_coarse_p1/fibers_biv.vtk",
            None,
            {"lv_endo": [2], "rv_endo": [3, 4], "epi": [1], "base": [5]},
        ),
        (
            "ambit_lalv/heart3D_domain.xdmf",
            "ambit_lalv/heart3D_boundary.xdmf",
            {"lv_endo": [1], "rv_endo": [2], "epi": [3], "base": [4]},
        ),
    ],
)
def test_real_hearts_are_recognised(shared_data, file, also, expected):
    others = (str(shared_data / also),) if also else ()
    spec = MeshSpec(file=str(shared_data / file), unit="mm", also=others)
    assert suggest.regions(importers.tagged(importers.contents(spec), spec))[0] == expected


def test_the_histogram_counts_every_cell():
    raw = cup()
    lines = quality.histogram(quality.dihedral_angles(raw.points.astype(float), raw.cells))
    assert sum(int(line.split()[4]) for line in lines) == len(raw.cells)
