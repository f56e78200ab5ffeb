"""What a scenario says about the mechanics of the heart wall."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from heartwright.mechanics.passive import HolzapfelOgden, Passive
from heartwright.mesh.where import Where
from heartwright.spec import Spec
from heartwright.units import Damping, Density, Length, Pressure, Stiffness, Time, Viscosity

Factor = Annotated[float, Field(ge=0, le=1000)]


class Curve(Spec):
    """A pressure or stress in time: linear between points, constant before the first and after the last."""

    times: tuple[Time, ...] = Field(min_length=1)
    values: tuple[Pressure, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_value_per_time(self):
        if len(self.times) != len(self.values):
            raise ValueError(f"as many values as times are needed: got {len(self.times)} and {len(self.values)}")
        if any(later <= earlier for earlier, later in zip(self.times, self.times[1:], strict=False)):
            raise ValueError("times must increase")
        return self


def _in_time(given: Any) -> str:
    return "curve" if isinstance(given, dict | Curve) else "constant"


Load = Annotated[Annotated[Pressure, Tag("constant")] | Annotated[Curve, Tag("curve")], Discriminator(_in_time)]


class Robin(Spec):
    """Springs and dashpots per area on a facet region: P N = -(k u + c u'), along a direction or in all.

    `normal`: along the normals of the smooth surface which the facets stand for; `facet`: along those of the facets
    themselves, which keep the wall from sliding, the more the larger they are; `full`: in all directions.

    Robin, not Dirichlet: the pericardium slides, and the base is held by soft vessels. The springs are slack in the
    passively filled shape: what surrounds the heart has grown to fit it.
    Values of the pericardium after Pfaller et al. 2019, doi:10.1007/s10237-018-1098-4.
    """

    type: Literal["robin"] = "robin"
    where: str
    stiffness: Annotated[Stiffness, Field(ge=0)]
    damping: Annotated[Damping, Field(ge=0)] = 0.0
    direction: Literal["normal", "facet", "full"] = "normal"


class Fixed(Spec):
    """The facet region does not move: u = 0."""

    type: Literal["fixed"] = "fixed"
    where: str


class SurfacePressure(Spec):
    """A pressure on a facet region, along the normal of the deformed surface: P N = -p cof(F) N; it has no lids."""

    type: Literal["pressure"] = "pressure"
    where: str
    value: Load


Boundary = Annotated[Robin | Fixed | SurfacePressure, Field(discriminator="type")]


class ActiveSpec(Spec):
    """Active tension of the sarcomere: a model of `odes/contraction` and a factor on its tension."""

    model: str = "land_2017"
    variant: str | None = None
    scale: Annotated[float, Field(ge=0, le=100)] = 1.0
    parameters: dict[str, float | str] = Field(default_factory=dict)


class RegionSpec(Spec):
    """A part of the wall that is stiffer (passive_scale) or weaker (active_scale) than the rest."""

    where: Where
    passive_scale: Factor = 1.0
    active_scale: Factor = 1.0


class NewtonSpec(Spec):
    """When the nonlinear solve of one step counts as solved, and when it gives up.

    `reproducible`: one rank factorises alone; the last bits are then the same in every run on as many ranks.
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

    `element`: P2, quadratic displacement whose change of volume the bulk modulus penalises; P2P1 (Taylor-Hood), with
    the pressure in the muscle as a linear unknown of its own, for any bulk modulus, `null` (infinite) included; P1P1,
    the same with linear displacement, for less accuracy in far less time. There `stabilisation` keeps the pressure
    smooth: of the order of the muscle's stiffness in shear; too large a value lets the pressure oscillate, too small a
    one lets muscle bulge where its pressure changes within a cell.
    `prestress`: the cavity pressures (e.g. {lv: 8 mmHg, rv: 4 mmHg}) at which the mesh was imaged, and which it bears
    in that shape. Without it the mesh is taken as stress-free. `density` switches inertia on; steps in time are those
    of backward Euler, or with a `spectral_radius` those of the generalised-α method, of second order (1 keeps all
    oscillations, 0 takes out the fastest at once). `active_stress`: a second Piola-Kirchhoff stress along the fibres
    that is prescribed, on top of what the sarcomeres make.
    """

    passive: Passive = HolzapfelOgden()
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
    quadrature_degree: int = Field(ge=2, le=8, default_factory=_quadrature)
    newton: NewtonSpec = NewtonSpec()

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
        if (self.stabilisation is None) == (self.element == "P1P1"):
            raise ValueError(f"stabilisation is for `element: P1P1`, which needs it; this is {self.element}")
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
