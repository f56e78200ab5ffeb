"""Every rank or no rank: failing together instead of hanging apart."""

import contextlib
import sys

from mpi4py import MPI

from heartwright.errors import INTERNAL, HeartwrightError, StorageError, refusal


@contextlib.contextmanager
def together(comm: MPI.Comm):
    """Run a block that may fail on some ranks; if it fails on any, the same error is raised on all.

    The error of the lowest failing rank is the one every rank sees, so that one message is printed and every
    rank leaves by the same path. Collective over `comm`.
    """
    error = None
    try:
        yield
    except Exception as caught:  # whatever it is, all ranks must hear of it
        error = caught
    first = next((e for e in comm.allgather(_portable(error)) if e is not None), None)
    if first is not None:
        raise first from error


def _portable(error: Exception | None) -> Exception | None:
    """An exception that survives the trip to another rank: ours as they are, foreign ones as text."""
    if error is None or isinstance(error, HeartwrightError):
        return error
    if isinstance(error, OSError):
        return StorageError(refusal(error))
    return RuntimeError(f"{type(error).__name__}: {error}")


def abort_on_uncaught(comm: MPI.Comm) -> None:
    """End all ranks when an exception leaves the program on one of them; otherwise the others would wait for ever."""
    previous = sys.excepthook

    def hook(kind, value, traceback):
        previous(kind, value, traceback)
        sys.stderr.flush()
        comm.Abort(INTERNAL)

    sys.excepthook = hook
