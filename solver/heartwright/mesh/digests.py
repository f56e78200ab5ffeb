"""Digest: tells two meshes apart, the same whether one process holds the mesh or each a share of its rows.

SHA-256 of the names and, array by array, of the SHA-256 of blocks of rows.
"""

import hashlib

import numpy as np

BLOCK = 1 << 14  # rows; shares begin at multiples of it
KINDS = {"points": "<f8", "cells": "<i8", "triangles": "<i8", "surfaces": "<i4", "region": "<i4"}
Leaves = dict[str, bytes]


def share(n: int, rank: int, ranks: int) -> slice:
    """Which of n rows one of several ranks reads."""
    first, last = (-(-n // BLOCK) * i // ranks * BLOCK for i in (rank, rank + 1))
    return slice(first, min(last, n))


def leaves(arrays: dict[str, np.ndarray]) -> Leaves:
    """The digests of the blocks of every array (see KINDS), one after the other."""
    return {name: b"".join(map(_block, _blocks(arrays[name], kind))) for name, kind in KINDS.items() if name in arrays}


def root(names: tuple[str, ...], regions: tuple[str, ...], leaves: Leaves) -> str:
    """The digest of a mesh whose surfaces and regions have these names."""
    total = hashlib.sha256(repr((names, regions)).encode())
    for name, digests in leaves.items():
        total.update(f"{name} {len(digests)}".encode() + digests)
    return total.hexdigest()


def _blocks(array: np.ndarray, kind: str) -> list[np.ndarray]:
    return [np.ascontiguousarray(array[i : i + BLOCK], dtype=kind) for i in range(0, len(array), BLOCK)]


def _block(rows: np.ndarray) -> bytes:
    return hashlib.sha256(rows.tobytes()).digest()
