"""Conductivity: how well the tissue conducts, given directly or as the speeds a wave should travel at.

Hearts are meshed more coarsely than the wave front is wide, and then the speed depends on the mesh: at 1 mm the
measured conductivities give wrong speeds, or none. So the wanted speed is the input, and the conductivity is the one
that gives this speed on a cable with the same elements, time step, splitting and cells.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Sequence

import numpy as np
from dolfinx import fem
from mpi4py import MPI
from scipy.linalg import lapack
from scipy.spatial import cKDTree

from heartwright import __version__
from heartwright.electrophysiology.cells import FAST, SCHEME, cell_digest, cell_kernel
from heartwright.electrophysiology.spec import (
    LUMPED,
    Anisotropic,
    Cells,
    Conductivities,
    Domains,
    ElectrophysiologySpec,
    FastEndocardium,
    Region,
)
from heartwright.errors import InputError
from heartwright.linalg import JIT
from heartwright.mesh.geometry import Geometry
from heartwright.mesh.select import nodes_of_cells, region_cells, select, select_cells
from heartwright.mesh.speckle import speckle
from heartwright.mesh.where import WhereRegion
from heartwright.native import cache_folder
from heartwright.parallel import together

CABLES = 8  # conductivities tried at once
NODES = 20  # at least, per cable
LENGTH = 15.0  # mm at least, per cable


class Bundle:
    """Separate cables of equal length and different diffusivity D, stepped side by side.

    dv/dt = D v'' - i_ion + i_stim on linear elements of length h, a share of whose mass is `lumped`, Crank-Nicolson
    diffusion within the same splitting as the tissue. Diffusivities in mm^2/ms, lengths in mm.
    """

    def __init__(self, cells: Cells, h: float, dt: float, diffusivities: np.ndarray, lumped: float = 0.0):
        self.h, self.dt, self.D = h, dt, np.asarray(diffusivities)
        self.n = max(NODES, round(LENGTH / h)) + 1
        self.kernel = cell_kernel(cells, self.n * len(self.D), MPI.COMM_SELF)
        mass = _tridiagonal(self.n, len(self.D), h / 3 + lumped * h / 6, h / 6 - lumped * h / 6)
        diagonal, off = _tridiagonal(self.n, len(self.D), 1 / h, -1 / h)
        D = np.repeat(self.D, self.n)
        self._stiffness = D * diagonal, D[:-1] * off
        self._factor = lapack.dpttrf(*(m + dt / 2 * k for m, k in zip(mass, self._stiffness, strict=True)))[:2]

    def speeds(self, slowest: float) -> np.ndarray:
        """Speeds [mm/ms] over the middle of each cable; 0 where the wave is slower than `slowest` or dies out."""
        v, v_mid = self.kernel["membrane_potential"], self.kernel["membrane_potential"].copy()
        activation = np.full(v.shape, np.nan)
        first, last = (int(fraction * (self.n - 1)) for fraction in (0.4, 0.8))
        ends = activation.reshape(-1, self.n)[:, last]
        steps = int((5.0 + last * self.h / slowest) / self.dt)
        for step in range(steps):
            self._stimulate(step)
            before = v.copy()
            self.kernel.watched_step(step * self.dt, self.dt, "membrane_potential", FAST)
            middle = (before + v) / 2
            crossed = np.flatnonzero((middle > 0) & (v_mid <= 0) & np.isnan(activation))
            part = v_mid[crossed] / (v_mid[crossed] - middle[crossed])
            activation[crossed] = (step - 1 + part) * self.dt
            v_mid = middle
            if np.isfinite(ends).all():
                break
            self._diffuse(v)
        delay = ends - activation.reshape(-1, self.n)[:, first]
        return np.where(delay > 0, (last - first) * self.h / np.where(delay > 0, delay, 1), 0.0)

    def _stimulate(self, step: int) -> None:
        """60 uA/uF for 2 ms over the first 1.5 mm and at least two nodes."""
        current = np.zeros((len(self.D), self.n))
        if step * self.dt < 2.0:
            current[:, : max(2, round(1.5 / self.h) + 1)] = 60.0
        self.kernel.set("stimulus_current", current.ravel())

    def _diffuse(self, v: np.ndarray) -> None:
        """(M + dt/2 K) dv = -dt K v, tridiagonal for all cables together."""
        diagonal, off = self._stiffness
        right = diagonal * v
        right[1:] += off * v[:-1]
        right[:-1] += off * v[1:]
        v -= self.dt * lapack.dpttrs(*self._factor, right)[0]


def _tridiagonal(n: int, cables: int, corner: float, beside: float) -> tuple[np.ndarray, np.ndarray]:
    """Both diagonals of separate cables with the element matrix [[corner, beside], [beside, corner]]."""
    diagonal, off = np.full((cables, n), 2 * corner), np.full((cables, n), beside)
    diagonal[:, [0, -1]] = corner
    off[:, -1] = 0.0
    return diagonal.ravel(), off.ravel()[:-1]


def cable_diffusivity(cells: Cells, speed: float, h: float, dt: float, lumped: float = 0.0) -> float:
    """The diffusivity [mm^2/ms] with which a plane wave travels at `speed` [mm/ms] on elements of length h [mm].

    Raises InputError when elements of this length block so slow a wave.
    """
    D = np.geomspace(*_bracket(cells, speed, h, dt, lumped), CABLES)
    speeds = Bundle(cells, h, dt, D, lumped).speeds(slowest=speed / 2)
    above = max(1, int(np.argmax(speeds > speed)))
    if speeds[above - 1] == 0:
        raise InputError(
            f"electrophysiology.conduction: a wave of {speed:g} m/s dies out between nodes {h:g} mm apart (the slowest "
            f"that survives has {speeds[above]:.3g} m/s): refine the mesh (mesh.refine) or ask for a higher speed"
        )
    around = slice(above - 1, above + 1)
    return float(np.exp(np.interp(np.log(speed), np.log(speeds[around]), np.log(D[around]))))


def _bracket(cells: Cells, speed: float, h: float, dt: float, lumped: float) -> tuple[float, float]:
    """Two neighbouring diffusivities, one too small for `speed` and one too large."""
    guess = 0.25 * speed**2 + 0.11 * h * speed**0.5  # fits the ten Tusscher-Panfilov cell; only starts the search
    low, high = guess / 4, guess * 4
    for _ in range(6):
        D = np.geomspace(low, high, CABLES)
        faster = Bundle(cells, h, dt, D, lumped).speeds(slowest=0.9 * speed) > speed
        if faster.any() and not faster[0]:
            above = int(np.argmax(faster))
            return D[above - 1], D[above]
        low, high = (low / 16, low) if faster[0] else (high, high * 16)
    raise InputError(f"electrophysiology: no conductivity gives {speed:g} m/s in {cells.model}: is it excitable?")


def cached_diffusivity(cells: Cells, speed: float, h: float, dt: float, lumped: float) -> float:
    """`cable_diffusivity`, remembered on disk under the digest of everything it depends on."""
    key = json.dumps([cell_digest(cells), SCHEME, FAST, speed, h, dt, lumped, __version__])
    path = cache_folder() / f"conductivity-{hashlib.sha256(key.encode()).hexdigest()[:32]}.txt"
    with contextlib.suppress(OSError, ValueError):
        return float(path.read_text())
    D = cable_diffusivity(cells, speed, h, dt, lumped)
    temporary = path.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError):  # a cache that cannot be written only costs time
        temporary.write_text(repr(D))
        temporary.replace(path)
    return D


def element_length(geometry: Geometry) -> float:
    """(6 volume / number of cells)^(1/3) [mm]: the side of a cube that holds six cells.

    Three digits, so that it does not depend on the order of summation. Collective.
    """
    volume = geometry.comm.allreduce(fem.assemble_scalar(fem.form(1.0 * geometry.dx, jit_options=JIT)))
    cells = geometry.mesh.topology.index_map(geometry.mesh.topology.dim).size_global
    return float(f"{(6 * volume / cells) ** (1 / 3):.3g}")


def cable_lengths(h: float, fibre: float, cross: float) -> tuple[float, float]:
    """Cable elements [mm] that conduct along and across fibres like an irregular mesh of element length h.

    0.57 h sqrt(fibre/cross) along, 0.57 h cross/fibre across, for the wanted speeds `fibre` >= `cross`. Where a front
    meets the nodes of a plane all at once, it is a cable of elements h. In a heart's mesh nodes lie at all depths, and
    those ahead pull their neighbours along, the more so the better the tissue conducts along the front: the mesh acts
    as if it were finer. Measured on meshes of 1 to 2.5 mm; see docs/theory/monodomain.md.
    """
    ratio = max(1.0, fibre / cross)
    return float(f"{0.57 * h * ratio**0.5:.3g}"), float(f"{0.57 * h / ratio:.3g}")


def conductivities(spec: ElectrophysiologySpec, factor: float, h: float, dt: float) -> np.ndarray:
    """Fibre, sheet and normal conductivity [mS/mm] of tissue that conducts `factor` times faster than `spec` says."""
    conduction = spec.conduction
    if isinstance(conduction, Conductivities):
        return factor**2 * _along_axes(conduction)
    if isinstance(conduction, Domains):
        intracellular, extracellular = _along_axes(conduction.intracellular), _along_axes(conduction.extracellular)
        return factor**2 * intracellular * extracellular / (intracellular + extracellular)
    along, across = cable_lengths(h, conduction.fibre, conduction.cross)
    through = h if spec.purkinje else across  # the front that a network makes is parallel to the layers of the mesh
    diffusivities = [
        cached_diffusivity(spec.cells[0], factor * speed, length, dt, LUMPED[spec.mass])
        for speed, length in ((conduction.fibre, along), (conduction.cross, through), (conduction.cross, across))
    ]
    return spec.chi * spec.Cm * np.array(diffusivities)


def conductivity_fields(geometry: Geometry, spec: ElectrophysiologySpec, dt: float) -> fem.Function:
    """Conductivities along f0, s0 and n0 [mS/mm] as one DG0 field of three components. Collective.

    The fast endocardium and the regions of `spec` are in it. Raises InputError when a wanted speed cannot be had.
    """
    h = element_length(geometry)
    return _field(geometry, spec, lambda factor: conductivities(spec, factor, h, dt), spec.regions)


def domains(spec: ElectrophysiologySpec, factor: float, h: float, dt: float) -> np.ndarray:
    """The same of both domains of a bidomain (2, 3): the intra- and the extracellular one.

    For wanted speeds those of the given ratio r = sigma_e / sigma_i that make the monodomain's sigma, sigma_i sigma_e /
    (sigma_i + sigma_e): sigma_e = (1 + r) sigma.
    """
    conduction = spec.conduction
    if isinstance(conduction, Domains):
        return factor**2 * np.array([_along_axes(conduction.intracellular), _along_axes(conduction.extracellular)])
    ratio = np.array([conduction.ratio_fibre, conduction.ratio_cross, conduction.ratio_cross])
    outside = (1 + ratio) * conductivities(spec, factor, h, dt)
    return np.array([outside / ratio, outside])


def domain_fields(geometry: Geometry, spec: ElectrophysiologySpec, dt: float) -> tuple[fem.Function, fem.Function]:
    """The fields of the intra- and of the extracellular domain, the bath being part of the latter. Collective."""
    h = element_length(geometry)
    intracellular = _field(geometry, spec, lambda factor: domains(spec, factor, h, dt)[0], spec.regions)
    extracellular = _field(geometry, spec, lambda factor: domains(spec, factor, h, dt)[1], [])
    if spec.bath:
        bath = ~muscle_of(geometry, spec)
        intracellular.x.array.reshape(-1, 3)[bath] = 0.0
        extracellular.x.array.reshape(-1, 3)[bath] = spec.bath.conductivity
    return intracellular, extracellular


def muscle_of(geometry: Geometry, spec: ElectrophysiologySpec) -> np.ndarray:
    """Which local cells (n_cells,) are muscle: neither of the bath's region nor with all nodes in it. Collective."""
    cells = geometry.V1.dofmap.list
    if spec.bath is None:
        return np.ones(len(cells), dtype=bool)
    where = spec.bath.where
    by_region = isinstance(where, WhereRegion)
    bath = region_cells(geometry, where) if by_region else select(geometry, where)[cells].all(axis=1)
    wet, dry = geometry.comm.allreduce(np.array([bath.sum(), (~bath).sum()]))
    if not wet:
        raise InputError("electrophysiology.bath: no cell of the mesh lies in it with all its nodes")
    if not dry:
        raise InputError("electrophysiology.bath: all of the mesh lies in it, nothing is muscle")
    return ~bath


def _along_axes(conduction: Anisotropic) -> np.ndarray:
    return np.array([conduction.fibre, conduction.sheet, conduction.normal])


def _field(
    geometry: Geometry, spec: ElectrophysiologySpec, of_factor: Callable[[float], np.ndarray], regions: Sequence[Region]
) -> fem.Function:
    """What `of_factor` says of tissue that conducts so many times faster, everywhere, with regions scaled."""
    field = fem.Function(fem.functionspace(geometry.mesh, ("DG", 0, (3,))), name="conductivity")
    values = field.x.array.reshape(-1, 3)
    values[:] = _on_rank_0(geometry.comm, lambda: of_factor(1.0))
    if (fast := spec.fast_endocardium) is not None:
        layer = endocardial_layer(geometry, fast)
        values[layer] = _on_rank_0(geometry.comm, lambda: of_factor(fast.speed_factor)) * burden(geometry, layer)
    values *= region_scale(geometry, regions)[:, None]
    return field


def region_scale(geometry: Geometry, regions: Sequence[Region]) -> np.ndarray:
    """The factor (local cells,) by which `regions` conduct less. Collective."""
    scale = np.ones(len(geometry.V1.dofmap.list))
    for region in regions:
        inside = select_cells(geometry, region.where)
        if region.density < 1:
            middles = geometry.points[geometry.V1.dofmap.list].mean(axis=1)
            inside &= speckle(middles, region.grain, region.seed) < region.density
        scale[inside] = region.conduction_scale
    return scale


def endocardial_layer(geometry: Geometry, fast: FastEndocardium) -> np.ndarray:
    """Cells (bool, local) that touch a surface of `fast` or whose midpoint is within its thickness. Collective."""
    corners = np.vstack([geometry.points[geometry.local_triangles(name).ravel()] for name in fast.surfaces])
    surface = np.vstack(geometry.comm.allgather(np.unique(corners, axis=0)))
    nodes = geometry.points[geometry.V1.dofmap.list]
    tree = cKDTree(surface)
    touches = np.any(tree.query(nodes)[0] < 1e-9, axis=1)
    return touches | (tree.query(nodes.mean(axis=1))[0] <= fast.thickness)


def burden(geometry: Geometry, layer: np.ndarray) -> float:
    """How much more membrane the nodes of a layer charge than its own cells have: ∫ χ² dx over the volume of the layer.

    χ is 1 at the nodes of the `layer` (local cells), 0 at all others: with consistent mass its inner nodes hold a third
    of the elements beneath, which do not conduct fast. A wave in the layer is slower by the root of that. Collective.
    """
    chi, inside = fem.Function(geometry.V1), fem.Function(fem.functionspace(geometry.mesh, ("DG", 0)))
    chi.x.array[:] = nodes_of_cells(geometry, layer)
    inside.x.array[:] = layer
    charged, own = (
        geometry.comm.allreduce(fem.assemble_scalar(fem.form(f * geometry.dx, jit_options=JIT)))
        for f in (chi**2, inside)
    )
    return float(charged / own)


def _on_rank_0(comm: MPI.Comm, compute: Callable[[], np.ndarray]) -> np.ndarray:
    """The result of `compute`, run by rank 0, on all ranks; so is its failure."""
    result = None
    with together(comm):
        if comm.rank == 0:
            result = compute()
    return comm.bcast(result)
