"""Doctor: what Heartwright finds of the things it needs, and what is wrong with them."""

import importlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from heartwright import __version__

NEEDED = ("pydantic", "ruamel.yaml", "click", "numpy", "scipy", "h5py", "myokit", "jinja2", "matplotlib", "meshio")
OPTIONAL = {"gmsh": "generated meshes", "pyvista": "3D pictures in reports"}
DOLFINX = "0.9"
ROOM = 2e9  # bytes: results of one beat, compiled forms and kernels


@dataclass(frozen=True)
class Finding:
    """One thing looked at: good or not, what it is, what was found."""

    good: bool
    name: str
    text: str

    def __str__(self) -> str:
        return f"{'ok   ' if self.good else 'WRONG'} {self.name:<12} {self.text}"


def examine() -> Iterator[Finding]:
    """All findings, the cheap ones first."""
    yield Finding(True, "heartwright", f"{__version__} in {Path(__file__).parent}")
    yield _python()
    yield Finding(True, "machine", f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, {_memory()}")
    for name in NEEDED:
        yield _package(name)
    for name, purpose in OPTIONAL.items():
        yield _optional(name, purpose)
    yield _compiler()
    yield from (_guarded(name, look) for name, look in (("MPI", _mpi), ("PETSc", _petsc), ("DOLFINx", _dolfinx)))
    yield from (_guarded(name, look) for name, look in (("BLAS", _blas), ("cache", _cache), ("disk", _disk)))


def _python() -> Finding:
    return Finding(sys.version_info >= (3, 11), "Python", f"{platform.python_version()} ({sys.executable})")


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.0f} GB memory"


def _version(name: str) -> str | None:
    """The version of an importable package."""
    try:
        module = importlib.import_module(name)
        return getattr(module, "__version__", None) or metadata.version(name)
    except Exception:  # whatever keeps it from being imported, it cannot be used
        return None


def _package(name: str) -> Finding:
    version = _version(name)
    return Finding(version is not None, name, version or "cannot be imported; see docs/install.md")


def _optional(name: str, purpose: str) -> Finding:
    return Finding(True, name, _version(name) or f"not here: no {purpose}")


def _compiler() -> Finding:
    path = shutil.which(os.environ.get("CC", "cc").split()[0]) or shutil.which("gcc")
    if path is None:
        return Finding(False, "compiler", "no C compiler (cc or gcc): forms and cell models cannot be compiled")
    first = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout.splitlines()
    return Finding(bool(first), "compiler", first[0] if first else f"{path} does not answer")


def _guarded(name: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except Exception as error:  # the examination goes on
        return Finding(False, name, f"{type(error).__name__}: {error}")


def _mpi() -> Finding:
    from mpi4py import MPI

    launcher = shutil.which("mpirun") or shutil.which("mpiexec") or shutil.which("srun")
    library = MPI.Get_library_version().split("\n")[0].split(",")[0].strip("\x00 ")
    return Finding(launcher is not None, "MPI", f"{library}, started with {launcher or 'nothing: mpirun not found'}")


def _petsc() -> Finding:
    import numpy as np
    import petsc4py

    petsc4py.init([sys.argv[0], "-skip_petscrc"])
    from petsc4py import PETSc

    version = ".".join(map(str, PETSc.Sys.getVersion()))
    if PETSc.ScalarType != np.float64:
        return Finding(False, "PETSc", f"{version} with {PETSc.ScalarType.__name__} scalars; needs the real build")
    lacking = [name for name in ("mumps", "hypre") if not PETSc.Sys.hasExternalPackage(name)]
    return Finding("mumps" not in lacking, "PETSc", f"{version}, real" + "".join(f", without {n}" for n in lacking))


def _dolfinx() -> Finding:
    import dolfinx

    good = dolfinx.__version__.startswith(DOLFINX + ".")
    return Finding(good, "DOLFINx", dolfinx.__version__ + ("" if good else f"; this version needs {DOLFINX}"))


def _blas() -> Finding:
    """Which BLAS the loaded PETSc uses: the reference one makes factorisations 4 to 6 times slower."""
    loaded = Path("/proc/self/maps").read_text()
    for name in ("openblas", "mkl", "blis", "atlas"):
        if name in loaded:
            return Finding(True, "BLAS", name)
    slow = "libblas" in loaded
    return Finding(not slow, "BLAS", "the slow reference BLAS: install OpenBLAS" if slow else "not told apart")


def _cache() -> Finding:
    from heartwright.native import cache_folder

    folder = cache_folder()
    return Finding(os.access(folder, os.W_OK), "cache", str(folder))


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free
    text = f"{free / 1e9:.1f} GB free here" + ("" if free > ROOM else f"; a beat needs about {ROOM / 1e9:.0f} GB")
    return Finding(free > ROOM, "disk", text)
