"""Work shared by two threads."""

import os
import threading

import cv2
import pytest

from incognito import hands


@pytest.fixture(autouse=True)
def _two_threads():
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    yield
    cv2.setNumThreads(before)


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_every_part_is_done_once(count):
    """By two threads as soon as there are two parts."""
    done, by = [], set()

    def work(part: int) -> None:
        done.append(part)
        by.add(threading.get_ident())

    hands.shared(work, range(count))
    assert sorted(done) == list(range(count))
    assert len(by) == min(count, 2)


def test_one_thread_does_all_where_opencv_may_use_no_more():
    """A batch's processes and the studio's workers keep to one core each."""
    cv2.setNumThreads(1)
    by = []
    hands.shared(lambda part: by.append(threading.get_ident()), range(5))
    assert by == [threading.get_ident()] * 5


def test_a_light_frame_is_worth_one_hand():
    """Up to 720p; a larger one, two."""
    assert [hands.worth(size) for size in ((480, 640), (720, 1280), (1080, 1920))] == [1, 1, 2]


@pytest.mark.parametrize("wrong", [0, 1])
def test_what_goes_wrong_is_raised_when_all_is_over(wrong):
    """Whoever did it."""
    done = []

    def work(part: int) -> None:
        if part == wrong:
            raise ZeroDivisionError
        done.append(part)

    with pytest.raises(ZeroDivisionError):
        hands.shared(work, range(6))
    assert set(range(1 - wrong, 6, 2)) <= set(done)  # the other hand's


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_a_helper_of_its_own():
    """Its parent's thread is not there."""
    hands.shared(lambda part: None, range(2))
    child = os.fork()
    if not child:
        done: list[int] = []
        hands.shared(done.append, range(4))
        os._exit(0 if sorted(done) == [0, 1, 2, 3] else 1)
    assert os.waitpid(child, 0)[1] == 0
