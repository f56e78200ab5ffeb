"""Bad inputs, on one rank and on three: one message, the same code everywhere, no traceback, nothing left behind."""

import json

import pytest

import bad_inputs
import mpi

pytestmark = pytest.mark.parallel

# All cases one after the other in the same processes, because starting them takes longer than refusing.
PROGRAM = """
import contextlib, io, json, os, sys, time
from mpi4py import MPI
from heartwright import cli

comm, told = MPI.COMM_WORLD, []
for arguments, left in json.load(open({cases!r})):
    began, said = time.time(), io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        code = cli.main(arguments)
    told.append([code, said.getvalue(), time.time() - began, os.path.exists(left)])
everybody = comm.gather(told)
if comm.rank == 0:
    json.dump(everybody, open({answers!r}, "w"))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """`answers(ranks)`: per rank, what every case was told."""
    folder = tmp_path_factory.mktemp("bad")
    cases = folder / "cases.json"
    cases.write_text(json.dumps(bad_inputs.write_all(folder)))
    known = {}

    def ask(ranks: int):
        if ranks not in known:
            path = folder / f"answers-{ranks}.json"
            program = PROGRAM.format(cases=str(cases), answers=str(path))
            done = mpi.run(ranks, program, timeout=600, env={"TMPDIR": str(folder)})
            assert path.exists(), done.stderr[-3000:]
            known[ranks] = json.loads(path.read_text())
        return known[ranks]

    return ask


@pytest.mark.parametrize("ranks", [1, 3])
@pytest.mark.parametrize(
    "index", range(len(bad_inputs.CASES)), ids=[f"{case.number} {case.what}" for case in bad_inputs.CASES]
)
def test_a_bad_input_gives_one_message_and_the_same_code_on_every_rank(answers, index, ranks):
    case = bad_inputs.CASES[index]
    everybody = [rank[index] for rank in answers(ranks)]
    assert {code for code, *_ in everybody} == {case.code}, everybody
    text = "".join(said for _, said, *_ in everybody)
    for part in case.parts:
        assert part in text
    assert "Traceback" not in text and "internal error" not in text
    if case.code:
        assert sum(bool(said.strip()) for _, said, *_ in everybody) == 1  # one rank speaks
    assert not any(left for *_, left in everybody)
    assert max(seconds for *_, seconds, _ in everybody) < 20  # two where the ranks have cores of their own
