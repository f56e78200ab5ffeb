"""What can go wrong, in the user's words, and the exit code each kind ends with."""

import difflib
from collections.abc import Iterable

DONE, BAD_INPUT, DIVERGED, INTERNAL, STORAGE, RESUME = 0, 64, 65, 70, 74, 85


class HeartwrightError(Exception):
    """Base of all errors that are told to the user as one message, without a traceback."""

    exit_code = INTERNAL


class InputError(HeartwrightError):
    """The user's input cannot be used; carries every finding, one line each (`file:line: key: reason`)."""

    exit_code = BAD_INPUT

    def __init__(self, *findings: str):
        super().__init__(*findings)  # the arguments as they are: the error may travel to other ranks
        self.findings = findings

    def __str__(self) -> str:
        return "\n".join(self.findings)


class SolveFailed(HeartwrightError):
    """One step of `equation` could not be solved: the step is rolled back and retried smaller."""

    exit_code = DIVERGED

    def __init__(self, equation: str, reason: str):
        super().__init__(equation, reason)
        self.equation, self.reason = equation, reason

    def __str__(self) -> str:
        return f"{self.equation}: {self.reason}"


class Stopped(HeartwrightError):
    """The run was asked to end before it had anything to save: a restart begins anew."""

    exit_code = RESUME


class StorageError(HeartwrightError):
    """Results cannot be written or read back: disk full, read-only folder, damaged file."""

    exit_code = STORAGE


def refusal(error: OSError) -> str:
    """What the file system refused, and why."""
    return f"{error.filename}: {error.strerror}" if error.filename else f"{error.strerror or error}"


SINGULAR, OUT_OF_MEMORY = (-10,), (-9, -13, -19)  # what MUMPS's INFOG(1) means


def of_mumps(code: int) -> str:
    """Why MUMPS gave up, in words."""
    why = "the matrix is singular, " if code in SINGULAR else "out of memory, " if code in OUT_OF_MEMORY else ""
    return f" ({why}MUMPS {code})"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean X?` for the nearest known word, otherwise `; known: A, B, C`."""
    names = sorted(known)
    lower = {name.lower(): name for name in names}
    near = difflib.get_close_matches(word, names, n=1) or difflib.get_close_matches(word.lower(), lower, n=1)
    if near:
        return f"; did you mean '{near[0] if near[0] in names else lower[near[0]]}'?"
    return f"; known: {', '.join(names)}" if names else ""
