"""Meshes that gmsh made are kept: the same again without gmsh, another for another spec, none of it ever in the way."""

import numpy as np
import pytest

from cup import CUP_REGIONS, cup
from heartwright.mesh import cache
from heartwright.mesh.cache import cached
from heartwright.mesh.spec import MeshSpec

SPEC = MeshSpec(file="cup.msh", unit="mm", regions=CUP_REGIONS, size=9.0)


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Counts how often a mesh is made; the cache is a folder of its own."""
    pytest.importorskip("gmsh")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    calls = []

    def make():
        calls.append(1)
        return cup().but("made of cardboard", checked=cup().digest())

    return make, calls, tmp_path / "heartwright" / "meshes"


def test_the_second_time_it_is_read_and_the_same(made):
    make, calls, _ = made
    first, second = (cached(SPEC, cup(), make) for _ in range(2))
    assert len(calls) == 1
    assert second.notes == first.notes == ("made of cardboard",) and second.source == first.source
    np.testing.assert_array_equal(first.points, second.points)
    np.testing.assert_array_equal(first.cells, second.cells)
    assert all(np.array_equal(first.surface(name), second.surface(name)) for name in first.names)


@pytest.mark.parametrize("change", [{"size": 8.0}, {"fix": ("orientation",)}, {"scale": 1.1}])
def test_another_spec_is_another_mesh(made, change):
    make, calls, _ = made
    cached(SPEC, cup(), make)
    cached(SPEC.replace(**change), cup(), make)
    assert len(calls) == 2


def test_another_input_is_another_mesh(made):
    make, calls, _ = made
    cached(SPEC, cup(), make)
    cached(SPEC, cup().but(points=cup().points * 1.01), make)
    cached(SPEC.replace(fibres={"type": "none"}), cup(), make)  # fibres come later
    assert len(calls) == 2


def test_a_damaged_copy_is_made_anew(made):
    make, calls, folder = made
    cached(SPEC, cup(), make)
    (copy,) = folder.glob("*.h5")
    copy.write_bytes(copy.read_bytes()[:1000])
    cached(SPEC, cup(), make)
    cached(SPEC, cup(), make)
    assert len(calls) == 2


def test_a_cache_that_cannot_be_written_is_no_reason_to_fail(made):
    make, _, folder = made
    folder.parent.mkdir()
    folder.write_text("not a folder")
    assert len(cached(SPEC, cup(), make).cells) == len(cup().cells)


def test_what_was_not_used_for_longest_makes_room(made, monkeypatch):
    make, _, folder = made
    monkeypatch.setattr(cache, "KEPT", 2)
    for size in (5.0, 6.0, 7.0):
        cached(SPEC.replace(size=size), cup(), make)
    assert len(list(folder.iterdir())) == 4  # two meshes, each with its XDMF
