"""Export: a mesh written in the format that the name of the file asks for."""

from collections.abc import Callable
from pathlib import Path

from heartwright.errors import InputError
from heartwright.mesh.formats import carp, foreign, native
from heartwright.mesh.raw import RawMesh

WRITERS: dict[str, Callable[[Path, RawMesh], None]] = {
    ".h5": native.write,
    ".vtu": foreign.write_vtu,
    ".pts": carp.write,
}


def writer(path: Path) -> Callable[[Path, RawMesh], None]:
    """The function that writes `path`; InputError where its suffix is not one we write."""
    if path.suffix not in WRITERS:
        raise InputError(f"{path}: cannot write '{path.suffix}' files; expected {', '.join(WRITERS)}")
    return WRITERS[path.suffix]
