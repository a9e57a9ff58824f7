"""The gate: what it lets through, and what it says where it does not."""

import pytest

from incognito.lab.gate import Figures, faster, refusal

PARENT = Figures(iou=0.95, milliseconds=10.0, bytes=1000)


@pytest.mark.parametrize(
    ("found", "aim", "said"),
    [
        (Figures(0.9475, 5.0, 500), "time", ""),
        (Figures(0.96, 9.52, 2000), "time", ""),
        (Figures(0.9465, 5.0, 500), "time", "loses 0.0035 IoU, 0.0005 over its budget"),
        (Figures(0.95, 9.6, 500), "time", "1.04 times as fast, not 1.05"),
        (Figures(0.90, 20.0, 500), "time", "loses 0.0500 IoU, 0.0470 over its budget; 0.50 times as fast, not 1.05"),
        (Figures(0.95, 20.0, 500), "bytes", ""),
        (Figures(0.95, 5.0, 1000), "bytes", "1.00 times as small, not 1.05"),
    ],
)
def test_the_gate_says_which_and_by_how_much(found, aim, said):
    """IoU against the float parent, and time or bytes against the parent."""
    assert refusal(PARENT, PARENT.iou, found, 0.003, aim) == said


def test_loss_counts_from_the_float_parent():
    """An int8 network made of an int8 one has lost what both did."""
    assert "loses 0.0060" in refusal(Figures(0.947, 10, 1000), 0.95, Figures(0.944, 5, 500), 0.003, "time")


def test_faster_is_a_ratio():
    """Twice as fast is 2."""
    assert faster(PARENT, Figures(0.95, 5.0, 1000)) == 2
