"""The device that is measured: what it reaches, and how to clock work on it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

SIDE = {False: 8192, True: 512}
SECONDS = {False: 8.0, True: 0.3}


@dataclass(frozen=True)
class Device:
    """Where the measurements run.

    Attributes:
        torch: The device.
        dtype: Of what is frozen there.
        small: Whether sizes are those that a CPU bears.
        peak: FLOP/s that a large matrix product reaches.
    """

    torch: torch.device
    dtype: torch.dtype
    small: bool
    peak: float = 1.0

    @property
    def cuda(self) -> bool:
        """Whether it is a GPU."""
        return self.torch.type == "cuda"

    @property
    def name(self) -> str:
        """For people."""
        return torch.cuda.get_device_name() if self.cuda else "CPU, one thread"

    def per_second(self, run: Callable[[], object], amount: float) -> float:
        """Clock work that is repeated until it took long enough; it ran once before.

        Args:
            run: The work.
            amount: Of whatever is counted, per run.
        """
        run()
        self.wait()
        runs, started = 0, time.perf_counter()
        while True:
            run()
            runs += 1
            self.wait()
            taken = time.perf_counter() - started
            if taken >= SECONDS[self.small]:
                return runs * amount / taken

    def wait(self) -> None:
        """Wait for what was queued."""
        if self.cuda:
            torch.cuda.synchronize()

    def memory(self) -> str:
        """Highest use since it was last forgotten."""
        if not self.cuda:
            return "memory not measured on a CPU"
        return f"{torch.cuda.max_memory_allocated() / 2**30:.2f} GiB"

    def share(self, flops: float) -> str:
        """FLOP/s as a share of what is reached."""
        return f"{flops / self.peak:.1%} of peak"


def here(*, small: bool) -> Device:
    """Find the device and measure what it reaches."""
    cuda = torch.cuda.is_available() and not small
    if not cuda:
        torch.set_num_threads(1)
    place = torch.device("cuda" if cuda else "cpu")
    device = Device(place, torch.bfloat16 if cuda else torch.float32, small)
    side = SIDE[small]
    a = torch.rand(side, side, device=place, dtype=device.dtype)
    peak = device.per_second(lambda: a @ a, 2 * side**3)
    return Device(place, device.dtype, small, peak)
