"""Suggest which tags are base, epicardium and endocardia, from the shape of the surfaces alone.

A surface S of area A, its triangles pointing out of the tissue, is closed by a cone over each of its rims (surface.py).
With V the volume so enclosed, V / A^1.5 is positive for an epicardium, which bulges outwards, and negative for an
endocardium, whose triangles point into the cavity. The base lies between: it touches the epicardium and a larger
endocardium. What touches neither but an endocardium, as a right septum with a tag of its own, lines the same cavity. Of
the cavities the rounder one, 36 π V² / A³ being 1 for a sphere, is the left ventricle's. Where neither tags nor sharp
edges part the surfaces, what they face does (shape.py).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from heartwright.errors import InputError
from heartwright.mesh import importers, shape, surface
from heartwright.mesh.formats import nifti
from heartwright.mesh.labels import integers, outside
from heartwright.mesh.raw import RawMesh
from heartwright.mesh.remesh import tags_on
from heartwright.mesh.spec import UNIT, MeshSpec

FLAT = 0.02  # |V| / A^1.5 of what does not bulge; half a sphere has 0.13, a slender right ventricle 0.05


@dataclass(frozen=True)
class Face:
    """A piece of the surface: how many triangles, area [unit²] and enclosed volume [unit³]."""

    triangles: int
    area: float
    volume: float

    @property
    def bulge(self) -> float:
        """V / A^1.5."""
        return self.volume / self.area**1.5

    @property
    def roundness(self) -> float:
        """36 π V² / A³."""
        return 36.0 * np.pi * self.bulge**2


def regions(raw: RawMesh) -> tuple[dict[str, list[int]], dict[int, Face]]:
    """Our surface names with the tags they seem to have, and what is known of every tag.

    `raw` is tagged (importers.tagged), in any unit, with cells or without. InputError where nothing looks like an
    endocardium.
    """
    triangles = outside(raw)
    tags = tags_on(raw, triangles) if len(raw.cells) else raw.facet_tags
    faces = {int(tag): _face(raw.points, triangles[tags == tag]) for tag in np.unique(tags)}
    kinds = _kinds(faces, _touching(triangles, tags, len(raw.points)))
    cavities = sorted(
        {kind for kind in kinds.values() if isinstance(kind, int)},
        key=lambda cavity: -_face(raw.points, triangles[np.isin(tags, _of(kinds, cavity))]).roundness,
    )
    if not cavities:
        raise InputError(
            f"mesh.regions: {raw.source}: no surface looks like an endocardium; it has {raw.inventory()}; "
            "of blood or of a vessel name the surfaces yourself, e.g. --unit mm --regions '{wall: 1, inlet: 2}'"
        )
    names = ["lv_endo", "rv_endo", *(f"cavity_{i}_endo" for i in range(3, len(cavities) + 1))]
    proposed = {name: _of(kinds, cavity) for name, cavity in zip(names, cavities, strict=False)}
    proposed |= {name: _of(kinds, name) for name in ("epi", "base")}
    return {name: own for name, own in proposed.items() if own}, faces


@dataclass(frozen=True)
class Proposal:
    """Unit and regions of a file as a scenario would give them, and the lines that say why."""

    given: list[tuple[str, str]]
    lines: list[str]


def propose(spec: MeshSpec) -> Proposal:
    """Unit and regions that the shape of a file's surface suggests; InputError where it suggests none."""
    if nifti.is_image(spec.file):
        raise InputError(f"mesh.regions: {spec.file} is an image: the labels of tissue and blood have to be given")
    found, given = importers.contents(spec), []
    raw = importers.tagged(found, spec)
    try:
        proposed, faces = regions(raw)
    except InputError as reason:
        if spec.tags:
            raise
        given = [("tags", shape.TAGS)]  # neither tags nor sharp edges tell its surfaces apart
        try:
            raw = importers.tagged(found, spec.replace(tags=shape.TAGS))
        except InputError:
            raise reason from None
        proposed = {name: [tag] for tag, name in raw.labels.items()}
        faces = {tag: _face(raw.points, raw.facets[raw.facet_tags == tag]) for tag in raw.labels}
    name_of = dict.fromkeys(faces, "unused") | {tag: name for name, tags in proposed.items() for tag in tags}
    lines = [f"{raw.source}: surfaces by area"]
    for tag, face in sorted(faces.items(), key=lambda item: -item[1].area):
        label, form = raw.labels.get(tag, ""), "bulges" if face.bulge > FLAT else "is hollow"
        form = "is flat" if abs(face.bulge) <= FLAT else form
        lines.append(
            f"  {tag} {label}".rstrip() + f": {face.triangles} triangles, {form} ({face.bulge:+.3f}): {name_of[tag]}"
        )
    volume = abs(sum(faces[tag].volume for tag in proposed["lv_endo"]))
    low, high = spec.cavity_volumes
    units = [unit for unit, factor in UNIT.items() if low <= volume * factor**3 <= high]
    given += [("unit", unit) for unit in units[:1]]
    given.append(("regions", "{" + ", ".join(f"{name}: {tags}" for name, tags in proposed.items()) + "}"))
    lines += ["proposed:", "mesh:", f"  file: {spec.file}", *(f"  {key}: {text}" for key, text in given)]
    return Proposal(given, lines)


def inventory(spec: MeshSpec) -> list[str]:
    """What a file holds, in its own unit and tags, one line each."""
    if nifti.is_image(spec.file):
        return _voxels(spec)
    found = importers.contents(spec)
    raw = importers.tagged(found, spec)
    low, high = (" ".join(f"{x:.5g}" for x in bound(raw.points, axis=0)) for bound in (np.min, np.max))
    cells = found.data["tetra"]
    n_triangles = len(found.corners["triangle"])
    lines = [
        f"{raw.source}: {len(raw.points)} points, {len(raw.cells)} tetrahedra, {n_triangles} triangles",
        f"from ({low}) to ({high}) {'mm' if raw.ours else 'in the unit of the file'}",
        f"surfaces: {raw.inventory()}",
    ]
    lines += [f"left out: {', '.join(sorted(found.others))}"] if found.others else []
    parts = np.bincount(raw.region, minlength=len(raw.regions) + 1)[1:].tolist()
    regions = ", ".join(f"{name}: {n} tetrahedra" for name, n in zip(raw.regions, parts, strict=True))
    lines += [f"regions: {regions}"] if regions else []
    for where, data in (("tetrahedra", cells), ("triangles", found.data["triangle"]), ("points", found.point_data)):
        lines += [f"on {where}: '{name}' {_range(values)}" for name, values in sorted(data.items())]
    return [*lines, *raw.notes]


def _voxels(spec: MeshSpec) -> list[str]:
    found = importers.voxels(spec)
    sides = np.linalg.norm(found.affine[:3, :3], axis=0)
    size, side = (" x ".join(f"{x:.4g}" for x in values) for values in (found.labels.shape, sides))
    return [
        f"{Path(spec.file).name}: {size} voxels of {side} {found.unit or '(it does not say the unit)'}",
        f"labels: {found.inventory()}",
    ]


def _range(values: np.ndarray) -> str:
    """What a field is: its tags where they are few, else its components and their range."""
    different = np.unique(values) if values.ndim == 1 else values[:0]
    if 0 < len(different) <= 20 and (np.nan_to_num(different) % 1 == 0).all():
        return ", ".join(map(str, np.unique(integers(different)).tolist()))
    kind = "vectors" if values.shape[1:] == (3,) else "numbers" if values.ndim == 1 else f"rows of {values.shape[1]}"
    return f"{kind} from {values.min():.4g} to {values.max():.4g}" if values.size else "empty"


def _of(kinds: dict[int, str | int], kind: str | int) -> list[int]:
    return [tag for tag, its in kinds.items() if its == kind]


def _kinds(faces: dict[int, Face], touching: dict[int, set[int]]) -> dict[int, str | int]:
    """`epi`, `base`, or the number of the cavity that it lines, for every tag."""
    epi = max(faces, key=lambda tag: faces[tag].volume)
    hollow = {tag for tag in faces if faces[tag].bulge < -FLAT}
    base = {
        tag
        for tag in touching[epi]
        if any(faces[other].area > faces[tag].area for other in touching[tag] & hollow - {epi})
    }
    inner = sorted((hollow | {tag for tag in faces if touching[tag] & hollow - base}) - base - {epi} - touching[epi])
    inner += sorted(hollow & touching[epi] - base)  # no base at all: the endocardium begins at the epicardium
    links = np.array([(i, j) for i, x in enumerate(inner) for j, y in enumerate(inner) if y in touching[x]])
    cavity = surface.components(len(inner), *links.reshape(-1, 2).astype(np.int64).T)
    lined = dict(zip(inner, cavity.tolist(), strict=True))
    return {tag: lined.get(tag, "base" if tag in base else "epi") for tag in faces}


def _face(points: np.ndarray, triangles: np.ndarray) -> Face:
    corners = points[triangles]
    area = 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum()
    return Face(len(triangles), float(area), surface.enclosed_volume(points, triangles))


def _touching(triangles: np.ndarray, tags: np.ndarray, n_points: int) -> dict[int, set[int]]:
    """For every tag the other tags it shares an edge with."""
    a, b, _ = surface.neighbours(triangles, n_points)
    touching: dict[int, set[int]] = {int(tag): set() for tag in np.unique(tags)}
    for x, y in np.unique(np.column_stack([tags[a], tags[b]]), axis=0).tolist():
        if x != y:
            touching[x].add(y)
            touching[y].add(x)
    return touching
