"""Inputs with random damage: either they are good or they are refused as bad input; never a mistake of ours."""

import contextlib
import io
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mpi4py import MPI

import heart
from cup import CUP_REGIONS, cup, write
from heartwright import cli
from heartwright.errors import InputError
from heartwright.mesh import checks, importers, shares
from heartwright.mesh.formats import native
from heartwright.mesh.spec import MeshSpec
from heartwright.output import checkpoint
from heartwright.output.checkpoint import Checkpoints

# Where, and what is put there in place of how many bytes.
CUTS = st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=6), st.integers(0, 12)), min_size=1, max_size=4)
TOKENS = [
    b":",
    b"- ",
    b"{",
    b"}",
    b"[",
    b"\n",
    b"\t",
    b"  ",
    b"&a ",
    b"*a",
    b"!!x ",
    b"1e999",
    b"null",
    b"-1",
    b"mm",
    b"'",
]
TEXTS = st.lists(st.tuples(st.floats(0, 1), st.sampled_from(TOKENS), st.integers(0, 12)), min_size=1, max_size=4)

CUP = MeshSpec(file="cup.msh", unit="mm", regions=CUP_REGIONS)
KINDS = ["msh", "vtk", "vtu", "h5"]


class Pendulum:
    name = "pendulum"

    def __init__(self):
        self.x = np.zeros(2)

    def step(self, t, dt):
        self.x += dt

    def state(self):
        return {"x": self.x}

    def rows(self):
        return {}


def damaged(data: bytes, cuts) -> bytes:
    for where, new, length in cuts:
        at = int(where * len(data))
        data = data[:at] + new + data[at + length :]
    return data


def check(folder, cuts) -> None:
    path = folder / "small.yaml"
    path.write_bytes(damaged(heart.ONE_VENTRICLE.encode(), cuts))
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        code = cli.main(["check", str(path)])
    assert code in (0, 64) and said.getvalue(), said.getvalue()


def read_mesh(files, kind, cuts) -> None:
    folder, whole = files
    path = folder / f"heart.{kind}"
    path.write_bytes(damaged(whole[kind], cuts))
    spec = MeshSpec(file=str(path), unit="mm") if kind == "h5" else CUP.replace(file=str(path))
    with contextlib.suppress(InputError):
        assert shares.read(spec, MPI.COMM_SELF) or checks.checked(importers.read(spec), spec)


def load_checkpoint(folder, name, cuts) -> None:
    shutil.rmtree(folder / "copy", ignore_errors=True)
    shutil.copytree(folder / "whole", folder / "copy")
    path = folder / "copy" / "ck-000000001" / name
    path.write_bytes(damaged(path.read_bytes(), cuts))
    changed = path.read_bytes() != (folder / "whole" / "ck-000000001" / name).read_bytes()
    checkpoint.newest_facts(folder / "copy")
    part = Pendulum()
    try:
        Checkpoints(folder / "copy", [part], {"mesh": "heart"}, {}, MPI.COMM_SELF).load()
    except InputError:
        assert changed
    else:
        assert list(part.x) == [3.0, 3.0]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("meshes")
    for kind, form in (("msh", "2.2"), ("vtk", "vtk"), ("vtu", "vtu")):
        write(cup(), folder / f"heart.{kind}", form)
    native.write(folder / "heart.h5", checks.checked(cup(), CUP))
    return folder, {kind: (folder / f"heart.{kind}").read_bytes() for kind in KINDS}


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    part = Pendulum()
    part.x[:] = 3.0
    Checkpoints(folder / "whole", [part], {"mesh": "heart"}, {}, MPI.COMM_SELF).save(1)
    return folder


def often(examples: int):
    """So many examples, always the same ones."""
    quiet = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=quiet)


@often(40)
@given(cuts=st.one_of(CUTS, TEXTS))
def test_scenarios(tmp_path, cuts):
    check(tmp_path, cuts)


@pytest.mark.parametrize("kind", KINDS)
@often(15)
@given(cuts=CUTS)
def test_meshes(files, kind, cuts):
    read_mesh(files, kind, cuts)


@pytest.mark.parametrize("name", ["state.h5", "manifest.json"])
@often(30)
@given(cuts=CUTS)
def test_checkpoints(kept, name, cuts):
    load_checkpoint(kept, name, cuts)


@pytest.mark.slow
@often(1000)
@given(cuts=st.one_of(CUTS, TEXTS))
def test_a_thousand_scenarios(tmp_path, cuts):
    check(tmp_path, cuts)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@often(1000)
@given(cuts=CUTS)
def test_a_thousand_meshes(files, kind, cuts):
    read_mesh(files, kind, cuts)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["state.h5", "manifest.json"])
@often(1000)
@given(cuts=CUTS)
def test_a_thousand_checkpoints(kept, name, cuts):
    load_checkpoint(kept, name, cuts)
