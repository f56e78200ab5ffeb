"""What holds the heart: springs and dashpots on facets, as terms of the weak form on the reference shape."""

import numpy as np
import ufl
from dolfinx import fem

from heartwright.mechanics.spec import Fixed, Robin


def robin(geometry, spec: Robin, extension, velocity, w):
    """∫ (k e + c u') . w dS, or only along the reference normal N: ∫ ((k e + c u') . N) (N . w) dS.

    e: the extension of the springs, u less the displacement at which they are slack.
    """
    k, c = (fem.Constant(geometry.mesh, value) for value in (spec.stiffness, spec.damping))
    ds = geometry.ds(geometry.tag(spec.where), metadata={"quadrature_degree": 4})
    traction = k * extension + c * velocity
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
