"""The wire of a comparison: requests in and answers out, over a worker's standard input and output.

A message is the length of a JSON header in 4 bytes, the header, and the bytes of an array where the header tells its
shape. This file imports numpy alone, for environments that have no incognito; so it reads the clock itself.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import IO, Any, Protocol

import numpy as np

WARM_UP = 0.05  # seconds, uncounted: the threads of the one before may spin on after their last run
FEWEST = 3  # runs in a turn

NETWORK, SEGMENT, FRAME, LARGE = WORKS = ("network", "segment", "frame", "frame_1080")

Message = tuple[dict[str, Any], "np.ndarray | None"]
Once = Callable[[], object]


class Model(Protocol):
    """What a worker has opened. `about` says of it: model, runtime, height, width, bytes, sha256, versions.

    Ours tells `streamed` too, the variant and runtime that a stream's frames are shown to.
    """

    about: dict[str, Any]

    def matte(self, picture: np.ndarray) -> np.ndarray:
        """Find alpha, float32 (h, w) at the network's size, of uint8 RGB (H, W, 3)."""
        ...

    def photo(self, picture: np.ndarray) -> np.ndarray:
        """Find the matte that a photo gets in the end, float32 of any size."""
        ...

    def work(self, kind: str, film: np.ndarray) -> Once:
        """What one run does, of a kind of WORKS, with the frames of a film, uint8 RGB (n, H, W, 3)."""
        ...


def send(stream: IO[bytes], header: dict[str, Any], array: np.ndarray | None = None) -> None:
    """Write a message."""
    if array is not None:
        header = header | {"shape": array.shape, "dtype": array.dtype.name}
    text = json.dumps(header).encode()
    stream.write(struct.pack("<I", len(text)) + text)
    if array is not None:
        stream.write(np.ascontiguousarray(array).data)
    stream.flush()


def receive(stream: IO[bytes]) -> Message:
    """Read a message; raises EOFError where there is none, or half of one."""
    (length,) = struct.unpack("<I", _exactly(stream, 4))
    header = json.loads(_exactly(stream, length))
    if "shape" not in header:
        return header, None
    dtype, shape = np.dtype(header["dtype"]), header["shape"]
    data = _exactly(stream, dtype.itemsize * int(np.prod(shape, dtype=np.int64)))
    return header, np.frombuffer(data, dtype).reshape(shape)


def serve(open_model: Callable[[dict[str, Any]], Model]) -> None:
    """Answer requests until there are no more. What libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    desk = Desk(open_model)
    while True:
        try:
            request, array = receive(sys.stdin.buffer)
        except EOFError:
            return
        send(answers, *desk.answer(request, array))


class Desk:
    """Answers the requests to one worker: open, show, matte, photo, time and spent."""

    def __init__(self, open_model: Callable[[dict[str, Any]], Model]) -> None:
        self._open_model = open_model
        self._model: Any = None
        self._films: dict[str, Any] = {}
        self._works: dict[str, Once] = {}

    def answer(self, request: dict[str, Any], array: np.ndarray | None) -> Message:
        """Do what a request asks; the answer to one that fails has an "error" of one line."""
        try:
            return getattr(self, f"_{request['do']}")(request, array)
        except Exception as error:  # whatever a library raises is told to the one who asked
            return {"error": (str(error) or type(error).__name__).splitlines()[0]}, None

    def _open(self, request: dict[str, Any], array: np.ndarray | None) -> Message:
        self._model = self._open_model(request)
        return self._model.about, None

    def _show(self, request: dict[str, Any], film: np.ndarray | None) -> Message:
        """Take the film of one work, or of all that have none of their own."""
        self._films[request.get("work", "")] = film
        self._works.clear()
        return {}, None

    def _matte(self, request: dict[str, Any], picture: np.ndarray | None) -> Message:
        return {}, self._model.matte(picture)

    def _photo(self, request: dict[str, Any], picture: np.ndarray | None) -> Message:
        return {}, self._model.photo(picture)

    def _time(self, request: dict[str, Any], array: np.ndarray | None) -> Message:
        kind = request["work"]
        if kind not in self._works:
            self._works[kind] = self._model.work(kind, self._films.get(kind, self._films.get("")))
        return turn(self._works[kind], request["seconds"]), None

    def _spent(self, request: dict[str, Any], array: np.ndarray | None) -> Message:
        return {"seconds": time.process_time()}, None


def turn(once: Once, seconds: float) -> dict[str, Any]:
    """Run for WARM_UP seconds uncounted, then so many seconds: the wall time of each run, and the CPU time of one.

    Both are in milliseconds. CPU time is that of all threads over the whole turn, spinning between runs included,
    divided by the runs.
    """
    _run(once, WARM_UP, 1)
    before = time.process_time()
    at = _run(once, seconds, FEWEST)
    spent = time.process_time() - before
    return {"wall": (1000 * np.diff(at)).tolist(), "cpu": 1000 * spent / (len(at) - 1)}


def to_and_fro(film: np.ndarray) -> Iterator[np.ndarray]:
    """The frames of a film forwards and backwards, for ever."""
    return cycle([*film, *film[-2:0:-1]])


def _run(once: Once, seconds: float, fewest: int) -> list[float]:
    """Run for so many seconds and at least so often; the times at the beginning and after each run."""
    at = [time.perf_counter()]
    while len(at) <= fewest or at[-1] - at[0] < seconds:
        once()
        at.append(time.perf_counter())
    return at


def _exactly(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data
