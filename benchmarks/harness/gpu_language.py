"""Tokens per second and memory of LoRA by the product's policy, and of a bare loop by peft."""

from typing import Any

import torch
from torch import nn

from benchmarks.harness.device import Device
from kinoloop.models.transformer import attention
from kinoloop.models.transformer.config import BackboneConfig
from kinoloop.models.transformer.policies import FineTuned, drop_words

SHAPES: dict[bool, dict[str, int]] = {  # Qwen3-0.6B, and a toy of it
    False: {
        "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28, "head_dim": 128,
        "num_attention_heads": 16, "num_key_value_heads": 8, "vocab_size": 151_936,
    },
    True: {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "head_dim": 16,
        "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 128,
    },
}  # fmt: skip
TOKENS = {False: (16, 512), True: (2, 16)}  # rows and their length
RANK = 8


def measure_language(device: Device) -> list[str]:
    """Measure training steps; frozen weights are bf16 on a GPU, adapters float32 everywhere."""
    rows, length = TOKENS[device.small]
    tuned = FineTuned(
        _without_words(device),
        BackboneConfig(checkpoint="random", tune="lora", rank=RANK),
        steps=100,
    ).to(device.torch)
    flops = flops_per_token(tuned, length, small=device.small)
    frozen = {str(p.dtype) for p in tuned.parameters() if not p.requires_grad}
    trained = {str(p.dtype) for p in tuned.parameters() if p.requires_grad}
    width = SHAPES[device.small]["hidden_size"]
    embedded = torch.randn(1, rows * length, width, device=device.torch)
    place = torch.arange(length, device=device.torch).repeat(rows)[None]
    own = {"position_ids": place, "use_cache": False, "runs": ((rows, length),)}
    ours = device.per_second(_step(device, tuned, embedded, own), rows * length)
    memory, count = device.memory(), sum(p.numel() for p in tuned.parameters() if p.requires_grad)
    del tuned
    if device.cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    bare = _bare(device)
    dense = embedded.view(rows, length, width)
    alone = device.per_second(_step(device, bare, dense, {"use_cache": False}), rows * length)
    return [
        f"bare peft loop, {rows} × {length} tokens: {alone:,.0f} tokens/s, "
        f"{device.share(alone * flops)}, {device.memory()}",
        f"own policy ({count:,} weights trained in {'/'.join(trained)}, frozen in "
        f"{'/'.join(frozen)}): {ours:,.0f} tokens/s, {device.share(ours * flops)}, "
        f"{ours / alone:.2f} of the bare loop, {memory}",
    ]


def flops_per_token(model: nn.Module, length: int, *, small: bool) -> float:
    """Forward, and the backward pass through frozen weights: no gradients of the weights."""
    matrices = sum(p.numel() for p in model.parameters() if p.ndim == 2)
    shape = SHAPES[small]
    attended = shape["num_hidden_layers"] * shape["num_attention_heads"] * shape["head_dim"]
    return 4.0 * matrices + 6.0 * length * attended


def _model(device: Device, kind: str) -> Any:  # noqa: ANN401 (of the library)
    from transformers import Qwen3Config, Qwen3Model

    config = Qwen3Config(**SHAPES[device.small], max_position_embeddings=2048)
    config._attn_implementation = kind
    with torch.device(device.torch):
        return Qwen3Model(config).to(device.dtype)


def _without_words(device: Device) -> Any:  # noqa: ANN401 (of the library)
    """As the recommenders read it: videos go in, no words."""
    model = _model(device, attention.NAME)
    drop_words(model)
    return model


def _bare(device: Device) -> Any:  # noqa: ANN401 (of the library)
    from peft import LoraConfig, get_peft_model

    adapter = LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules="all-linear")
    return get_peft_model(_model(device, "sdpa"), adapter)


def _step(device: Device, model: Any, embedded: torch.Tensor, given: dict[str, Any]) -> Any:  # noqa: ANN401 (a step)
    """One step: a loss of the hidden states, gradients of the adapters, AdamW."""
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, fused=True)

    def step() -> None:
        with torch.autocast(device.torch.type, torch.bfloat16, enabled=device.cuda):
            found = model(inputs_embeds=embedded, **given)
        hidden = found if isinstance(found, torch.Tensor) else found.last_hidden_state
        hidden.float().square().mean().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step
