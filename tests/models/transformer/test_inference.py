import numpy as np
import pytest
import torch

from kinoloop.models.transformer.backbone import Backbone, Shape
from kinoloop.models.transformer.config import BackboneConfig
from kinoloop.models.transformer.inference import Reader

RUNS, LENGTHS = ((1, 1), (2, 5), (1, 12)), np.array([1, 5, 5, 12])


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_reads_what_the_transformers_library_reads(layers):
    torch.manual_seed(0)
    shape = Shape(n_videos=5, dim=16, layers=layers, heads=4, length=12, dropout=0.1)
    backbone = Backbone(shape, BackboneConfig(), steps=1).eval()
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    inputs = np.random.default_rng(0).standard_normal((4, 12, 16)).astype(np.float32)
    real = np.arange(12) < LENGTHS[:, None]
    inputs *= real[..., None]
    positions = torch.from_numpy(np.broadcast_to(np.arange(12), real.shape)[real])
    with torch.no_grad():
        hidden = backbone(torch.from_numpy(inputs[real]), positions, RUNS)
    expected = hidden.numpy()[np.cumsum(LENGTHS) - 1]
    weights = {n.removeprefix("backbone."): v for n, v in backbone.arrays().items()}
    found = Reader(weights, layers, heads=4).last_hidden(inputs, LENGTHS)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
