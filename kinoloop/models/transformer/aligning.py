"""Where training of a language model starts: what it has read comes out where videos are.

The first layers of a model with tied words take a word's own vector out of the state again (on
SmolLM2 the products of state and vector order videos the wrong way round), so states cannot be held
against videos as they come. Here a linear map from states to videos is fitted in closed form: each
video of the catalogue alone is a history, and the map should give its vector (ridge regression). No
event is used: an untrained recommender then ranks by what the model makes of titles.

Shapes: V videos, W the model's width, D the embedding size.

Source: Belrose et al., 2023 (tuned lens: states of early layers need a map of their own).
"""

import numpy as np
import torch
from torch import nn

from kinoloop.data.sampling import evenly_spaced
from kinoloop.models.transformer.network import Network

MOST = 2048
"""Videos that the map is fitted to; more cost time and hardly change it."""

RIDGE = 0.1
"""Of the mean variance of a state: 146 videos do not determine 576 × 576 numbers."""


@torch.no_grad()
def align(network: Network) -> None:
    """Set the projection behind the backbone, in place; nothing where no title is read.

    Args:
        network: Fresh.
    """
    leave = network.backbone.leave
    if network.tokens is None or not isinstance(leave, nn.Linear):
        return
    device = leave.weight.device
    picked = evenly_spaced(network.shape.n_videos, min(MOST, network.shape.n_videos))
    video_V = torch.from_numpy(np.asarray(picked, dtype=np.int64)).to(device)
    fused_VD = network.videos(video_V, torch.ones_like(video_V, dtype=torch.bool))
    training = network.training
    network.eval()
    first_V = torch.zeros_like(video_V)
    state_VW = network.backbone.states(fused_VD, first_V, ((len(video_V), 1),)).double()
    network.train(training)
    mean_W, mean_D = state_VW.mean(dim=0), fused_VD.double().mean(dim=0)
    x_VW, y_VD = state_VW - mean_W, fused_VD.double() - mean_D
    square_WW = x_VW.T @ x_VW
    square_WW.diagonal().add_(RIDGE * square_WW.diagonal().mean().clamp_min(1e-9))
    map_WD = torch.linalg.solve(square_WW, x_VW.T @ y_VD)
    leave.weight.copy_(map_WD.T)
    leave.bias.copy_(mean_D - mean_W @ map_WD)
