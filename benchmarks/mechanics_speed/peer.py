"""The same ventricle and steps by fenicsx-pulse 0.5.3; run by run.py with an interpreter that has it.

Reads the state to start from (state.npz) in the folder it is given, and writes the CPU time of every step and the last
displacement there (peer.npz). Units of pulse: m, Pa, s.
"""

import logging
import sys
import time
from pathlib import Path

import basix.ufl
import numpy as np
import pulse
from dolfinx import fem

sys.path.insert(0, str(Path(__file__).parents[1] / "arostica2025"))
import monoventricle as case


def problem(ventricle) -> tuple[pulse.problem.DynamicProblem, fem.Constant, fem.Constant]:
    """Case 1 on the mesh of `ventricle`, and its pressure and active stress."""
    geometry, wall = ventricle.geometry, ventricle.wall
    mesh = geometry.mesh
    mesh.geometry.x[:] *= 1e-3
    vectors = basix.ufl.quadrature_element("tetrahedron", value_shape=(3,), degree=4)
    f0, s0 = (fem.Function(fem.functionspace(mesh, vectors)) for _ in range(2))
    frame = wall.frame.x.array.reshape(-1, 3, 3)[wall.frame.function_space.dofmap.list]
    for k, direction in enumerate((f0, s0)):
        direction.x.array.reshape(-1, 3)[direction.function_space.dofmap.list] = frame[..., k]
    unit = pulse.units.Variable
    law = case.MUSCLE
    stiffness = {name: unit(getattr(law, name), "kPa") for name in ("a", "a_f", "a_s", "a_fs")}
    exponents = {name: unit(getattr(law, name), "dimensionless") for name in ("b", "b_f", "b_s", "b_fs")}
    material = pulse.HolzapfelOgden(f0=f0, s0=s0, **stiffness, **exponents)
    tension, pressure = (fem.Constant(mesh, 0.0) for _ in range(2))
    model = pulse.CardiacModel(
        material=material,
        active=pulse.ActiveStress(f0, activation=unit(tension, "kPa")),
        compressibility=pulse.compressibility.Compressible2(kappa=unit(1e6, "Pa")),
        viscoelasticity=pulse.viscoelasticity.Viscous(eta=unit(1e2, "Pa s")),
    )
    names = geometry.names
    shape = pulse.Geometry(
        mesh=mesh,
        facet_tags=geometry.facets,
        markers={name: (tag, 2) for name, tag in names.items()},
        metadata={"quadrature_degree": 4},
    )
    springs = [("epi", 1e8, False, False), ("epi", 5e3, True, False), ("base", 1e5, False, False)]
    springs += [("base", 1e5, False, True), ("base", 5e3, True, False)]  # dashpots across the normal do not exist there
    robin = [
        pulse.RobinBC(unit(value, "Pa s / m" if damping else "Pa / m"), names[where], damping, across)
        for where, value, damping, across in springs
    ]
    load = pulse.NeumannBC(traction=unit(pressure, "kPa"), marker=names["lv_endo"])
    bcs = pulse.BoundaryConditions(neumann=[load], robin=robin)
    parameters = {"mesh_unit": "m", "base_bc": pulse.problem.BaseBC.free}
    return pulse.problem.DynamicProblem(model, shape, parameters=parameters, bcs=bcs), tension, pressure


def main() -> None:
    logging.disable(logging.WARNING)
    folder = Path(sys.argv[1])
    state = np.load(folder / "state.npz")
    ventricle = case.solid(case.generated_mesh(float(state["size"])), "1")
    dynamic, tension, pressure = problem(ventricle)
    dynamic.u.x.array[:] = dynamic.u_old.x.array[:] = 1e-3 * state["u"]
    dynamic.v_old.x.array[:] = state["v"]
    seconds = []
    for t in state["times"]:
        i = int(t)
        tension.value, pressure.value = case.tension(case.TIMES)[i], case.pressure(case.TIMES)[i]
        start = time.process_time()
        dynamic.solve()
        seconds.append(time.process_time() - start)
        print(t, seconds[-1], flush=True)
    np.savez(folder / "peer.npz", seconds=seconds, u=1e3 * dynamic.u.x.array)


if __name__ == "__main__":
    main()
