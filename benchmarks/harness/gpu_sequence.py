"""Positions per second of the sequence recommender's own training, and of a bare loop."""

import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from benchmarks.harness.device import Device
from kinoloop.data.histories import Histories
from kinoloop.models.transformer.backbone import Backbone, Shape
from kinoloop.models.transformer.batches import Batches
from kinoloop.models.transformer.config import BackboneConfig
from kinoloop.models.transformer.negatives import Negatives
from kinoloop.models.transformer.network import Network
from kinoloop.models.transformer.training import Training, TrainingOptions

SHAPES = {  # videos, width, layers, heads, length
    False: Shape(n_videos=100_000, dim=256, layers=4, heads=4, length=200, dropout=0.0),
    True: Shape(n_videos=500, dim=32, layers=1, heads=2, length=20, dropout=0.0),
}
WINDOWS = {False: (128, 60), True: (8, 3)}  # per step, and steps per epoch
TEXT = {False: 384, True: 16}
NEGATIVES = {False: 1024, True: 64}


def measure_sequence(device: Device) -> list[str]:
    """Measure epochs of the product's training, and steps of a plain GPT-2 with the same loss."""
    shape, (rows, steps) = SHAPES[device.small], WINDOWS[device.small]
    positions = rows * steps * shape.length
    flops = flops_per_position(shape, small=device.small)
    ours = _train(device, shape, rows=rows, steps=steps)
    memory = device.memory()
    bare = device.per_second(_bare(device, shape, rows), rows * shape.length)
    fastest = positions / min(ours)
    size = f"d {shape.dim}, {shape.layers} layers, length {shape.length}, {shape.n_videos:,} videos"
    return [
        f"bare loop ({size}, {rows} windows a step): {bare:,.0f} positions/s, "
        f"{device.share(bare * flops)}",
        f"own training, ids and text vectors: {fastest:,.0f} positions/s, "
        f"{device.share(fastest * flops)}, {fastest / bare:.2f} of the bare loop, {memory}",
    ]


def flops_per_position(shape: Shape, *, small: bool) -> float:
    """Arithmetic of forward and backward pass: blocks, causal attention, and the loss."""
    blocks = shape.layers * (24 * shape.dim**2 + 2 * shape.length * shape.dim)
    return 3.0 * (blocks + 2 * shape.dim * NEGATIVES[small])


def _train(device: Device, shape: Shape, *, rows: int, steps: int) -> list[float]:
    """Seconds of each epoch after the first."""
    from accelerate import Accelerator

    rng = np.random.default_rng(0)
    histories = _histories(rng, rows * steps, shape)
    vectors = rng.standard_normal((shape.n_videos, TEXT[device.small])).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    text: Any = SimpleNamespace(vectors=vectors, present=np.ones(shape.n_videos, dtype=np.bool_))
    batches = Batches(histories, length=shape.length, positions=rows * shape.length)
    backbone = Backbone(shape, BackboneConfig(), steps=3 * batches.steps)
    network = Network(shape, {"text": text}, None, backbone=backbone).to(device.torch)
    negatives = Negatives(
        np.bincount(histories.videos, minlength=shape.n_videos),
        number=NEGATIVES[device.small],
        popularity=0.5,
        softmax=True,
    )
    options = TrainingOptions(
        epochs=3, patience=3, learning_rate=1e-3, backbone_learning_rate=1e-4, warmup_share=0.05,
        weight_decay=0.01, id_dropout=0.2, loss="sampled_softmax", gbce_calibration=0.75,
        accumulate=1, compile=False, seed=0,
    )  # fmt: skip
    precision = "bf16" if device.cuda else "no"
    accelerator = Accelerator(cpu=not device.cuda, mixed_precision=precision)
    moments = [time.perf_counter()]

    def report(name: str, value: float, step: int) -> None:  # noqa: ARG001 (only when it comes)
        device.wait()
        moments.append(time.perf_counter())

    training = Training(network, batches, negatives, options=options, accelerator=accelerator)
    training.run(quality=None, report=report, checkpoints=None)
    return np.diff(moments)[1:].tolist()


def _histories(rng: np.random.Generator, rows: int, shape: Shape) -> Histories:
    length = shape.length + 1
    total = rows * length
    return Histories(
        offsets=np.arange(rows + 1, dtype=np.int64) * length,
        videos=(shape.n_videos * rng.random(total) ** 3).astype(np.int32),
        weights=np.ones(total, dtype=np.float32),
        timestamps=np.tile(np.arange(length, dtype=np.int64) * 3_600_000_000, rows),
        kinds=np.ones(total, dtype=np.uint8),
        watch_shares=rng.random(total).astype(np.float32),
    )


def _bare(device: Device, shape: Shape, rows: int) -> Any:  # noqa: ANN401 (a step)
    """One step of GPT-2 from the library: ids only, drawn negatives, fused AdamW, autocast."""
    from transformers import GPT2Config, GPT2Model

    model = GPT2Model(
        GPT2Config(
            vocab_size=1, n_positions=shape.length, n_embd=shape.dim, n_layer=shape.layers,
            n_head=shape.heads, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
            bos_token_id=0, eos_token_id=0, activation_function="gelu_pytorch_tanh",
            attn_implementation="sdpa",
        )
    ).to(device.torch)  # fmt: skip
    table = nn.Embedding(shape.n_videos, shape.dim, device=device.torch)
    weights = [*model.parameters(), *table.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=1e-3, fused=True)
    videos = torch.randint(shape.n_videos, (rows, shape.length + 1), device=device.torch)
    drawn = torch.randint(shape.n_videos, (NEGATIVES[device.small],), device=device.torch)

    def step() -> None:
        with torch.autocast(device.torch.type, torch.bfloat16, enabled=device.cuda):
            hidden = model(inputs_embeds=table(videos[:, :-1])).last_hidden_state.flatten(0, 1)
            own = (hidden * table(videos[:, 1:]).flatten(0, 1)).sum(dim=1, keepdim=True)
            logits = torch.cat([own, hidden @ table(drawn).T], dim=1)
        target = torch.zeros(len(logits), dtype=torch.long, device=device.torch)
        cross_entropy(logits.float(), target).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step
