"""TorchCor on the slab of Niederer et al. 2011: one run on the CPU, its timings as JSON on the last line.

`python3 torchcor_slab.py DX DT THREADS` in an environment with torchcor 1.0.6; run.py calls it. Steps are the code's
own: first-order splitting, Rush-Larsen with tables, Crank-Nicolson, conjugate gradients with the inverse diagonal and
an extrapolated guess, double precision, relative tolerance 1e-5.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torchcor.ionic import TenTusscherPanfilov
from torchcor.simulator import Monodomain

SLAB = np.array([20.0, 7.0, 3.0])  # mm
AMPLITUDE = 50.0 / 1.4  # uA/uF
STATE = {
    "V": -85.23, "Xr1": 0.00621, "Xr2": 0.4712, "Xs": 0.0095, "M": 0.00172, "H": 0.7444, "J": 0.7045, "d": 3.373e-5,
    "F": 0.7888, "F2": 0.9755, "FCaSS": 0.9953, "S": 0.999998, "R": 2.42e-8, "R_": 0.9073, "Cai": 1.26e-4,
    "CaSR": 3.64, "CaSS": 3.6e-4, "Nai": 8.604, "Ki": 136.89,
}  # fmt: skip
# A cube as six tetrahedra around its diagonal, corners numbered with x fastest: those of DOLFINx's box
CUBE = np.array([[0, 1, 3, 7], [0, 1, 7, 5], [0, 5, 7, 4], [0, 3, 2, 7], [0, 6, 4, 7], [0, 2, 6, 7]])


def box(dx: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes (n, 3) in mm and tetrahedra (m, 4) of the slab."""
    counts = np.round(SLAB / dx).astype(int)
    z, y, x = np.meshgrid(*(np.arange(count + 1) for count in counts[::-1]), indexing="ij")
    number = np.arange(x.size).reshape(x.shape)
    corners = [
        number[k : k + counts[2], j : j + counts[1], i : i + counts[0]] for k in (0, 1) for j in (0, 1) for i in (0, 1)
    ]
    cubes = np.stack([corner.ravel() for corner in corners], axis=1)
    return np.stack([x.ravel(), y.ravel(), z.ravel()], axis=1) * (SLAB / counts), cubes[:, CUBE].reshape(-1, 4)


def write_files(folder: Path, nodes: np.ndarray, cells: np.ndarray) -> Path:
    """The slab in openCARP's format, and the file of the stimulated nodes, which is returned."""
    count = len(cells)
    np.savetxt(folder / "slab.pts", 1000 * nodes, header=str(len(nodes)), comments="")
    lines = "\n".join(f"Tt {a} {b} {c} {d} 1" for a, b, c, d in cells)
    (folder / "slab.elem").write_text(f"{count}\n{lines}\n")
    np.savetxt(folder / "slab.lon", np.tile([1, 0, 0], (count, 1)), fmt="%d", header="1", comments="")
    cube = np.flatnonzero(np.all(nodes <= 1.5 + 1e-9, axis=1))
    np.savetxt(folder / "corner.vtx", cube, fmt="%d", header=f"{len(cube)}\nextra", comments="")
    return folder / "corner.vtx"


def main() -> None:
    dx, dt, threads = float(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(threads)
    cells = TenTusscherPanfilov(dt, None, "EPI", torch.device("cpu"), torch.float64)
    for name, value in STATE.items():
        setattr(cells, f"{name}_init", value)
    slab = Monodomain([cells], 80.0, dt, device=torch.device("cpu"), dtype=torch.float64)
    nodes, tetrahedra = box(dx)
    with tempfile.TemporaryDirectory() as folder:
        corner = write_files(Path(folder), nodes, tetrahedra)
        slab.load_mesh(folder)
        slab.add_stimulus(corner, 0.0, 2.0, AMPLITUDE)
    slab.add_conductivity(None, 0.17, 0.019, 0.62, 0.24)
    slab.assemble()
    v = cells.initialize(len(nodes)).clone()
    slab.cg.initialize(x=v, linear_guess=True)
    far = int(np.argmin(np.linalg.norm(nodes - SLAB, axis=1)))
    active, arrival, step = torch.zeros(len(nodes), dtype=torch.bool), np.inf, 0
    start, busy = time.perf_counter(), time.process_time()
    while not bool(active.all()) and step < 80 / dt:
        step += 1
        v, _, _, _ = slab.step(v, step * dt, 0.0, 1e-5, 1000)
        active |= v > 0
        if v[far] > 0:
            arrival = min(arrival, step * dt)
    wall, busy = time.perf_counter() - start, time.process_time() - busy
    print(json.dumps({"wall": wall, "cpu": busy, "steps": step, "P8": arrival, "nodes": len(nodes)}))


if __name__ == "__main__":
    main()
