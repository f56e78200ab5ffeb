"""What holds the heart: springs and dashpots on facets, as terms of the weak form on the reference shape."""

import numpy as np
import ufl
from dolfinx import fem

from heartwright.mechanics.spec import Fixed, Robin


def robin(geometry, spec: Robin, u, velocity, w):
    """∫ (k u + c u') . w dS, or only along the reference normal N: ∫ ((k u + c u') . N) (N . w) dS."""
    k, c = (fem.Constant(geometry.mesh, value) for value in (spec.stiffness, spec.damping))
    ds = geometry.ds(geometry.tag(spec.where), metadata={"quadrature_degree": 4})
    traction = k * u + c * velocity
    if spec.direction == "full":
        return ufl.inner(traction, w) * ds
    N = ufl.FacetNormal(geometry.mesh)
    return ufl.inner(traction, N) * ufl.inner(N, w) * ds


def fixed_nodes(geometry, boundaries: list, V: fem.FunctionSpace) -> np.ndarray:
    """Local nodes of V (ghosts included) on all facets that are `Fixed`."""
    nodes = [
        fem.locate_dofs_topological(V, 2, geometry.facets.find(geometry.tag(spec.where)))
        for spec in boundaries
        if isinstance(spec, Fixed)
    ]
    return np.unique(np.concatenate([*nodes, np.zeros(0, np.int32)])).astype(np.int32)
