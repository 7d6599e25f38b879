"""How a text model's tokens become one vector, and what it wants before a text.

What a checkpoint says itself counts: the files that sentence-transformers saves beside a model name
pooling and prompts. Where it says nothing, a decoder is pooled at its last token, everything else
by the mean, and E5 gets the prefixes that it was trained with.

Source: Reimers and Gurevych, Sentence-BERT, 2019, section 3 (mean pooling); Wang et al., E5, 2022,
section 4 (prefixes); Zhang et al., Qwen3 Embedding, 2025, section 2 (last token).
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kinoloop.encoders.checkpoint import read_json
from kinoloop.errors import ConfigError

if TYPE_CHECKING:
    import torch

Pooling = Literal["mean", "cls", "last"]

_MODES: dict[str, Pooling] = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_lasttoken": "last",
}
_NAMES: dict[str, Pooling] = {"mean": "mean", "cls": "cls", "lasttoken": "last"}
_E5 = re.compile(r"(^|[-_/])e5-(small|base|large)(?!.*instruct)", re.IGNORECASE)
_DECODERS = re.compile(r"ForCausalLM|LMHead|GPT|Llama|Mistral|Qwen|Gemma|Phi")


def prefixes_of(directory: Path, name: str) -> tuple[str, str]:
    """Return what a checkpoint wants before a video's text, and before a query.

    Args:
        directory: Its files.
        name: What the settings call it: E5 is recognised by its name.
    """
    said = read_json(directory, "config_sentence_transformers.json") or {}
    prompts = said.get("prompts") or {}
    e5 = bool(_E5.search(name))
    return (
        _prompt(prompts, "document", "passage") or ("passage: " if e5 else ""),
        _prompt(prompts, "query") or ("query: " if e5 else ""),
    )


def pooling_of(directory: Path) -> Pooling:
    """How a checkpoint wants its tokens pooled.

    Raises:
        ConfigError: In a way that is not known here, or it has a layer after the pooling.
    """
    dense = sorted(directory.glob("*_Dense"))
    if dense:
        raise ConfigError(
            f"{directory} has a layer after its pooling ({dense[0].name}), which is not read here: "
            "its vectors would not be those of the model. Name another text model"
        )
    said = read_json(directory, "1_Pooling/config.json")
    if said is None:
        config = read_json(directory, "config.json") or {}
        names = " ".join(str(name) for name in config.get("architectures") or [])
        return "last" if _DECODERS.search(names) else "mean"
    modes = [mode for key, mode in _MODES.items() if said.get(key)]
    named = _NAMES.get(str(said.get("pooling_mode", "")))
    modes = modes or ([named] if named else [])
    if len(modes) != 1:
        raise ConfigError(
            f"{directory} asks for a pooling that is not known here: {said}; set `pooling` of "
            'the encoder to "mean", "cls" or "last"'
        )
    return modes[0]


def pool(states: "torch.Tensor", mask: "torch.Tensor", pooling: Pooling) -> "torch.Tensor":
    """One vector per text, whichever side the padding is on.

    Args:
        states: (n, tokens, dim).
        mask: (n, tokens), 1 where there is a token.
        pooling: How.

    Returns:
        (n, dim) float32.
    """
    import torch

    states = states.float()
    if pooling == "mean":
        weights = mask.unsqueeze(-1).float()
        return (states * weights).sum(1) / weights.sum(1)
    rows = torch.arange(len(states), device=states.device)
    if pooling == "cls":
        return states[rows, mask.argmax(1)]
    positions = torch.arange(mask.shape[1], device=mask.device)
    return states[rows, (mask * positions).argmax(1)]


def _prompt(prompts: dict[str, str], *names: str) -> str:
    return next((str(prompts[name]) for name in names if prompts.get(name)), "")
