"""Meshes: from a file to fibres and coordinates, and a large one loaded: time and memory on several ranks.

`python3 benchmarks/mesh_load/run.py MESH LARGE` with `derived_cobiveco_geo1.msh` and the large mesh of README.md.
Rewrites result.json.
"""

import argparse
import json
import re
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent), str(HERE.parents[1] / "tests")]
from result import row, write  # noqa: E402

from mpi import run  # noqa: E402

MEANT = ("--unit", "mm", "--regions", "{lv_endo: 13, rv_endo: 14, epi: 12, base: 11}")
LOAD = """
import json, time
from mpi4py import MPI
from heartwright import memory
from heartwright.mesh import distribution
from heartwright.mesh.spec import MeshSpec

comm = MPI.COMM_WORLD
empty = memory.peak()
comm.barrier()
start = time.perf_counter()
heart = distribution.build(MeshSpec(file={file!r}, fibres={{"type": "file"}}), comm)
comm.barrier()
facts = [time.perf_counter() - start, len(heart.region), memory.peak(), empty]
facts = comm.gather(facts)
if facts:
    print(json.dumps(facts))
"""


def command(ranks: int, *arguments: str) -> tuple[float, float]:
    """Seconds that `heartwright mesh …` takes on so many ranks, and the most memory of one [GB]."""
    start = time.perf_counter()
    done = run(ranks, ["-m", "heartwright", "mesh", *arguments], timeout=600)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return time.perf_counter() - start, float(re.findall(r"memory: \D*([\d.e+]+) GB", done.stdout)[-1])


def chain(mesh: Path, folder: Path) -> list[dict]:
    """From the file as it is to fibres and coordinates: two ranks where a step is parallel, then the same on others."""
    heart, fibres, ready = (str(folder / f"{name}.h5") for name in ("heart", "fibres", "ready"))
    steps = {
        "import": (1, "import", str(mesh), *MEANT, "-o", heart),
        "check": (1, "check", heart),
        "fibres": (2, "fibres", heart, "-o", fibres),
        "coordinates": (2, "coordinates", fibres, "-o", ready),
    }
    taken = {name: command(*arguments) for name, arguments in steps.items()}
    apart = 0.0
    for ranks in (1, 3):
        others = [str(folder / f"{name}{ranks}.h5") for name in ("fibres", "ready")]
        command(ranks, "fibres", heart, "-o", others[0])
        command(ranks, "coordinates", others[0], "-o", others[1])
        apart = max(apart, difference(ready, others[1]))
    rows = []
    for name, (seconds, memory) in taken.items():
        where = f"{steps[name][0]} ranks" if steps[name][0] > 1 else "1 rank"
        rows.append(row(f"158 k tetrahedra, {name} on {where}", seconds, "s", "wall time of the command"))
        rows.append(row(f"158 k tetrahedra, {name} on {where}, most memory of a rank", memory, "GB", "peak"))
    total = sum(seconds for seconds, _ in taken.values())
    rows.append(row("158 k tetrahedra, file to fibres and coordinates", total, "s", "own bar", high=60))
    rows.append(row("158 k tetrahedra, fields on 1, 2, 3 ranks", apart, "1", "own bar", high=1e-8))
    return rows


def difference(one: str, other: str) -> float:
    """The largest difference of any field of two meshes."""
    with h5py.File(one) as a, h5py.File(other) as b:
        names = [f"{kind}/{name}" for kind in ("cell_fields", "point_fields") for name in a[kind]]
        return max(float(np.abs(a[name][()] - b[name][()]).max()) for name in names)


def large(mesh: Path) -> list[dict]:
    """Loading and partitioning a large mesh with its fibres."""
    rows, alone = [], 0.0
    for ranks in (1, 2, 4):
        done = run(ranks, LOAD.format(file=str(mesh)), timeout=600)
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        seconds, cells, peaks, empty = zip(*json.loads(done.stdout.splitlines()[-1]), strict=True)
        alone = alone or max(peaks) - max(empty)
        where = f"{sum(cells) / 1e6:.2f} M tetrahedra on {ranks} rank{'s' * (ranks > 1)}"
        rows.append(row(f"{where}, read and partitioned", max(seconds), "s", "wall time"))
        held = f"peak; {max(empty) / 1e9:.2f} GB of it is the program"
        rows.append(row(f"{where}, most memory of a rank", max(peaks) / 1e9, "GB", held))
        if ranks > 1:
            share = (max(peaks) - max(empty)) / alone
            rows.append(
                row(f"{where}, memory for the mesh of that of one rank alone", share, "1", "peak less the program")
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mesh", type=Path)
    parser.add_argument("large", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = chain(given.mesh.resolve(), Path(folder))
    write(__file__, rows + large(given.large.resolve()), "MESH LARGE")


if __name__ == "__main__":
    main()
