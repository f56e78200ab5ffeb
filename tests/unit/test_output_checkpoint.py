"""Checkpoints: whole or not there, verified when read, and the one before it is used when one is damaged."""

import numpy as np
import pytest
from mpi4py import MPI

from heartwright.errors import InputError
from heartwright.output.checkpoint import Checkpoints, existing
from heartwright.parts import restore, snapshot


class Pendulum:
    name = "pendulum"

    def __init__(self):
        self.x = np.array([1.0, 2.0])

    def step(self, t, dt):
        self.x += dt

    def state(self):
        return {"x": self.x}

    def rows(self):
        return {}


def saved(folder, steps):
    part = Pendulum()
    for step in steps:
        part.x[:] = step
        checkpoints(folder, part).save(step)
    return part


def checkpoints(folder, part, mesh="heart"):
    return Checkpoints(folder, [part], {"mesh": mesh}, {"dt": "1 ms"}, MPI.COMM_SELF)


def loaded(folder, mesh="heart"):
    """A pendulum put back from a folder, and the notes."""
    part = Pendulum()
    return part, checkpoints(folder, part, mesh).load()


def test_the_newest_checkpoint_comes_back_and_three_are_kept(tmp_path):
    saved(tmp_path, range(1, 6))
    part, notes = loaded(tmp_path)
    np.testing.assert_array_equal(part.x, [5, 5])
    assert [path.name for path in existing(tmp_path)] == [f"ck-{n:09d}" for n in (3, 4, 5)]
    assert (tmp_path / "latest").read_text(encoding="utf-8") == "ck-000000005\n"
    assert notes == []


def test_a_damaged_checkpoint_is_passed_over_aloud(tmp_path):
    saved(tmp_path, [1, 2])
    data = tmp_path / "ck-000000002" / "state.h5"
    content = bytearray(data.read_bytes())
    content[-3] ^= 1
    data.write_bytes(content)
    part, notes = loaded(tmp_path)
    np.testing.assert_array_equal(part.x, [1, 1])
    assert notes[0].startswith("ck-000000002 is damaged (state.h5 does not match its digests)")


def test_a_checkpoint_cut_short_is_not_seen(tmp_path):
    saved(tmp_path, [1])
    (tmp_path / "ck-000000002.partial").mkdir()
    part, _ = loaded(tmp_path)
    np.testing.assert_array_equal(part.x, [1, 1])


def test_another_mesh_is_refused(tmp_path):
    saved(tmp_path, [1])
    with pytest.raises(InputError, match="belongs to another mesh"):
        loaded(tmp_path, "other")


def test_an_empty_folder_has_no_checkpoint(tmp_path):
    with pytest.raises(InputError, match="no usable checkpoint"):
        loaded(tmp_path)


def test_a_snapshot_is_a_copy_and_restores_in_place():
    part = Pendulum()
    kept, live = snapshot([part]), part.x
    part.step(0.0, 1.0)
    restore([part], kept)
    np.testing.assert_array_equal(live, [1.0, 2.0])
