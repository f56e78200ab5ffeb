"""Mesh files: tagged tetrahedra, closed surfaces or images of labels from any format, in mm under our names."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from heartwright.errors import InputError, did_you_mean
from heartwright.mesh import image, labels
from heartwright.mesh.formats import carp, dolfin, foreign, native, nifti, tetgen, vtkpoly, vtkxml, xdmf
from heartwright.mesh.formats.contents import Contents
from heartwright.mesh.raw import RawMesh
from heartwright.mesh.spec import MYOCARDIUM, UNIT, MeshSpec

Found = TypeVar("Found")
OUR_NAMES = ("lv_endo", "rv_endo", "la_endo", "ra_endo", "epi", "base")

READERS: dict[str, Callable[[Path], Contents]] = {
    **dict.fromkeys(foreign.FORMATS, foreign.read),
    ".vtk": lambda path: vtkpoly.read(path) if vtkpoly.is_surface(path) else foreign.read(path),
    **dict.fromkeys((".vtu", ".vtp"), vtkxml.read),
    **dict.fromkeys((".xdmf", ".xmf"), xdmf.read),
    **dict.fromkeys((".pts", ".elem", ".lon", ".surf"), carp.read),
    **dict.fromkeys((".node", ".ele", ".face", ".smesh"), tetgen.read),
    **dict.fromkeys((".h5", ".hdf5"), lambda path: native.read(path) if native.is_ours(path) else dolfin.read(path)),
}


def read(spec: MeshSpec) -> RawMesh:
    """The mesh of `spec.file` in mm with the surfaces of `spec.regions`; InputError where it cannot be read.

    A file of triangles alone, or an image, gives a RawMesh without cells, to be filled (see fill.py).
    """
    if nifti.is_image(spec.file):
        return image.tissue(voxels(spec), spec)
    raw = tagged(contents(spec), spec)
    unit = spec.unit or ("mm" if raw.ours else None)
    if unit is None:
        raise InputError("mesh.unit: missing, and the file does not say: give mm, cm, m or um")
    raw = raw.but(points=raw.points * UNIT[unit])
    return raw.but(names=_names(spec, raw))


def contents(spec: MeshSpec) -> Contents:
    """What `spec.file` and the files in `spec.also` hold together; InputError where they cannot be read."""
    found = _contents(Path(spec.file), "mesh.file")
    for i, name in enumerate(spec.also):
        other = _contents(Path(name), f"mesh.also.{i}")
        try:
            found.join(other)
        except ValueError as reason:
            raise InputError(f"mesh.also.{i}: {Path(name).name} does not belong to {spec.file}: {reason}") from None
    return found


def voxels(spec: MeshSpec) -> nifti.Image:
    """The image `spec.file`; InputError where it cannot be read, or further files are given."""
    if spec.also or spec.tags:
        raise InputError(f"mesh.file: {Path(spec.file).name} is an image, which `also` and `tags` do not go with")
    return _opened(Path(spec.file), "mesh.file", nifti.read)


def _contents(path: Path, key: str) -> Contents:
    if path.suffix.lower() not in READERS:
        known = ", ".join((*READERS, *nifti.SUFFIXES))
        raise InputError(f"{key}: {path.name}: cannot read '{path.suffix}' files; expected {known}")
    return _opened(path, key, READERS[path.suffix.lower()])


def _opened(path: Path, key: str, reader: Callable[[Path], Found]) -> Found:
    """What a reader finds in a file; InputError where it finds nothing it can follow."""
    if not path.is_file():
        raise InputError(f"{key}: there is no file {path}")
    try:
        return reader(path)
    except InputError:
        raise
    except Exception as reason:
        text = str(reason) or type(reason).__name__
        if isinstance(reason, LookupError | TypeError | AttributeError):  # a reader that lost its way
            text = f"its structure cannot be followed ({type(reason).__name__}: {text})"
        kind = "an image of labels" if nifti.is_image(path.name) else f"a {path.suffix} mesh"
        raise InputError(f"{key}: {path.name} is damaged or not {kind}: {text}") from None


def tagged(found: Contents, spec: MeshSpec) -> RawMesh:
    """The contents of a file as a RawMesh in the file's unit, its triangles tagged but without our names yet."""
    source = Path(spec.file).name
    cells, triangles = found.corners["tetra"], found.corners["triangle"]
    if not len(cells) and not len(triangles):
        kinds = ", ".join(sorted(found.others)) or "no cells"
        raise InputError(f"mesh.file: {source} has neither tetrahedra nor triangles (it has: {kinds})")
    chosen = _tissue(spec, found.data["tetra"], len(cells), source)
    raw = RawMesh(
        found.points,
        cells[chosen],
        triangles,
        _tags(found.data["triangle"], spec.tags, len(triangles), source),
        {},
        source,
        dict(found.labels),
        cell_fields={name: values[chosen] for name, values in _fields(found.data["tetra"]).items()},
        point_fields=_fields(found.point_data),
        ours=found.ours,
        coordinates_of=found.coordinates_of,
    )
    return labels.labelled(raw, found, spec.tags)


def _fields(data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: values for name, values in data.items() if values.dtype.kind == "f"}


def _tags(data: dict[str, np.ndarray], wanted: str | None, n: int, source: str) -> np.ndarray:
    """The tags (n,) among the fields of simplices, 0 where there is no such field."""
    name = labels.field(data, wanted, source)
    return labels.integers(data[name]) if name else np.zeros(n, dtype=np.int64)


def _tissue(spec: MeshSpec, data: dict[str, np.ndarray], n: int, source: str) -> np.ndarray:
    """Which of n cells are myocardium: those with its tags where `regions` gives any, else all."""
    if MYOCARDIUM not in spec.regions:
        return np.ones(n, dtype=bool)
    parts = _tags(data, spec.tags, n, source)
    tags = np.atleast_1d(spec.regions[MYOCARDIUM])
    chosen = np.isin(parts, tags)
    if not chosen.any():
        has = ", ".join(f"{tag}: {n}" for tag, n in zip(*np.unique(parts, return_counts=True), strict=True))
        wanted = ", ".join(map(str, tags))
        raise InputError(f"mesh.regions: {source} has no tetrahedra with tag {wanted} for '{MYOCARDIUM}'; it has {has}")
    return chosen


def _names(spec: MeshSpec, raw: RawMesh) -> dict[str, tuple[int, ...]]:
    """Our surface names and the tags each stands for, from `regions` or from the file's own names."""
    if spec.regions:
        tag_of = {name: tag for tag, name in raw.labels.items()}
        wanted = {name: tags for name, tags in spec.regions.items() if name != MYOCARDIUM}
        return {
            name: tuple(_tag(tag, tag_of, raw) for tag in (tags if isinstance(tags, tuple) else (tags,)))
            for name, tags in wanted.items()
        }
    own = {name: (tag,) for tag, name in sorted(raw.labels.items()) if raw.ours or name in OUR_NAMES}
    if not raw.ours and not any(name.endswith("endo") for name in own):
        raise InputError(
            f"mesh.regions: missing, and {raw.source} names no cavity as we do ({', '.join(OUR_NAMES)}); "
            f"it has {raw.inventory()}; give e.g. regions: {{lv_endo: 13, epi: 12, base: 11}}, "
            f"or let `heartwright mesh import {raw.source} --suggest` propose them"
        )
    return own


def _tag(tag: int | str, tag_of: dict[str, int], raw: RawMesh) -> int:
    """A tag given by its number, or by the name the file gives it."""
    if isinstance(tag, str) and tag not in tag_of:
        raise InputError(f"mesh.regions: {raw.source} has no surface called '{tag}'{did_you_mean(tag, tag_of)}")
    return tag_of[tag] if isinstance(tag, str) else tag
