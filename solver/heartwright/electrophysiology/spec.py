"""What a scenario says about electrophysiology: cells, conduction, stimuli, regions, ECG."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from heartwright.electrophysiology.drugs import Drug
from heartwright.mesh.where import Where
from heartwright.spec import Spec
from heartwright.units import Capacitance, Conductivity, CurrentDensity, Length, Speed, SurfaceToVolume, Time, Voltage

Point = tuple[Length, Length, Length]


class Cells(Spec):
    """The ionic model of one region; where regions overlap, the later entry of the list wins."""

    where: Where = "all"
    model: str = "tentusscher_panfilov_2006"  # name of a shipped .mmt file, or a path to one
    variant: str | None = None  # e.g. endo, mid, epi; None: the model as written
    parameters: dict[str, float | str] = Field(default_factory=dict)  # name -> value, plain in the model's unit
    drugs: list[Drug] = Field(default_factory=list)


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
    """Wanted conduction speeds; the conductivities that give them are found at the mesh's own edge length."""

    type: Literal["speed"] = "speed"
    fibre: Annotated[Speed, Field(gt=0)]
    cross: Annotated[Speed, Field(gt=0)]


class FastEndocardium(Spec):
    """A thin fast layer under the endocardium that stands for the Purkinje network.

    Cells within `thickness` of one of the `surfaces` (and at least the cells that touch it) conduct `speed_factor`
    times faster than the tissue around them.
    """

    surfaces: list[str] = Field(default=["lv_endo", "rv_endo"], min_length=1)  # facet names
    thickness: Annotated[Length, Field(ge=0)] = "1.5 mm"
    speed_factor: Annotated[float, Field(ge=1)] = 4.0


class Stimulus(Spec):
    """A transmembrane current: `amplitude` in `where` from `start` for `duration`, repeated every `period`.

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
    """

    where: Where
    conduction_scale: Annotated[float, Field(ge=0)] = 1.0


class Bath(Spec):
    """Blood or another fluid around the muscle, for the bidomain equation: cells with all their nodes in `where`."""

    where: Where
    conductivity: Annotated[Conductivity, Field(gt=0)] = "0.6 S/m"


class Ecg(Spec):
    """The pseudo-ECG: electrodes in an infinite homogeneous torso.

    `electrodes` (RA, LA, LL, V1 .. V6) override the default placement around the heart's own axes.
    """

    electrodes: dict[Literal["RA", "LA", "LL", "V1", "V2", "V3", "V4", "V5", "V6"], Point] = Field(default_factory=dict)
    torso_conductivity: Annotated[Conductivity, Field(gt=0)] = "0.22 mS/mm"


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
    stimuli: list[Stimulus] = Field(default_factory=list)
    regions: list[Region] = Field(default_factory=list)
    bath: Bath | None = None
    ecg: Ecg | None = Ecg()
    mass: Literal["consistent", "selective", "lumped"] = "consistent"
    tolerance: Annotated[Voltage, Field(gt=0)] = "1e-4 mV"  # of the linear solver: RMS error of v in one step
    precision: Literal["double", "single"] = "double"  # of the cells' rates; states are double

    @model_validator(mode="after")
    def _two_domains(self) -> "ElectrophysiologySpec":
        if self.equation == "bidomain" and not isinstance(self.conduction, Domains):
            raise ValueError("the bidomain equation needs conductivities of both domains: conduction of type domains")
        if self.bath and self.equation != "bidomain":
            raise ValueError(f"a bath needs the bidomain equation, this is {self.equation}")
        return self
