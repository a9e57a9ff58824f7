"""A training's record: steps.csv, log.csv, TensorBoard's events, and the curves as a picture."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from incognito.lab import rows
from incognito.lab.validate import Validation

STEPS, LOG, CURVES = "steps.csv", "log.csv", "curves.png"


class Journal:
    """Writes into a training's folder, line by line, so that a killed training has lost no line."""

    def __init__(self, folder: Path, seen: int) -> None:
        """Open it; what was written beyond picture `seen`, which will be seen again, is taken out."""
        self._folder = folder
        for name in (STEPS, LOG):
            _forget(folder / name, seen)
        self._events = SummaryWriter(str(folder / "events"), purge_step=seen + 1)

    def step(self, seen: int, loss: float, rate: float) -> None:
        """Note a batch's loss and the decoder's rate."""
        rows.append(self._folder / STEPS, {"pictures": seen, "loss": repr(loss), "rate": f"{rate:.4g}"})
        self._events.add_scalar("loss", loss, seen)
        self._events.add_scalar("rate", rate, seen)

    def validation(self, seen: int, loss: float, validation: Validation) -> None:
        """Note a validation, and draw the curves anew."""
        figures = {"loss": loss} | asdict(validation)
        rows.append(self._folder / LOG, {"pictures": seen} | {name: f"{value:.5g}" for name, value in figures.items()})
        for name, value in asdict(validation).items():
            self._events.add_scalar(f"validation/{name}", value, seen)
        self._events.flush()
        draw_curves(self._folder)


def draw_curves(folder: Path) -> None:
    """Draw a training's loss, smoothed over 50 batches, and its validation figures over the pictures seen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    steps, log = rows.read(folder / STEPS), rows.read(folder / LOG)
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    losses = [float(row["loss"]) for row in steps]
    smooth = [sum(part) / len(part) for part in (losses[max(0, i - 49) : i + 1] for i in range(len(losses)))]
    left.plot([int(row["pictures"]) for row in steps], smooth)
    left.set(xlabel="pictures", title="loss, mean of 50 batches")
    for name in ("iou", "mean_iou", "boundary_f"):
        right.plot([int(row["pictures"]) for row in log], [float(row[name]) for row in log], ".-", label=name)
    right.set(xlabel="pictures", title="validation")
    right.legend()
    beside = folder / f".{CURVES}"
    FigureCanvasAgg(figure).print_png(beside)  # type: ignore[no-untyped-call]
    beside.replace(folder / CURVES)


def _forget(path: Path, seen: int) -> None:
    """Keep the rows up to picture `seen`."""
    if path.exists():
        kept = [row for row in rows.read(path) if int(row["pictures"]) <= seen]
        if kept:
            rows.keep(path, kept)
        else:
            path.unlink()
