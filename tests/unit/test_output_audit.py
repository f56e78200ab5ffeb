"""Audit: whatever is changed in a run that has ended is found."""

import json

import numpy as np
import pytest

from heartwright.errors import StorageError
from heartwright.output import audit


@pytest.fixture
def run(tmp_path):
    """A folder with two files and an input outside, started and ended."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "series.csv").write_text("time [ms]\n0\n")
    (folder / "resolved.yaml").write_text("name: x\n")
    mesh = tmp_path / "heart.msh"
    mesh.write_bytes(bytes(range(256)))
    audit.record(folder, "started", inputs={mesh.name: audit.sha256(mesh)})
    audit.close(folder, exit_code=0)
    return folder, mesh


def findings(run):
    folder, mesh = run
    return list(audit.findings(folder, [mesh]))


def test_what_was_not_touched_is_good(run):
    assert findings(run) == []
    assert audit.is_closed(run[0])


def test_every_flipped_byte_is_found(run):
    folder, mesh = run
    rng = np.random.default_rng(0)
    for path in [mesh, *audit.files(folder), folder / audit.NAME] * 20:
        whole = path.read_bytes()
        flipped = bytearray(whole)
        flipped[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        path.write_bytes(flipped)
        assert findings(run), path
        path.write_bytes(whole)


def test_lines_taken_out_and_files_added_or_removed_are_found(run):
    folder, _ = run
    (folder / "new.txt").touch()
    assert findings(run) == ["new.txt: was not there when the run ended"]
    (folder / "new.txt").unlink()
    (folder / "series.csv").unlink()
    assert findings(run) == ["series.csv: missing"]
    lines = (folder / audit.NAME).read_text().splitlines(keepends=True)
    (folder / audit.NAME).write_text(lines[1])
    assert findings(run)[0].startswith("audit.jsonl:1: was changed")


def test_a_run_that_goes_on_may_change_its_files(run):
    folder, mesh = run
    audit.record(folder, "started", inputs={mesh.name: audit.sha256(mesh)})
    (folder / "series.csv").write_text("time [ms]\n0\n1\n")
    assert findings(run) == [] and not audit.is_closed(folder)


def test_a_report_written_anew_is_noted_and_nothing_else_is_blessed(run):
    folder, _ = run
    (folder / "report.html").write_text("new")
    (folder / "series.csv").write_text("changed")
    audit.amend(folder, [folder / "report.html"])
    assert findings(run) == ["series.csv: was changed since the run ended"]


def test_a_line_cut_short_by_a_crash_does_not_stop_the_next_run(run):
    folder, mesh = run
    with open(folder / audit.NAME, "a") as file:
        file.write('{"event": {"wh')
    assert findings(run)
    audit.record(folder, "started", inputs={mesh.name: audit.sha256(mesh)})
    assert findings(run) == []


def test_a_damaged_audit_is_not_written_on(run):
    folder, _ = run
    path = folder / audit.NAME
    path.write_text(path.read_text().replace('"chain"', '"chaim"'))
    with pytest.raises(StorageError, match="heartwright verify"):
        audit.record(folder, "started")


def test_who_and_where_are_not_told(run):
    text = (run[0] / audit.NAME).read_text()
    assert set(json.loads(text.splitlines()[0])["event"]) == {"what", "when", "inputs"}
