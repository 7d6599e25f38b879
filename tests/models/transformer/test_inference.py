import numpy as np
import pytest
import torch

from kinoloop.models.transformer.inference import Reader
from kinoloop.models.transformer.network import Network, Shape


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_reads_what_the_transformers_library_reads(layers):
    torch.manual_seed(0)
    shape = Shape(n_videos=5, dim=16, layers=layers, heads=4, length=12, dropout=0.1)
    network = Network(shape, {}).eval()
    with torch.no_grad():
        for parameter in network.backbone.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    weights = {name: value.numpy() for name, value in network.backbone.state_dict().items()}
    lengths = np.array([1, 12, 5, 7])
    inputs = np.random.default_rng(0).standard_normal((4, 12, 16)).astype(np.float32)
    inputs *= (np.arange(12) < lengths[:, None])[..., None]
    with torch.no_grad():
        hidden = network.backbone(inputs_embeds=torch.from_numpy(inputs)).last_hidden_state
    expected = hidden.numpy()[np.arange(4), lengths - 1]
    found = Reader(weights, layers, heads=4).last_hidden(inputs, lengths)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
