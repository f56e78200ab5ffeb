"""Inputs that cannot be used: what is wrong, the command that finds it, its exit code and parts of its one message.

Numbers are those of the list of 64 kinds of bad input that a cardiac solver meets; kinds that Heartwright has no input
for yet (devices as surfaces, sensor tables, fibres from files, CellML) are missing.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

import heart
from cup import cup, write
from heartwright.mesh.raw import RawMesh

FILE = "mesh: {file: heart.msh, unit: mm, regions: {base: 11, epi: 12, lv_endo: 13}}"
HDF5 = FILE.replace("heart.msh", "heart.h5")
MESH = "mesh: {generate: {type: ellipsoid, size: 16 mm}, refine: 1}"
STIMULUS = "{name: lv, where: lv_endo}"
HOLZAPFEL = "passive: {type: holzapfel_ogden, a: 10 kPa, b: 1}"


class Bad(NamedTuple):
    """`changes` are made in the text of a small ventricle, or `text` replaces it; `make` writes files beside it."""

    number: int
    what: str
    parts: tuple[str, ...]
    changes: dict[str, str] = {}  # noqa: RUF012
    text: str | None = None
    make: Callable[[Path], None] | None = None
    command: str = "check"
    code: int = 64


def edited(old: str, new: str) -> dict[str, str]:
    return {old: new}


def mesh(number: int, what: str, *parts: str, damage: Callable[[RawMesh], RawMesh], changes=None, code=64) -> Bad:
    """A mesh file that is damaged."""

    def make(folder: Path) -> None:
        write(damage(cup()), folder / "heart.vtu", "vtu")

    changes = {MESH: FILE.replace("heart.msh", "heart.vtu")} | (changes or {})
    return Bad(number, what, parts, changes, make=make, command="run", code=code)


def content(name: str, data: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(data) and None


def truncated(folder: Path) -> None:
    write(cup(), folder / "heart.msh", "2.2")
    data = (folder / "heart.msh").read_bytes()
    (folder / "heart.msh").write_bytes(data[: len(data) * 2 // 3])


def hdf5(change: Callable[[h5py.File], object]) -> Callable[[Path], None]:
    """A mesh of DOLFIN's kind whose points are what `change` makes of them."""

    def make(folder: Path) -> None:
        with h5py.File(folder / "heart.h5", "w") as file:
            file["mesh/topology"] = cup().cells
            change(file)

    return make


def cut_short(folder: Path) -> None:
    hdf5(lambda file: file.create_dataset("mesh/coordinates", data=cup().points))(folder)
    data = (folder / "heart.h5").read_bytes()
    (folder / "heart.h5").write_bytes(data[: len(data) // 2])


def linked(folder: Path) -> None:
    (folder / "heart.msh").symlink_to("/etc/passwd")


def moved(raw: RawMesh, vertex: int, where) -> RawMesh:
    points = raw.points.astype(float)
    points[vertex] = where
    return raw.but(points=points)


def cells(raw: RawMesh, change: Callable[[np.ndarray], np.ndarray]) -> RawMesh:
    return raw.but(cells=change(raw.cells.copy()))


def inverted(c: np.ndarray) -> np.ndarray:
    c[::2] = c[::2][:, [1, 0, 2, 3]]
    return c


def flat(c: np.ndarray) -> np.ndarray:
    c[5, 3] = c[5, 2]
    return c


def second_part(raw: RawMesh) -> RawMesh:
    far = np.array([[0.0, 0, 0], [5, 0, 0], [0, 5, 0], [0, 0, 5]]) + 500
    n = len(raw.points)
    return raw.but(points=np.vstack([raw.points, far]), cells=np.vstack([raw.cells, n + np.arange(4)]))


def third_at_a_face(raw: RawMesh) -> RawMesh:
    n, face = len(raw.points), raw.cells[0][:3]
    top = raw.points[raw.cells[0]].mean(axis=0) + np.array([0.5, 0.3, 0.2])
    more = [[*face, n], [*face, n + 1]]
    return raw.but(points=np.vstack([raw.points, top, top + 1]), cells=np.vstack([raw.cells, more]))


def without(tag: int) -> Callable[[RawMesh], RawMesh]:
    def damage(raw: RawMesh) -> RawMesh:
        return raw.but(facets=raw.facets[raw.facet_tags != tag], facet_tags=raw.facet_tags[raw.facet_tags != tag])

    return damage


def swapped(raw: RawMesh) -> RawMesh:
    tags = raw.facet_tags.copy()
    tags[raw.facet_tags == 13], tags[raw.facet_tags == 12] = 12, 13
    return raw.but(facet_tags=tags)


def surface_only(folder: Path) -> None:
    text = "# vtk DataFile Version 3.0\nx\nASCII\nDATASET UNSTRUCTURED_GRID\nPOINTS 3 float\n0 0 0 1 0 0 0 1 0\n"
    (folder / "heart.vtk").write_text(text + "CELLS 1 4\n3 0 1 2\nCELL_TYPES 1\n5\n")


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
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
        {MESH: FILE.replace("heart.msh", "/etc/passwd")}, command="run"),
    Bad(20, "link to another kind of file", ("heart.msh is damaged or not a .msh mesh",), {MESH: FILE},
        make=linked, command="run"),
    Bad(21, "archive as a mesh", ("heart.msh is damaged or not a .msh mesh",), {MESH: FILE},
        make=content("heart.msh", b"PK\x03\x04" + bytes(200)), command="run"),
    Bad(21, "unknown suffix", ("cannot read '.stp' files; expected .msh",),
        {MESH: FILE.replace("heart.msh", "heart.stp")}, make=content("heart.stp", b"x"), command="run"),
    Bad(22, "truncated mesh", ("heart.msh",), {MESH: FILE}, make=truncated, command="run"),
    Bad(23, "truncated HDF5", ("heart.h5 is truncated or damaged",), {MESH: HDF5}, make=cut_short, command="run"),
    Bad(24, "HDF5 that links elsewhere", ("link to another file (/etc/passwd); refused",), {MESH: HDF5}, make=hdf5(
        lambda f: f.__setitem__("mesh/coordinates", h5py.ExternalLink("/etc/passwd", "/x"))), command="run"),
    Bad(24, "HDF5 with another file's bytes", ("keeps its numbers in another file; refused",), {MESH: HDF5}, make=hdf5(
        lambda f: f.create_dataset("mesh/coordinates", (10, 3), "f8", external=[("/etc/passwd", 0, 240)])),
        command="run"),
    Bad(25, "HDF5 bomb", ("declares 2.4e+04 GB in a file of", "refused"), {MESH: HDF5}, make=hdf5(
        lambda f: f.create_dataset("mesh/coordinates", (10**12, 3), "f8", chunks=(10**4, 3), compression="gzip")),
        command="run"),
    mesh(26, "cell without its point", "heart.vtu", damage=lambda raw: raw.but(points=raw.points[:-1])),
    mesh(27, "point at nan", "1 point without finite coordinates", damage=lambda raw: moved(raw, 7, [np.nan, 0, 0])),
    mesh(28, "inverted cells", "are inverted", "fix: [orientation]", damage=lambda raw: cells(raw, inverted)),
    mesh(29, "cell without volume", "heart.vtu", damage=lambda raw: cells(raw, flat)),
    mesh(32, "two parts", "part", damage=second_part),
    mesh(33, "face of three cells", "heart.vtu", damage=third_at_a_face),
    Bad(34, "surface mesh", ("has no tetrahedra", "triangle"), {MESH: FILE.replace("heart.msh", "heart.vtk")},
        make=surface_only, command="run"),
    mesh(35, "wrong unit of length", "with `unit: mm` it would be 32.0 mL", damage=lambda raw: raw,
         changes={"unit: mm": "unit: m"}),
    mesh(36, "missing tag", "tag 12 for 'epi' is not on any surface", damage=without(12)),
    Bad(36, "surface that a shape has not", ("no surface 'lv_end'",), edited("{lv: lv_endo}", "{lv: lv_end}")),
    mesh(37, "empty tag", "tag 14 for 'rv_endo' is not on any surface", damage=lambda raw: raw,
         changes={"lv_endo: 13": "lv_endo: 13, rv_endo: 14"}),
    mesh(38, "endocardium and epicardium swapped", "heart.vtu", damage=swapped),
    Bad(40, "no fibres", ("this material needs fibres",), {"refine: 1}": "refine: 1, fibres: {type: none}}"},
        command="run"),
    Bad(41, "nothing holds the heart", ("mechanics.boundaries: nothing holds the heart",), edited(
        "mechanics: {", "mechanics: {boundaries: [], ")),
    Bad(42, "fixed and sprung", ("mechanics.boundaries.1.where: 'base' is fixed already",), edited(
        "mechanics: {", "mechanics: {boundaries: [{type: fixed, where: base}, "
        "{type: robin, where: base, stiffness: 1 kPa/mm}], ")),
    Bad(43, "stimulus outside the heart", ("nearest",), edited(
        "where: lv_endo}", "where: {sphere: {centre: [500 mm, 0 mm, 0 mm], radius: 1 mm}}}"), command="run"),
    Bad(43, "stimulus after the end", ("starts at", "after the end"), edited(
        STIMULUS, STIMULUS[:-1] + ", start: 9 s}")),
    Bad(44, "unknown model", ("no model 'torord'",), edited(
        "stimuli:", "cells: [{where: all, model: torord}]\n  stimuli:")),
    Bad(44, "model file that is none", ("evil.mmt",), edited(
        "stimuli:", "cells: [{where: all, model: evil.mmt}]\n  stimuli:"),
        make=content("evil.mmt", b"[[model]]\nx = __import__('os').system('touch /tmp/fired')\n"), command="run"),
    Bad(46, "expression as a parameter", ("g_Na",), edited(
        "stimuli:", "cells: [{where: all, parameters: {ina.g_Na: \"__import__('os').getpid()\"}}]\n  stimuli:"),
        command="run"),
    Bad(47, "tower of exponents", ("g_Na",), edited(
        "stimuli:", "cells: [{where: all, parameters: {ina.g_Na: 9**9**9**9}}]\n  stimuli:"), command="run"),
    Bad(48, "name that is a path", ("name",), edited("title: one small ventricle", "name: ../x")),
    Bad(48, "name that is code", ("name",), edited("title: one small ventricle", "name: int main(){}")),
    Bad(49, "negative compliance", ("systemic_arteries.C is -1 mL/mmHg; must be > 0",), edited(
        "circulation: {", "circulation: {parameters: {systemic_arteries.C: -1 mL/mmHg}, "), command="run"),
    Bad(49, "unknown parameter", ("systemic_arteries.Y",), edited(
        "circulation: {", "circulation: {parameters: {systemic_arteries.Y: 1}, "), command="run"),
    Bad(49, "chamber that is none", ("circulation.cavities",), edited("{lv: lv_endo}", "{left: lv_endo}")),
]  # fmt: skip


def write_all(folder: Path) -> list[tuple[list[str], str]]:
    """Every case in a folder of its own: the arguments of the command line, and the folder that must not be there."""
    return [_write(case, folder / f"{index:02d}") for index, case in enumerate(CASES)]


def _write(case: Bad, folder: Path) -> tuple[list[str], str]:
    folder.mkdir(parents=True)
    text = heart.ONE_VENTRICLE if case.text is None else case.text
    for old, new in case.changes.items():
        assert old in text, (case.what, old)
        text = text.replace(old, new)
    path, out = heart.scenario(folder, text), str(folder / "run")
    if case.make:
        case.make(folder)
    return [case.command, str(path)] + (["-o", out] if case.command == "run" else []), out
