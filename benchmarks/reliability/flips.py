"""Flipped bits: `python3 benchmarks/reliability/flips.py [--flips 200]`.

Flips one random bit at a time in the input, the results, the checkpoints and the audit of a run that has ended, and
counts how often `heartwright verify` notices. Rewrites its row of result.json.
"""

import argparse
import random
import tempfile
from pathlib import Path

from small import command, cup, heart, record, row, write

from heartwright.output import audit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flips", type=int, default=200)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        run = folder / "run"
        mesh = folder / "heart.vtu"
        write(cup(), mesh, "vtu")
        text = heart.ONE_VENTRICLE.replace("end: 20 ms", "end: 6 ms")
        regions = "mesh: {file: heart.vtu, unit: mm, regions: {base: 11, epi: 12, lv_endo: 13}, refine: 1}"
        text = text.replace("mesh: {generate: {type: ellipsoid, size: 16 mm}, refine: 1}", regions)
        command(1, "run", str(heart.scenario(folder, text)), "-o", str(run))
        assert not list(audit.findings(run, [mesh]))
        files = [mesh, run / audit.NAME, *audit.files(run)]
        chosen, found = random.Random(1), 0  # noqa: S311 - the same flips in every run of this script
        for trial in range(asked.flips):
            found += noticed(run, mesh, files[trial % len(files)], chosen)
        record(row(f"flipped bits of {asked.flips} noticed", found, "1", low=asked.flips))


def noticed(run: Path, mesh: Path, path: Path, chosen: random.Random) -> bool:
    """Whether one flipped bit of a file is found; the file is put back."""
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[chosen.randrange(len(whole))] ^= 1 << chosen.randrange(8)
    path.write_bytes(flipped)
    found = bool(list(audit.findings(run, [mesh])))
    path.write_bytes(whole)
    return found


if __name__ == "__main__":
    main()
