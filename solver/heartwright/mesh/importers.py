"""Mesh files: tagged tetrahedra, closed surfaces or images of labels from any format, in mm under our names."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from heartwright.errors import InputError, did_you_mean
from heartwright.mesh import image, labels
from heartwright.mesh.formats import carp, dolfin, foreign, native, nifti, tetgen, vtkpoly, vtkxml, xdmf
from heartwright.mesh.formats.contents import Contents
from heartwright.mesh.quality import count
from heartwright.mesh.raw import RawMesh
from heartwright.mesh.spec import UNIT, MeshSpec

Found = TypeVar("Found")
OUR_NAMES = ("lv_endo", "rv_endo", "la_endo", "ra_endo", "epi", "base")

READERS: dict[str, Callable[[Path], Contents]] = {
    **dict.fromkeys(foreign.FORMATS, foreign.read),
    ".vtk": lambda path: vtkpoly.read(path) if vtkpoly.is_surface(path) else foreign.read(path),
    **dict.fromkeys((".vtu", ".vtp"), vtkxml.read),
    **dict.fromkeys((".xdmf", ".xmf"), xdmf.read),
    **dict.fromkeys((".pts", ".elem", ".lon", ".surf"), carp.read),
    **dict.fromkeys((".node", ".ele", *tetgen.TRIANGLES, ".smesh"), tetgen.read),
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
        return reader(path.resolve())  # of a link, the files beside what it points to
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
    regions, region = _regions(spec, found, source)
    raw = RawMesh(
        found.points,
        cells,
        triangles,
        _tags(found.data["triangle"], spec.tags, len(triangles), source),
        {},
        source,
        dict(found.labels),
        cell_fields=_fields(found.data["tetra"]),
        point_fields=_fields(found.point_data),
        ours=found.ours,
        coordinates_of=found.coordinates_of,
        regions=regions,
        region=region,
    )
    if spec.tissues and not (region > 0).all():
        raw = raw.keep_cells(region > 0, f"left out {count((region == 0).sum(), 'tetrahedron')} of no tissue")
    return labels.labelled(raw, found, spec.tags)


def _fields(data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: values for name, values in data.items() if values.dtype.kind == "f"}


def _tags(data: dict[str, np.ndarray], wanted: str | None, n: int, source: str) -> np.ndarray:
    """The tags (n,) among the fields of simplices, 0 where there is no such field."""
    name = labels.field(data, wanted, source)
    return labels.integers(data[name]) if name else np.zeros(n, dtype=np.int64)


def _regions(spec: MeshSpec, found: Contents, source: str) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of regions of the tissue, and for every tetrahedron (m,) the number of its own from 1, or 0.

    They are those of `tissues`, else those that the tags of the file make; a single one without a name is none.
    InputError where a tag is not there or has two names.
    """
    n, data = len(found.corners["tetra"]), found.data["tetra"]
    if spec.tissues:
        tags = _tags(data, spec.tags, n, source)
        tags_of = _chosen_tissues(spec, found.regions, tags, source)
    else:
        fields = labels.likely(data, spec.tags)
        tags = labels.integers(data[fields[0]]) if len(fields) == 1 else np.zeros(n, dtype=np.int64)
        present = [tag for tag in np.unique(tags).tolist() if tag > 0]
        several = len(present) > 1 or (present and present[0] in found.regions)
        tags_of = {found.regions.get(tag, f"region_{tag}"): [tag] for tag in present} if several else {}
    region = np.zeros(n, dtype=np.int32)
    for number, own in enumerate(tags_of.values(), 1):
        region[np.isin(tags, own)] = number
    return tuple(tags_of), region


def _chosen_tissues(spec: MeshSpec, names: dict[int, str], tags: np.ndarray, source: str) -> dict[str, list[int]]:
    """The tags of every name in `tissues`, as numbers; InputError with all that do not fit to those on the cells."""
    tag_of = {name: tag for tag, name in names.items()}
    present = dict(zip(*(values.tolist() for values in np.unique(tags, return_counts=True)), strict=True))
    has = ", ".join(f"{tag} {names.get(tag, '')}".strip() + f": {n}" for tag, n in present.items())
    wrong, chosen = [], {}
    for name, given in spec.tissues.items():
        chosen[name] = [tag_of.get(tag, tag) for tag in (given if isinstance(given, tuple) else (given,))]
        missing = [str(tag) for tag in chosen[name] if tag not in present]
        if missing:
            wrong.append(f"{source} has no tetrahedra with tag {', '.join(missing)} for '{name}'; it has {has}")
    given = [tag for own in chosen.values() for tag in own]
    wrong += [
        f"tag {tag} is given to more than one name" for tag in sorted({t for t in given if given.count(t) > 1}, key=str)
    ]
    if wrong:
        raise InputError(*(f"mesh.tissues: {reason}" for reason in wrong))
    return chosen


def _names(spec: MeshSpec, raw: RawMesh) -> dict[str, tuple[int, ...]]:
    """Our surface names and the tags each stands for, from `regions` or from the file's own names."""
    if spec.regions:
        tag_of = {name: tag for tag, name in raw.labels.items()}
        return {
            name: tuple(_tag(tag, tag_of, raw) for tag in (tags if isinstance(tags, tuple) else (tags,)))
            for name, tags in spec.regions.items()
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
