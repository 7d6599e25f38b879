"""An image encoder on the GPU against a bare loop of the same model."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from kinoloop.encoders.hf_image import HfImage, HfImageConfig
from kinoloop.media.content import VideoContent

LIMIT = 0.85
BATCH = 128
VIDEOS, FRAMES, SIDE = 512, 8, 224
FLOPS_PER_FRAME = 2 * 17.56e9
"""Of ViT-B/16 at 224 pixels: two for each multiplication. Source: Dosovitskiy et al., 2021."""


def compare_on_gpu(console: Console, root: Path) -> bool:
    """Print frames per second of encoder and loop; says so and is content where there is no GPU.

    Args:
        console: Where to print.
        root: Where the checkpoint with random weights is written.

    Returns:
        Whether the encoder does at least `LIMIT` of the loop.
    """
    import torch

    if not torch.cuda.is_available():
        console.print("GPU section skipped: there is no CUDA device here, nothing of it was run.")
        return True
    import transformers

    config = transformers.ViTConfig()
    transformers.ViTModel(config).save_pretrained(root / "vit")
    transformers.ViTImageProcessor().save_pretrained(root / "vit")
    encoder = HfImage(HfImageConfig(model=str(root / "vit"), batch_size=BATCH))
    rng = np.random.default_rng(0)
    shape = (FRAMES, SIDE, 398, 3)
    pool = [rng.integers(0, 256, shape, dtype=np.uint8) for _ in range(16)]
    none = np.zeros(0, np.float32)
    contents = [
        VideoContent("", "", pool[i % 16], np.arange(FRAMES, dtype=np.float64), none, 16_000)
        for i in range(VIDEOS)
    ]
    model: Any = encoder._pretrained.model
    pixels = torch.rand(BATCH, 3, SIDE, SIDE, device="cuda", dtype=torch.bfloat16)

    def loop() -> None:
        with torch.inference_mode():
            for _ in range(VIDEOS * FRAMES // BATCH):
                model(pixel_values=pixels)

    bare = _frames_per_second(loop)
    ours = _frames_per_second(lambda: encoder.encode(contents))
    peak = _matrix_flops()
    console.print(
        f"ViT-B/16, random weights, bf16, batches of {BATCH}, {torch.cuda.get_device_name()}:\n"
        f"  bare loop on device tensors {bare:,.0f} frames/s ({bare * FLOPS_PER_FRAME / peak:.0%} "
        f"of what a matrix product of side 8,192 reaches, {peak / 1e12:.0f} TFLOP/s)\n"
        f"  encoder from decoded frames {ours:,.0f} frames/s, {ours / bare:.2f} of the loop "
        f"(limit {LIMIT})",
        highlight=False,
    )
    return ours >= LIMIT * bare


def _frames_per_second(run: Callable[[], object]) -> float:
    import torch

    run()  # warm up
    torch.cuda.synchronize()
    started = time.monotonic()
    for _ in range(3):
        run()
    torch.cuda.synchronize()
    return 3 * VIDEOS * FRAMES / (time.monotonic() - started)


def _matrix_flops() -> float:
    import torch

    side = 8192
    a = torch.rand(side, side, device="cuda", dtype=torch.bfloat16)
    a @ a
    torch.cuda.synchronize()
    started = time.monotonic()
    for _ in range(20):
        a @ a
    torch.cuda.synchronize()
    return 20 * 2 * side**3 / (time.monotonic() - started)
