"""Exit 0 if this Python has all the modules of packages.txt, DOLFINx in version 0.9; found without importing any."""

import importlib.util
import sys
from pathlib import Path

WANTED = "0.9."


def found(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def modules() -> list[str]:
    text = Path(__file__).with_name("packages.txt").read_text().split("[modules]")[1]
    return [word for line in text.splitlines() if not line.startswith("#") for word in line.split()]


def complaint() -> str | None:
    """What keeps this Python from being used, if it has DOLFINx at all."""
    from importlib.metadata import version  # slow, and not needed where there is no DOLFINx

    release = version("fenics-dolfinx")
    missing = [name for name in modules() if not found(name)]
    if not release.startswith(WANTED):
        return f"DOLFINx {release}, but not {WANTED}x"
    return f"DOLFINx {release}, but not {', '.join(missing)}" if missing else None


def main() -> int:
    if not found("dolfinx"):
        return 1
    reason = complaint()
    if reason:
        print(f"heartwright: {sys.executable} has {reason}; using an environment of its own", file=sys.stderr)
    return 1 if reason else 0


sys.exit(main())
