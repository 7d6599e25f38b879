"""Fine-tuning policies: which weights of a pretrained backbone are trained."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from kinoloop.errors import ConfigError
from kinoloop.models.base import State
from kinoloop.models.transformer.config import BackboneConfig
from kinoloop.models.transformer.inserted import KINDS, Inserted, last_hidden
from kinoloop.models.transformer.layers import layers_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ADAPTER = "default"  # peft's name of the only adapter
ORTHOGONAL = 0.5  # weight of AdaLoRA's regulariser, the paper's


def weights_dtype(config: BackboneConfig, native: torch.dtype) -> torch.dtype:
    """Precision in which a checkpoint is kept under a policy.

    What is trained keeps its small changes, so it is float32 everywhere (on a GPU the arithmetic is
    bfloat16, by autocast); what stays as it is may be as short as the device likes it.

    Args:
        config: The policy.
        native: In which models run here, see `kinoloop.devices.place`.
    """
    return torch.float32 if config.tune in ("full", "top") else native


class FineTuned(nn.Module):
    """A pretrained model under a policy; what is trained of it is float32.

    Args:
        model: The model, its weights as they were loaded.
        config: The policy.
        steps: Steps of the whole training; AdaLoRA spreads its budget over them.
        reads_words: Whether words go in; else their embeddings are never trained.
    """

    def __init__(
        self,
        model: "PreTrainedModel",
        config: BackboneConfig,
        *,
        steps: int,
        reads_words: bool = False,
    ) -> None:
        super().__init__()
        self.adaptive = config.tune == "adalora"
        self.adapted = config.tune in ("lora", "adalora")
        model.requires_grad_(requires_grad=config.tune == "full")
        if not reads_words:
            model.get_input_embeddings().requires_grad_(requires_grad=False)
        if getattr(model, "pooler", None) is not None:
            model.pooler = None  # reads the first position only, and no state here comes from it
        if config.tune == "top":
            _thaw_top(model, config.top_layers)
        self.inserted: Inserted | None = None
        if config.tune in KINDS:
            self.inserted = Inserted(config.tune, model, size=config.rank)
        self.model: nn.Module = _adapt(model, config, steps) if self.adapted else model
        for parameter in self.model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()

    @property
    def core(self) -> nn.Module:
        """The model of the transformers library, adapters inside."""
        return self.model.base_model.model if self.adapted else self.model  # type: ignore[union-attr,return-value]

    def forward(self, **inputs: object) -> Tensor:
        """Last hidden states."""
        if self.inserted is not None:
            return self.inserted.read(self.model, inputs)
        return last_hidden(self.model, inputs)

    def penalty(self) -> Tensor | None:
        """AdaLoRA's: how far its factors are from orthogonal; None for the other policies."""
        if not self.adaptive:
            return None
        found = []
        for name, value in self.core.named_parameters():
            if "lora_A" in name or "lora_B" in name:
                product = value @ value.T if "lora_A" in name else value.T @ value
                found.append(torch.norm(product - torch.eye(len(product), device=product.device)))
        return ORTHOGONAL * torch.stack(found).mean()

    def after_step(self, step: int) -> None:
        """Move AdaLoRA's budget; called with the gradients of `step` (from 0) still there."""
        if self.adaptive:
            self.model.base_model.update_and_allocate(step + 1)  # type: ignore[union-attr,operator]

    def budget(self) -> State:
        """AdaLoRA's running importance, for a checkpoint."""
        if not self.adaptive:
            return {}
        allocator = self.model.base_model.rankallocator  # type: ignore[union-attr]
        found = {
            f"{kind}:{name}": value.detach().cpu().numpy()
            for kind in ("ipt", "exp_avg_ipt", "exp_avg_unc")
            for name, value in getattr(allocator, kind).items()
        }
        pattern = self.model.peft_config[ADAPTER].rank_pattern or {}  # type: ignore[union-attr,index]
        return found | {f"kept:{name}": np.asarray(kept) for name, kept in pattern.items()}

    def restore_budget(self, state: State) -> None:
        """Take back what `budget` gave."""
        if not self.adaptive:
            return
        allocator = self.model.base_model.rankallocator  # type: ignore[union-attr]
        device = next(self.parameters()).device
        pattern = {}
        for key, value in state.items():
            kind, _, name = key.partition(":")
            if kind == "kept":
                pattern[name] = value.tolist()
            else:
                getattr(allocator, kind)[name] = torch.from_numpy(value).to(device)
        self.model.peft_config[ADAPTER].rank_pattern = pattern or None  # type: ignore[union-attr,index]

    @torch.no_grad()
    def merged(self) -> dict[str, Tensor]:
        """Weights of the plain model, adapters added in; the adapters stay as they are."""
        from peft.tuners.tuners_utils import BaseTunerLayer

        words = _words_name(self.core)
        weights = {
            name.replace(".base_layer.", "."): value
            for name, value in self.core.state_dict().items()
            if ".lora_" not in name and ".ranknum." not in name and name != words
        }
        for name, module in self.core.named_modules():
            if isinstance(module, BaseTunerLayer):
                base: Tensor = module.get_base_layer().weight
                weights[f"{name}.weight"] = base + module.get_delta_weight(ADAPTER).to(base.dtype)
        return weights


def drop_words(model: "PreTrainedModel") -> None:
    """Replace the word embeddings, which can be most of a model, by one row that nobody reads."""
    model.set_input_embeddings(nn.Embedding(1, model.config.hidden_size))
    model.config.vocab_size = 1
    for special in ("bos_token_id", "eos_token_id", "pad_token_id"):
        setattr(model.config, special, None)


def _words_name(model: nn.Module) -> str:
    words = model.get_input_embeddings()  # type: ignore[operator]
    return next(f"{name}.weight" for name, module in model.named_modules() if module is words)


def _thaw_top(model: "PreTrainedModel", top_layers: int) -> None:
    """Train the last layers, and the norm that follows them."""
    layers = layers_of(model)
    if top_layers > len(layers):
        raise ConfigError(
            f"backbone.top_layers is {top_layers}, but {type(model).__name__} has {len(layers)} "
            "layers"
        )
    layers[-top_layers:].requires_grad_(requires_grad=True)
    for child in model.children():
        if "norm" in type(child).__name__.lower():
            child.requires_grad_(requires_grad=True)


def _adapt(model: "PreTrainedModel", config: BackboneConfig, steps: int) -> nn.Module:
    from peft import AdaLoraConfig, LoraConfig, get_peft_model
    from transformers.pytorch_utils import Conv1D

    shared: dict[str, Any] = {
        "target_modules": "all-linear",
        "fan_in_fan_out": any(isinstance(module, Conv1D) for module in model.modules()),
        "lora_alpha": 2 * config.rank,
    }
    warm, cool = steps // 10, steps // 5
    if config.tune == "lora":
        adapter = LoraConfig(r=config.rank, **shared)
    else:
        adapter = AdaLoraConfig(
            init_r=config.rank + config.rank // 2,
            target_r=config.rank,
            tinit=warm,
            tfinal=cool,
            deltaT=max(1, (steps - warm - cool) // 100),
            total_step=max(steps, warm + cool + 1),
            orth_reg_weight=ORTHOGONAL,
            **shared,
        )
    adapted: nn.Module = get_peft_model(model, adapter)
    return adapted
