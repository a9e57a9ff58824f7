"""The processes of one training: one, or several that torchrun started, on one machine or more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from incognito.errors import LabError
from incognito.machine import cpu

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ranks:
    """Which process this is, of how many, and the device that it works on."""

    rank: int
    count: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this process validates, writes and talks."""
        return self.rank == 0

    def describe(self) -> str:
        """The devices that this training runs on, for a card."""
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else cpu()
        each = "" if self.device.type == "cuda" else f", {torch.get_num_threads()} threads"
        return (f"{self.count} x " if self.count > 1 else "") + name + each

    def share(self, net: nn.Module) -> nn.Module:
        """Wrap a network so that its gradients are the means over all processes."""
        if self.count == 1:
            return net
        on_gpu = self.device.type == "cuda"
        if on_gpu:  # batch norms see the whole batch; the CPU has no such layer, and each process its own part
            net = nn.SyncBatchNorm.convert_sync_batchnorm(net)  # type: ignore[no-untyped-call]
        return DistributedDataParallel(net, device_ids=[self.device.index] if on_gpu else None)

    def mean(self, value: float) -> float:
        """The mean of a number over all processes."""
        if self.count == 1:
            return value
        total = torch.tensor(value, dtype=torch.float64 if self.device.type == "cpu" else torch.float32)
        total = total.to(self.device)
        dist.all_reduce(total)
        return total.item() / self.count

    def tell(self, value: T) -> T:
        """What the leading process says, in every process."""
        if self.count == 1:
            return value
        box: list[Any] = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]


@contextmanager
def joined() -> Iterator[Ranks]:
    """Join the processes that torchrun started, or be the only one."""
    count, local = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("LOCAL_RANK", "0"))
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda", local) if on_gpu else torch.device("cpu")
    if on_gpu and local >= torch.cuda.device_count():
        raise LabError(f"there are {torch.cuda.device_count()} GPUs for more processes; lower --nproc-per-node")
    if on_gpu:
        torch.cuda.set_device(device)
    if count == 1:
        yield Ranks(0, 1, device)
        return
    dist.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield Ranks(dist.get_rank(), count, device)
    finally:
        dist.destroy_process_group()
