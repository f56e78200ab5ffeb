"""Memory that was freed is given back to the system."""

import ctypes
from pathlib import Path

import pytest

from heartwright import memory

libc = ctypes.CDLL(None)


@pytest.mark.skipif(not hasattr(libc, "malloc_trim"), reason="not glibc, which alone keeps what is freed")
def test_memory_freed_below_a_block_in_use_is_given_back():
    """32 MB in blocks too small for mappings of their own; the last of them stays, so the heap cannot shrink."""
    libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = (
        ctypes.c_void_p,
        [ctypes.c_size_t],
        [ctypes.c_void_p],
    )
    blocks = [libc.malloc(8192) for _ in range(4096)]
    for block in blocks:
        ctypes.memset(block, 1, 8192)
    for block in blocks[:-1]:
        libc.free(block)
    before = resident()
    memory.give_back()
    assert resident() < before - 30e6
    libc.free(blocks[-1])


def resident() -> int:
    """Bytes of this process in memory that are its own."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return 1024 * int(status["RssAnon"].split()[0])
