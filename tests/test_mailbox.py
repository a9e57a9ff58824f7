"""The newest frame and no other."""

import threading

import numpy as np

from incognito.mailbox import Mailbox


def frame(level: int, size: tuple[int, int] = (4, 6)) -> np.ndarray:
    return np.full((*size, 3), level, np.uint8)


def test_the_newest_frame_is_given_once():
    """Of three that were posted the last is taken, two are dropped, and nothing is given again."""
    box = Mailbox()
    for level in range(3):
        box.post(frame(level), float(level))
    shot = box.take(0)
    assert (shot.number, shot.seconds, int(shot.pixels.max())) == (2, 2.0, 2)
    assert (box.captured, box.dropped, box.take(0), box.waiting) == (3, 2, None, False)


def test_what_is_read_is_never_overwritten():
    """A reader's frame stays as it is, whatever is posted meanwhile and whatever the camera does to its memory."""
    box, memory = Mailbox(), frame(1)
    box.post(memory, 0.0)
    memory.fill(9)
    shot = box.take(0)
    for level in range(20, 40):
        box.post(frame(level), 0.0)
    assert int(shot.pixels.min()) == int(shot.pixels.max()) == 1


def test_buffers_are_used_again():
    """However many frames pass, there are three buffers."""
    box, seen = Mailbox(), set()
    for level in range(50):
        box.post(frame(level), 0.0)
        if level % 3:
            seen.add(box.take(0).pixels.__array_interface__["data"][0])
    assert len(seen) <= 3


def test_a_camera_of_another_size_gets_new_buffers():
    """A replugged camera's frames have their own size at once."""
    box = Mailbox()
    box.post(frame(1), 0.0)
    box.post(frame(2, (8, 8)), 0.0)
    assert box.take(0).pixels.shape == (8, 8, 3)


def test_a_reader_waits_for_a_thread_that_posts():
    """The wait ends when a frame comes."""
    box = Mailbox()
    timer = threading.Timer(0.05, box.post, [frame(5), 0.0])
    timer.start()
    assert box.take(5.0).number == 0
    timer.join()
