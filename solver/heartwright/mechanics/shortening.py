r"""Shortening: active strain, the deformation that sarcomeres would have without their surroundings.

The deformation of the muscle is split into F_e = F Fa⁻¹, and only the elastic part F_e is resisted by the passive law
(Rossi et al. 2014, doi:10.1016/j.euromechsol.2013.10.009). In the muscle's own frame, with their γ in (-1, 0],

    Fa = diag(1 + γ, 1 + γ_s, 1 + γ_n),   γ_n = k (1/√(1 + γ) - 1),   (1 + γ)(1 + γ_s)(1 + γ_n) = 1

so that volume is kept; k = 1 thickens muscle alike across the fibre, a larger k along n0 more than along s0.
"""

import ufl


def elastic(C, gamma, k):
    """C_e = Fa⁻ᵀ C Fa⁻¹ of C = FᵀF, both in the muscle's own frame."""
    along, normal = 1 + gamma, 1 + k * (1 / ufl.sqrt(1 + gamma) - 1)
    Fa = (along, 1 / (along * normal), normal)
    return ufl.as_matrix([[C[i, j] / (Fa[i] * Fa[j]) for j in range(3)] for i in range(3)])
