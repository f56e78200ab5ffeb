"""Fields: what is written is read back, by others too, and a killed writer loses at most the frame it was writing."""

import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

import h5py
import numpy as np
import pytest
from mpi4py import MPI

from heartwright.errors import StorageError
from heartwright.output.fields import Fields, read, times
from heartwright.parts import Rows

POINTS = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]])
ROWS = Rows(np.arange(5))
CELLS = np.array([[0, 1, 2, 3], [1, 2, 3, 4]])


def opened(folder, frames=5, components=None):
    components = components or {"v": 1, "u": 3}
    fibres = {"f0": np.tile([1.0, 0.0, 0.0], (2, 1))}
    return Fields(folder / "fields", MPI.COMM_SELF, POINTS, ROWS, CELLS, components, fibres, frames, np.eye(3))


def write(fields, n):
    for k in range(n):
        fields.write(10.0 * k, {"v": POINTS[:, 0] + k, "u": POINTS * k})


def test_what_is_written_is_read_back(tmp_path):
    fields = opened(tmp_path)
    write(fields, 3)
    fields.close()
    frame = read(tmp_path / "fields", -1)
    assert frame["time"] == 20.0
    np.testing.assert_array_equal(frame["points"], POINTS)
    np.testing.assert_array_equal(frame["cells"], CELLS)
    np.testing.assert_allclose(frame["u"], 2 * POINTS)


def test_every_reference_of_the_xdmf_leads_to_data_of_the_stated_shape_and_type(tmp_path):
    fields = opened(tmp_path)
    write(fields, 3)
    fields.close()
    items = list(ElementTree.parse(tmp_path / "fields.xdmf").iter("DataItem"))
    assert len(items) == 3 * 5  # per frame: topology, geometry, f0, v, u
    for item in items:
        name, _, path = item.text.partition(":")
        with h5py.File(tmp_path / name) as file:
            assert file[path].shape == tuple(int(n) for n in item.get("Dimensions").split())
            assert file[path].dtype.itemsize == int(item.get("Precision"))
            assert file[path].dtype.kind == {"Float": "f", "Int": "i"}[item.get("NumberType")]


def test_a_restart_keeps_the_frames_before_it_and_makes_room_for_more(tmp_path):
    fields = opened(tmp_path, frames=3)
    write(fields, 3)
    fields.close()
    again = opened(tmp_path, frames=6)
    again.truncate(10.0)
    again.write(12.0, {"v": np.zeros(5), "u": np.zeros((5, 3))})
    again.close()
    np.testing.assert_array_equal(times(tmp_path / "fields"), [0.0, 10.0, 12.0])
    np.testing.assert_allclose(read(tmp_path / "fields", 1)["u"], POINTS)


def test_what_a_kill_left_of_a_file_that_was_being_laid_out_is_not_in_the_way(tmp_path):
    (tmp_path / "fields.h5.partial").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(88))
    fields = opened(tmp_path)
    write(fields, 1)
    fields.close()
    assert read(tmp_path / "fields", -1)["time"] == 0.0


def test_a_frame_too_many_is_refused(tmp_path):
    fields = opened(tmp_path, frames=1)
    write(fields, 1)
    with pytest.raises(StorageError, match="room for 1 frames"):
        write(fields, 1)
    fields.close()


WRITER = """
import sys
import numpy as np
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_output_fields import POINTS, opened
fields = opened(Path({folder!r}), frames=3000)
k = 0
while k < 3000:
    fields.write(float(k), {{"v": np.full(5, float(k)), "u": POINTS * k}})
    k += 1
"""


def test_a_killed_writer_leaves_every_listed_frame_whole(tmp_path):
    """Five kills at random moments: the file opens and each frame the XDMF lists holds its own numbers."""
    rng = np.random.default_rng(1)
    for trial in range(5):
        folder = tmp_path / str(trial)
        folder.mkdir()
        program = WRITER.format(tests=str(__file__).rsplit("/", 1)[0], folder=str(folder))
        writer = subprocess.Popen([sys.executable, "-c", program])
        deadline = time.monotonic() + 20
        while not (folder / "fields.xdmf").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.1))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        listed = times(folder / "fields")
        for k, t in list(enumerate(listed))[-2:]:
            np.testing.assert_array_equal(read(folder / "fields", k)["v"], np.full(5, t))
