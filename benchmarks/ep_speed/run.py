"""Speed of electrophysiology: cells alone, Niederer's slab beside other codes, a large slab, a beat of two ventricles.

`python3 benchmarks/ep_speed/run.py [--peer PYTHON] [--torchcor PYTHON] [--ranks 1 4] [--repeats 3]`; PYTHON is an
interpreter whose environment has the other code (see README.md); without it its rows are left out. All in one go on
one machine, codes taking turns, every run a process of its own, under mpirun where it has several ranks. Rewrites
result.json.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from cells import MODELS, kernel_time, limit, operation_times

from heartwright.odes.model import list_models, read

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from result import row, write  # noqa: E402

DX, DT = 0.2, 0.05  # mm, ms
BARRED = ("ten Tusscher-Panfilov", "rush_larsen")  # the bars are meant for a core with AVX-512
FASTER = {1: 10, 4: 8}  # times than fenicsx-beat, by ranks
LARGE_DX, LARGE_END = 0.1, 10  # mm, ms
SIZE, BEAT = 2.8, 450  # mm, ms
MOST = 4  # ranks, of what is too long for one


def run(ranks: int, python: str, script: str, *arguments: object, path: bool = True) -> dict:
    """What a script beside this one reports on its last line, in processes of its own, with our package or without."""
    launch = ["mpirun", "-n", str(ranks)] if ranks > 1 else []
    environment = {key: value for key, value in os.environ.items() if path or key != "PYTHONPATH"}
    with tempfile.TemporaryDirectory() as folder:
        environment["TMPDIR"] = folder
        command = [*launch, python, str(HERE / script), *map(str, arguments)]
        answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return json.loads(answer.stdout.splitlines()[-1])


def ours(ranks: int, precision: str, dx: float = DX, dt: float = DT, *end: int) -> dict:
    return run(ranks, sys.executable, "slab.py", precision, dx, dt, *end)


def fenicsx_beat(python: str, ranks: int) -> dict:
    """With cells compiled by numba, from our file of the model."""
    cell = list_models()["tentusscher_panfilov_2006"]
    return run(ranks, python, "fenicsx_beat.py", cell, DX, DT, "numba", "hypre", path=False)


def torchcor(python: str, threads: int) -> dict:
    """On the CPU, with as many threads as the others have ranks."""
    return run(1, python, "torchcor_slab.py", DX, DT, threads, path=False)


def kernel_rows() -> list[dict]:
    found = []
    for precision in ("double", "single"):
        times = operation_times(precision)
        for title, model in MODELS.items():
            for scheme in ("rush_larsen", "rush_larsen_2"):
                spent, least = kernel_time(model, scheme, precision), limit(model, scheme, precision, times)
                bytes_ = 2 * 8 * len(read(model).states)
                source = (
                    f"its operations at full throughput: {least:.0f} ns ({spent / least:.1f} times that); "
                    f"memory: {bytes_} bytes per node and step, {bytes_ / spent:.1f} GB/s"
                )
                bar = {"double": 50, "single": 20}[precision] if (title, scheme) == BARRED else None
                found.append(row(f"{title}, {scheme}, {precision}", spent, "ns", source, high=bar))
    return found


def slab_rows(ranks: int, repeats: int, peer: str | None) -> list[dict]:
    """Until all points are active: our two precisions, and the other code."""
    runs: dict[str, list[dict]] = {"double": [], "single": [], "fenicsx-beat": []}
    for _ in range(repeats):
        for precision in ("double", "single"):
            runs[precision].append(ours(ranks, precision))
        if peer:
            runs["fenicsx-beat"].append(fenicsx_beat(peer, ranks))
    what = f"Niederer slab, {ranks} rank{'s' * (ranks > 1)}"
    wall, cpu = (
        {name: statistics.median(run[kind] for run in done) for name, done in runs.items() if done}
        for kind in ("wall", "cpu")
    )
    found = []
    for name in wall:
        first = runs[name][0]
        found.append(row(f"{what}: {name}", wall[name], "s", f"{first['steps']} steps, median of {repeats}"))
        found.append(row(f"{what}: {name}, processor time", cpu[name], "s", "of all ranks"))
        found.append(row(f"{what}: {name}, P8", first["P8"], "ms", "activation of the far corner"))
        if peer and name != "fenicsx-beat":
            ratio = wall["fenicsx-beat"] / wall[name]
            found.append(row(f"{what}: fenicsx-beat / {name}", ratio, "", "wall times above", low=FASTER.get(ranks)))
    return found


def torchcor_rows(threads: int, python: str) -> list[dict]:
    done, what = torchcor(python, threads), f"Niederer slab, {threads} thread{'s' * (threads > 1)}: TorchCor"
    return [
        row(what, done["wall"], "s", f"{done['steps']} steps, one run"),
        row(f"{what}, P8", done["P8"], "ms", "activation of the far corner"),
    ]


def accuracy_rows() -> list[dict]:
    """The error in time of P8, beside our own value at a quarter of the step."""
    fine = ours(MOST, "double", DX, DT / 4)["P8"]
    return [
        row(f"Niederer slab: P8 - P8 at dt/4, {precision}", ours(MOST, precision)["P8"] - fine, "ms", source, -0.3, 0.3)
        for precision, source in (("double", f"dt/4: {fine:.3f} ms"), ("single", "dt/4: in double precision"))
    ]


def large_rows() -> list[dict]:
    large = ours(MOST, "double", LARGE_DX, DT, LARGE_END)
    source = f"{large['nodes']} nodes, mean of {large['steps']} steps, {large['iterations']:.1f} iterations"
    what = f"Niederer slab, dx {LARGE_DX:g} mm, {MOST} ranks: a step, double"
    return [row(what, 1e3 * large["wall"] / large["steps"], "ms", source, high=25)]


def beat_rows() -> list[dict]:
    beat = run(MOST, sys.executable, "biventricle.py", SIZE, BEAT)
    what = f"two ventricles, {MOST} ranks, {BEAT} ms"
    source = (
        f"{beat['nodes']} nodes, {beat['steps']} steps, active after {beat['activation_last']:.0f} ms, "
        f"{100 * beat['repolarised']:.0f} % repolarised; set-up {beat['setup']:.0f} s"
    )
    return [
        row(what, beat["wall"], "s", source),
        *(row(f"{what}: {phase}", seconds, "s", "rank 0") for phase, seconds in beat["phases"].items()),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", metavar="PYTHON", help="interpreter with fenicsx-beat, gotranx and numba")
    parser.add_argument("--torchcor", metavar="PYTHON", help="interpreter with torchcor")
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    found = kernel_rows()
    for ranks in given.ranks:
        found += slab_rows(ranks, given.repeats, given.peer)
    found += torchcor_rows(max(given.ranks), given.torchcor) if given.torchcor else []
    found += accuracy_rows() + large_rows() + beat_rows()
    peers = " --peer PYTHON" * bool(given.peer) + " --torchcor PYTHON" * bool(given.torchcor)
    options = f"{peers} --ranks {' '.join(map(str, given.ranks))}"
    write(__file__, found, options.strip())


if __name__ == "__main__":
    main()
