"""The camera that follows a script."""

import numpy as np
import pytest

from incognito.camera import StreamEnded
from incognito.errors import CameraError, UsageError
from incognito.scripted import ScriptedCamera, made, room
from incognito.timing import FakeClock


def camera(script: str, **named) -> ScriptedCamera:
    clock = FakeClock()
    found = ScriptedCamera(script, size=(48, 64), clock=clock, sleep=lambda s: clock.advance(max(0, s)), **named)
    found.open()
    return found


def test_it_does_what_the_script_says():
    """Frames, a stall, another size, and the end."""
    found = camera("ok*2 stall:2s replug:32x40 ok end")
    clock = found._clock
    assert [found.read().shape for _ in range(2)] == [(48, 64, 3)] * 2
    before = clock.now
    assert found.read().shape == (32, 40, 3)
    assert clock.now - before == pytest.approx(2, abs=0.1)
    for _ in range(2):
        with pytest.raises(StreamEnded):
            found.read()


def test_a_dead_one_goes_on_when_it_is_opened_again():
    """Its error says so."""
    found = camera("ok dead ok")
    found.read()
    with pytest.raises(CameraError, match="gone after 1 frames"):
        found.read()
    found.open()
    assert found.read().shape == (48, 64, 3)


def test_it_keeps_its_pace():
    """Thirty frames take a second of its clock."""
    found = camera("ok*31", fps=30.0)
    for _ in range(31):
        found.read()
    assert found._clock.now == pytest.approx(1.0)


def test_a_word_that_is_not_known_is_refused():
    """At once, not when its turn comes."""
    with pytest.raises(UsageError, match="no word 'sleep'"):
        ScriptedCamera("ok sleep")


def test_the_made_room_is_always_the_same_behind_the_portrait():
    """Its corners are the room's, its middle is not, and the portrait moves."""
    size = (90, 160)
    first, later = made(0, size), made(30, size)
    assert np.array_equal(first[:10, :10], room(size)[:10, :10])
    assert not np.array_equal(first, room(size)) and not np.array_equal(first, later)
