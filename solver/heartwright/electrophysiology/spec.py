"""What a scenario says about electrophysiology: cells, conduction, stimuli, regions, ECG."""

import math
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from heartwright.electrophysiology.drugs import Drug
from heartwright.mesh.scale import Scale
from heartwright.mesh.where import Where, WhereCoordinates
from heartwright.spec import Spec
from heartwright.units import (
    Angle,
    Capacitance,
    Conductivity,
    CurrentDensity,
    Length,
    Speed,
    SurfaceToVolume,
    Time,
    Voltage,
)

Point = tuple[Length, Length, Length]
HIS = "his"  # the place at which a Purkinje network is stimulated


class Cells(Spec):
    """The ionic model of one region; where regions overlap, the later entry of the list wins.

    `scales` are factors on parameters that differ from node to node; those of one parameter are multiplied.
    """

    where: Where = "all"
    model: str = "tentusscher_panfilov_2006"  # name of a shipped .mmt file, or a path to one
    variant: str | None = None  # e.g. endo, mid, epi; None: the model as written
    parameters: dict[str, float | str] = Field(default_factory=dict)  # name -> value, plain in the model's unit
    drugs: list[Drug] = Field(default_factory=list)
    scales: list[Scale] = Field(default_factory=list)

    def changes(self) -> bool:
        """Whether the model is not taken as it is written."""
        return bool(self.parameters or self.drugs or self.scales)


class Anisotropic(Spec):
    """Conductivities along the fibre, across it within the sheet, and normal to the sheet."""

    fibre: Annotated[Conductivity, Field(gt=0)]
    sheet: Annotated[Conductivity, Field(gt=0)]
    normal: Annotated[Conductivity, Field(gt=0)]


class Conductivities(Anisotropic):
    """Monodomain conductivities."""

    type: Literal["conductivity"] = "conductivity"


class Domains(Spec):
    """Conductivities of both domains; the monodomain equation takes sigma_i sigma_e / (sigma_i + sigma_e)."""

    type: Literal["domains"] = "domains"
    intracellular: Anisotropic
    extracellular: Anisotropic


class Speeds(Spec):
    """Wanted conduction speeds; the conductivities that give them are found at the mesh's own edge length.

    Of a bidomain the extracellular ones are `ratio_fibre` and `ratio_cross` times the intracellular (Potse et al. 2006,
    doi:10.1109/TBME.2006.880875).
    """

    type: Literal["speed"] = "speed"
    fibre: Annotated[Speed, Field(gt=0)]
    cross: Annotated[Speed, Field(gt=0)]
    ratio_fibre: Annotated[float, Field(gt=0)] = 1.0
    ratio_cross: Annotated[float, Field(gt=0)] = 4.0


class FastEndocardium(Spec):
    """A thin fast layer under the endocardium that stands for the Purkinje network.

    Cells within `thickness` of one of the `surfaces` (and at least the cells that touch it) conduct `speed_factor`
    times faster than the tissue around them.
    """

    surfaces: list[str] = Field(default=["lv_endo", "rv_endo"], min_length=1)  # facet names
    thickness: Annotated[Length, Field(ge=0)] = "1.5 mm"
    speed_factor: Annotated[float, Field(ge=1)] = 4.0


class Bundle(Spec):
    """A bundle branch on the endocardium `surface`: a trunk from `start` to `end`, fascicles that spring from there.

    Fascicles have names and the angle they turn by, counter-clockwise as seen from the blood, and are `fascicle_length`
    long. `strands` run from the end of the trunk through the blood to other places of the surface, where four fascicles
    leave them: the moderator band.
    """

    surface: str
    start: Where
    end: Where
    fascicles: dict[str, Angle] = Field(min_length=1)
    fascicle_length: Annotated[Length, Field(gt=0)] = "20 mm"
    strands: dict[str, Where] = Field(default_factory=dict)


def _site(layer: Literal["endo", "epi"], apicobasal: float, rotation: float = 0.0) -> WhereCoordinates:
    """A place on the septum; its right face is the `epi` layer of the left ventricle."""
    return WhereCoordinates(chamber="lv", layer=layer, apicobasal=apicobasal, rotation=rotation)


def _bundles() -> dict[str, Bundle]:
    left = {"anterior": -math.radians(50), "septal": 0.0, "posterior": math.radians(50)}
    right = {"anterior": math.radians(60), "apical": 0.0, "posterior": -math.radians(60)}
    free_wall = WhereCoordinates(chamber="rv", layer="endo", apicobasal=0.45, rotation=0.0)
    return {
        "left": Bundle(surface="lv_endo", start=_site("endo", 0.9), end=_site("endo", 0.7), fascicles=left),
        "right": Bundle(
            surface="rv_endo",
            start=_site("epi", 0.9),
            end=_site("epi", 0.5),
            fascicles=right,
            strands={"moderator": free_wall},
        ),
    }


class GrownTree(Spec):
    """A fractal tree grown on the endocardium (doi:10.1016/j.jbiomech.2015.12.025): the same seed, the same tree.

    `generations` of branches spring from the fascicles of every bundle, `branch_length` long on average, with the
    standard deviation `branch_deviation`, `branch_angle` to either side; `repulsion` bends them away from each other,
    and nearer than `clearance` to a strange branch they end. So they do at the apicobasal `height` above which the
    endocardium bears no network: the base fires last (Durrer et al. 1970, doi:10.1161/01.CIR.41.6.899).
    """

    type: Literal["grown"] = "grown"
    seed: Annotated[int, Field(ge=0)] = 1
    bundles: dict[str, Bundle] = Field(default_factory=_bundles, min_length=1)
    generations: Annotated[int, Field(ge=1, le=50)] = 20
    branch_length: Annotated[Length, Field(gt=0)] = "5 mm"
    branch_deviation: Annotated[Length, Field(ge=0)] = "2 mm"
    branch_angle: Annotated[Angle, Field(gt=0, lt=math.pi / 2)] = math.radians(35)
    repulsion: Annotated[float, Field(ge=0)] = 0.1
    segment: Annotated[Length, Field(gt=0)] = "1 mm"
    clearance: Annotated[Length, Field(gt=0)] = "1.2 mm"
    height: Annotated[float, Field(gt=0, le=1)] = 0.85


class TreeFile(Spec):
    """A tree from a file of lines (.vtu, .vtk); its first point is the root, where the bundle of His enters.

    `bundles`: names for the numbers in the field `bundle` of the lines.
    """

    type: Literal["file"] = "file"
    file: str
    unit: Literal["mm", "cm", "m", "um"]
    bundles: dict[str, int] = Field(default_factory=dict)


class Purkinje(Spec):
    """A Purkinje network, on which waves run at `speed` and meet the muscle in its ends.

    A stimulus with `where: his` starts a wave at its root. Where one arrives at an end, the muscle within
    `junction_radius` fires `antegrade` later; where the muscle fires by itself, the network does so `retrograde` later.
    The delays are those of ten Tusscher & Panfilov 2008 (doi:10.1016/j.pbiomolbio.2007.07.026). A point takes no second
    wave within `refractory`. `cut`: bundles or fascicles that are blocked where they begin.
    """

    tree: GrownTree | TreeFile = Field(default=GrownTree(), discriminator="type")
    speed: Annotated[Speed, Field(gt=0)] = "2 m/s"
    antegrade: Annotated[Time, Field(ge=0)] = "5 ms"
    retrograde: Annotated[Time, Field(ge=0)] = "3 ms"
    refractory: Annotated[Time, Field(gt=0)] = "250 ms"
    junction_radius: Annotated[Length, Field(gt=0)] = "2 mm"
    cut: list[str] = Field(default_factory=list)


class Stimulus(Spec):
    """A transmembrane current: `amplitude` in `where` from `start` for `duration`, repeated every `period`.

    `where: his` stands for the root of the Purkinje network, which fires at the beginning of every pulse.

    `start` counts from the onset of ventricular activation (`clock: ventricles`, the AV delay after the beat's start)
    or from the beginning of the run (`clock: absolute`). Without `period` it repeats with every beat.
    """

    name: str
    where: Where
    start: Time = "0 ms"
    duration: Annotated[Time, Field(gt=0)] = "2 ms"
    amplitude: CurrentDensity = "60 uA/uF"  # positive depolarises
    clock: Literal["ventricles", "absolute"] = "ventricles"
    period: Annotated[Time, Field(gt=0)] | None = None
    count: PositiveInt | None = None  # how many times; None: for ever


class Region(Spec):
    """A region whose conductivities are multiplied by `conduction_scale` (0: dead); later regions win.

    Of the bidomain's two domains it is the intracellular one: current still flows around dead cells.

    With `density` below one only so large a share of it, in random patches of side `grain`: the same `seed` gives the
    same patches on every mesh.
    """

    where: Where
    conduction_scale: Annotated[float, Field(ge=0)] = 1.0
    density: Annotated[float, Field(ge=0, le=1)] = 1.0
    grain: Annotated[Length, Field(gt=0)] = "1 mm"
    seed: Annotated[int, Field(ge=0)] = 1


class Bath(Spec):
    """Blood or another fluid around the muscle, for a bidomain: a region, or cells with all nodes in `where`."""

    where: Where
    conductivity: Annotated[Conductivity, Field(gt=0)] = "0.6 S/m"


class Ecg(Spec):
    """The twelve leads, by lead fields of a heart in a homogeneous torso.

    `electrodes` (RA, LA, LL, V1 .. V6) override those of the `file`, and these the default placement around the heart's
    own axes. `intracellular` and `extracellular`: the conductivities of the muscle's two spaces (Potse et al. 2006,
    doi:10.1109/TBME.2006.880875).
    """

    file: str | None = None  # of text, one electrode per line: name x y z
    unit: Literal["mm", "cm", "m", "um"] | None = None
    electrodes: dict[Literal["RA", "LA", "LL", "V1", "V2", "V3", "V4", "V5", "V6"], Point] = Field(default_factory=dict)
    intracellular: Conductivities = Conductivities(fibre="0.3 mS/mm", sheet="0.03 mS/mm", normal="0.03 mS/mm")
    extracellular: Conductivities = Conductivities(fibre="0.3 mS/mm", sheet="0.12 mS/mm", normal="0.12 mS/mm")

    @model_validator(mode="after")
    def _file_has_a_unit(self) -> "Ecg":
        if (self.file is None) != (self.unit is None):
            raise ValueError("a file of electrodes needs its `unit`: mm, cm, m or um; places without file carry theirs")
        return self


# How much of the mass is lumped at the nodes.
LUMPED = {"consistent": 0.0, "selective": 0.5, "lumped": 1.0}


class ElectrophysiologySpec(Spec):
    """chi Cm dv/dt = div(sigma grad v) - chi Cm (i_ion - i_stim), i_ion and i_stim per capacitance (uA/uF).

    `bidomain` is this with the potential phi_e of the extracellular domain beside v, and an optional bath.
    `reaction_eikonal` instead starts every cell's action potential when the eikonal equation says a wave arrives.
    """

    equation: Literal["monodomain", "bidomain", "reaction_eikonal"] = "monodomain"
    cells: list[Cells] = Field(default_factory=lambda: [Cells()], min_length=1)
    conduction: Annotated[Conductivities | Domains | Speeds, Field(discriminator="type")] = Speeds(
        fibre="0.6 m/s", cross="0.3 m/s"
    )
    chi: Annotated[SurfaceToVolume, Field(gt=0)] = "140 / mm"
    Cm: Annotated[Capacitance, Field(gt=0)] = "1 uF/cm^2"
    fast_endocardium: FastEndocardium | None = None
    purkinje: Purkinje | None = None
    stimuli: list[Stimulus] = Field(default_factory=list)
    regions: list[Region] = Field(default_factory=list)
    bath: Bath | None = None
    ecg: Ecg | None = Ecg()
    element: Literal["P1", "P2"] = "P1"
    mass: Literal["consistent", "selective", "lumped"] = "consistent"
    tolerance: Annotated[Voltage, Field(gt=0)] = "1e-4 mV"  # of the linear solver: RMS error of v in one step
    precision: Literal["double", "single"] = "double"  # of rates and increments; states are double

    @model_validator(mode="after")
    def _things_that_go_together(self) -> "ElectrophysiologySpec":
        if self.equation == "bidomain" and isinstance(self.conduction, Conductivities):
            raise ValueError(
                "the bidomain equation needs conductivities of both domains: conduction of type domains or speed"
            )
        if self.element == "P2" and self.equation != "monodomain":
            raise ValueError(f"quadratic elements are for the monodomain equation, this is {self.equation}")
        if self.element == "P2" and self.conduction.type == "speed":
            raise ValueError("the conductivities for wanted speeds are known for linear elements: give conductivities")
        if self.element == "P2" and self.mass != "consistent":
            raise ValueError(f"quadratic elements have no {self.mass} mass: it would be negative at their vertices")
        if self.bath and self.equation != "bidomain":
            raise ValueError(f"a bath needs the bidomain equation, this is {self.equation}")
        return self

    @model_validator(mode="after")
    def _his_is_there(self):
        if self.purkinje is None and any(stimulus.where == HIS for stimulus in self.stimuli):
            raise ValueError("a stimulus `where: his` needs a network: give `purkinje`, e.g. purkinje: {}")
        return self

    @property
    def halvings(self) -> int:
        """Refinements from the elements to a mesh with their nodes."""
        return 1 if self.element == "P2" else 0
