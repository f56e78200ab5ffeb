"""Pathologies: what a disease changes in a scenario, each a function scenario -> scenario."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from heartwright.errors import InputError
from heartwright.mesh.where import Sphere, Where, WhereCoordinates, WhereSphere
from heartwright.spec import Spec
from heartwright.units import Length

if TYPE_CHECKING:
    from heartwright.scenario import Scenario

Share = Annotated[float, Field(ge=0, le=1)]


class Infarct(Spec):
    """A healed infarct: a scar (`where`) that does not contract or conduct, and a border zone around it.

    The border is what lies within `border_width` of a scar given as a sphere or as a site with a radius; for any other
    scar it is named by `border`. The scar makes no active tension and is `stiffness` times stiffer: acutely about 1.5,
    up to 10 when chronic. The border makes `border_tension` of the tension and conducts at `border_conduction` of the
    healthy conductivity. Such changes lowered the ejection fraction from 63 to 51-56 % in Wang et al. 2021
    (doi:10.1093/europace/euaa405).
    """

    type: Literal["infarct"] = "infarct"
    where: Where
    border_width: Annotated[Length, Field(gt=0)] | None = None
    border: Where | None = None
    stiffness: Annotated[float, Field(gt=0, le=100)] = 5.0
    tension: Share = 0.0
    conduction: Share = 0.0
    border_tension: Share = 0.5
    border_conduction: Share = 0.3

    @model_validator(mode="after")
    def _border_is_clear(self):
        if self.border_width is not None and self.border is not None:
            raise ValueError("give border_width or border, not both")
        if self.border_width is not None and _widened(self.where, self.border_width) is None:
            raise ValueError("border_width needs `where` as a sphere or a site with radius; name `border` instead")
        return self

    def apply(self, scenario: "Scenario") -> "Scenario":
        border = self.border if self.border_width is None else _widened(self.where, self.border_width)
        # The border comes first and the scar inside it second: later regions of a list win.
        zones = [(border, self.border_tension, 1.0, self.border_conduction)] if border is not None else []
        zones += [(self.where, self.tension, self.stiffness, self.conduction)]
        mechanics, ep = _required(scenario, "mechanics", self), _required(scenario, "electrophysiology", self)
        weak = [{"where": w, "active_scale": t, "passive_scale": s} for w, t, s, _ in zones]
        slow = [{"where": w, "conduction_scale": c} for w, _, _, c in zones]
        return scenario.replace(
            mechanics=mechanics.replace(regions=[*mechanics.regions, *weak]),
            electrophysiology=ep.replace(regions=[*ep.regions, *slow]),
        )


class Fibrosis(Spec):
    """Diffuse fibrosis: a share `density` of a place conducts at `conduction`, in random patches of side `grain`."""

    type: Literal["fibrosis"] = "fibrosis"
    where: Where
    density: Share
    grain: Annotated[Length, Field(gt=0)] = "1 mm"
    seed: Annotated[int, Field(ge=0)] = 1
    conduction: Share = 0.0

    def apply(self, scenario: "Scenario") -> "Scenario":
        ep = _required(scenario, "electrophysiology", self)
        pattern = {name: getattr(self, name) for name in ("where", "density", "grain", "seed")}
        region = pattern | {"conduction_scale": self.conduction}
        return scenario.replace(electrophysiology=ep.replace(regions=[*ep.regions, region]))


class LBBB(Spec):
    """Left bundle branch block: the left ventricle is activated through the septum from the right.

    Where there is a Purkinje network its bundle `left` is cut; what lies beyond is entered late and from the muscle.
    Otherwise the stimuli named `lv_...`, which stand for the early-activation sites of the left bundle, are removed,
    and with them the fast layer of the left endocardium. QRS is above 120 ms (review: Strik et al. 2012,
    doi:10.1007/s12265-012-9351-1).
    """

    type: Literal["lbbb"] = "lbbb"

    def apply(self, scenario: "Scenario") -> "Scenario":
        return _blocked(scenario, self, bundle="left", side="lv")


class RBBB(Spec):
    """Right bundle branch block: the right ventricle is activated through the septum from the left.

    As `lbbb` with the bundle `right` of a Purkinje network, or the stimuli named `rv_...` and the right endocardium.
    """

    type: Literal["rbbb"] = "rbbb"

    def apply(self, scenario: "Scenario") -> "Scenario":
        return _blocked(scenario, self, bundle="right", side="rv")


Pathology = Annotated[Infarct | Fibrosis | LBBB | RBBB, Field(discriminator="type")]


def _blocked(scenario: "Scenario", block: LBBB | RBBB, bundle: str, side: str) -> "Scenario":
    """The scenario without the early activation of one ventricle."""
    ep = _required(scenario, "electrophysiology", block)
    if ep.purkinje:
        network = ep.purkinje.replace(cut=[*ep.purkinje.cut, bundle])
        return scenario.replace(electrophysiology=ep.replace(purkinje=network))
    kept = [stimulus for stimulus in ep.stimuli if not stimulus.name.startswith(f"{side}_")]
    if not kept or len(kept) == len(ep.stimuli):
        names = ", ".join(stimulus.name for stimulus in ep.stimuli) or "none"
        raise InputError(
            f"{block.type}: needs a purkinje network, or stimuli named {side}_... to remove and others to keep; "
            f"the scenario has: {names}"
        )
    fast = ep.fast_endocardium
    if fast:
        others = [surface for surface in fast.surfaces if surface != f"{side}_endo"]
        fast = fast.replace(surfaces=others) if others else None
    return scenario.replace(electrophysiology=ep.replace(stimuli=kept, fast_endocardium=fast))


def _widened(where: Where, width: float) -> Where | None:
    """The place with `width` more on all sides; None where that cannot be said."""
    if isinstance(where, WhereSphere):
        return WhereSphere(sphere=Sphere(centre=where.sphere.centre, radius=where.sphere.radius + width))
    if isinstance(where, WhereCoordinates) and where.is_site and where.radius is not None:
        return where.replace(radius=where.radius + width)
    return None


def _required(scenario: "Scenario", block: str, change: Spec) -> Spec:
    """A block of the scenario that a pathology changes."""
    found = getattr(scenario, block)
    if found is None:
        raise InputError(f"{change.type}: the scenario has no `{block}` to change")
    return found
