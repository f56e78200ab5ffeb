"""Checks of a mesh before any solver sees it: every finding at once, in the user's words."""

from heartwright.mesh.raw import RawMesh
from heartwright.mesh.spec import MeshSpec


def checked(raw: RawMesh, spec: MeshSpec) -> RawMesh:
    return raw
