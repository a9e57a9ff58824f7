"""Memory that is used again, and never too early."""

from __future__ import annotations

import threading

import numpy as np

from incognito.buffers import LARGEST, MOST, Pool


def address(array: np.ndarray) -> int:
    return int(array.__array_interface__["data"][0])


def test_memory_comes_back_when_nobody_refers_to_it():
    """The next array of so many bytes has it, also as another shape and dtype."""
    pool = Pool()
    first = pool.empty((6, 8), np.float32)
    where = address(first)
    del first
    second = pool.empty((8, 8, 3))
    assert second.dtype == np.uint8 and second.flags.writeable and second.flags.c_contiguous
    assert address(second) == where


def test_a_view_keeps_its_memory():
    """A slice, a reshaping or a read-only view of an array that is gone is still that array."""
    pool = Pool()
    for view in (lambda a: a[2:4], lambda a: a.reshape(-1)[5:], lambda a: a.view(np.int8).T, memoryview):
        whole = pool.empty((40, 40))
        whole.fill(7)
        part = view(whole)
        where = address(whole)
        del whole
        others = [pool.empty((40, 40)) for _ in range(4)]
        for other in others:
            other.fill(9)
        assert where not in [address(other) for other in others]
        assert (np.asarray(part) == 7).all()


def test_other_sizes_do_not_pile_up():
    """No more pieces wait than MOST, and a photo's memory is not kept at all."""
    pool = Pool()
    for side in range(1, 3 * MOST):
        pool.empty((side, 8))
    assert len(pool._waiting) == MOST and len(pool._lent) <= 1
    pool.empty((LARGEST + 1,))
    assert len(pool._lent) <= 1


def test_threads_never_share_an_array():
    """Arrays that are held at once are different memory, whoever asks for them."""
    pool, mixed = Pool(), []

    def work(mark: int) -> None:
        for _ in range(2000):
            array = pool.empty((64,))
            array.fill(mark)
            if not (array == mark).all():
                mixed.append(mark)

    threads = [threading.Thread(target=work, args=(mark,)) for mark in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not mixed
