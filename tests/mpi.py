"""Start MPI ranks from a test, with a time limit that leaves nothing running."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# Of Open MPI and its launcher; other MPI libraries ignore them. Ranks are not bound to cores, so that two runs on one
# machine do not share core 0, and those that wait give way: beside other work a run is up to ten times faster so, alone
# 5 % slower. The topology component avoids a deadlock of distributed graphs (open-mpi/ompi#13918).
SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "SCOTCH_PTHREAD_NUMBER": "1",
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_btl": "self,sm",
    "OMPI_MCA_mpi_yield_when_idle": "1",
    "OMPI_MCA_topo": "basic",
    "PRTE_MCA_hwloc_default_binding_policy": "none",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}


def run(
    ranks: int,
    program: str | Sequence[str],
    timeout: float = 120,
    cwd: Path | str | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a Python program on `ranks` ranks and return its exit code and what it printed.

    `program` is either a text of Python (`run(2, "from mpi4py import MPI …")`; a rank that raises ends all) or the
    arguments of python3 (`run(2, ["-m", "heartwright", "run", "x.yaml"])`). `env` is added to this process's own.
    Raises subprocess.TimeoutExpired, with all processes gone, after `timeout` seconds.
    """
    arguments = ["-m", "mpi4py", "-c", program] if isinstance(program, str) else list(program)
    command = ["mpirun", "-n", str(ranks), sys.executable, *arguments]
    # mpirun names a folder by its process number and refuses to start where a killed one of that number left its own.
    with (
        tempfile.TemporaryDirectory(prefix="mpi-", ignore_cleanup_errors=True) as folder,
        subprocess.Popen(
            command,
            cwd=cwd,
            env=environment({"TMPDIR": folder, **(env or {})}),
            text=True,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process,
    ):
        try:
            out, err = process.communicate(timeout=timeout)
        finally:
            end_session(process.pid)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def answer(ranks: int, program: str) -> Any:
    """What a text of Python, which may import the tests' helpers, prints as its last line, in JSON."""
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    done = run(ranks, program, timeout=300, env={"PYTHONPATH": os.pathsep.join(filter(None, paths))})
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with what MPI needs, and something more."""
    # A test that itself runs under mpirun must not hand its own identity to the ranks it starts.
    own = {k: v for k, v in os.environ.items() if not k.startswith(("PMIX_", "OMPI_COMM_", "PRTE_")) or k in SETTINGS}
    return own | SETTINGS | dict(extra)


def end_session(leader: int) -> None:
    """Kill what is left of the session started by process `leader`; ranks live in process groups of their own."""
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(ValueError, ProcessLookupError, PermissionError):
            pid = int(entry.name)
            if os.getsid(pid) == leader:
                os.kill(pid, signal.SIGKILL)
