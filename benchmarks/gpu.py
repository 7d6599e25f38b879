"""What a GPU makes of the three things that train or extract here, each against a bare loop.

    python -m benchmarks.gpu            # on the machine with the GPU, from the repository's root
    python -m benchmarks.gpu --small    # the same code at a size that a CPU bears

Needs only torch, transformers, peft, safetensors, numpy and pydantic (Python 3.11 or 3.12; nothing
of Kinoloop is installed), no network and no data: weights and inputs are random, which costs the
same arithmetic. Ends within eight minutes. Shares are of what a matrix product of side 8,192
reaches on the same device in bfloat16, measured first.

- Pictures: EfficientNet-Lite0 behind the product's own preprocessing, fed by decoding a clip where
  PyAV is installed and by byte frames in memory elsewhere.
- Sequence recommender: one epoch of its own training loop over packed windows.
- Language model: LoRA on a model of the shape of Qwen3-0.6B, by the product's own policy.

By itself: --small
"""

import argparse
import sys
import time
from dataclasses import dataclass

import torch

from benchmarks.harness.device import Device, here
from benchmarks.harness.gpu_language import measure_language
from benchmarks.harness.gpu_pictures import measure_pictures
from benchmarks.harness.gpu_sequence import measure_sequence

SECTIONS = {
    "pictures": measure_pictures,
    "sequence": measure_sequence,
    "language": measure_language,
}
LIMIT_S = 480.0


@dataclass(frozen=True)
class Options:
    """What is asked for."""

    sections: tuple[str, ...]
    small: bool


def main() -> int:
    """Measure each section and print a line per figure; status 1 where one failed."""
    options, started, failed = _parse(), time.monotonic(), 0
    torch.manual_seed(0)
    device = here(small=options.small)
    print(f"{device.name}, torch {torch.__version__}: {device.peak / 1e12:.3g} TFLOP/s reached")
    for name in options.sections:
        left = LIMIT_S - (time.monotonic() - started)
        if left < 60 and not options.small:
            print(f"{name}: left out, {left:.0f} s of eight minutes remain")
            failed = 1
            continue
        try:
            lines = SECTIONS[name](device)
        except (RuntimeError, ImportError) as err:  # out of memory, a kernel that is not there
            lines, failed = [f"failed: {type(err).__name__}: {err}"], 1
        for line in lines:
            print(f"{name}: {line}", flush=True)
        _forget(device)
    print(f"{time.monotonic() - started:.0f} s")
    return failed


def _parse() -> Options:
    parser = argparse.ArgumentParser(description="Throughput and share of peak on a GPU.")
    parser.add_argument("sections", nargs="*", choices=(*SECTIONS, []), help="default: all")
    parser.add_argument("--small", action="store_true", help="sizes that a CPU bears")
    given = parser.parse_args()
    if not given.small and not torch.cuda.is_available():
        parser.error("there is no CUDA device here; --small runs the same code on the CPU")
    return Options(tuple(given.sections or SECTIONS), given.small)


def _forget(device: Device) -> None:
    if device.cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


if __name__ == "__main__":
    sys.exit(main())
