"""Parts: what the time loop needs of a piece of the simulated body, and how its state is kept and put back."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

State = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Rows:
    """What the rows of a distributed array are: a number each, the same on any number of ranks.

    keys: the number of every local row, n of them; a row that several ranks hold has the same values on each.
    axis: of the array, along which its rows lie. An array of k n values along it holds k values per row.
    """

    keys: np.ndarray
    axis: int = 0


class Part(Protocol):
    """Anything with a name, a step and a state.

    `state()` returns the live arrays that, together, are all the part needs to go on: copying them saves the part,
    writing into them restores it. Retry after a failed step, checkpoint and restart use nothing else. `rows()` says
    how those of them that are spread over the ranks are numbered; the others are the same on every rank.
    """

    name: str

    def step(self, t: float, dt: float) -> None: ...

    def state(self) -> State: ...

    def rows(self) -> dict[str, Rows]: ...


def snapshot(parts: Iterable[Part]) -> dict[str, State]:
    """A copy of the state of every part, by part name."""
    return {part.name: {key: array.copy() for key, array in part.state().items()} for part in parts}


def restore(parts: Iterable[Part], saved: dict[str, State]) -> None:
    """Put a snapshot back, in place."""
    for part in parts:
        for key, array in part.state().items():
            array[...] = saved[part.name][key]
