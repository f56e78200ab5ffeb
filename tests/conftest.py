"""What all tests share: the real hearts, when they are here, and marks that skip with a reason."""

import os
import shutil
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent

# Tests make solvers that they never use; PETSc would list their options after pytest's last line.
os.environ.setdefault("PETSC_OPTIONS", "-options_left false")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the repository."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real hearts and reference data: $HEARTWRIGHT_DATA, or `shared/data` beside the repository."""
    folder = Path(os.environ.get("HEARTWRIGHT_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}; set HEARTWRIGHT_DATA to the folder that has it")
    return folder


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to run under mpirun: tests that need ranks start them themselves, and N copies would only collide."""
    if int(os.environ.get("OMPI_COMM_WORLD_SIZE", "1")) > 1:
        raise pytest.UsageError("run pytest on one rank; tests marked `parallel` start their own")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip, with a reason, slow tests unless asked for, and those that start MPI ranks where mpirun does not exist."""
    slow_wanted = "slow" in config.getoption("markexpr")
    for item in items:
        if item.get_closest_marker("slow") and not slow_wanted:
            item.add_marker(pytest.mark.skip(reason="slow; run with -m slow"))
        if item.get_closest_marker("parallel") and shutil.which("mpirun") is None:
            item.add_marker(pytest.mark.skip(reason="mpirun not found"))
