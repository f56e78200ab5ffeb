"""Bad inputs: `python3 benchmarks/reliability/inputs.py [--ranks 1 3]`.

Gives every input of tests/bad_inputs.py to the command line and counts those that end as they must: the right exit
code on every rank, one message that says what is wrong, no traceback, nothing left behind. Prints the slowest. Rewrites
its rows of result.json.
"""

import argparse
import tempfile
from pathlib import Path

from small import record, row

from bad_inputs import CASES, answers, wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 3])
    asked = parser.parse_args()
    for ranks in asked.ranks:
        with tempfile.TemporaryDirectory() as place:
            given = answers(Path(place), ranks)
        findings = [wrong(case, everybody) for case, everybody in zip(CASES, given, strict=True)]
        seconds = [max(answer.seconds for answer in everybody) for everybody in given]
        for case, found, slow in sorted(zip(CASES, findings, seconds, strict=True), key=lambda row: -row[2]):
            if found or slow == max(seconds):
                print(f"{case.number} {case.what}: {slow:.1f} s", *found, sep="; ")
        what = f"bad inputs of {len(CASES)} on {ranks} ranks"
        record(
            row(f"{what}: refused as they must be", findings.count([]), "1", low=len(CASES)),
            row(f"{what}: the slowest", max(seconds), "s", high=5.0),
        )


if __name__ == "__main__":
    main()
