"""Damaged meshes: every kind of damage is named with its place, and all of it at once."""

import numpy as np
import pytest

from cup import cup
from heartwright.errors import InputError
from heartwright.mesh import checks, quality, surface
from heartwright.mesh.fibre_rules import FibresFile
from heartwright.mesh.formats import native
from heartwright.mesh.prepare import prepare
from heartwright.mesh.spec import MeshSpec

SPEC = MeshSpec(file="cup.msh", unit="mm")


def findings(raw, spec=SPEC):
    with pytest.raises(InputError) as caught:
        checks.checked(raw, spec)
    return caught.value.findings


def with_point(raw, i, point):
    points = raw.points.astype(float)
    points[i] = point
    return raw.but(points=points)


def with_cell(raw, *cells):
    return raw.but(cells=np.vstack([raw.cells, *cells]), region=None)


def test_coordinates_that_are_no_numbers_are_counted():
    (text,) = findings(with_point(with_point(cup(), 7, (np.nan, 1.0, 2.0)), 9, (0.0, np.inf, 0.0)))
    assert text == "mesh.file: cup: 2 points without finite coordinates; the first is point 8: nan, 1, 2"


def test_corners_outside_the_points():
    (text,) = findings(with_cell(cup(), [[0, 1, 2, 99999]]))
    assert "1 tetrahedron with corners outside the" in text and f"tetrahedron {len(cup().cells) + 1}" in text


def test_inverted_cells_are_refused_with_the_remedy():
    raw = cup()
    cells = raw.cells.copy()
    cells[4::2] = cells[4::2][:, [1, 0, 2, 3]]
    (text,) = findings(raw.but(cells=cells))
    assert f"{len(cells[4::2])} of {len(cells)} tetrahedra are inverted" in text
    assert "the first is tetrahedron 5" in text and "fix: [orientation]" in text


def test_sorted_cells_are_turned_round_if_asked_for():
    raw = cup()
    fixed = checks.checked(raw.but(cells=np.sort(raw.cells, axis=1)), SPEC.replace(fix=("orientation",)))
    volumes = surface.tet_volumes(fixed.points, fixed.cells)
    assert volumes.min() > 0.0 and volumes.sum() == pytest.approx(80 * 80 * 40 - 40 * 40 * 20)
    assert "inverted tetrahedra the right way round" in fixed.notes[0]


def test_a_folded_mesh_cannot_be_turned_round():
    raw = cup()
    inner = np.setdiff1d(raw.cells, raw.facets)[0]  # a point inside the wall, pulled out through the other side
    folded = with_point(raw, inner, raw.points[inner] + [25.0, 3.0, 2.0])
    text = "\n".join(findings(folded, SPEC.replace(fix=("orientation",))))
    assert "of neighbouring tetrahedra overlap: the mesh is folded near (" in text


def test_flat_cells():
    raw = cup()
    a, b, c, d = raw.cells[10]
    flat = with_point(raw, d, raw.points[[a, b, c]].mean(axis=0))
    assert any("without volume; the first is tetrahedron" in text for text in findings(flat))


def inner_faces(raw):
    faces = surface.faces_of(raw.cells)
    return faces[~surface.find(faces, raw.facets, len(raw.points))[1]]


def test_a_face_of_three_cells():
    raw = cup()
    third = with_cell(raw, [[*inner_faces(raw)[0], len(raw.points)]])
    third = third.but(points=np.vstack([raw.points, [[-50.0, -60.0, -70.0]]]))
    text = "\n".join(findings(third, SPEC.replace(fix=("orientation",))))
    assert "1 face shared by three or more tetrahedra, near (" in text


def test_parts():
    raw = cup()
    far = raw.points[raw.cells[0]] + 500.0
    loose = with_cell(raw, [np.arange(4) + len(raw.points)]).but(points=np.vstack([raw.points, far]))
    (text,) = findings(loose)
    assert f"falls into 2 parts that share no face ({len(raw.cells)}, 1 tetrahedra)" in text


def test_harmless_rows_are_dropped_and_noted():
    raw = cup()
    messy = raw.but(
        points=np.vstack([[[1.0, 2.0, 3.0]], raw.points]),
        cells=np.vstack([raw.cells, raw.cells[:3]]) + 1,
        facets=np.vstack([raw.facets] * 4) + 1,
        facet_tags=np.tile(raw.facet_tags, 4),
    )
    clean = checks.checked(messy, SPEC)
    assert (len(clean.points), len(clean.cells), len(clean.facets)) == (
        len(raw.points),
        len(raw.cells),
        len(raw.facets),
    )
    assert [note.split(" ")[:3] for note in clean.notes[:-1]] == [
        ["dropped", "3", "tetrahedra"],
        ["dropped", str(3 * len(raw.facets)), "triangles"],
        ["dropped", "1", "point"],
    ]


def test_missing_and_doubled_tags_come_together():
    raw = cup().but(names={"lv_endo": (13,), "rv_endo": (14,), "epi": (12, 13)}, labels={13: "endo"})
    missing, doubled = findings(raw)
    assert missing.startswith("mesh.file: cup: tag 14 for 'rv_endo' is not on any surface; it has 11: ")
    assert "13 endo: " in missing
    assert doubled == "mesh.file: cup: tag 13 is given to lv_endo and epi; each surface needs tags of its own"


def test_a_tag_whose_triangles_are_inside_the_tissue():
    raw = cup()
    inside = inner_faces(raw)[:5]
    facets, tags = np.vstack([raw.facets, inside]), np.concatenate([raw.facet_tags, np.full(5, 14)])
    (text,) = findings(raw.but(facets=facets, facet_tags=tags, names=raw.names | {"rv_endo": (14,)}))
    assert text.endswith("no triangle of 'rv_endo' (tag 14) is on the boundary of the tissue")


def test_a_leaking_cavity():
    raw = cup()
    tags = raw.facet_tags.copy()
    away_from_rim = (raw.points[raw.facets][..., 2] < 35.0).all(axis=1)
    tags[np.argmax((tags == 13) & away_from_rim)] = 0  # one triangle of the endocardium without its tag
    (text,) = findings(raw.but(facet_tags=tags))
    assert "the cavity of 'lv_endo' leaks: 3 edges of its rim borders faces of no surface, near (" in text


def test_endocardium_and_epicardium_swapped():
    (text,) = findings(cup().but(names={"lv_endo": (12,), "epi": (13,), "base": (11,)}))
    assert "'lv_endo' is convex towards the tissue: is it an epicardium?" in text


@pytest.mark.parametrize(
    "factor, unit, right", [(0.1, "mm", "cm"), (1e-3, "mm", "m"), (10.0, "cm", "mm"), (1e3, "m", "mm")]
)
def test_a_wrong_unit_is_named(factor, unit, right):
    raw = cup()
    (text,) = findings(raw.but(points=raw.points * factor), SPEC.replace(unit=unit))
    assert f"with `unit: {right}` it would be 32.0 mL" in text


def test_a_cavity_of_unlikely_size_in_any_unit():
    raw = cup()
    raw = raw.but(points=raw.points * 3.0)  # 864 mL
    (text,) = findings(raw)
    assert "'lv_endo' encloses 864 mL, expected 20 to 400 mL; check `unit` and `scale`" in text
    assert checks.checked(raw, SPEC.replace(cavity_volumes=(20e3, 900e3))).notes


def test_findings_of_different_kinds_come_together():
    raw = with_point(with_cell(cup(), [[0, 1, 2, 99999]]), 7, (np.nan, 1.0, 2.0))
    flipped = raw.cells.copy()
    flipped[100] = flipped[100][[1, 0, 2, 3]]
    told = findings(raw.but(cells=flipped, names=raw.names | {"rv_endo": (14,)}))
    expected = ("without finite coordinates", "with corners outside", "1 of ", "tag 14 for 'rv_endo'")
    assert all(any(text in finding for finding in told) for text in expected)


def test_slivers_are_told_with_their_place_and_remeshed_if_asked(tmp_path):
    pytest.importorskip("gmsh")
    raw = cup()
    inner = np.setdiff1d(raw.cells, raw.facets)[0]
    a, b, c = np.setdiff1d(raw.cells[(raw.cells == inner).any(axis=1)][0], inner)
    flat = with_point(raw, inner, 0.98 * raw.points[[a, b, c]].mean(axis=0) + 0.02 * raw.points[inner])
    assert any("with an angle below 5 deg, the worst" in note for note in checks.checked(flat, SPEC).notes)
    native.write(tmp_path / "flat.h5", flat)
    fixed = prepare(MeshSpec(file=str(tmp_path / "flat.h5"), fix=("slivers",)))
    assert quality.dihedral_angles(fixed.points, fixed.cells).min() > 8.0


def test_a_size_no_heart_has_is_told_where_no_cavity_shows_it():
    raw = cup().but(names={"epi": (12,)})
    (text,) = findings(raw.but(points=raw.points * 1000.0))
    assert "measures 8e+04 x 8e+04 x 4e+04 mm; check `unit` and `scale`" in text


FIBRES = SPEC.replace(fibres=FibresFile())


def with_fibres(raw, f0=(1.0, 0.0, 0.0), s0=(0.0, 1.0, 0.0)):
    return raw.but(cell_fields={name: np.tile(v, (len(raw.cells), 1)) for name, v in (("f0", f0), ("s0", s0))})


def test_fibres_of_the_file_must_be_directions():
    assert checks.checked(with_fibres(cup()), FIBRES).notes
    (text, other) = findings(cup(), FIBRES)
    assert "has no vectors 'f0' for fibres; it has none" in text and "'s0'" in other
    longer = with_fibres(cup())
    longer.cell_fields["f0"][5:8] *= 0.0
    (text,) = findings(longer, FIBRES)
    assert "3 of " in text and "of 'f0' are no unit vectors, the first has length 0 near (" in text
    (text,) = findings(with_fibres(cup(), s0=(0.6, 0.8, 0.0)), FIBRES)
    assert "'f0' and 's0' are more than 5 deg from a right angle in " in text


def test_dihedral_angles_of_known_tetrahedra():
    regular = np.array([[1.0, 1.0, 1.0], [1.0, -1.0, -1.0], [-1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]])
    corner = np.vstack([np.zeros(3), np.eye(3)])
    points, cells = np.vstack([regular, corner]), np.arange(8).reshape(2, 4)
    # arccos(1/3), and the slanted face of a cube's corner against the others: arccos(1/sqrt 3)
    np.testing.assert_allclose(quality.dihedral_angles(points, cells), [70.5288, 54.7356], atol=1e-4)
