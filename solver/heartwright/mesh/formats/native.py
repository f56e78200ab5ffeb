"""Our own mesh file: HDF5 with geometry, surfaces by name, fibres and coordinates, and XDMF beside it for ParaView.

points (n, 3) in mm        cells (m, 4)            triangles (k, 3)        surfaces (k,) numbers into `names`
region (m,) numbers into `regions`, of meshes that have any
cell_fields/NAME (m, ...)  point_fields/NAME (n, ...)
attributes: format, version, unit, names, regions, source, sha256 (digest of geometry, surfaces and names, digests.py),
checked, coordinates_of (see RawMesh)
"""

import os
from pathlib import Path
from xml.sax.saxutils import quoteattr

import h5py
import numpy as np

from heartwright.files import storing, write_atomically
from heartwright.mesh import digests
from heartwright.mesh.formats import hdf5
from heartwright.mesh.formats.contents import Contents
from heartwright.mesh.raw import RawMesh

FORMAT, VERSION = "heartwright mesh", 2  # 1 had another digest
ATTRIBUTES = ("source", "sha256", "checked", "coordinates_of")
CENTRES = {"cell_fields": "Cell", "point_fields": "Node"}  # fields of a RawMesh, and what XDMF calls where they live
KINDS = {(): "Scalar", (3,): "Vector"}
# The arrays of geometry: as many rows as which of them, and of what shape.
GEOMETRY = {
    "points": ("points", (3,)),
    "cells": ("cells", (4,)),
    "triangles": ("triangles", (3,)),
    "surfaces": ("triangles", ()),
    "region": ("cells", ()),
}


def is_ours(path: Path) -> bool:
    """Whether an HDF5 file says that it is one of ours."""
    with hdf5.opened(path) as file:
        return file.attrs.get("format") == FORMAT


def read(path: Path) -> Contents:
    """The mesh of our own file; ValueError where it is newer than this program or its numbers were changed."""
    with hdf5.opened(path) as file:
        version = int(file.attrs.get("version", 0))
        if version > VERSION:
            raise ValueError(f"is of version {version}, this program reads up to {VERSION}: use a newer one")
        names, regions = _names(file)
        arrays = {name: hdf5.dataset(file, name) for name in GEOMETRY if regions or name != "region"}
        if version == VERSION and file.attrs.get("sha256") != digests.root(names, regions, digests.leaves(arrays)):
            raise ValueError("was changed after it was written (its digest differs)")
        fields = {name: hdf5.dataset(file, name) for name in hdf5.datasets(file) if "/" in name}
        coordinates_of = str(file.attrs.get("coordinates_of", ""))
    labels, of_tissue = dict(enumerate(names, 1)), dict(enumerate(regions, 1))
    contents = Contents(arrays["points"], labels=labels, regions=of_tissue, ours=True, coordinates_of=coordinates_of)
    tags = {"tags": arrays["region"]} if regions else {}
    contents.add("tetra", arrays["cells"], _under("cell_fields/", fields) | tags)
    contents.add("triangle", arrays["triangles"], {"tags": arrays["surfaces"]})
    contents.point_data = _under("point_fields/", fields)
    return contents


def mesh(path: Path) -> RawMesh:
    """The mesh of our own file as it was written, with its names and notes; ValueError as `share`, or if changed."""
    raw = share(path, 0, 1, None)
    if raw.digest() != raw.checked:
        raise ValueError("was changed after it was written (its digest differs)")
    return raw


def share(path: Path, rank: int, ranks: int, wanted: set[str] | None) -> RawMesh:
    """The rows that one of several ranks reads, with all fields or the `wanted` ones among them.

    ValueError where it is not a mesh that had passed all checks when it was written. Whether it is that mesh still,
    the digest of all ranks' rows tells: it must be `checked`.
    """
    with hdf5.opened(path) as file:
        notes = tuple(map(str, file.attrs.get("notes", ())))
        version, *told = (str(file.attrs.get(name, "")) for name in ("version", *ATTRIBUTES))
        source, sha256, checked, coordinates_of = told
        if version != str(VERSION) or not checked or checked != sha256:
            raise ValueError("is no mesh that this version has checked")
        names, regions = _names(file)
        size = {name: node.shape[0] for name, node in hdf5.datasets(file).items() if node.shape}

        def rows(name: str, like: str) -> np.ndarray:
            if size.get(name) != size.get(like):
                raise ValueError(f"'{name}' has {size.get(name)} rows for {size.get(like)} of '{like}'")
            return hdf5.dataset(file, name, digests.share(size.get(name, 0), rank, ranks))

        def fields(kind: str, like: str) -> dict[str, np.ndarray]:
            names = {name.removeprefix(kind) for name in size if name.startswith(kind)}
            return {name: rows(kind + name, like) for name in sorted(names if wanted is None else names & wanted)}

        arrays = {name: rows(name, like) for name, (like, _) in GEOMETRY.items() if regions or name != "region"}
        on_cells, on_points = fields("cell_fields/", "cells"), fields("point_fields/", "points")
    if any(values.shape[1:] != GEOMETRY[name][1] for name, values in arrays.items()):
        raise ValueError("its arrays are not those of a mesh")
    labels = dict(enumerate(names, 1))
    return RawMesh(
        arrays["points"],
        arrays["cells"],
        arrays["triangles"],
        arrays["surfaces"],
        {name: (tag,) for tag, name in labels.items()},
        source,
        labels,
        notes,
        on_cells,
        on_points,
        True,
        coordinates_of,
        checked,
        regions,
        arrays.get("region"),
    )


def _names(file: h5py.File) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Of the surfaces, and of the regions of the tissue."""
    names, regions = (tuple(map(str, file.attrs.get(kind, ()))) for kind in ("names", "regions"))
    return names, regions


def _under(prefix: str, fields: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): values for name, values in fields.items() if name.startswith(prefix)}


def write(path: Path, raw: RawMesh) -> None:
    """Write `path` and the XDMF beside it, whole or not at all. StorageError where the disk refuses."""
    triangles, surfaces = raw.named_facets()
    geometry = {
        "points": raw.points.astype("<f8"),
        "cells": raw.cells.astype("<i8"),
        "triangles": triangles.astype("<i8"),
        "surfaces": surfaces.astype("<i4"),
    }
    geometry |= {"region": raw.region.astype("<i4")} if raw.regions else {}
    arrays = geometry | {
        f"{where}/{name.replace('/', '_')}": values for where in CENTRES for name, values in getattr(raw, where).items()
    }
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with storing(path):
        with h5py.File(partial, "w") as file:
            file.attrs.update({"format": FORMAT, "version": VERSION, "unit": "mm", "source": raw.source})
            file.attrs["names"], file.attrs["notes"] = list(raw.names), list(raw.notes)
            file.attrs["regions"], file.attrs["coordinates_of"] = list(raw.regions), raw.coordinates_of
            file.attrs["sha256"], file.attrs["checked"] = raw.digest(), raw.checked
            for name, values in arrays.items():
                file.create_dataset(name, data=values)
        os.replace(partial, path)
    write_atomically(path.with_suffix(".xdmf"), _xdmf(path.name, arrays))


def _xdmf(file: str, arrays: dict[str, np.ndarray]) -> str:
    """The tissue with its fields and the surfaces with their numbers, as ParaView opens them."""

    def item(name: str) -> str:
        values = arrays[name]
        kind, size = "Float" if values.dtype.kind == "f" else "Int", " ".join(map(str, values.shape))
        form = f'Dimensions="{size}" NumberType="{kind}" Precision="{values.itemsize}" Format="HDF"'
        return f"<DataItem {form}>{file}:/{name}</DataItem>"

    def grid(title: str, kind: str, corners: str, attributes: str) -> str:
        return (
            f'<Grid Name="{title}">\n<Topology TopologyType="{kind}" NumberOfElements="{len(arrays[corners])}">'
            f'{item(corners)}</Topology>\n<Geometry GeometryType="XYZ">{item("points")}</Geometry>\n'
            f"{attributes}</Grid>\n"
        )

    def attribute(name: str, centre: str) -> str:
        title, kind = quoteattr(name.rpartition("/")[2]), KINDS[arrays[name].shape[1:]]
        return f'<Attribute Name={title} AttributeType="{kind}" Center="{centre}">{item(name)}</Attribute>\n'

    fields = "".join(
        attribute(name, CENTRES[name.partition("/")[0]])
        for name, values in arrays.items()
        if "/" in name and values.shape[1:] in KINDS
    )
    fields += attribute("region", "Cell") if "region" in arrays else ""
    grids = grid("tissue", "Tetrahedron", "cells", fields)
    grids += grid("surfaces", "Triangle", "triangles", attribute("surfaces", "Cell"))
    return f'<?xml version="1.0"?>\n<Xdmf Version="3.0"><Domain>\n{grids}</Domain></Xdmf>\n'
