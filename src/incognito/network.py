"""A picture of the network's size to alpha. Preprocessing is read from the model's card and from nowhere else."""

from __future__ import annotations

import numpy as np

from incognito.errors import ModelError
from incognito.frame import Picture, Plane
from incognito.runtime import Runtime
from incognito.zoo import Card


class Network:
    """A model as its card describes it, on a runtime."""

    def __init__(self, card: Card, runtime: Runtime) -> None:
        self.card = card
        self.runtime_name: str = getattr(runtime, "name", type(runtime).__name__)
        self._runtime = runtime

    def __call__(self, small: Picture) -> Plane:
        """Find alpha, float32 (h, w) in [0, 1], of uint8 RGB of the card's size. Raises ModelError."""
        output: Plane = self._runtime.run(to_tensor(small, self.card)).astype(np.float32, copy=False)
        if output.ndim != 2:
            raise ModelError(f"{self.card.path} gives an output of shape {output.shape}, not (h, w); mend the model")
        if self.card.activation == "sigmoid":
            output = np.float32(1) / (1 + np.exp(-output))
        if not np.isfinite(output).all():
            raise ModelError(f"{self.card.path} gives numbers that are not finite; mend the model")
        return np.clip(output, 0, 1)


def to_tensor(small: Picture, card: Card) -> np.ndarray:
    """Lay out a picture of the network's size as its card says: batch of one, uint8 or float32."""
    picture: np.ndarray = small if card.colour == "RGB" else small[..., ::-1]
    if card.mean:
        mean, deviation = (np.array(values, np.float32) for values in (card.mean, card.deviation))
        picture = (picture - mean) / deviation
    if card.layout == "NCHW":
        picture = picture.transpose(2, 0, 1)
    return np.ascontiguousarray(picture, dtype=card.dtype)[None]
