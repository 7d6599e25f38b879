"""Tiny image-text-to-text checkpoints with random weights: a captioner and a chat model."""

from pathlib import Path

import torch
import transformers

from tests.encoders import tiny_models

SMALL = {**tiny_models.SMALL, "intermediate_size": 64}
CHAT = (
    "{% for message in messages %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image> {% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endfor %}"
)


def captioner(folder: Path) -> Path:
    """BLIP: it only gets the picture."""
    torch.manual_seed(0)
    ends = {"bos_token_id": 2, "eos_token_id": 3, "sep_token_id": 3, "pad_token_id": 0}
    reads = {"vocab_size": 20, "encoder_hidden_size": 32, "max_position_embeddings": 16}
    config = transformers.BlipConfig(
        text_config={**SMALL, **ends, **reads, "projection_dim": 16},
        vision_config={**SMALL, "image_size": 32, "patch_size": 8, "projection_dim": 16},
        projection_dim=16,
    )
    transformers.BlipForConditionalGeneration(config).save_pretrained(folder)
    pictures = transformers.BlipImageProcessor(size={"height": 32, "width": 32})
    words = _tokenizer(folder, tiny_models.WORDS[:20])
    transformers.BlipProcessor(pictures, words).save_pretrained(folder)
    return folder


def chat_model(folder: Path) -> Path:
    """LLaVA: it is asked in words."""
    torch.manual_seed(0)
    pictures = transformers.CLIPVisionConfig(
        **SMALL, image_size=32, patch_size=8, projection_dim=16
    )
    words = transformers.LlamaConfig(
        **SMALL, vocab_size=20, num_key_value_heads=2, max_position_embeddings=64,
        bos_token_id=2, eos_token_id=3, pad_token_id=0,
    )  # fmt: skip
    config = transformers.LlavaConfig(
        vision_config=pictures, text_config=words, image_token_index=19, vision_feature_layer=-1
    )
    transformers.LlavaForConditionalGeneration(config).save_pretrained(folder)
    processor = transformers.LlavaProcessor(
        transformers.CLIPImageProcessor(
            size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
        ),
        _tokenizer(folder, [*tiny_models.WORDS[:19], "<image>"]),
        patch_size=8,
        vision_feature_select_strategy="default",
        chat_template=CHAT,
        num_additional_image_tokens=1,
    )
    processor.save_pretrained(folder)
    return folder


def _tokenizer(folder: Path, words: list[str]) -> transformers.BertTokenizerFast:
    (folder / "vocab.txt").write_text("\n".join(words))
    return transformers.BertTokenizerFast(
        str(folder / "vocab.txt"), additional_special_tokens=["<image>"] * ("<image>" in words)
    )
