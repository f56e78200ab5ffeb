"""Passive myocardium: energies psi(C) in kPa. UFL is imported where one is built, so that `check` does without."""

from typing import Annotated, Literal

from pydantic import Field, WrapValidator

from heartwright.spec import Spec
from heartwright.units import Pressure

Dispersion = Annotated[float, Field(ge=0, le=1 / 3)]
Switch = Annotated[float, Field(gt=0, le=1000, description="steepness of the fibre compression switch")]
Exponent = Annotated[float, Field(gt=0, le=200)]


class HolzapfelOgden(Spec):
    r"""Orthotropic myocardium; Holzapfel and Ogden 2009, doi:10.1098/rsta.2009.0091.

        psi = a/(2b) (exp(b (I1 - 3)) - 1)
            + sum_{i=f,s} a_i/(2 b_i) chi(I4i) (exp(b_i E_i^2) - 1),   E_i = I4i - 1
            + a_fs/(2 b_fs) (exp(b_fs I8fs^2) - 1)

    I1 = J^(-2/3) tr C is isochoric; I4f = f0.C f0, I4s = s0.C s0 and I8fs = f0.C s0 are not (Arostica et al. 2025,
    doi:10.1016/j.cma.2024.117485). chi(x) = 1 / (1 + exp(-switch (x - 1))) lets fibres and sheets bear tension only;
    with `switch: null` they bear compression too, chi = 1. Directions that scatter about f0 and s0, kappa = 0 not at
    all, 1/3 in all directions alike, have E_i = kappa_i (I1 - 3) + (1 - 3 kappa_i)(I4i - 1) (Gasser et al. 2006,
    doi:10.1098/rsif.2005.0073; of myocardium: Eriksson et al. 2013, doi:10.1002/cnm.2575).
    The defaults let an idealised human left ventricle fill along the pressure-volume relation of human hearts (Klotz et
    al. 2006, doi:10.1152/ajpheart.01240.2005); fits to shear tests of excised pig tissue are stiffer (2009 paper:
    a 0.059, b 8.023, a_f 18.472, b_f 16.026, a_s 2.481, b_s 11.12, a_fs 0.216, b_fs 11.436; kPa and 1).
    """

    type: Literal["holzapfel_ogden"] = "holzapfel_ogden"
    a: Annotated[Pressure, Field(gt=0)] = 0.1
    b: Exponent = 5.0
    a_f: Annotated[Pressure, Field(ge=0)] = 3.0
    b_f: Exponent = 8.0
    a_s: Annotated[Pressure, Field(ge=0)] = 0.8
    b_s: Exponent = 6.0
    a_fs: Annotated[Pressure, Field(ge=0)] = 0.2
    b_fs: Exponent = 6.0
    switch: Switch | None = 100.0
    kappa_f: Dispersion | None = None
    kappa_s: Dispersion | None = None

    def psi(self, C, f0, s0, n0):
        """Strain energy per reference volume [kPa]."""
        import ufl

        I1 = ufl.det(C) ** (-1 / 3) * ufl.tr(C)
        I4f = ufl.inner(f0, C * f0)
        I4s = ufl.inner(s0, C * s0)
        I8fs = ufl.inner(f0, C * s0)
        E_f, E_s = dispersed(I4f, I1, self.kappa_f), dispersed(I4s, I1, self.kappa_s)
        return (
            self.a / (2 * self.b) * (ufl.exp(self.b * (I1 - 3)) - 1)
            + self.a_f / (2 * self.b_f) * self.chi(I4f) * (ufl.exp(self.b_f * E_f**2) - 1)
            + self.a_s / (2 * self.b_s) * self.chi(I4s) * (ufl.exp(self.b_s * E_s**2) - 1)
            + self.a_fs / (2 * self.b_fs) * (ufl.exp(self.b_fs * I8fs**2) - 1)
        )

    def chi(self, I4):
        """Smooth step: 0 in compression (I4 < 1), 1 in tension; without switch 1."""
        import ufl

        return 1 if self.switch is None else 1 / (1 + ufl.exp(-self.switch * (I4 - 1)))


def dispersed(I4, I1, kappa):
    """E_i of directions that scatter by kappa, None: not at all."""
    return I4 - 1 if kappa is None else kappa * (I1 - 3) + (1 - 3 * kappa) * (I4 - 1)


def strains(C):
    """e(a, b) = a . E b, the components of E = (C - I)/2."""
    import ufl

    E = (C - ufl.Identity(3)) / 2
    return lambda a, b: ufl.inner(a, E * b)


class Guccione(Spec):
    r"""Fung-type law; Guccione, McCulloch and Waldman 1991, doi:10.1115/1.2894084.

    psi = C/2 (exp(Q) - 1),   E = (C - I)/2
    Q = b_f E_ff^2 + b_t (E_ss^2 + E_nn^2 + 2 E_sn^2) + 2 b_fs (E_fs^2 + E_fn^2)
    """

    type: Literal["guccione"] = "guccione"
    C: Annotated[Pressure, Field(gt=0)] = 0.876
    b_f: Exponent = 18.48
    b_t: Exponent = 3.58
    b_fs: Exponent = 1.627

    def psi(self, C, f0, s0, n0):
        """Strain energy per reference volume [kPa]."""
        import ufl

        e = strains(C)
        Q = (
            self.b_f * e(f0, f0) ** 2
            + self.b_t * (e(s0, s0) ** 2 + e(n0, n0) ** 2 + 2 * e(s0, n0) ** 2)
            + 2 * self.b_fs * (e(f0, s0) ** 2 + e(f0, n0) ** 2)
        )
        return self.C / 2 * (ufl.exp(Q) - 1)


class Usyk(Spec):
    r"""Orthotropic Fung-type law; Usyk, LeGrice and McCulloch 2002, doi:10.1007/s00791-002-0081-9.

    psi = C/2 (exp(Q) - 1),   E = (C - I)/2
    Q = b_f E_ff^2 + b_s E_ss^2 + b_n E_nn^2 + 2 b_fs E_fs^2 + 2 b_fn E_fn^2 + 2 b_sn E_sn^2
    """

    type: Literal["usyk"] = "usyk"
    C: Annotated[Pressure, Field(gt=0)] = 0.88
    b_f: Exponent = 8.0
    b_s: Exponent = 6.0
    b_n: Exponent = 3.0
    b_fs: Exponent = 12.0
    b_fn: Exponent = 3.0
    b_sn: Exponent = 3.0

    def psi(self, C, f0, s0, n0):
        """Strain energy per reference volume [kPa]."""
        import ufl

        e = strains(C)
        Q = self.b_f * e(f0, f0) ** 2 + self.b_s * e(s0, s0) ** 2 + self.b_n * e(n0, n0) ** 2
        Q += 2 * (self.b_fs * e(f0, s0) ** 2 + self.b_fn * e(f0, n0) ** 2 + self.b_sn * e(s0, n0) ** 2)
        return self.C / 2 * (ufl.exp(Q) - 1)


class NeoHooke(Spec):
    """Isotropic rubber: psi = mu/2 (I1 - 3) with the isochoric I1 = J^(-2/3) tr C."""

    type: Literal["neo_hooke"] = "neo_hooke"
    mu: Annotated[Pressure, Field(gt=0)] = 2.0

    def psi(self, C, f0, s0, n0):
        """Strain energy per reference volume [kPa]."""
        import ufl

        return self.mu / 2 * (ufl.det(C) ** (-1 / 3) * ufl.tr(C) - 3)


def _own_law(value, validate):
    """In Python any object with a method psi(C, f0, s0, n0) is a law."""
    return value if callable(getattr(value, "psi", None)) else validate(value)


Passive = Annotated[HolzapfelOgden | Guccione | Usyk | NeoHooke, Field(discriminator="type"), WrapValidator(_own_law)]


def volumetric(J, kappa):
    """Penalty of volume change [kPa]: kappa/4 (J^2 - 1 - 2 ln J), whose pressure kappa/2 (J - 1/J) is odd in ln J."""
    import ufl

    return kappa / 4 * (J**2 - 1 - 2 * ufl.ln(J))
