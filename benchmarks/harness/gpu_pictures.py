"""Frames per second of the picture encoder's own path, and of a bare loop of the same network."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.harness.device import Device
from kinoloop.devices import fetch
from kinoloop.encoders.images import ImageSteps, preprocess_by
from kinoloop.encoders.networks.mbconv import LiteNet
from kinoloop.encoders.pretrained import Pretrained

STEPS = ImageSteps(  # those of kinoloop/encoders/efficientnet_lite.py
    resize=224,
    resample="bicubic",
    crop=(224, 224),
    scale=1 / 128,
    offset=0.0,
    mean=(127 / 128,) * 3,
    std=(1.0, 1.0, 1.0),
)
STAGES = (  # expansion, kernel, channels, blocks: EfficientNet-Lite0
    (1, 3, 16, 1),
    (6, 3, 24, 2),
    (6, 5, 40, 2),
    (6, 3, 80, 3),
    (6, 5, 112, 3),
    (6, 5, 192, 4),
    (6, 3, 320, 1),
)
FRAMES = {False: (4096, 128), True: (4, 2)}  # in memory, and at a time
DECODED = 512  # frames of the clip at most
HEIGHT, WIDTH = 360, 640


def measure_pictures(device: Device) -> list[str]:
    """Measure the network alone, fed by byte frames, and fed by decoding where PyAV is there."""
    amount, batch = FRAMES[device.small]
    net = LiteNet(random_weights()).to(device.torch, device.dtype).eval()
    flops = count_flops(net, device)
    pixels = torch.rand(batch, 3, 224, 224, device=device.torch, dtype=device.dtype)
    preprocess = preprocess_by(STEPS, Pretrained(net, Path(), device.torch, device.dtype))

    @torch.inference_mode()
    def bare() -> None:
        for _ in range(amount // batch):
            net(pixels)

    def encode(frames: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        with torch.inference_mode():
            parts = range(0, len(frames), batch)
            return fetch([net(preprocess(frames[at : at + batch])) for at in parts])

    alone = device.per_second(bare, amount)
    rng = np.random.default_rng(0)
    pool = rng.integers(0, 256, (64, HEIGHT, WIDTH, 3), dtype=np.uint8)
    frames = [pool[i % len(pool)] for i in range(amount)]
    ours = device.per_second(lambda: encode(frames), amount)
    lines = [
        f"bare loop on device tensors, batches of {batch}: {alone:,.1f} frames/s, "
        f"{device.share(alone * flops)} ({flops / 1e9:.2f} GFLOP a frame)",
        f"from byte frames of {WIDTH} × {HEIGHT} in memory: {ours:,.1f} frames/s, "
        f"{device.share(ours * flops)}, {ours / alone:.2f} of the bare loop",
    ]
    try:
        import av
    except ImportError:
        return [*lines, "fed by decoding: left out, PyAV is not installed"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        clip = min(amount, DECODED)
        _write_clip(av, path, pool, frames=clip)
        decoded = device.per_second(lambda: list(_decode(av, path)), clip)

        def whole() -> None:
            held: list[NDArray[np.uint8]] = []
            for frame in _decode(av, path):
                held.append(frame)
                if len(held) == batch:
                    encode(held)
                    held = []

        fed = device.per_second(whole, clip)
    note = f"decoding alone {decoded:,.1f} in one process, so that many keep the device busy"
    return [*lines, f"fed by decoding: {fed:,.1f} frames/s, {device.share(fed * flops)}; {note}"]


def random_weights() -> dict[str, torch.Tensor]:
    """Weights of the shape of EfficientNet-Lite0, under the names of its checkpoints."""
    weights: dict[str, torch.Tensor] = {}

    def convolution(name: str, norm: str, out: int, into: int, side: int) -> None:
        std = (2 / (into * side * side)) ** 0.5
        weights[f"{name}.weight"] = torch.randn(out, into, side, side) * std
        for part in ("weight", "running_var"):
            weights[f"{norm}.{part}"] = torch.ones(out)
        for part in ("bias", "running_mean"):
            weights[f"{norm}.{part}"] = torch.zeros(out)

    convolution("_conv_stem", "_bn0", 32, 3, 3)
    width, number = 32, 0
    for expansion, side, channels, blocks in STAGES:
        for _ in range(blocks):
            at, wide = f"_blocks.{number}.", width * expansion
            if expansion > 1:
                convolution(f"{at}_expand_conv", f"{at}_bn0", wide, width, 1)
            convolution(f"{at}_depthwise_conv", f"{at}_bn1", wide, 1, side)
            convolution(f"{at}_project_conv", f"{at}_bn2", channels, wide, 1)
            width, number = channels, number + 1
    convolution("_conv_head", "_bn1", 1280, width, 1)
    weights["_fc.weight"], weights["_fc.bias"] = torch.randn(1000, 1280), torch.zeros(1000)
    return weights


def count_flops(net: nn.Module, device: Device) -> float:
    """Arithmetic of the convolutions for one picture: two for each multiplication."""
    found: list[float] = []

    def hook(module: nn.Module, _: Any, out: torch.Tensor) -> None:  # noqa: ANN401 (torch's)
        assert isinstance(module, nn.Conv2d)
        kernel = module.weight[0].numel()
        found.append(2.0 * kernel * out[0].numel())

    handles = [m.register_forward_hook(hook) for m in net.modules() if isinstance(m, nn.Conv2d)]
    with torch.inference_mode():
        net(torch.zeros(1, 3, 224, 224, device=device.torch, dtype=device.dtype))
    for handle in handles:
        handle.remove()
    return sum(found)


def _write_clip(av: Any, path: Path, pool: NDArray[np.uint8], *, frames: int) -> None:  # noqa: ANN401 (PyAV, if any)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(pool[number % len(pool)], format="rgb24")
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def _decode(av: Any, path: Path) -> Iterator[NDArray[np.uint8]]:  # noqa: ANN401 (PyAV, if any)
    with av.open(str(path)) as source:
        source.streams.video[0].thread_type = "AUTO"
        for frame in source.decode(video=0):
            yield frame.to_ndarray(format="rgb24")
