"""What a scenario may say about its mesh: a file with regions or a generator, its fibres, and its refinement."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from heartwright.mesh.fibre_rules import FibreRule, FibresBayer, FibresFile
from heartwright.mesh.four_chambers import Plan
from heartwright.spec import Spec
from heartwright.units import ML, Length, Volume

Positive = Annotated[Length, Field(gt=0)]
UNIT = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "um": 1e-3}  # mm
TagOrName = int | str
Regions = Annotated[dict[str, TagOrName | tuple[TagOrName, ...]], BeforeValidator(lambda given: given or {})]


class LeftEllipsoid(Spec):
    """The wall between two ellipsoids about the z axis, cut flat at z = 0, apex at the bottom.

    Both are centred `base_height` below the base. Defaults: an adult heart without load, cavity 80 mL.
    """

    type: str
    radius: Positive = 22.0
    length: Positive = 58.0
    wall: Positive = 10.0
    apex_wall: Positive = 8.0
    base_height: Annotated[Length, Field(ge=0)] = 14.0

    @model_validator(mode="after")
    def _base_cuts_the_cavity(self):
        if self.base_height >= self.length:
            raise ValueError("base_height must be smaller than length: the base plane has to cut the cavity")
        return self


class Ellipsoid(LeftEllipsoid):
    """A left ventricle; surfaces lv_endo, epi, base.

    Edges are `size` long at the base and `apex_size` at the apex (the same unless given), linear in the height between.
    Land 2015 (doi:10.1098/rspa.2015.0641): radius 7, length 17, wall 3, apex_wall 3, base_height 5 mm.
    """

    type: Literal["ellipsoid"] = "ellipsoid"
    size: Positive = 5.0
    apex_size: Positive | None = None


class Biventricle(LeftEllipsoid):
    """Two ventricles: the left one, and a right one that is a larger ellipsoid beside it, minus the left.

    The right cavity has the semi-axes rv_across (x, away from the left ventricle), rv_along (y) and rv_length (z) about
    a centre moved by `rv_offset` along x. Surfaces: lv_endo, rv_endo, epi, base.
    """

    type: Literal["biventricle"] = "biventricle"
    rv_across: Positive = 42.0
    rv_along: Positive = 38.0
    rv_length: Positive = 54.0
    rv_offset: Positive = 16.0
    rv_wall: Positive = 4.5
    size: Positive = 6.0

    @model_validator(mode="after")
    def _right_ventricle_fits(self):
        if self.base_height >= self.rv_length:
            raise ValueError("base_height must be smaller than rv_length: the base plane has to cut both cavities")
        if self.rv_offset + self.rv_across <= self.radius + self.wall:
            raise ValueError("the right cavity lies inside the left wall: increase rv_offset or rv_across")
        if self.rv_offset - self.rv_across - self.rv_wall <= -(self.radius + self.wall):
            raise ValueError("the right ventricle swallows the left: decrease rv_across or increase rv_offset")
        return self


class FourChambers(Spec):
    """A whole heart: two ventricles and two atria, joined by a plate with the rings of four valves.

    The ventricles are those of `Biventricle`, here as at the end of diastole. The atria are halves of ellipsoids of the
    semi-axes across (x, to the right), along (y, to anterior) and height. `mitral`, `aortic`, `tricuspid`, `pulmonary`:
    radii of the openings in the plate, which is `ring_height` thick; `pulmonary_vein` (four) and `vena_cava` (two):
    radii of the openings of the atria. `clearance`: at least so much tissue between openings and cavities' edges.
    `atrial_size`: edges of the cells of plate and atria, whose walls are thin.
    Regions: lv, rv, rings, la, ra. Surfaces: lv_endo, rv_endo, la_endo, ra_endo, epi, the rings mitral, aortic,
    tricuspid, pulmonary, and the openings lpv, rpv, svc, ivc.
    """

    type: Literal["four_chambers"] = "four_chambers"
    radius: Positive = 25.0
    length: Positive = 60.0
    wall: Positive = 10.0
    apex_wall: Positive = 8.0
    base_height: Annotated[Length, Field(ge=0)] = 14.0
    rv_across: Positive = 46.0
    rv_along: Positive = 41.0
    rv_length: Positive = 56.0
    rv_offset: Positive = 18.0
    rv_wall: Positive = 4.5
    ring_height: Positive = 4.0
    mitral: Positive = 12.0
    aortic: Positive = 8.5
    tricuspid: Positive = 12.0
    pulmonary: Positive = 9.5
    clearance: Positive = 1.0
    la_across: Positive = 28.0
    la_along: Positive = 22.0
    la_height: Positive = 36.0
    ra_across: Positive = 27.0
    ra_along: Positive = 25.0
    ra_height: Positive = 38.0
    atrial_wall: Positive = 2.5
    pulmonary_vein: Positive = 5.0
    vena_cava: Positive = 8.0
    size: Positive = 6.0
    atrial_size: Positive = 4.0

    @model_validator(mode="after")
    def _fits(self):
        if self.base_height >= min(self.length, self.rv_length):
            raise ValueError("base_height must be smaller than length and rv_length: the base has to cut both cavities")
        if problem := Plan(self).crowded():
            raise ValueError(problem)
        return self


class Slab(Spec):
    """A box from the origin to `lengths`; its faces are xmin, xmax, ymin, ymax, zmin, zmax."""

    type: Literal["slab"] = "slab"
    lengths: tuple[Positive, Positive, Positive]
    size: Positive

    @property
    def faces(self) -> tuple[str, ...]:
        return ("xmin", "xmax", "ymin", "ymax", "zmin", "zmax")


class Strip(Spec):
    """A strip of tissue along x, from the origin: equal bricks with edges of about `size`, of six tetrahedra each.

    Its faces are xmin, xmax, ymin, ymax, zmin, zmax.
    """

    type: Literal["strip"] = "strip"
    length: Positive = 20.0
    width: Positive = 3.0
    thickness: Positive = 1.0
    size: Positive = 0.5

    @property
    def lengths(self) -> tuple[float, float, float]:
        return (self.length, self.width, self.thickness)

    @property
    def faces(self) -> tuple[str, ...]:
        return ("xmin", "xmax", "ymin", "ymax", "zmin", "zmax")


class Stenosis(Spec):
    """A narrowing r(z) = R (1 − s/2 (1 + cos(2π (z − at)/length))) for |z − at| < length/2.

    s is the part of the diameter that is lost at its narrowest: `severity`.
    """

    severity: Annotated[float, Field(gt=0, lt=1)]
    at: Positive
    length: Positive


class Tube(Spec):
    """A vessel about the z axis, from its inlet at z = 0 to its outlet at z = `length`: its lumen, or its wall.

    Without `wall` the blood in it is meshed (surfaces inlet, outlet, wall), with it the wall around the blood (surfaces
    inlet, outlet, inner, outer). Defaults: an adult's descending aorta.
    """

    type: Literal["tube"] = "tube"
    radius: Positive = 12.0
    length: Positive = 100.0
    wall: Positive | None = None
    stenosis: Stenosis | None = None
    size: Positive = 3.0

    @model_validator(mode="after")
    def _stenosis_lies_inside(self):
        narrow = self.stenosis
        if narrow and not narrow.length / 2 < narrow.at < self.length - narrow.length / 2:
            raise ValueError(
                "the stenosis must lie between the ends of the tube: check stenosis.at and stenosis.length"
            )
        return self


class Nozzle(Spec):
    """The nozzle of the FDA's flow study (Hariharan et al. 2011, doi:10.1115/1.4003440): the liquid in it.

    About the z axis: an inlet of radius 6 mm, a cone 22.685 mm long to a throat of radius 2 mm and length 40 mm, and a
    sudden expansion to radius 6 mm. Surfaces: inlet, outlet, wall.
    """

    type: Literal["nozzle"] = "nozzle"
    inlet: Positive = 40.0
    outlet: Positive = 80.0
    size: Positive = 1.0


Generator = Annotated[
    Ellipsoid | Biventricle | FourChambers | Slab | Strip | Tube | Nozzle, Field(discriminator="type")
]


class MeshSpec(Spec):
    """The tissue: a tagged mesh file with its unit and regions, or a generated shape.

    file: tetrahedra with tagged surfaces, a closed tagged surface, or an image of labels (NIfTI), which are filled; any
        format of importers.py.
    also: further files about the same points, whose triangles, tags and fields are added.
    tags: which field of the file holds the tags, on its triangles, its points or its tetrahedra; found by itself
        where only one can; `shape`: by what a surface without labels faces (shape.py).
    tissues: our names of regions of the tissue (lv, rv, la, ra, valves) -> the tag or tags of their tetrahedra, or of
        the voxels of an image; those without a name are then left out. Without it all are used, under the names that
        the file gives them, or region_1, region_2, … by their tags.
    regions: our surface names (lv_endo, rv_endo, epi, base) -> the tag or tags they have in the file, as numbers or
        by the names that the file gives them; left out, the file's own names are used where they are ours. Of an
        image: the labels of the blood behind every surface.
    size: remesh a file from its surface at this edge length.
    fix: repairs that must be asked for: `orientation` turns inverted cells round (they can also mean a folded mesh),
        `slivers` remeshes from the surface, at its own edge length unless `size` is given, where cells are nearly flat.
    cavity_volumes: what each cavity of a file must enclose; a wrong unit shows here.
    fields: scalar fields of the file, on its cells or points, to keep: what `scales` of cells multiply parameters by.
    refine: uniform refinements from the mechanics mesh to the electrophysiology mesh.
    """

    file: str | None = None
    also: tuple[str, ...] = ()
    unit: Literal["mm", "cm", "m", "um"] | None = None
    tags: str | None = None
    tissues: Regions = Field(default={})
    regions: Regions = Field(default={})
    size: Positive | None = None
    fix: tuple[Literal["orientation", "slivers"], ...] = ()
    cavity_volumes: tuple[Volume, Volume] = (20.0 * ML, 400.0 * ML)
    generate: Generator | None = None
    scale: Annotated[float, Field(gt=0)] = 1.0
    fields: tuple[str, ...] = ()
    fibres: FibreRule = FibresBayer()
    refine: Annotated[int, Field(ge=0, le=2)] = 0

    @model_validator(mode="after")
    def _one_source(self):
        if (self.file is None) == (self.generate is None):
            raise ValueError("give either `file` (with `unit`) or `generate`, not both and not neither")
        knows_its_unit = self.file is None or self.file.endswith((".h5", ".nii", ".nii.gz"))
        if self.unit is None and not knows_its_unit:
            raise ValueError("a mesh file needs its `unit`: mm, cm, m or um")
        if self.file is None and (
            self.also or self.unit or self.tags or self.tissues or self.regions or self.size or self.fix
        ):
            raise ValueError(
                "also, unit, tags, tissues, regions, size and fix belong to `file`; a generator has its own `size`"
            )
        if isinstance(self.fibres, FibresFile) and (self.generate or self.size or "slivers" in self.fix):
            raise ValueError(
                "fibres from a file belong to its cells: they need `file`, without `size` or fix: [slivers]"
            )
        if self.fields and (self.generate or self.size or "slivers" in self.fix):
            raise ValueError("fields belong to the cells of a file: they need `file`, without `size` or fix: [slivers]")
        return self
