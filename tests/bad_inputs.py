"""Inputs that cannot be used: what is wrong, the command that finds it, its exit code and parts of its one message.

Numbers are those of the list of 64 kinds of bad input that a cardiac solver meets. Missing here are those that are no
files: ranks and tasks, the build of PETSc, memory, the current folder, who may read what, and what happens during a run
(54 to 62, see test_ranks.py, test_run_errors.py and test_cli.py).
"""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

import heart
import mpi
from damage import (
    cells,
    content,
    cut_short,
    flat,
    flipped,
    hdf5,
    held,
    inverted,
    linked,
    moved,
    notes,
    orphan,
    run_with,
    second_part,
    stiffened,
    surface_only,
    swapped,
    third_at_a_face,
    truncated,
    twice,
    with_fibres,
    with_mesh,
    without,
    without_a_patch,
)
from heartwright.mesh.raw import RawMesh

FILE = "mesh: {file: heart.msh, unit: mm, regions: {base: 11, epi: 12, lv_endo: 13}}"
HDF5 = FILE.replace("heart.msh", "heart.h5")
VTU = FILE.replace("heart.msh", "heart.vtu")
MESH = "mesh: {generate: {type: ellipsoid, size: 16 mm}, refine: 1}"
STIMULUS = "{name: lv, where: lv_endo}"
HOLZAPFEL = "passive: {type: holzapfel_ogden, a: 10 kPa, b: 1}"
CHECK, RUN, RESTART = "check small.yaml", "run small.yaml -o run", "restart run"
IMPORT = "model import cell.cellml"
CHECK_MESH = "mesh check heart.vtu --unit mm --regions '{base: 11, epi: 12, lv_endo: 13}'"


# All cases one after the other in the same processes, because starting them takes longer than refusing.
PROGRAM = """
import contextlib, io, json, os, sys, time
from pathlib import Path
from mpi4py import MPI
from heartwright import cli

comm, told = MPI.COMM_WORLD, []
for folder, arguments in json.load(open({cases!r})):
    os.chdir(folder)
    before = sorted(Path(folder).rglob("*"))
    comm.barrier()
    began, said = time.time(), io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        code = cli.main(arguments)
    seconds = time.time() - began
    comm.barrier()
    told.append([code, said.getvalue(), seconds, sorted(Path(folder).rglob("*")) != before])
everybody = comm.gather(told)
if comm.rank == 0:
    json.dump(everybody, open({answers!r}, "w"))
"""


class Answer(NamedTuple):
    """What one rank did with a case: its exit code, what it said, how long it took, whether other files are there."""

    code: int
    said: str
    seconds: float
    left: bool


class Bad(NamedTuple):
    """`changes` are made in the text of a small ventricle, or `text` replaces it; `make` writes files beside it."""

    number: int
    what: str
    parts: tuple[str, ...]
    changes: dict[str, str] = {}  # noqa: RUF012
    text: str | None = None
    make: Callable[[Path], None] | None = None
    command: str = CHECK
    code: int = 64


def edited(old: str, new: str) -> dict[str, str]:
    return {old: new}


def curve(points: str) -> dict[str, str]:
    return edited("mechanics: {", f"mechanics: {{boundaries: [{{type: pressure, where: epi, value: {{{points}}}}}], ")


def mesh(number: int, what: str, *parts: str, damage: Callable[[RawMesh], RawMesh], changes=None) -> Bad:
    """A mesh file that is damaged."""
    changes = {MESH: VTU} | (changes or {})
    return Bad(number, what, parts, changes, make=with_mesh(damage), command=RUN)


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
)

FIBRES = edited("lv_endo: 13}}", "lv_endo: 13}, fibres: {type: file}}")
REMOTE = (
    b"<model xmlns='http://www.cellml.org/cellml/1.1#' xmlns:xlink='http://www.w3.org/1999/xlink' name='m'>"
    b"<import xlink:href='http://example.org/cell.cellml'/></model>"
)

CASES = [
    Bad(1, "empty file", ("is empty",), text=""),
    Bad(2, "tab", (":2:", "tab"), text="title: x\n\ttime: 1\n"),
    Bad(2, "syntax", ("YAML",), text="time: {dt: 1 ms\nmesh: ]\n"),
    Bad(3, "duplicate key", ("dt: given twice (lines 2 and 2)",), edited("dt: 1 ms,", "dt: 1 ms, dt: 2 ms,")),
    Bad(4, "unknown key", ("time.dT: unknown key; did you mean 'dt'?",), edited("dt: 1 ms", "dT: 1 ms")),
    Bad(5, "number in exponential form", ("good",), edited("dt_ep: 0.1 ms", "dt_ep: 1e-1 ms"), code=0),
    Bad(6, "clock time", ("time.dt",), edited("dt: 1 ms", "dt: 12:30")),
    Bad(6, "yes for a number", ("time.dt",), edited("dt: 1 ms", "dt: yes")),
    Bad(7, "python tag", ("tag", "not allowed"), text="title: !!python/object/apply:os.system ['id']\n"),
    Bad(8, "alias bomb", ("values once aliases are expanded",), text=BOMB),
    Bad(9, "deep nesting", ("nested deeper than 64",), text="a: " + "[" * 3000 + "]" * 3000),
    Bad(10, "nan", ("not finite",), edited("a: 10 kPa, b: 1", "a: 10 kPa, b: .nan")),
    Bad(10, "infinite quantity", ("dt",), edited("dt: 1 ms", "dt: 1e999 ms")),
    Bad(11, "step of zero", ("time.dt",), edited("dt: 1 ms", "dt: 0 ms")),
    Bad(11, "step longer than the run", ("must not be larger than the run",), edited("dt: 1 ms", "dt: 100 ms")),
    Bad(12, "missing unit", ("a", "unit"), edited("a: 10 kPa", "a: 10")),
    Bad(13, "wrong dimension", ("mm",), edited("a: 10 kPa", "a: 10 mm")),
    Bad(14, "pressure that no heart has", ("is no resting pressure: wrong unit?",), edited(
        "mechanics: {", "mechanics: {prestress: {lv: 8 MPa}, ")),
    Bad(14, "rhythm that no heart has", ("bpm: wrong unit?",), edited(
        "av_delay: 1 ms", "av_delay: 1 ms, heart_rate: 75 Hz")),
    Bad(15, "negative stiffness", ("a",), edited("a: 10 kPa", "a: -10 kPa")),
    Bad(15, "negative conductivity", ("fibre",), edited("fibre: 3 mS/mm", "fibre: -3 mS/mm")),
    Bad(16, "parameters without convexity", ("b",), edited("b: 1", "b: -1")),
    Bad(17, "no compressibility at all", ("not finite",), edited(HOLZAPFEL, "bulk_modulus: .inf")),
    Bad(18, "missing mesh", ("mesh.file: no file", "heart.msh"), {MESH: FILE}),
    Bad(19, "path to another kind of file", ("mesh.file", "passwd"),
        {MESH: FILE.replace("heart.msh", "/etc/passwd")}, command=RUN),
    Bad(20, "link to another kind of file", ("heart.msh is damaged or not a .msh mesh",), {MESH: FILE},
        make=linked, command=RUN),
    Bad(21, "archive as a mesh", ("heart.msh is damaged or not a .msh mesh",), {MESH: FILE},
        make=content("heart.msh", b"PK\x03\x04" + bytes(200)), command=RUN),
    Bad(21, "unknown suffix", ("cannot read '.stp' files; expected .msh",),
        {MESH: FILE.replace("heart.msh", "heart.stp")}, make=content("heart.stp", b"x"), command=RUN),
    Bad(22, "truncated mesh", ("heart.msh",), {MESH: FILE}, make=truncated, command=RUN),
    Bad(23, "truncated HDF5", ("heart.h5 is truncated or damaged",), {MESH: HDF5}, make=cut_short, command=RUN),
    Bad(24, "HDF5 that links elsewhere", ("link to another file (/etc/passwd); refused",), {MESH: HDF5}, make=hdf5(
        lambda f: f.__setitem__("mesh/coordinates", h5py.ExternalLink("/etc/passwd", "/x"))), command=RUN),
    Bad(24, "HDF5 with another file's bytes", ("keeps its numbers in another file; refused",), {MESH: HDF5}, make=hdf5(
        lambda f: f.create_dataset("mesh/coordinates", (10, 3), "f8", external=[("/etc/passwd", 0, 240)])),
        command=RUN),
    Bad(25, "HDF5 bomb", ("declares 2.4e+04 GB in a file of", "refused"), {MESH: HDF5}, make=hdf5(
        lambda f: f.create_dataset("mesh/coordinates", (10**12, 3), "f8", chunks=(10**4, 3), compression="gzip")),
        command=RUN),
    mesh(26, "cell without its point", "heart.vtu", damage=lambda raw: raw.but(points=raw.points[:-1])),
    mesh(27, "point at nan", "1 point without finite coordinates", damage=lambda raw: moved(raw, 7, [np.nan, 0, 0])),
    mesh(28, "inverted cells", "are inverted", "fix: [orientation]", damage=lambda raw: cells(raw, inverted)),
    mesh(29, "cell without volume", "heart.vtu", damage=lambda raw: cells(raw, flat)),
    Bad(30, "cell twice", ("dropped 1 tetrahedron listed more than once",), make=with_mesh(twice), code=0,
        command=CHECK_MESH),
    Bad(31, "point of no cell", ("dropped 1 point that no tetrahedron uses",), make=with_mesh(orphan), code=0,
        command=CHECK_MESH),
    mesh(32, "two parts", "part", damage=second_part),
    mesh(33, "face of three cells", "heart.vtu", damage=third_at_a_face),
    Bad(34, "surface mesh", ("has no tetrahedra", "triangle"), {MESH: FILE.replace("heart.msh", "heart.vtk")},
        make=surface_only, command=RUN),
    mesh(35, "wrong unit of length", "with `unit: mm` it would be 32.0 mL", damage=lambda raw: raw,
         changes={"unit: mm": "unit: m"}),
    mesh(36, "missing tag", "tag 12 for 'epi' is not on any surface", damage=without(12)),
    Bad(36, "surface that a shape has not", ("no surface 'lv_end'",), edited("{lv: lv_endo}", "{lv: lv_end}")),
    mesh(37, "empty tag", "tag 14 for 'rv_endo' is not on any surface", damage=lambda raw: raw,
         changes={"lv_endo: 13": "lv_endo: 13, rv_endo: 14"}),
    mesh(38, "endocardium and epicardium swapped", "heart.vtu", damage=swapped),
    mesh(39, "open cavity", "the cavity of 'lv_endo' leaks", damage=without_a_patch),
    Bad(40, "no fibres", ("this material needs fibres",), {"refine: 1}": "refine: 1, fibres: {type: none}}"},
        command=RUN),
    mesh(40, "fibres that are missing", "has no vectors 'f0'", damage=lambda raw: raw, changes=FIBRES),
    Bad(40, "fibre of length 0", ("'f0'", "length"), {MESH: VTU} | FIBRES, make=with_fibres(0.0), command=RUN),
    Bad(40, "fibre of length 3", ("'f0'", "length"), {MESH: VTU} | FIBRES, make=with_fibres(3.0), command=RUN),
    Bad(41, "nothing holds the heart", ("mechanics.boundaries: nothing holds the heart",), edited(
        "mechanics: {", "mechanics: {boundaries: [], ")),
    Bad(42, "fixed and sprung", ("mechanics.boundaries.1.where: 'base' is fixed already",), edited(
        "mechanics: {", "mechanics: {boundaries: [{type: fixed, where: base}, "
        "{type: robin, where: base, stiffness: 1 kPa/mm}], ")),
    Bad(43, "stimulus outside the heart", ("nearest",), edited(
        "where: lv_endo}", "where: {sphere: {centre: [500 mm, 0 mm, 0 mm], radius: 1 mm}}}"), command=RUN),
    Bad(43, "stimulus after the end", ("starts at", "after the end"), edited(
        STIMULUS, STIMULUS[:-1] + ", start: 9 s}")),
    Bad(44, "unknown model", ("no model 'torord'",), edited(
        "stimuli:", "cells: [{where: all, model: torord}]\n  stimuli:")),
    Bad(44, "model file that is none", ("evil.mmt",), edited(
        "stimuli:", "cells: [{where: all, model: evil.mmt}]\n  stimuli:"),
        make=content("evil.mmt", b"[[model]]\nx = __import__('os').system('touch /tmp/fired')\n"), command=RUN),
    Bad(45, "CellML with an entity", ("cell.cellml:1:", "entities are not read"), make=content("cell.cellml",
        b"<!DOCTYPE m [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><model name='&x;'/>"), command=IMPORT),
    Bad(45, "CellML that imports from elsewhere", ("cell.cellml: cannot be read as CellML",), make=content(
        "cell.cellml", REMOTE), command=IMPORT),
    Bad(46, "expression as a parameter", ("g_Na",), edited(
        "stimuli:", "cells: [{where: all, parameters: {ina.g_Na: \"__import__('os').getpid()\"}}]\n  stimuli:"),
        command=RUN),
    Bad(47, "tower of exponents", ("g_Na",), edited(
        "stimuli:", "cells: [{where: all, parameters: {ina.g_Na: 9**9**9**9}}]\n  stimuli:"), command=RUN),
    Bad(48, "name that is a path", ("name",), edited("title: one small ventricle", "name: ../x")),
    Bad(48, "name that is code", ("name",), edited("title: one small ventricle", "name: int main(){}")),
    Bad(49, "negative compliance", ("systemic_arteries.C is -1 mL/mmHg; must be > 0",), edited(
        "circulation: {", "circulation: {parameters: {systemic_arteries.C: -1 mL/mmHg}, "), command=RUN),
    Bad(49, "unknown parameter", ("systemic_arteries.Y",), edited(
        "circulation: {", "circulation: {parameters: {systemic_arteries.Y: 1}, "), command=RUN),
    Bad(49, "chamber that is none", ("circulation.cavities",), edited("{lv: lv_endo}", "{left: lv_endo}")),
    Bad(50, "run whose stiffness was changed", ("mechanics.passive.a was 10.0 kPa so far and would be 11.0 kPa",),
        make=stiffened, command=RESTART),
    Bad(50, "checkpoint of another mesh", ("ck-000000005 belongs to another mesh than this run",),
        make=run_with(), command=RESTART),
    Bad(50, "checkpoint of a newer version", ("ck-000000005 has format 99",), make=run_with(format=99),
        command=RESTART),
    Bad(51, "only checkpoint damaged", ("ck-000000005 is damaged (state.h5 does not match its digests)",),
        make=run_with(flipped), command=RESTART),
    Bad(52, "folder of something else", ("is not empty and holds no run",), make=notes, command=RUN),
    Bad(52, "folder that cannot be written", ("/proc/run: ",), command="run small.yaml -o /proc/run", code=74),
    Bad(53, "folder in which another run writes", ("another run is writing here",), make=held, command=RUN),
    Bad(63, "lead outside the heart", ("nearest",), edited("mechanics: {", "devices: [{type: pacemaker, "
        "lead: {at: {sphere: {centre: [500 mm, 0 mm, 0 mm], radius: 1 mm}}}}]\nmechanics: {"), command=RUN),
    Bad(64, "curve with unsorted times", ("mechanics.boundaries.0.value", "times must increase"), curve(
        "times: [0 ms, 5 ms, 3 ms], values: [0 kPa, 1 kPa, 2 kPa]")),
    Bad(64, "curve with a gap", ("as many values as times are needed: got 3 and 2",), curve(
        "times: [0 ms, 5 ms, 9 ms], values: [0 kPa, 1 kPa]")),
    Bad(64, "curve with a wrong unit", ("mechanics.boundaries.0.value", "mm"), curve(
        "times: [0 ms, 5 ms], values: [0 mm, 1 mm]")),
]  # fmt: skip


def answers(folder: Path, ranks: int) -> list[list[Answer]]:
    """For every case what each rank answered."""
    cases, told = folder / "cases.json", folder / "answers.json"
    cases.write_text(json.dumps([_write(case, folder / f"{index:02d}") for index, case in enumerate(CASES)]))
    program = PROGRAM.format(cases=str(cases), answers=str(told))
    done = mpi.run(ranks, program, timeout=600, env={"TMPDIR": str(folder)})
    if not told.exists():
        raise RuntimeError(f"bad inputs on {ranks} ranks: {done.stderr[-3000:]}")
    everybody = [[Answer(*answer) for answer in rank] for rank in json.loads(told.read_text())]
    return [list(case) for case in zip(*everybody, strict=True)]


def wrong(case: Bad, everybody: list[Answer]) -> list[str]:
    """What is not as it must be: the code on every rank, one message with its parts, nothing left behind."""
    text = "".join(answer.said for answer in everybody)
    speakers = sum(bool(answer.said.strip()) for answer in everybody)
    found = [f"'{part}' is not said" for part in case.parts if part not in text]
    found += [f"{word} is said" for word in ("Traceback", "internal error") if word in text]
    if {answer.code for answer in everybody} != {case.code}:
        found.append("another exit code")
    if case.code and speakers != 1:
        found.append(f"{speakers} ranks speak")
    if any(answer.left for answer in everybody):
        found.append("other files than before")
    return found


def _write(case: Bad, folder: Path) -> tuple[str, list[str]]:
    """A case in a folder of its own: the folder, and the arguments of the command line there."""
    folder.mkdir()
    text = heart.ONE_VENTRICLE if case.text is None else case.text
    for old, new in case.changes.items():
        assert old in text, (case.what, old)
        text = text.replace(old, new)
    heart.scenario(folder, text)
    if case.make:
        case.make(folder)
    return str(folder), shlex.split(case.command)
