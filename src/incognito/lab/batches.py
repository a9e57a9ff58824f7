"""Training batches: pictures drawn by worker processes, as tensors on the device, from any point of a recipe on."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from multiprocessing.context import BaseContext
from typing import Any

import cv2
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from incognito.errors import LabError
from incognito.lab.data import Sample
from incognito.lab.ranks import Ranks
from incognito.lab.recipe import Recipe
from incognito.lab.scenes import Scenes

Batch = tuple[Tensor, Tensor, Tensor, Tensor]  # pictures float (N, 3, h, w) in [-1, 1]; alpha, valid, band (N, 1, h, w)


def draw(recipe: Recipe, samples: list[Sample], seen: int, ranks: Ranks) -> Iterator[Batch]:
    """Give this process's share of the batches of all phases from picture `seen` on."""
    training, start = recipe.training, 0
    if training.batch % ranks.count:
        raise LabError(f"a batch of {training.batch} cannot be shared by {ranks.count} processes; change batch")
    for phase in training.phases:
        end = start + phase.pictures
        scenes = Scenes(samples, recipe.data, (phase.size[0], phase.size[1]), training.seed, training.pictures)
        numbers = range(max(start, seen), end)[ranks.rank :: ranks.count]
        yield from from_workers(Subset(scenes, numbers), training.batch // ranks.count, ranks)  # type: ignore[arg-type]
        start = end


def from_workers(pictures: Subset[Any], size: int, ranks: Ranks) -> Iterator[Batch]:
    """Give batches of so many pictures, drawn by processes of their own."""
    beside = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # processes of this training on this machine
    workers = (
        min(2, torch.get_num_threads())
        if ranks.device.type == "cpu"
        else max(2, min(8, (os.cpu_count() or 1) // beside))
    )
    loader = DataLoader(
        pictures, size, num_workers=workers, multiprocessing_context=worker_processes(), worker_init_fn=_init_worker
    )
    try:
        for batch in loader:
            yield to_tensors(batch, ranks.device)
    except LabError as error:  # a worker's, with its traceback for a message
        raise LabError(str(error).strip().splitlines()[-1].partition("LabError: ")[2] or str(error)) from None
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise LabError("a process that draws pictures was killed; if memory ran out, close other programs") from error


def worker_processes() -> BaseContext:
    """How the processes that draw pictures start: never by forking this one, whose threads they would wait for."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "incognito.lab.scenes"])
    return context


def to_tensors(batch: list[Tensor], device: torch.device) -> Batch:
    """Bring pictures uint8 (N, h, w, 3) and three planes uint8 (N, h, w) to what the network and losses take."""
    picture, *planes = (part.to(device, non_blocking=True) for part in batch)
    picture = picture.permute(0, 3, 1, 2).to(torch.float32) / 127.5 - 1  # NHWC in memory: channels_last
    alpha, valid, band = (plane.unsqueeze(1).to(torch.float32) / 255 for plane in planes)
    return picture, alpha, valid, band


def _init_worker(_: int) -> None:
    cv2.setNumThreads(1)
