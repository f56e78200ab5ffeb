"""What can go wrong, in the user's words, and the exit code each kind ends with."""

DONE, BAD_INPUT, DIVERGED, INTERNAL, STORAGE, RESUME = 0, 64, 65, 70, 74, 85


class HeartwrightError(Exception):
    """Base of all errors that are told to the user as one message, without a traceback."""

    exit_code = INTERNAL


class InputError(HeartwrightError):
    """The user's input cannot be used; carries every finding, one line each (`file:line: key: reason`)."""

    exit_code = BAD_INPUT

    def __init__(self, *findings: str):
        self.findings = findings
        super().__init__("\n".join(findings))


class SolveFailed(HeartwrightError):
    """One step of `equation` could not be solved: the step is rolled back and retried smaller."""

    exit_code = DIVERGED

    def __init__(self, equation: str, reason: str):
        self.equation, self.reason = equation, reason
        super().__init__(f"{equation}: {reason}")


class StorageError(HeartwrightError):
    """Results cannot be written or read back: disk full, read-only folder, damaged file."""

    exit_code = STORAGE
