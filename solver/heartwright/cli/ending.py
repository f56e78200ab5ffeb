"""How a command ends: one message, the right exit code, on every rank."""

import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from typing import Any

import click

from heartwright import __version__
from heartwright.errors import BAD_INPUT, DONE, INTERNAL, STORAGE, HeartwrightError, refusal

INTERRUPTED = 130  # as shells say it: 128 + SIGINT
PATIENCE = 10.0  # seconds that a failed rank waits for the others to fail too
START = 3.0  # seconds that rank 0 has to speak before another rank's exit code makes the launcher end it


def ended(command: Callable[[], int | None]) -> int:
    """The exit code of a command; every error becomes a message. Raises nothing."""
    code = _ended(command)
    try:
        sys.stdout.flush()
    except OSError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - the reader of our output has left; so do we, quietly
    return code


def _ended(command: Callable[[], int | None]) -> int:
    try:
        return command() or DONE
    except click.ClickException as error:
        return _leave(error.format_message() + _usage(error), BAD_INPUT)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        return DONE
    except HeartwrightError as error:
        return _leave(str(error), error.exit_code)
    except OSError as error:
        return _leave(refusal(error), STORAGE)
    except Exception as error:  # a mistake of ours: kept for us, one line for the user
        return _leave(f"internal error: {type(error).__name__}: {error} (details in {_crash_log()})", INTERNAL)


def _usage(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f"\nTry: {context.command_path} --help" if context else ""


def _leave(message: str, code: int) -> int:
    """Print `message` once and return `code`; a rank that fails while the others go on ends them all."""
    parallel = sys.modules.get("mpi4py.MPI")
    comm = parallel.COMM_WORLD if parallel else None
    if comm is None or comm.size == 1:
        if not first_of_the_job():
            time.sleep(START)
        print_once(message)
        return code
    if comm.rank == 0:
        _print(message)
    if not _all_arrive(comm):
        _print(f"rank {comm.rank} failed alone: {message}")
        comm.Abort(INTERNAL)
    return code


def _all_arrive(comm: Any) -> bool:
    """Whether every rank comes here too within PATIENCE."""
    request, end = comm.Ibarrier(), time.monotonic() + PATIENCE
    while not request.Test():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def first_of_the_job() -> bool:
    """Whether this process is rank 0, as far as the launcher's environment tells (MPI may not have been started)."""
    names = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "SLURM_PROCID")
    return next((os.environ[name] for name in names if name in os.environ), "0") == "0"


def print_once(message: str) -> None:
    """Print on the error stream, on one rank of the job."""
    if first_of_the_job():
        _print(message)


def _print(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _crash_log() -> str:
    """Where the traceback of the running exception was written."""
    with tempfile.NamedTemporaryFile("w", prefix="heartwright-crash-", suffix=".log", delete=False) as log:
        log.write(f"heartwright {__version__}: {' '.join(sys.argv)}\n\n{traceback.format_exc()}")
    return log.name
