"""`python -m heartwright` and the `heartwright` command."""

import os
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    _forget_the_current_folder()
    from heartwright.cli import main as command_line

    sys.exit(command_line())


def _forget_the_current_folder() -> None:
    """Python puts the current folder on its path for `-m`: a `numpy.py` beside a scenario would be run."""
    here = os.getcwd()
    if sys.path and sys.path[0] in ("", here) and not os.path.isdir(os.path.join(here, "heartwright")):
        del sys.path[0]


if __name__ == "__main__":
    main()
