"""One beat of two ventricles: its timings by phase as JSON on the last line.

`python3 biventricle.py SIZE END`: a generated mesh of edges SIZE [mm], refined twice; until END [ms]. Works under
mpirun.
"""

import json
import sys
import time

import numpy as np
from mpi4py import MPI

from heartwright.electrophysiology.spec import Cells, ElectrophysiologySpec, FastEndocardium, Speeds, Stimulus
from heartwright.electrophysiology.tissue import Tissue
from heartwright.mesh.distribution import build
from heartwright.mesh.fibres import directions
from heartwright.mesh.spec import Biventricle, FibresBayer, MeshSpec

SPEC = ElectrophysiologySpec(
    cells=[Cells(variant="endo"), Cells(where={"chamber": "any", "layer": "epi"}, variant="epi")],
    conduction=Speeds(fibre="0.6 m/s", cross="0.3 m/s"),
    fast_endocardium=FastEndocardium(),
    stimuli=[Stimulus(name="septum", where={"aha": [9], "layer": "endo"}, clock="absolute")],
    ecg=None,
)


def main() -> None:
    size, end, comm = float(sys.argv[1]), int(sys.argv[2]), MPI.COMM_WORLD
    begun = time.perf_counter()
    geometry = build(MeshSpec(generate=Biventricle(size=size)), comm).refined(2)
    tissue = Tissue(geometry, SPEC, directions(geometry, FibresBayer(), "DG0"), dt=0.05, period=1e6)
    comm.Barrier()
    start = time.perf_counter()
    for t in range(end):
        tissue.step(float(t), 1.0)
    summary, spent = tissue.summary(), time.perf_counter()
    found = {"wall": spent - start, "setup": start - begun, "phases": dict(tissue.watch.seconds)}
    found |= {"nodes": comm.allreduce(tissue.n), "steps": tissue.diffusion.steps} | summary
    found["repolarised"] = comm.allreduce(int(np.isfinite(tissue.repolarisation).sum())) / found["nodes"]
    if comm.rank == 0:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
