"""What a scenario says about the mechanics of the heart wall."""

import itertools
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from heartwright.mechanics.passive import HolzapfelOgden, Passive
from heartwright.mesh.scale import Scale
from heartwright.mesh.where import Where
from heartwright.odes.model import Model, read
from heartwright.spec import Spec
from heartwright.units import Damping, Density, Length, Pressure, Stiffness, Time, Viscosity

Vector = tuple[Length, Length, Length]
Factor = Annotated[float, Field(ge=0, le=1000)]


def _only_scales(spec, scales: list[Scale], known: Iterable[str]):
    """The spec, where every scale is one of a `known` parameter."""
    if unknown := sorted({scale.parameter for scale in scales} - set(known)):
        raise ValueError(f"scales: no parameter '{unknown[0]}' here; there are: {', '.join(known)}")
    return spec


def numbers(law) -> list[str]:
    """The names of a law's parameters; a law that is no spec keeps its own to itself."""
    return [name for name, value in law if isinstance(value, float)] if isinstance(law, Spec) else []


def _one_value_per_time(curve):
    if len(curve.times) != len(curve.values):
        raise ValueError(f"as many values as times are needed: got {len(curve.times)} and {len(curve.values)}")
    if any(later <= earlier for earlier, later in itertools.pairwise(curve.times)):
        raise ValueError("times must increase")
    return curve


class Curve(Spec):
    """A pressure or stress in time: linear between points, constant before the first and after the last."""

    times: tuple[Time, ...] = Field(min_length=1)
    values: tuple[Pressure, ...] = Field(min_length=1)

    _checked = model_validator(mode="after")(_one_value_per_time)


class Path(Spec):
    """A displacement in time: linear between points, constant before the first and after the last."""

    times: tuple[Time, ...] = Field(min_length=1)
    values: tuple[Vector, ...] = Field(min_length=1)

    _checked = model_validator(mode="after")(_one_value_per_time)


def _in_time(given: Any) -> str:
    return "curve" if isinstance(given, dict | Curve) else "constant"


Load = Annotated[Annotated[Pressure, Tag("constant")] | Annotated[Curve, Tag("curve")], Discriminator(_in_time)]


class Robin(Spec):
    """Springs and dashpots per area on a facet region: P N = -(k u + c u'), along a direction or in all.

    `normal`: along the normals of the smooth surface which the facets stand for; `facet`: along those of the facets
    themselves, which keep the wall from sliding, the more the larger they are; `tangential`: across the smooth normals;
    `full`: in all directions.

    `scales`: factors on `stiffness` and `damping` that differ from place to place.

    Robin, not Dirichlet: the pericardium slides, and the base is held by soft vessels. The springs are slack in the
    passively filled shape: what surrounds the heart has grown to fit it.
    Values of the pericardium after Pfaller et al. 2019, doi:10.1007/s10237-018-1098-4.
    """

    type: Literal["robin"] = "robin"
    where: str
    stiffness: Annotated[Stiffness, Field(ge=0)]
    damping: Annotated[Damping, Field(ge=0)] = 0.0
    direction: Literal["normal", "facet", "tangential", "full"] = "normal"
    scales: list[Scale] = Field(default_factory=list)

    @model_validator(mode="after")
    def _scales_what_it_has(self):
        return _only_scales(self, self.scales, ("stiffness", "damping"))


class Fixed(Spec):
    """The facet region does not move: u = 0."""

    type: Literal["fixed"] = "fixed"
    where: str


class SurfacePressure(Spec):
    """A pressure on a facet region, along the normal of the deformed surface: P N = -p cof(F) N; it has no lids."""

    type: Literal["pressure"] = "pressure"
    where: str
    value: Load


class Displacement(Spec):
    """The facet region is where it is put: u is given, a vector or a path in time."""

    type: Literal["displacement"] = "displacement"
    where: str
    value: Vector | Path


class Plane(Spec):
    """A rigid plane that the facet region may touch but not cross, such as that of a device's ring; see `contact`.

    `point` and `normal`: of the plane, which the wall is in front of; `motion`: how far it is moved, a vector or a path
    in time. It bears k per depth behind it, with `smoothing` the depth over which contact sets in: the stiffer the
    plane, the less the wall goes in, and the harder each step is to solve.
    """

    type: Literal["plane"] = "plane"
    where: str
    point: Vector
    normal: tuple[float, float, float]
    stiffness: Annotated[Stiffness, Field(gt=0)] = 20.0
    smoothing: Annotated[Length, Field(gt=0)] = 0.05
    motion: Vector | Path = (0.0, 0.0, 0.0)

    @model_validator(mode="after")
    def _has_a_normal(self):
        if not any(self.normal):
            raise ValueError("the normal of a plane is a direction: it cannot be zero")
        return self


Held = Fixed | Displacement
Boundary = Annotated[Robin | Fixed | Displacement | SurfacePressure | Plane, Field(discriminator="type")]


class ActiveSpec(Spec):
    """What sarcomeres make: a model of `odes/contraction`, of tension or of active strain, and a factor on that.

    `scales`: factors on parameters of the model that differ from place to place. `orthotropy`: how muscle of active
    strain thickens across its fibres, see `shortening`; 1: alike.
    """

    model: str = "land_2017"
    variant: str | None = None
    scale: Annotated[float, Field(ge=0, le=100)] = 1.0
    parameters: dict[str, float | str] = Field(default_factory=dict)
    scales: list[Scale] = Field(default_factory=list)
    orthotropy: Annotated[float, Field(ge=0, le=10)] = 1.0

    def read(self) -> Model:
        """The model with its variant and parameters. Raises InputError for unknown names."""
        model = read(self.model, variant=self.variant, parameters=self.parameters)
        model.require_parameters(scale.parameter for scale in self.scales)
        return model

    def changes(self) -> bool:
        """Whether the model is not taken as it is written."""
        return bool(self.parameters or self.scales)


class RegionSpec(Spec):
    """A part of the wall that is stiffer (passive_scale) or weaker (active_scale) than the rest."""

    where: Where
    passive_scale: Factor = 1.0
    active_scale: Factor = 1.0


class NewtonSpec(Spec):
    """When the nonlinear solve of one step counts as solved, and when it gives up.

    `reproducible`: one rank factorises alone, in double precision; the last bits are then the same in every run on as
    many ranks, and the first eight digits on any number.
    """

    increment: Annotated[Length, Field(gt=0)] = 2e-5
    residual: Annotated[float, Field(gt=0, lt=1)] = 4e-6
    volume: Annotated[float, Field(gt=0, lt=1)] = 1e-8
    max_iterations: Annotated[int, Field(ge=2, le=200)] = 30
    reproducible: bool = False


def _pericardium_and_vessels() -> list[Robin | Fixed]:
    return [
        Robin(where="epi", stiffness=0.2, damping=5.0),
        Robin(where="base", stiffness=0.1, damping=5.0, direction="full"),
    ]


def _stabilisation(mechanics: dict) -> float | None:
    return 10.0 if mechanics.get("element") == "P1P1" else None


def _quadrature(mechanics: dict) -> int:
    """The degree that does for the gradients of the displacement."""
    return 2 if mechanics.get("element") == "P1P1" else 4


class MechanicsSpec(Spec):
    """Nearly or wholly incompressible, active, viscous wall with springs around it.

    `scales`: factors on parameters of the passive law that differ from place to place.
    `element`: P2, quadratic displacement whose change of volume the bulk modulus penalises; P2P1 (Taylor-Hood), with
    the pressure in the muscle as a linear unknown of its own, for any bulk modulus, `null` (infinite) included; P1P1,
    the same with linear displacement, with fewer unknowns and less accuracy. There `stabilisation` keeps the pressure
    smooth: of the order of the muscle's stiffness in shear; too large a value lets the pressure oscillate, too small a
    one lets muscle bulge where its pressure changes within a cell.
    `prestress`: the cavity pressures (e.g. {lv: 8 mmHg, rv: 4 mmHg}) at which the mesh was imaged, and which it bears
    in that shape. Without it the mesh is taken as stress-free. `unloading`: without load each piece of such muscle is
    free of stress `pointwise`, or the heart as a whole has a stress-free shape, which is found by the balance of the
    image (`inverse`) or by filling one shape after another (`shape`). `density` switches
    inertia on; steps in time are those of backward Euler, or with a `spectral_radius` those of the generalised-α
    method, of second order (1 keeps all oscillations, 0 takes out the fastest at once). `active_stress`: a second
    Piola-Kirchhoff stress along the fibres that is prescribed, on top of what the sarcomeres make.
    """

    passive: Passive = HolzapfelOgden()
    scales: list[Scale] = Field(default_factory=list)
    element: Literal["P2", "P2P1", "P1P1"] = "P2"
    bulk_modulus: Annotated[Pressure, Field(gt=0)] | None = 1000.0
    stabilisation: Annotated[Pressure, Field(gt=0)] | None = Field(default_factory=_stabilisation)
    viscosity: Annotated[Viscosity, Field(ge=0)] = 100.0
    density: Annotated[Density, Field(gt=0)] | None = None
    spectral_radius: Annotated[float, Field(ge=0, le=1)] | None = None
    active: ActiveSpec = ActiveSpec()
    active_stress: Load = 0.0
    boundaries: list[Boundary] = Field(default_factory=_pericardium_and_vessels)
    regions: list[RegionSpec] = Field(default_factory=list)
    prestress: dict[str, Pressure] | None = None
    unloading: Literal["pointwise", "shape", "inverse"] = "pointwise"
    quadrature_degree: int = Field(ge=2, le=8, default_factory=_quadrature)
    newton: NewtonSpec = NewtonSpec()

    @model_validator(mode="after")
    def _scales_what_the_law_has(self):
        return _only_scales(self, self.scales, numbers(self.passive))

    @model_validator(mode="after")
    def _loaded_where_it_is_unloaded(self):
        if self.unloading != "pointwise" and not self.prestress:
            raise ValueError("without `prestress` the mesh is free of stress already: leave `unloading` out")
        return self

    @model_validator(mode="after")
    def _pressure_where_it_is_needed(self):
        if self.bulk_modulus is None and self.element == "P2":
            raise ValueError(
                "with an infinite bulk_modulus (Poisson ratio 0.5) the pressure is an unknown: set `element: P2P1` "
                "or `P1P1`"
            )
        return self

    @model_validator(mode="after")
    def _stabilisation_where_it_is_needed(self):
        if self.element == "P1P1" and self.stabilisation is None:
            raise ValueError("`element: P1P1` needs a stabilisation: leave it out for 10 kPa")
        if self.element != "P1P1" and self.stabilisation is not None:
            raise ValueError(f"stabilisation is for `element: P1P1`; this is {self.element}, which needs none")
        return self

    @model_validator(mode="after")
    def _inertia_where_it_is_integrated(self):
        if self.spectral_radius is not None and self.density is None:
            raise ValueError("a spectral_radius is for inertia: give a density as well (muscle: 1.06 mg/mm^3)")
        return self

    @property
    def degree(self) -> int:
        """That of the displacement: 1 or 2."""
        return 1 if self.element == "P1P1" else 2
