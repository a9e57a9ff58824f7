"""What the training's memory is kept by."""

import platform
import resource
import sys
from pathlib import Path

import pytest
import torch

from incognito.lab import memory

SIZE = 200_000_000  # bytes: more than anything else here comes and goes by


def used() -> int:
    """What this process holds of the machine's memory, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.skipif(sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="skipped: no glibc")
def test_what_is_freed_is_kept_until_the_end():
    """A tensor's memory stays with the process while it is in there, and goes back to the system after."""
    before = used()
    with memory.kept():
        torch.zeros(SIZE, dtype=torch.uint8).fill_(1)
        inside = used() - before
    assert inside > 0.8 * SIZE and used() - before < 0.2 * SIZE
    torch.zeros(SIZE, dtype=torch.uint8).fill_(1)
    assert used() - before < 0.2 * SIZE


def test_an_error_inside_is_passed_on():
    """With the C library's settings put back."""
    with pytest.raises(ZeroDivisionError), memory.kept():
        assert 1 / 0
