"""Whose heart it is, and who computed it, stands in no result."""

import os
import shutil
from pathlib import Path

import pytest

import heart
from cup import cup, write
from heartwright import cli

PERSON = "Doe_Jane_19500101_MRN4711"
WORDS = ("doe_jane", "19500101", "mrn4711")  # long enough not to stand in a picture by chance
MESH = "mesh: {generate: {type: ellipsoid, size: 16 mm}, refine: 1}"


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """A mesh with a name in its path, its file name and its header; links to inputs are kept in tmp_path."""
    monkeypatch.chdir(tmp_path)  # a run in this process leaves the current folder
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / PERSON
    folder.mkdir()
    mesh = folder / f"heart_of_{PERSON}.vtu"
    write(cup(), mesh, "vtu")
    head, rest = mesh.read_text().split("<VTKFile", 1)
    mesh.write_text(f"{head}<!-- patient {PERSON} --><VTKFile{rest}")
    mask = os.umask(0o022)
    yield mesh
    os.umask(mask)


def small(mesh: Path, more: str = "") -> str:
    text = heart.ONE_VENTRICLE.replace("end: 20 ms", "end: 2 ms")
    block = f"mesh: {{file: {mesh}, unit: mm, regions: {{base: 11, epi: 12, lv_endo: 13}}, refine: 1}}"
    assert MESH in text
    return text.replace(MESH, block) + more


def everything(folder: Path) -> str:
    """All that a folder tells: names of files, where links lead, every byte."""
    told = []
    for path in folder.rglob("*"):
        told += [path.name, os.readlink(path) if path.is_symlink() else ""]
        told += [path.read_bytes().decode("latin-1")] if path.is_file() else []
    return "\n".join(told)


def test_no_result_of_a_patients_run_tells_whose_heart_it_is(planted, tmp_path):
    run = tmp_path / "run"
    path = heart.scenario(tmp_path, small(planted, "data: patient\n"))
    assert cli.main(["run", str(path), "-o", str(run), "--set", "output.report=true"]) == 0
    told = everything(run)
    assert not any(word in told.lower() for word in WORDS)
    assert str(tmp_path) not in told and str(Path.home()) not in told
    assert (run / "report.html").exists()
    assert cli.main(["verify", str(run)]) == 0

    assert cli.main(["restart", str(run), "--set", "time.end=3 ms"]) == 0
    moved = planted.rename(tmp_path / f"{PERSON}.vtu")
    assert cli.main(["restart", str(run), "--set", "time.end=4 ms"]) == 64
    assert cli.main(["restart", str(run), "--set", "time.end=4 ms", "--set", f"mesh.file={moved}"]) == 0
    assert not any(word in everything(run).lower() for word in WORDS)


def test_a_run_folder_holds_no_absolute_path_and_moves_with_its_mesh(planted, tmp_path):
    project = tmp_path / "project"
    run = project / "runs" / "run"
    shutil.copytree(planted.parent, project / "meshes")
    path = heart.scenario(project, small(Path("meshes") / planted.name))
    assert cli.main(["run", str(path), "-o", str(run)]) == 0
    assert str(tmp_path) not in everything(run)
    elsewhere = project.rename(tmp_path / "elsewhere")
    assert cli.main(["restart", str(elsewhere / "runs" / "run"), "--set", "time.end=3 ms"]) == 0
