"""Slices: eight rows of a sparse matrix side by side, so that one vector operation serves all of them."""

import numpy as np

W = 8  # rows of a slice, floats of a vector of 32 bytes; diffusion.c knows the same number


class Slices:
    """The first n of the compressed rows (`indptr`, `indices`) in the format SELL-8 (Kreutzer et al. 2014,
    doi:10.1137/130930352): the k-th entries of the W rows of a slice lie side by side, rows are filled up with zeros to
    the longest.

    begin: where the entries of each slice begin, and the end. columns: of every entry (of a filler: the first).
    """

    def __init__(self, indptr: np.ndarray, indices: np.ndarray, n: int):
        lengths = np.diff(indptr[: n + 1])
        padded = np.zeros(-(-n // W) * W, dtype=lengths.dtype)
        padded[:n] = lengths
        widths = padded.reshape(-1, W).max(axis=1, initial=0)
        self.begin = np.concatenate([[0], W * np.cumsum(widths)]).astype(np.int32)
        row = np.repeat(np.arange(n), lengths)
        place = np.arange(len(row)) - np.repeat(indptr[:n], lengths)  # within the row
        self._position = self.begin[row // W] + W * place + row % W
        self.columns = np.zeros(self.begin[-1], dtype=np.int32)
        self.columns[self._position] = indices[: len(row)]

    def of(self, entries: np.ndarray) -> np.ndarray:
        """The entries of the compressed rows, in single precision and in the order of `columns`."""
        found = np.zeros(len(self.columns), dtype=np.float32)
        found[self._position] = entries[: len(self._position)]
        return found
