"""Images of labels become tissue of the right size, named by what lies behind its surface; other images are refused."""

import gzip

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import voxels
from heartwright.errors import InputError
from heartwright.mesh import importers, suggest, surface
from heartwright.mesh.formats import native
from heartwright.mesh.prepare import prepare
from heartwright.mesh.spec import MeshSpec
from voxels import INNER, LV, OUTER, REGIONS, TISSUE, TISSUES

pytest.importorskip("nibabel")
pytest.importorskip("vtkmodules")


def spec(path, **changes):
    return MeshSpec.model_validate({"file": str(path), "tissues": TISSUES, "regions": REGIONS} | changes)


def volumes(raw):
    """Of the tissue and of the cavity, mm³."""
    cavity = surface.enclosed_volume(raw.points, raw.surface("lv_endo")[:, ::-1])
    return surface.flux(raw.points, raw.facets, np.zeros(3)), cavity


# Voxels as a cube, turned obliquely, listed backwards (det < 0), and 8 mm slices. Smoothing rounds the cavity's rim
# by a third of a voxel, 0.6 of its 40 mm or 1.6 %; the apex is known to a slice.
@pytest.mark.parametrize(
    "sides, turn, tolerance",
    [
        ((2.0, 2.0, 2.0), None, 0.02),
        ((1.8, 2.0, 2.2), Rotation.from_rotvec([0.4, -0.3, 0.5]).as_matrix(), 0.02),
        ((2.0, 2.0, 2.0), np.diag([1.0, -1.0, 1.0]), 0.02),
        ((2.0, 2.0, 8.0), None, 0.04),
    ],
)
def test_volumes_and_surfaces_are_those_of_the_shape(tmp_path, sides, turn, tolerance):
    path = voxels.save(tmp_path / "labels.nii.gz", *voxels.ventricle(sides, turn))
    raw = importers.read(spec(path))
    assert volumes(raw) == pytest.approx((voxels.half(OUTER) - voxels.half(INNER), voxels.half(INNER)), rel=tolerance)
    assert set(raw.names) == {"lv_endo", "epi", "base"}
    rims = {name: len(surface.loops(surface.rim_edges(raw.surface(name)))) for name in raw.names}
    assert rims == {"lv_endo": 1, "epi": 1, "base": 2}
    area = np.pi * (OUTER[0] ** 2 - INNER[0] ** 2)
    a, b, c = (raw.points[raw.surface("base")[:, i]] for i in range(3))
    flat = 0.5 * np.cross(b - a, c - a).sum(axis=0)
    assert abs(flat[2]) == pytest.approx(area, rel=0.15)  # both edges are rounded by a third of a voxel and more


def test_an_image_is_filled_at_the_wanted_size_and_says_nothing_of_the_patient(tmp_path):
    pytest.importorskip("gmsh")
    labels, affine = voxels.ventricle((2.5, 2.5, 2.5))
    path = voxels.save(tmp_path / "labels.nii.gz", labels, affine, descrip=b"DOE^JANE", db_name=b"19700101")
    raw = prepare(spec(path, size="6 mm"))
    assert surface.tet_volumes(raw.points, raw.cells).sum() == pytest.approx(
        voxels.half(OUTER) - voxels.half(INNER), rel=0.03
    )
    native.write(tmp_path / "heart.h5", raw)
    written = b"".join(file.read_bytes() for file in tmp_path.glob("heart.*"))
    assert b"DOE" not in written and b"19700101" not in written


def test_specks_and_voids_of_a_segmentation_are_repaired_and_told(tmp_path):
    labels, affine = voxels.ventricle((2.0, 2.0, 2.0))
    wall = np.argwhere(labels == TISSUE)
    deep = wall[np.argmin(np.abs(wall @ affine[:3, :3].T + affine[:3, 3] - (29.0, 0.0, -10.0)).sum(axis=1))]
    labels[tuple(deep)] = 0
    labels[2:4, 2, 2] = TISSUE
    raw = importers.read(spec(voxels.save(tmp_path / "labels.nii", labels, affine)))
    assert raw.notes == ("dropped 2 voxels of tissue apart from the rest", "filled 1 voxel enclosed by tissue")
    assert len(np.unique(surface.shells(raw.facets, len(raw.points)))) == 1


def test_a_surface_may_be_given_by_the_label_behind_it(tmp_path):
    labels, affine = voxels.ventricle((2.0, 2.0, 2.0))
    height = (np.moveaxis(np.indices(labels.shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3])[..., 2]
    labels[(height > 0.0) & (height < 6.0)] = 7
    path = voxels.save(tmp_path / "labels.nii", labels, affine)
    named = importers.read(spec(path, regions=REGIONS | {"base": 7}))
    found = importers.read(spec(path))
    assert len(named.surface("base")) == pytest.approx(len(found.surface("base")), rel=0.1)


SEPTUM, ATRIUM = 4, 5


@pytest.mark.parametrize("sides", [(2.5, 2.5, 2.5), (2.0, 2.0, 8.0)])
def test_several_tissues_of_an_image_become_regions_of_their_voxels_volumes(tmp_path, sides):
    pytest.importorskip("gmsh")
    labels, affine = voxels.ventricle(sides)
    x = np.moveaxis(np.indices(labels.shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    labels[(labels == TISSUE) & (x[..., 0] > 0.0)] = SEPTUM
    labels[(labels == TISSUE) & (x[..., 2] > -20.0)] = ATRIUM
    path = voxels.save(tmp_path / "labels.nii.gz", labels, affine)
    given = {"free": TISSUE, "septum": SEPTUM, "rest": [ATRIUM]}
    raw = prepare(spec(path, tissues=given, size="5 mm", scale=1.1))
    found = np.bincount(raw.region, weights=surface.tet_volumes(raw.points, raw.cells), minlength=4)
    assert raw.regions == ("free", "septum", "rest") and found[0] == 0.0
    share = np.array([(labels == label).sum() for label in (TISSUE, SEPTUM, ATRIUM)]) / (labels == TISSUE).sum()
    # borders follow cells: up to half of one, on average none; the ends of 8 mm slices count half a slice
    assert found[1:] / found[1] == pytest.approx(share, rel=0.06)


def test_a_label_belongs_to_one_name(tmp_path):
    path = voxels.save(tmp_path / "labels.nii", *voxels.ventricle((4.0, 4.0, 4.0)))
    with pytest.raises(InputError, match=r"mesh.tissues: label 1 is given to more than one name"):
        importers.read(spec(path, tissues={"lv": TISSUE, "rv": TISSUE}))


def test_info_lists_the_labels(tmp_path):
    path = voxels.save(tmp_path / "labels.nii", *voxels.ventricle((4.0, 4.0, 4.0)))
    told = suggest.inventory(spec(path))
    assert told[0] == "labels.nii: 40 x 40 x 40 voxels of 4 x 4 x 4 mm" and told[1].startswith("labels: 0: ")


def cut(path):
    path.write_bytes(path.read_bytes()[:-400])
    return path


def bomb(path):
    """A .gz of a few kB that declares, and would unpack to, far more voxels than any heart has."""
    import nibabel

    header = nibabel.Nifti1Header()
    header.set_data_shape((4096, 4096, 4096))
    header.set_data_dtype(np.uint8)
    with gzip.open(path, "wb") as file:
        file.write(header.binaryblock + bytes(4_000_000))
    return path


def bad(folder, what):
    labels, affine = voxels.ventricle((4.0, 4.0, 4.0))
    path = folder / "labels.nii.gz"
    if what == "floats":
        return voxels.save(path, labels * np.float32(0.5), affine)
    if what == "intensities":
        return voxels.save(path, np.arange(labels.size, dtype=np.int16).reshape(labels.shape), affine)
    if what == "frames":
        return voxels.save(path, np.stack([labels] * 3, axis=-1), affine)
    if what == "closed":
        return voxels.save(path, np.where(labels == 0, TISSUE, labels), affine)
    if what == "garbage":
        path.write_bytes(gzip.compress(bytes(range(256)) * 4))
        return path
    header = {
        "no size": {"pixdim": [1, 4, 0, 4, 0, 0, 0, 0]},
        "two sizes": {"pixdim": [1, 4, 4, 3, 0, 0, 0, 0]},
        "not finite": {"srow_x": [np.nan, 0, 0, 0]},
        "flat": {"srow_x": [4, 4, 0, 0], "srow_y": [0, 0, 0, 0]},
        "no unit": {"xyzt_units": 0},
        "pair": {"magic": b"ni1"},
    }.get(what, {})
    path = voxels.save(path, labels, affine, **header)
    return {"cut": cut, "bomb": bomb}.get(what, lambda path: path)(path)


@pytest.mark.parametrize(
    "what, message",
    [
        ("floats", "holds 0.5 at voxel .*: labels are whole numbers"),
        ("intensities", r"holds \d+ different values"),
        ("frames", "has 3 frames"),
        ("closed", "the blood of 'lv_endo' is enclosed all around"),
        ("garbage", "is no NIfTI image"),
        ("no size", "has voxels of 4 x 0 x 4"),
        ("two sizes", "contradicts itself: voxels of 4 x 4 x 3, but its affine makes them 4 x 4 x 4"),
        ("not finite", "an affine with numbers that are none"),
        ("flat", "maps the image onto a plane"),
        ("no unit", "mesh.unit: missing"),
        ("pair", "keeps its voxels in another file"),
        ("cut", "ends early"),
        ("bomb", "4096 x 4096 x 4096 voxels, more than"),
    ],
)
def test_images_that_cannot_be_used_are_refused_with_the_reason(tmp_path, what, message):
    with pytest.raises(InputError, match=message) as told:
        importers.read(spec(bad(tmp_path, what)))
    assert len(told.value.findings) == 1


def test_flipped_bytes_of_a_header_give_a_surface_or_a_reason(tmp_path):
    path = voxels.save(tmp_path / "labels.nii", *voxels.ventricle((8.0, 8.0, 8.0)))
    whole, rng = path.read_bytes(), np.random.default_rng(1)
    for _ in range(60):
        damaged = bytearray(whole)
        for place in rng.integers(0, 348, rng.integers(1, 12)):
            damaged[place] = rng.integers(256)
        path.write_bytes(bytes(damaged))
        try:
            importers.read(spec(path))
        except InputError as error:
            assert str(error).startswith("mesh.")


def test_labels_that_are_not_there_are_told_together_with_those_that_are(tmp_path):
    path = voxels.save(tmp_path / "labels.nii", *voxels.ventricle((4.0, 4.0, 4.0)))
    with pytest.raises(InputError) as told:
        importers.read(spec(path, tissues={"myocardium": 5}, regions={"lv_endo": LV, "rv_endo": 6}))
    assert [text.partition(";")[0] for text in told.value.findings] == [
        "mesh.tissues: labels.nii has no label 5 for 'myocardium'",
        "mesh.regions: labels.nii has no label 6 for 'rv_endo'",
    ]
    with pytest.raises(InputError, match=r"needs the labels of its tissue.*labels.nii has 0: \d+ voxels, 1: "):
        importers.read(spec(path, regions={}))
