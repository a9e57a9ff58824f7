"""What every network does; test_nets runs it over the table of encoders."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from incognito.errors import LabError
from incognito.lab import export, losses
from incognito.lab.nets import build, freeze
from incognito.runtime import OnnxRuntime
from incognito.zoo import Card

DECODER = [32, 32, 32, 16, 16]
WEIGHTS = SimpleNamespace(cross_entropy=1.0, focal=0.5, dice=1.0, boundary=0.5)


class NetContract:
    """Forward, backward, sizes, export, and PyTorch = ONNX Runtime."""

    architecture: str
    encoder: str
    decoder = DECODER

    def net(self):
        torch.manual_seed(0)
        return build(self.architecture, self.encoder, self.decoder)

    @pytest.mark.parametrize("size", [(32, 32), (64, 96), (160, 128)])
    def test_logits_have_the_pictures_size(self, size):
        """One logit a pixel, at every legal size."""
        assert self.net().eval()(torch.zeros(2, 3, *size)).shape == (2, 1, *size)

    def test_every_parameter_learns(self):
        """The loss reaches each parameter."""
        net = self.net().train()
        target = torch.zeros(2, 1, 64, 64)
        target[..., 32:] = 1
        logits = net(torch.randn(2, 3, 64, 64))
        losses.total(logits, target, torch.ones_like(target), torch.ones_like(target), WEIGHTS).backward()
        idle = [
            name
            for name, p in net.named_parameters()
            if p.grad is None or not torch.isfinite(p.grad).all() or not p.grad.any()
        ]
        assert idle == []

    def test_frozen_stages_do_not_learn(self):
        """The stem and the first stages are held, the rest is not."""
        net = self.net()
        held = freeze(net, 1)
        learns = [any(p.requires_grad for part in stage for p in part.parameters()) for stage in net.stages()]
        assert learns == [False, False] + [True] * (len(learns) - 2)
        assert held == [part for stage in net.stages()[:2] for part in stage]

    @pytest.mark.parametrize(("size", "legal"), [((100, 64), "128x64"), ((33, 31), "64x32")])
    def test_other_sizes_are_refused_with_the_next_legal_one(self, size, legal):
        """The message names the remedy."""
        with pytest.raises(LabError, match=legal):
            self.net()(torch.zeros(1, 3, *size))

    def test_pytorch_and_onnx_agree(self, tmp_path):
        """The deployed graph takes bytes and gives the same alpha in both."""
        deployed = export.Deployed(self.net()).eval()
        network = export.to_onnx(deployed, 64, 96)
        card = export.write_model(tmp_path / "net.onnx", network, (64, 96), [], [])
        assert isinstance(card, Card)
        assert export.disagreement(deployed, OnnxRuntime(card), (64, 96)).max() < export.TOLERANCE

    def test_the_graph_takes_bytes_and_gives_alpha(self, tmp_path):
        """Normalisation and activation are inside."""
        network = export.to_onnx(export.Deployed(self.net()).eval(), 32, 32)
        alpha = OnnxRuntime(export.write_model(tmp_path / "net.onnx", network, (32, 32), [], [])).run(
            np.zeros((1, 32, 32, 3), np.uint8)
        )
        assert alpha.shape == (32, 32)
        assert 0 < alpha.min() <= alpha.max() < 1
