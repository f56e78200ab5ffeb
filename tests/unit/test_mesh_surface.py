"""Volumes closed by cone lids, rims and face look-up, against shapes whose answer is known."""

import numpy as np
import pytest

from heartwright.mesh import surface


def open_box(lid: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """A 2 x 3 x 4 box of outward triangles without the faces named in `lid` (0 bottom, 1 top, then the sides)."""
    points = np.array([[x, y, z] for z in (0, 4) for y in (0, 3) for x in (0, 2)], dtype=float)
    quads = [[0, 2, 3, 1], [4, 5, 7, 6], [0, 1, 5, 4], [1, 3, 7, 5], [3, 2, 6, 7], [2, 0, 4, 6]]
    kept = [q for i, q in enumerate(quads) if i not in lid]
    return points, np.array([t for a, b, c, d in kept for t in ((a, b, c), (a, c, d))])


@pytest.mark.parametrize("lid", [[], [1], [0], [0, 1]])
def test_planar_lids_close_a_box(lid):
    points, triangles = open_box(lid)
    assert surface.enclosed_volume(points + np.array([5.0, -7.0, 11.0]), triangles) == pytest.approx(24.0, rel=1e-13)


def test_the_volume_does_not_depend_on_where_the_box_stands_or_how_it_is_turned():
    points, triangles = open_box([0, 1])
    points[7] += [0.3, -0.2, 0.5]  # a rim that is not planar
    Q, _ = np.linalg.qr(np.array([[1.0, 2.0, 0.5], [0.0, 1.0, 3.0], [2.0, 0.1, 1.0]]))
    Q *= np.sign(np.linalg.det(Q))
    there = surface.enclosed_volume(points, triangles)
    assert surface.enclosed_volume(points @ Q.T + 100.0, triangles) == pytest.approx(there, rel=1e-11)


def test_an_inward_surface_has_a_negative_volume():
    points, triangles = open_box([1])
    assert surface.enclosed_volume(points, triangles[:, ::-1]) == pytest.approx(-24.0)


def test_rims_that_touch_in_a_vertex_get_a_lid_each():
    points, triangles = open_box([1])
    # besides the top, a triangle of the side x = 2 that touches the top in one corner: planar lids close both
    side = next(i for i, t in enumerate(triangles) if set(t) == {1, 3, 7})
    assert surface.enclosed_volume(points, np.delete(triangles, side, axis=0)) == pytest.approx(24.0)


def test_boundary_faces_of_a_cell_point_outwards():
    points = np.vstack([np.zeros(3), np.eye(3)])
    cells = np.array([[0, 1, 2, 3]])
    assert surface.tet_volumes(points, cells)[0] == pytest.approx(1.0 / 6.0)
    assert surface.enclosed_volume(points, surface.boundary_faces(cells, 4)) == pytest.approx(1.0 / 6.0)


@pytest.mark.parametrize("n_points", [10, 3_000_000])
def test_faces_are_found_whatever_the_order_of_their_corners(n_points):
    among = np.array([[0, 1, 2], [3, 1, 2], [5, 6, 9]])
    row, found = surface.find(np.array([[9, 5, 6], [0, 1, 3], [2, 0, 1]]), among, n_points)
    assert found.tolist() == [True, False, True] and row[found].tolist() == [2, 0]


def test_nothing_is_found_among_nothing():
    _, found = surface.find(np.array([[0, 1, 2]]), np.zeros((0, 3), dtype=np.int64), 3)
    assert not found.any()
