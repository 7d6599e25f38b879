"""The training loop: AdamW over packed batches, on one process or many, resumable.

Accelerate places the network, averages gradients between processes and runs bf16 where there is a
GPU; the loop itself is ours, because the general one of the transformers library costs time at
every step that a small network notices. A step is cut into one part per process and micro-batch;
all draw the same negatives and drop the same ids, and each part's loss is weighed by the whole
step, so that the loss does not depend on how many processes there are.

Every epoch draws from (seed, epoch): a training that was stopped goes on with the same curve.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor, nn

from kinoloop.models.base import Report, State
from kinoloop.models.transformer.asking import wanted_loss
from kinoloop.models.transformer.batches import Batch, Batches
from kinoloop.models.transformer.checkpoints import Checkpoints, Progress
from kinoloop.models.transformer.losses import gbce_beta, gbce_loss, softmax_loss
from kinoloop.models.transformer.negatives import Drawn, Negatives
from kinoloop.models.transformer.network import Network
from kinoloop.models.transformer.optimizing import (
    MOMENTS,
    optimizer_of,
    parameter_groups,
    warm_then_cool,
)
from kinoloop.models.transformer.steps import step_tensors, to_device

if TYPE_CHECKING:
    from accelerate import Accelerator


Loss = Literal["sampled_softmax", "softmax", "gbce", "bce"]


@dataclass(frozen=True)
class TrainingOptions:
    """How long and how to train; see `SequenceConfig` for what each means."""

    epochs: int
    patience: int
    learning_rate: float
    backbone_learning_rate: float
    warmup_share: float
    weight_decay: float
    id_dropout: float
    loss: Loss
    gbce_calibration: float
    accumulate: int
    compile: bool
    seed: int
    optimizer: Literal["adamw", "sgd"] = "adamw"
    wanted: float = 0.0


class Training:
    """One training of a network, in place.

    Args:
        network: To train.
        batches: Of the training histories.
        negatives: Of the same.
        options: Hyper-parameters.
        accelerator: Where and on how many processes.
    """

    def __init__(
        self,
        network: Network,
        batches: Batches,
        negatives: Negatives,
        *,
        options: TrainingOptions,
        accelerator: "Accelerator",
    ) -> None:
        self._network, self._batches, self._negatives = network, batches, negatives
        self._options, self._accelerator = options, accelerator
        self._steps = batches.steps
        self._beta: float | None = None
        if options.loss in ("gbce", "bce"):
            calibration = options.gbce_calibration if options.loss == "gbce" else 0.0
            self._beta = gbce_beta(negatives.share, calibration)
        groups = parameter_groups(
            network,
            weight_decay=options.weight_decay,
            peak=options.learning_rate,
            checkpoint_peak=options.backbone_learning_rate,
        )
        self._optimizer = optimizer_of(groups, options.optimizer, peak=options.learning_rate)
        if options.compile:
            network.compile(dynamic=True)
        self._module, self._stepper = accelerator.prepare(network, self._optimizer)

    def run(
        self,
        *,
        quality: Callable[[Network], float] | None,
        report: Report,
        checkpoints: Checkpoints | None,
        first_look: bool = False,
    ) -> int:
        """Train; with `quality`, the weights of the best epoch are kept.

        Args:
            quality: Validation NDCG@10 of the network as it is; None trains all epochs.
            report: Receives `loss` and `validation_ndcg@10` per epoch.
            checkpoints: Where to go on from and to write to.
            first_look: Measure the network as it comes, too: an earlier training may be best.

        Returns:
            The epoch whose weights were kept, from 1; 0 where they are those that came.
        """
        progress, best = self._resume(report, checkpoints)
        if first_look and quality is not None and progress.epoch == 0:
            best = self._look_first(progress, quality, report)
            if checkpoints is not None and self._accelerator.is_main_process:
                checkpoints.save(progress, self._arrays())
        while progress.epoch < self._options.epochs:
            if (
                quality is not None
                and progress.epoch - progress.best_epoch >= self._options.patience
            ):
                break
            progress.epoch += 1
            found = {"loss": self._epoch(progress.epoch)}
            self._network.eval()
            if quality is None:
                progress.best_epoch = progress.epoch
            else:
                found["validation_ndcg@10"] = self._same(lambda: quality(self._network))
                if found["validation_ndcg@10"] > progress.best:
                    progress.best, progress.best_epoch = found["validation_ndcg@10"], progress.epoch
                    best = {n: p.detach().clone() for n, p in self._trained()}
            for name, value in found.items():
                progress.curve.append((name, value, progress.epoch))
                report(name, value, progress.epoch)
            if checkpoints is not None and self._accelerator.is_main_process:
                checkpoints.save(progress, self._arrays())
        if best is not None:
            self._take(best)
        self._network.eval()
        return progress.best_epoch

    def _look_first(
        self, progress: Progress, quality: Callable[[Network], float], report: Report
    ) -> dict[str, Tensor]:
        """Measure what came, as epoch 0; returns its weights."""
        self._network.eval()
        progress.best = self._same(lambda: quality(self._network))
        progress.curve.append(("validation_ndcg@10", progress.best, 0))
        report("validation_ndcg@10", progress.best, 0)
        return {n: p.detach().clone() for n, p in self._trained()}

    def _epoch(self, epoch: int) -> float:
        """One pass; the mean loss of a step."""
        accelerator, options = self._accelerator, self._options
        world, rank = accelerator.num_processes, accelerator.process_index
        torch.manual_seed(_seed(options.seed, epoch, rank))
        rng = np.random.default_rng([options.seed, epoch])
        self._network.train()
        losses = []
        step = (epoch - 1) * self._steps
        for parts in self._batches.epoch(rng, parts=world * options.accumulate):
            drawn, salt = self._negatives.draw(rng), int(rng.integers(2**62))
            self._set_learning_rate(step)
            mine = parts[rank::world]
            for number, batch in enumerate(mine, start=1):
                waits = accelerator.no_sync if number < len(mine) else _at_once
                with waits(self._module), accelerator.autocast():
                    loss = self._loss(batch, drawn, salt)
                    losses.append(loss.detach())
                    accelerator.backward(loss * world)
            accelerator.clip_grad_norm_(self._network.parameters(), 1.0)
            self._stepper.step()
            self._network.backbone.tuned.after_step(step)
            self._stepper.zero_grad(set_to_none=True)
            step += 1
        if not losses:
            return 0.0
        total: Tensor = accelerator.reduce(torch.stack(losses).sum(), "sum")
        return float(total) / self._steps

    def _loss(self, batch: Batch, drawn: Drawn, salt: int) -> Tensor:
        """Compute this part's share of the step's loss."""
        device = self._accelerator.device
        inputs, compared = step_tensors(
            batch, drawn, salt=salt, id_dropout=self._options.id_dropout
        )
        inputs, compared = to_device(inputs, device), to_device(compared, device)
        h_TD, fused_VD, asked_A = self._module(inputs)
        weight_T = torch.from_numpy(batch.weights / max(batch.step_weight, 1e-9)).to(device)
        if self._beta is None:
            loss: Tensor = softmax_loss(h_TD, fused_VD, compared, weight_T)
        else:
            loss = gbce_loss(h_TD, fused_VD, compared, weight_T, beta=self._beta)
        if self._network.asks is not None:
            wanted_A = torch.from_numpy(batch.wanted).to(device)
            answers = wanted_loss(asked_A, wanted_A, asked=batch.step_asked)
            loss = loss + self._options.wanted * answers
        penalty = self._network.backbone.tuned.penalty()
        if penalty is None:
            return loss
        parts = int(self._accelerator.num_processes) * self._options.accumulate
        return loss + penalty / parts

    def _set_learning_rate(self, step: int) -> None:
        factor = warm_then_cool(
            step, self._steps * self._options.epochs, self._options.warmup_share
        )
        for group in self._optimizer.param_groups:
            group["lr"] = group["peak"] * factor

    def _same(self, measure: Callable[[], float]) -> float:
        """Give all processes what the main one measures."""
        value = torch.zeros((), dtype=torch.float64, device=self._accelerator.device)
        if self._accelerator.is_main_process:
            value += measure()
        if self._accelerator.num_processes > 1:
            torch.distributed.broadcast(value, src=0)
        return float(value)

    def _trained(self) -> list[tuple[str, nn.Parameter]]:
        return [(n, p) for n, p in self._network.named_parameters() if p.requires_grad]

    def _take(self, weights: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, parameter in self._trained():
                parameter.copy_(weights[name])

    def _arrays(self) -> State:
        """Weights and moments, for a checkpoint."""
        found = {}
        for name, parameter in self._trained():
            found[f"weight:{name}"] = parameter
            state = self._optimizer.state.get(parameter, {})
            for moment in MOMENTS:
                if state.get(moment) is not None:
                    found[f"{moment}:{name}"] = state[moment]
        arrays = {name: value.detach().float().cpu().numpy() for name, value in found.items()}
        budget = self._network.backbone.tuned.budget()
        return arrays | {f"budget:{name}": value for name, value in budget.items()}

    def _resume(
        self, report: Report, checkpoints: Checkpoints | None
    ) -> tuple[Progress, dict[str, Tensor] | None]:
        """Take the newest checkpoint, if there is one, and the best weights so far."""
        found = checkpoints.newest() if checkpoints is not None else None
        if found is None:
            return Progress(), None
        progress, arrays = found.progress, found.arrays
        self._take(_weights(arrays))
        device, steps = self._accelerator.device, float(progress.epoch * self._steps)
        for name, parameter in self._trained():
            moments = {m: arrays.get(f"{m}:{name}") for m in MOMENTS}
            known = {m: torch.from_numpy(v).to(device) for m, v in moments.items() if v is not None}
            if known:
                self._optimizer.state[parameter] = {"step": torch.tensor(steps), **known}
        budget = {n.removeprefix("budget:"): v for n, v in arrays.items() if n[:7] == "budget:"}
        self._network.backbone.tuned.restore_budget(budget)
        for name, value, epoch in progress.curve:
            report(name, value, epoch)
        best = _weights(found.best)
        return progress, {name: value.to(device) for name, value in best.items()} or None


def _seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _weights(arrays: State) -> dict[str, Tensor]:
    return {n[7:]: torch.from_numpy(v) for n, v in arrays.items() if n.startswith("weight:")}


def _at_once(_: nn.Module) -> AbstractContextManager[None]:
    return nullcontext()
