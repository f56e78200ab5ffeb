"""A heart without labels is told apart by what its surface faces, smooth as it may be."""

import meshio
import numpy as np
import pytest

import voxels
from heartwright.errors import InputError
from heartwright.mesh import importers, shape, suggest, surface
from heartwright.mesh.generate import generate
from heartwright.mesh.prepare import prepare
from heartwright.mesh.remesh import tags_on
from heartwright.mesh.spec import Biventricle, MeshSpec
from heartwright.units import ML

pytest.importorskip("vtkmodules")


def agreement(triangles, points, tags, names, expected):
    """Share of the area that has the expected names."""
    a, b, c = (points[triangles[:, i]] for i in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    return area[np.array([names[tag] for tag in tags]) == expected].sum() / area.sum()


def smooth(folder):
    """The surface of a ventricle with rounded edges, and the names of its triangles."""
    pytest.importorskip("nibabel")
    path = voxels.save(folder / "labels.nii", *voxels.ventricle((2.0, 2.0, 2.0)))
    raw = importers.read(MeshSpec(file=str(path), tissues=voxels.TISSUES, regions=voxels.REGIONS))
    return raw, np.array([raw.labels[tag] for tag in raw.facet_tags.tolist()])


def test_a_smooth_ventricle_falls_into_endocardium_base_and_epicardium(tmp_path):
    raw, expected = smooth(tmp_path)
    tags, names = shape.faces(raw.points, raw.facets, "smooth")
    assert set(names.values()) == {"lv_endo", "base", "epi"}
    assert agreement(raw.facets, raw.points, tags, names, expected) > 0.95  # the rest lies along the rounded edges


def test_the_left_ventricle_is_known_from_the_right():
    pytest.importorskip("gmsh")
    raw = generate(Biventricle(size=7.0))
    triangles = surface.boundary_faces(raw.cells, len(raw.points))
    own = {tag: name for name, (tag,) in raw.names.items()}
    expected = np.array([own[tag] for tag in tags_on(raw, triangles).tolist()])
    tags, names = shape.faces(raw.points, triangles, "generated")
    assert agreement(triangles, raw.points, tags, names, expected) > 0.9  # evened borders lie a triangle off


def test_suggest_proposes_it_where_edges_tell_nothing(tmp_path):
    raw, _ = smooth(tmp_path)
    path = tmp_path / "smooth.stl"
    meshio.Mesh(raw.points, [("triangle", raw.facets)]).write(path)
    proposal = suggest.propose(MeshSpec(file=str(path), unit="mm"))
    assert dict(proposal.given)["tags"] == "shape" and dict(proposal.given)["unit"] == "mm"
    back = importers.read(MeshSpec(file=str(path), unit="mm", tags="shape"))
    assert set(back.names) == {"lv_endo", "base", "epi"}  # without regions: the names are ours
    cavity = surface.enclosed_volume(back.points, back.surface("lv_endo")[:, ::-1])
    assert cavity == pytest.approx(voxels.half(voxels.INNER), rel=0.08)  # the rounded rim counts as base, 2 mm of it


def test_a_ball_has_no_cavity():
    image = voxels.ventricle((4.0, 4.0, 4.0))[0] > 0
    from heartwright.mesh.image import _contour

    points, triangles, _ = _contour(np.pad(image, 1), image.astype(int))
    triangles = surface.outwards(points, triangles, surface.shells(triangles, len(points)))
    with pytest.raises(InputError, match="solid has no hollow"):
        shape.faces(points, triangles, "solid")


def test_a_real_heart_without_its_labels_has_its_volumes(shared_data):
    pytest.importorskip("gmsh")
    raw = prepare(MeshSpec(file=str(shared_data / "cobiveco_geo1/heart.vtp"), unit="mm", tags="shape"))
    volumes = {n: surface.enclosed_volume(raw.points, raw.surface(n)[:, ::-1]) / ML for n in ("lv_endo", "rv_endo")}
    assert volumes == pytest.approx({"lv_endo": 148.8, "rv_endo": 168.6}, rel=0.02)  # its rims are 1 mm lower
