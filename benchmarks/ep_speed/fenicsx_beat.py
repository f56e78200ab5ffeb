"""fenicsx-beat on the slab of Niederer et al. 2011: one run, its timings as JSON on the last line.

`python3 fenicsx_beat.py MODEL.mmt DX DT BACKEND PRECONDITIONER` in an environment with fenicsx-beat, gotranx and numba;
run.py calls it. The set-up is that of the code's own demo: generalised Rush-Larsen cells, Godunov splitting, conjugate
gradients. BACKEND is numpy or numba, PRECONDITIONER hypre (the demo's) or jacobi. Works under mpirun.
"""

import json
import sys
import tempfile
import time
import types
from pathlib import Path

import beat
import dolfinx
import gotranx
import gotranx.myokit
import numpy as np
from mpi4py import MPI

SLAB = (20.0, 7.0, 3.0)  # mm
STATE = {
    "V": -85.23, "xr1": 0.00621, "xr2": 0.4712, "xs": 0.0095, "m": 0.00172, "h": 0.7444, "j": 0.7045, "d": 3.373e-5,
    "f": 0.7888, "f2": 0.9755, "fcass": 0.9953, "s": 0.999998, "r": 2.42e-8, "R_bar": 0.9073, "Ca_i": 1.26e-4,
    "Ca_sr": 3.64, "Ca_ss": 3.6e-4, "Na_i": 8.604, "K_i": 136.89,
}  # fmt: skip


def cell_model(mmt: Path) -> types.ModuleType:
    """The Python module gotranx generates from the cell model."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cell.ode"
        gotranx.myokit.mmt_to_gotran(mmt).save(file)
        ode = gotranx.load_ode(file)
    code = gotranx.cli.gotran2py.get_code(ode, scheme=[gotranx.schemes.Scheme.generalized_rush_larsen])
    module = types.ModuleType("cell")
    exec(compile(code, "cell", "exec"), module.__dict__)  # noqa: S102 - the peer's own way to make cells
    return module


def solver(mmt: Path, dx: float, backend: str, preconditioner: str) -> beat.MonodomainSplittingSolver:
    """The splitting solver of the demo on the slab."""
    counts = [round(length / dx) for length in SLAB]
    mesh = dolfinx.mesh.create_box(
        MPI.COMM_WORLD,
        [[0.0] * 3, list(SLAB)],
        counts,
        dolfinx.mesh.CellType.tetrahedron,
        ghost_mode=dolfinx.mesh.GhostMode.none,
    )
    clock = dolfinx.fem.Constant(mesh, 0.0)
    corner = dolfinx.mesh.locate_entities(mesh, 3, lambda x: np.all(x <= 1.5 + 1e-10, axis=0))
    tags = dolfinx.mesh.meshtags(mesh, 3, corner, np.full(len(corner), 1, dtype=np.int32))
    conductivities = beat.conductivities.default_conductivities("Niederer")
    stimulus = beat.stimulation.define_stimulus(
        mesh=mesh, chi=conductivities["chi"], time=clock, subdomain_data=tags, marker=1, mesh_unit="mm", amplitude=5e4
    )
    fibre = dolfinx.fem.Constant(mesh, (1.0, 0.0, 0.0))
    pde = beat.MonodomainModel(
        time=clock,
        mesh=mesh,
        M=beat.conductivities.define_conductivity_tensor(f0=fibre, **conductivities),
        I_s=stimulus,
        params={"petsc_options": {"ksp_type": "cg", "pc_type": preconditioner}},
        C_m=0.01,  # uF/mm^2
        dx=stimulus.dZ,
    )
    model = cell_model(mmt)
    step = model.generalized_rush_larsen
    if backend == "numba":
        import numba

        step = numba.njit(step, fastmath=True)
    initial = model.init_state_values(**{name: value for name, value in STATE.items() if name in model.state})
    ode = beat.odesolver.DolfinODESolver(
        v_ode=dolfinx.fem.Function(dolfinx.fem.functionspace(mesh, ("Lagrange", 1))),
        v_pde=pde.state,
        fun=step,
        init_states=initial,
        parameters=model.init_parameter_values(),
        num_states=len(initial),
        v_index=model.state_index("V"),
    )
    return beat.MonodomainSplittingSolver(pde=pde, ode=ode, monitor=beat.PerformanceMonitor(log_frequency=0))


def main() -> None:
    mmt, dx, dt, backend, preconditioner = sys.argv[1:]
    slab, dt = solver(Path(mmt), float(dx), backend, preconditioner), float(dt)
    space = slab.pde.state.function_space
    n = space.dofmap.index_map.size_local
    far = np.linalg.norm(space.tabulate_dof_coordinates()[:n] - SLAB, axis=1) < 1e-9
    comm, arrival, step, active = MPI.COMM_WORLD, np.inf, 0, np.zeros(n, dtype=bool)
    slab.ode.step(0.0, 0.0)  # compiles
    slab.pde.step((0.0, dt))
    slab.pde.state.x.array[:] = STATE["V"]
    slab.pde.assign_previous()
    start, busy = time.perf_counter(), time.process_time()
    while not comm.allreduce(bool(active.all()), op=MPI.LAND) and step < 60 / dt:
        slab.step((step * dt, (step + 1) * dt))
        step += 1
        v = slab.pde.state.x.array[:n]
        active |= v > 0
        if np.any(v[far] > 0):
            arrival = min(arrival, step * dt)
    wall, busy = time.perf_counter() - start, time.process_time() - busy
    arrival = comm.allreduce(arrival, op=MPI.MIN)
    if comm.rank == 0:
        nodes = space.dofmap.index_map.size_global
        print(json.dumps({"wall": wall, "cpu": busy, "steps": step, "P8": arrival, "nodes": nodes}))


if __name__ == "__main__":
    main()
