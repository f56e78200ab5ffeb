"""What checkpoints cost a run: `python3 benchmarks/reliability/checkpoint_share.py RUN…`.

From the logs of runs that are there: a checkpoint makes its own step longer, and the next one, which factorises anew.
Both are compared with the median of the steps around them; the share is that of the default cadence. It is an upper
bound, since the new factors spare some of the later ones. Rewrites its row of result.json.
"""

import re
import sys
from pathlib import Path

import numpy as np
from small import record, row

from heartwright import scenario
from heartwright.output.spec import CheckpointSpec

STEP = re.compile(r"t (\d+) ms .* ([\d.]+) s  ETA")


def main() -> None:
    shares = [share(Path(run)) for run in sys.argv[1:]]
    every = CheckpointSpec().every
    what = f"checkpoints every {every:g} ms, of the time of {len(shares)} runs: largest share"
    record(row(what, max(shares), "1", high=0.01))


def share(run: Path) -> float:
    """The cost of one checkpoint over the time between two of them at the default cadence."""
    described = scenario.read(run / "resolved.yaml").plain()
    lines = [STEP.match(line) for line in (run / "log.txt").read_text().splitlines()]
    seconds = {int(found[1]): float(found[2]) for found in lines if found}
    often, between = (round(float(described["output"][kind]["every"].split()[0])) for kind in ("checkpoint", "fields"))
    costs = []
    for t in range(often, max(seconds), often):
        near = [seconds[k] for k in (*range(t - 6, t), *range(t + 2, t + 8)) if k in seconds and k % between]
        costs.append(seconds[t] + seconds[t + 1] - 2 * np.median(near))
    return float(np.mean(costs) / (np.mean(list(seconds.values())) * CheckpointSpec().every))


if __name__ == "__main__":
    main()
