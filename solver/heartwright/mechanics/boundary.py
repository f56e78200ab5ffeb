"""What holds and loads the heart: springs, dashpots and pressures on facets, as terms of the weak form."""

import numpy as np
import ufl
from dolfinx import fem, la

from heartwright.linalg import JIT
from heartwright.mechanics.regions import parameters
from heartwright.mechanics.spec import Held, Robin, SurfacePressure

DEGREE = {"quadrature_degree": 4}


def robin(geometry, spec: Robin, extension, velocity, w):
    """∫ (k e + c u') . w dS, or only along a reference normal N: ∫ ((k e + c u') . N) (N . w) dS, or only across it.

    e: the extension of the springs, u less the displacement at which they are slack.
    """
    k, c = parameters(geometry, spec, ("stiffness", "damping"), spec.scales).values()
    ds = geometry.ds(geometry.tag(spec.where), metadata=DEGREE)
    traction = k * extension + c * velocity
    if spec.direction == "full":
        return ufl.inner(traction, w) * ds
    N = ufl.FacetNormal(geometry.mesh) if spec.direction == "facet" else smooth_normal(geometry, spec.where)
    along = ufl.inner(traction, N) * ufl.inner(N, w) / ufl.inner(N, N) * ds
    return ufl.inner(traction, w) * ds - along if spec.direction == "tangential" else along


def pressure(geometry, spec: SurfacePressure, p: fem.Constant, u: fem.Function, w):
    """∫ p w . cof(F) N dS."""
    return (
        p
        * ufl.inner(cofactor(ufl.Identity(3) + ufl.grad(u)) * ufl.FacetNormal(geometry.mesh), w)
        * geometry.ds(geometry.tag(spec.where), metadata=DEGREE)
    )


def cofactor(F):
    """cof F = det(F) F^-T: maps reference to deformed surface elements (Nanson)."""
    return ufl.det(F) * ufl.inv(F).T


def smooth_normal(geometry, surface: str) -> fem.Function:
    """The mean of the facets' normals at every vertex of a surface, weighted by area; of unit length. Collective."""
    N = fem.Function(fem.functionspace(geometry.mesh, ("Lagrange", 1, (3,))), name="N")
    w, ds = ufl.TestFunction(N.function_space), geometry.ds(geometry.tag(surface))
    sums = fem.assemble_vector(fem.form(ufl.inner(ufl.FacetNormal(geometry.mesh), w) * ds, jit_options=JIT))
    sums.scatter_reverse(la.InsertMode.add)
    sums.scatter_forward()
    vectors = sums.array.reshape(-1, 3)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    N.x.array[:] = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0).ravel()
    return N


def fixed_nodes(geometry, boundaries: list, V: fem.FunctionSpace) -> np.ndarray:
    """Local nodes of V (ghosts included) on all facets that are `Held`."""
    nodes = [nodes_on(geometry, spec.where, V) for spec in boundaries if isinstance(spec, Held)]
    return np.unique(np.concatenate([*nodes, np.zeros(0, np.int32)])).astype(np.int32)


def nodes_on(geometry, surface: str, V: fem.FunctionSpace) -> np.ndarray:
    """Local nodes of V (ghosts included) on a surface."""
    return fem.locate_dofs_topological(V, 2, geometry.facets.find(geometry.tag(surface)))
