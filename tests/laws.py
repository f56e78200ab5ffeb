"""Every passive law, and one of one's own."""

import ufl

from heartwright.mechanics.passive import Guccione, HolzapfelOgden, NeoHooke, Usyk


class Demiray:
    """Isotropic, no more than a psi; Demiray 1972, doi:10.1016/0021-9290(72)90047-4."""

    def psi(self, C, f0, s0, n0):
        return 0.5 * (ufl.exp(1.5 * (ufl.det(C) ** (-1 / 3) * ufl.tr(C) - 3)) - 1)


LAWS = {
    "holzapfel_ogden": HolzapfelOgden(),
    "scattered": HolzapfelOgden(kappa_f=0.08, kappa_s=0.2, switch=None),
    "guccione": Guccione(),
    "usyk": Usyk(),
    "neo_hooke": NeoHooke(),
    "own": Demiray(),
}
