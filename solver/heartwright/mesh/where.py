"""Where on the heart: the specs that name places.

A `Where` is what every `where:` of a scenario may hold: `all`, the name of a tagged surface, regions of the tissue,
what lies near a surface, a sphere, a box, AHA segments, or a place in heart coordinates (see
`heartwright.mesh.coordinates`). `heartwright.mesh.select` finds the nodes.
"""

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


def listed(value: Any) -> Any:
    """One name as a list of one."""
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

    region: Annotated[tuple[Name, ...], BeforeValidator(listed), Field(min_length=1)]


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
