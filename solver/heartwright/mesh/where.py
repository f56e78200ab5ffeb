"""Where on the heart, and along which fibres: the specs that name places and rules of the wall.

A `Where` is what every `where:` of a scenario may hold: `all`, the name of a tagged surface, regions of the tissue,
what lies near a surface, a sphere, a box, AHA segments, or a place in heart coordinates (see
`heartwright.mesh.coordinates`). `heartwright.mesh.select` finds the nodes. A `FibreRule` says how fibres are laid into
the wall; `heartwright.mesh.fibres` lays them.
"""

import itertools
import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, StringConstraints, Tag, model_validator

from heartwright.spec import Spec
from heartwright.units import Angle, Length

Layer = Literal["endo", "mid", "epi"]
Chamber = Literal["lv", "rv", "septum", "any"]
Point = tuple[Length, Length, Length]

LAYERS: dict[str, tuple[float, float]] = {"endo": (0.0, 1 / 3), "mid": (1 / 3, 2 / 3), "epi": (2 / 3, 1.0)}
LAYER_SITE: dict[str, float] = {"endo": 0.0, "mid": 0.5, "epi": 1.0}


def _positive(value: float) -> float:
    if value <= 0:
        raise ValueError("must be greater than zero")
    return value


def _ascending(bounds: tuple[float, float]) -> tuple[float, float]:
    if not bounds[0] < bounds[1]:
        raise ValueError(f"a range is [low, high] with low < high, got [{bounds[0]:g}, {bounds[1]:g}]")
    return bounds


def _at_most_a_turn(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[1] - bounds[0] > 2 * math.pi * (1 + 1e-12):
        raise ValueError("a range of rotation is at most 360 deg wide")
    return bounds


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _site_or_range(value: Any) -> str:
    return "range" if isinstance(value, list | tuple) else "site"


Name = Annotated[str, StringConstraints(min_length=1)]
Radius = Annotated[Length, AfterValidator(_positive)]
Fraction = Annotated[float, Field(ge=0, le=1)]
FractionRange = Annotated[tuple[Fraction, Fraction], AfterValidator(_ascending)]
AngleRange = Annotated[tuple[Angle, Angle], AfterValidator(_ascending), AfterValidator(_at_most_a_turn)]
FractionOrRange = Annotated[
    Annotated[Fraction, Tag("site")] | Annotated[FractionRange, Tag("range")], Discriminator(_site_or_range)
]
AngleOrRange = Annotated[
    Annotated[Angle, Tag("site")] | Annotated[AngleRange, Tag("range")], Discriminator(_site_or_range)
]


class Sphere(Spec):
    """The ball |x - centre| <= radius."""

    centre: Point
    radius: Radius


class Box(Spec):
    """The axis-parallel box lower <= x <= upper."""

    lower: Point
    upper: Point

    @model_validator(mode="after")
    def _has_volume(self):
        if any(low >= high for low, high in zip(self.lower, self.upper, strict=True)):
            raise ValueError("every coordinate of lower must be smaller than that of upper")
        return self


class WhereRegion(Spec):
    """`{region: la}` or `{region: [la, ra]}`: regions of the tissue, with the nodes on their borders."""

    region: Annotated[tuple[Name, ...], BeforeValidator(_listed), Field(min_length=1)]


class WhereSphere(Spec):
    """`{sphere: {centre: [10 mm, 0 mm, 0 mm], radius: 5 mm}}`: nodes inside a ball."""

    sphere: Sphere


class WhereBox(Spec):
    """`{box: {lower: [...], upper: [...]}}`: nodes inside an axis-parallel box."""

    box: Box


class WhereLine(Spec):
    """`{line: [[0 mm, 0 mm, 0 mm], [9 mm, 0 mm, 0 mm]], radius: 3 mm}`: nodes that near to a chain of segments."""

    line: Annotated[tuple[Point, ...], Field(min_length=2)]
    radius: Radius


class WhereNear(Spec):
    """`{near: base, within: 6 mm}`: nodes at most so far from a node of a tagged surface (e.g. the fibrous annuli)."""

    near: Name
    within: Radius


class WhereAHA(Spec):
    """`{aha: [7, 8], layer: endo}`: AHA segments 1-17 of the left ventricle (doi:10.1161/hc0402.102975)."""

    aha: Annotated[tuple[Annotated[int, Field(ge=1, le=17)], ...], Field(min_length=1)]
    layer: Layer | None = None


class WhereCoordinates(Spec):
    """A place in heart coordinates: a site (numbers) or a region (ranges).

    A site gives `apicobasal` and `rotation` as numbers and `layer` or `transmural`; it means the nodes within
    `radius` (3 mm unless given) of the node nearest to that place. A region gives ranges [low, high]; it means all
    nodes inside; coordinates left out are not restricted. `layer` endo, mid, epi means transmural 0, 0.5, 1 for a
    site and the thirds of the wall for a region. Rotation is 0 in the middle of the septum, positive to anterior.
    """

    chamber: Chamber = "any"
    layer: Layer | None = None
    transmural: FractionOrRange | None = None
    apicobasal: FractionOrRange | None = None
    rotation: AngleOrRange | None = None
    radius: Radius | None = None

    @property
    def is_site(self) -> bool:
        """Whether this names one place (to be surrounded by `radius`) and not a region."""
        return isinstance(self.apicobasal, float)

    @model_validator(mode="after")
    def _site_or_region(self):
        if self.layer is not None and self.transmural is not None:
            raise ValueError("give layer or transmural, not both")
        place = (self.apicobasal, self.rotation)
        if any(isinstance(value, float) for value in place) and not all(isinstance(value, float) for value in place):
            raise ValueError("a site needs both apicobasal and rotation as numbers, a region takes ranges [low, high]")
        if self.is_site:
            self._check_site()
        else:
            self._check_region()
        return self

    def _check_site(self) -> None:
        if self.layer is None and not isinstance(self.transmural, float):
            raise ValueError("a site needs its depth in the wall: layer (endo, mid, epi) or transmural as one number")

    def _check_region(self) -> None:
        if isinstance(self.transmural, float):
            raise ValueError("a region takes transmural as a range [low, high]")
        if self.radius is not None:
            raise ValueError("radius belongs to a site: give apicobasal and rotation as numbers")
        if self.chamber == "any" and not (self.layer or self.transmural or self.apicobasal or self.rotation):
            raise ValueError("restricts nothing; write `all` to select everything")


def _kind(value: Any) -> str | None:
    """Which `Where` a YAML value means: decided by its first telling key, so that errors speak of one kind only."""
    if isinstance(value, str):
        return "name"
    if isinstance(value, dict):
        return next((key for key in ("region", "near", "line", "sphere", "box", "aha") if key in value), "coordinates")
    kinds = {WhereRegion: "region", WhereNear: "near", WhereLine: "line", WhereSphere: "sphere", WhereBox: "box"}
    kinds |= {WhereAHA: "aha"}
    return "coordinates" if isinstance(value, WhereCoordinates) else kinds.get(type(value))


Where = Annotated[
    Annotated[Name, Tag("name")]
    | Annotated[WhereRegion, Tag("region")]
    | Annotated[WhereNear, Tag("near")]
    | Annotated[WhereLine, Tag("line")]
    | Annotated[WhereSphere, Tag("sphere")]
    | Annotated[WhereBox, Tag("box")]
    | Annotated[WhereAHA, Tag("aha")]
    | Annotated[WhereCoordinates, Tag("coordinates")],
    Discriminator(
        _kind,
        custom_error_type="where",
        custom_error_message="expected `all`, a surface name, {region: ...}, {near: ..., within: ...}, "
        "{line: [...], radius: ...}, {sphere: ...}, {box: ...}, {aha: [...]} "
        "or {chamber: ..., layer: ..., apicobasal: ..., rotation: ...}",
    ),
]


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

    region: Annotated[tuple[Name, ...], BeforeValidator(_listed), Field(min_length=1)]
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
