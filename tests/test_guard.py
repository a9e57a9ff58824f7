"""What may be shown."""

import numpy as np
import pytest

from incognito.guard import GROUND, OLDEST, Guard, State, safe_picture


def test_only_a_matte_leads_to_live():
    """It holds until a frame is permitted; after trouble it is safe until the next one is."""
    guard = Guard()
    guard.trip("still loading")
    assert (guard.state, guard.reason) == (State.HOLD, "still loading")
    assert guard.permits(1.0, 1.0)
    assert (guard.state, guard.reason) == (State.LIVE, "")
    guard.trip("no frames")
    assert guard.state is State.SAFE
    assert guard.permits(2.0, 2.0)
    assert guard.state is State.LIVE


@pytest.mark.parametrize("age", [OLDEST + 0.01, -0.01, float("nan")])
def test_an_old_matte_is_not_permitted(age):
    """Nor one from the future, of a clock that jumped, nor one whose age is unknown."""
    guard = Guard()
    assert guard.permits(10.0, 10.0 - OLDEST / 2)
    assert not guard.permits(10.0, 10.0 - age)
    assert guard.state is State.SAFE


@pytest.mark.parametrize("size", [(720, 1280), (1, 1), (33, 7), (1080, 1920)])
def test_the_safe_picture_is_made_of_nothing(size):
    """It has the size, mostly its ground, and a mark where there is room for one."""
    picture = safe_picture(size)
    assert picture.shape == (*size, 3) and picture.dtype == np.uint8
    if min(size) > 100:
        share = np.mean(np.all(picture == GROUND, axis=2))
        assert 0.9 < share < 1
