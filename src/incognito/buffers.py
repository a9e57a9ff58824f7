"""Memory that is used again: to get a large array from the system takes longer than to fill it.

An array of this module is like any other. When the last reference to it and to its views is gone, its memory waits for
the next one of so many bytes.
"""

from __future__ import annotations

import math
import weakref
from collections import deque

import numpy as np
import numpy.typing as npt

LARGEST = 64 << 20  # bytes; larger arrays are a photo's, which comes once
MOST = 16  # pieces of memory that may wait; the oldest goes first


class Loan(weakref.ref[np.ndarray]):
    """Refers to an array that is in use, and keeps its memory."""

    piece: np.ndarray


class Pool:
    """Arrays for anybody, in any thread."""

    def __init__(self) -> None:
        self._waiting: deque[np.ndarray] = deque(maxlen=MOST)
        self._lent: dict[int, Loan] = {}  # by id, for an array has no hash
        self._ended: deque[Loan] = deque()

    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike = np.uint8) -> np.ndarray:
        """Give an array with anything in it."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if size > LARGEST:
            return np.empty(shape, dtype)
        self._take_back()
        piece = self._piece(size)
        # over a buffer, not a view of an array: so every view of it refers to it, and its end is the end of all
        whole: np.ndarray = np.frombuffer(piece.data, dtype)
        # what is called at its end runs no Python: a signal's exception that came there would be lost
        loan = Loan(whole, self._ended.append)
        loan.piece = piece
        self._lent[id(loan)] = loan
        return whole.reshape(shape)

    def _take_back(self) -> None:
        while True:
            try:
                loan = self._ended.popleft()
            except IndexError:
                return
            self._waiting.append(self._lent.pop(id(loan)).piece)

    def _piece(self, size: int) -> np.ndarray:
        """Memory of so many bytes that nobody uses."""
        for _ in range(len(self._waiting)):
            try:
                piece = self._waiting.popleft()
            except IndexError:  # another thread took the last one
                break
            if piece.nbytes == size:
                return piece
            self._waiting.append(piece)
        return np.empty(size, np.uint8)


empty = Pool().empty
