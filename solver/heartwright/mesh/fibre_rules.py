"""Fibre rules: the specs that say how fibres are laid into the wall; `heartwright.mesh.fibres` lays them."""

import itertools
import math
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from heartwright.mesh.where import Fraction, Name, Where, listed
from heartwright.spec import Spec
from heartwright.units import Angle


class FibreAngles(Spec):
    """Other angles in a part of the wall; those left out stay as they are elsewhere.

    `endo`, `sheet_endo`: on the endocardium of the part's own ventricle; `epi`, `sheet_epi`: on its other face, which
    for the septum is the right endocardium, and the angle there as it is seen from the left.
    """

    where: Where
    endo: Angle | None = None
    epi: Angle | None = None
    sheet_endo: Angle | None = None
    sheet_epi: Angle | None = None

    @model_validator(mode="after")
    def _says_something(self):
        if all(angle is None for angle in (self.endo, self.epi, self.sheet_endo, self.sheet_epi)):
            raise ValueError("changes no angle: give endo, epi, sheet_endo or sheet_epi")
        return self


class FibresBayer(Spec):
    """Rule-based fibres (Bayer et al. 2012, doi:10.1007/s10439-012-0593-5).

    `endo`, `epi`: helix angle on the two faces of the left ventricle, positive where fibres climb as a right-handed
    screw; `rv_endo`, `rv_epi`: the same for the right ventricle, those of the left unless given. `sheet`: s0 points
    `across` the wall (myolaminae stacked along the wall) or is `tangent` to it; `sheet_endo`, `sheet_epi` turn it
    about the fibre. `regions`: other angles in parts of the wall; where they overlap, the later one decides.
    """

    type: Literal["bayer"] = "bayer"
    endo: Angle = math.radians(60)
    epi: Angle = math.radians(-60)
    rv_endo: Angle | None = None
    rv_epi: Angle | None = None
    sheet: Literal["across", "tangent"] = "across"
    sheet_endo: Angle = 0.0
    sheet_epi: Angle = 0.0
    regions: tuple[FibreAngles, ...] = ()


class FibresDoste(FibresBayer):
    """Rule-based fibres with outflow tracts (Doste et al. 2019, doi:10.1002/cnm.3185), for hearts with valve rings.

    `outflow_endo`, `outflow_epi`: helix angle on the two faces of the wall at the aortic and the pulmonary valve.
    """

    type: Literal["doste"] = "doste"
    rv_endo: Angle | None = math.radians(90)
    rv_epi: Angle | None = math.radians(-25)
    outflow_endo: Angle = math.radians(90)
    outflow_epi: Angle = 0.0


class FibresPiersanti(Spec):
    """Bundles of the atria (Piersanti et al. 2021, doi:10.1016/j.cma.2020.113468); for one or both atria.

    Where which bundle begins, as values of the fields of `heartwright.mesh.atria`; defaults: the paper's for idealised
    atria. Left: `mitral` on r, `lpv` and `rpv` on v. Right: `tricuspid` and `wall` on r, `svc` and `ivc` on v,
    `crista`, `intercaval` and `septum` on w.
    """

    type: Literal["piersanti"] = "piersanti"
    mitral: Fraction = 0.65
    lpv: Fraction = 0.10
    rpv: Fraction = 0.65
    tricuspid: Fraction = 0.9
    wall: Fraction = 0.55
    svc: Fraction = 0.1
    ivc: Fraction = 0.9
    crista: tuple[float, float] = (-0.18, -0.10)
    intercaval: float = 0.135
    septum: float = 0.35
    sheet: Literal["across", "tangent"] = "across"

    @model_validator(mode="after")
    def _ordered(self):
        order = (-1.0, *self.crista, self.intercaval, self.septum, 1.0)
        if any(low >= high for low, high in itertools.pairwise(order)):
            raise ValueError("on w the bundles follow each other: -1 < crista < intercaval < septum < 1")
        if self.lpv >= self.rpv or self.svc >= self.ivc or self.wall >= self.tricuspid:
            raise ValueError("must ascend: lpv before rpv, svc before ivc, wall before tricuspid")
        return self


class FibresConstant(Spec):
    """The same fibre and sheet direction everywhere (slabs); normalised, the sheet made orthogonal to the fibre."""

    type: Literal["constant"] = "constant"
    fibre: tuple[float, float, float] = (1.0, 0.0, 0.0)
    sheet: tuple[float, float, float] = (0.0, 1.0, 0.0)

    @model_validator(mode="after")
    def _spans_a_plane(self):
        (a, b, c), (d, e, f) = self.fibre, self.sheet
        normal = (b * f - c * e, c * d - a * f, a * e - b * d)
        if math.hypot(*normal) <= 1e-9 * math.hypot(*self.fibre) * math.hypot(*self.sheet):
            raise ValueError("fibre and sheet must be two directions that are neither zero nor parallel")
        return self


class FibresFile(Spec):
    """Directions that the mesh file carries: vectors on its cells or its points, by the names of their fields."""

    type: Literal["file"] = "file"
    fibre: str = "f0"
    sheet: str = "s0"


class FibresNone(Spec):
    """No fibres: for isotropic materials only."""

    type: Literal["none"] = "none"


OneRule = FibresBayer | FibresDoste | FibresPiersanti | FibresConstant | FibresFile


class FibresPart(Spec):
    """The rule of some regions of the tissue."""

    region: Annotated[tuple[Name, ...], BeforeValidator(listed), Field(min_length=1)]
    fibres: Annotated[OneRule, Field(discriminator="type")]


class FibresParts(Spec):
    """A rule for every region of the tissue: ventricles, atria, rings of valves …"""

    type: Literal["parts"] = "parts"
    parts: Annotated[tuple[FibresPart, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _each_region_once(self):
        names = [name for part in self.parts for name in part.region]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"each region has one rule: {', '.join(twice)} has more")
        return self


FibreRule = Annotated[OneRule | FibresParts | FibresNone, Field(discriminator="type")]
