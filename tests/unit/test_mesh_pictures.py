"""Pictures of meshes: colours tell names apart, and what is drawn is the tissue's own skin."""

import itertools

import numpy as np

from cup import cup
from heartwright.mesh import surface
from heartwright.mesh.formats import native
from heartwright.output import mesh_pictures
from heartwright.scenario.contradictions import SURFACES


def test_no_two_names_of_a_heart_have_the_same_colour():
    names = [*sorted(SURFACES["four_chambers"]), "lv", "rv", "la", "ra", "rings", "tissue", "patch", "lid_1", "lid_2"]
    rgb = mesh_pictures._rgb(mesh_pictures.colours_of(names).values())
    # of 255 steps of red, green or blue 13 at least: patches side by side can be told apart
    assert min(np.abs(a - b).max() for a, b in itertools.combinations(rgb, 2)) > 0.05


def test_the_skin_of_some_cells_knows_their_surfaces(tmp_path):
    raw = cup()
    native.write(tmp_path / "cup.h5", raw)
    heart = native.read(tmp_path / "cup.h5")
    whole = mesh_pictures._skin(heart, np.arange(len(raw.cells)))
    assert len(whole.triangles) == len(surface.boundary_faces(raw.cells, len(raw.points)))
    counts = {heart.labels[tag]: int((whole.named == tag).sum()) for tag in heart.labels}
    assert counts == {name: len(raw.surface(name)) for name in raw.names}
    some = np.flatnonzero(raw.points[raw.cells].mean(axis=1)[:, 1] < 40)
    half = mesh_pictures._skin(heart, some)
    assert np.isin(half.cell, some).all() and (half.named == 0).any()
