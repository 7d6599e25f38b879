"""Tiny checkpoints with random weights, written by `save_pretrained`: real classes, no download."""

from pathlib import Path

import numpy as np
import torch
import transformers
from PIL import Image

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "red", "fox", "jazz", "bread", "dog", "s", "##t",
         "how", "to", "bake", "an", "evening", "of", "snow", "static", "x"]  # fmt: skip
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


def text(folder: Path, *, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    config = transformers.BertConfig(
        vocab_size=len(WORDS), intermediate_size=64, max_position_embeddings=64, **SMALL
    )
    transformers.BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def decoder(folder: Path) -> Path:
    torch.manual_seed(0)
    config = transformers.Qwen2Config(
        vocab_size=len(WORDS),
        intermediate_size=64,
        num_key_value_heads=1,
        max_position_embeddings=64,
        **SMALL,
    )
    transformers.Qwen2Model(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def clip(folder: Path) -> Path:
    torch.manual_seed(0)
    vision = {**SMALL, "intermediate_size": 64, "image_size": 32, "patch_size": 8}
    words = {**SMALL, "intermediate_size": 64, "vocab_size": 20, "max_position_embeddings": 8}
    config = transformers.CLIPConfig(vision_config=vision, text_config=words, projection_dim=16)
    transformers.CLIPModel(config).save_pretrained(folder)
    _image_processor(transformers.CLIPImageProcessor, folder)
    return folder


def siglip(folder: Path) -> Path:
    torch.manual_seed(0)
    vision = {**SMALL, "intermediate_size": 64, "image_size": 32, "patch_size": 8}
    words = {**SMALL, "intermediate_size": 64, "vocab_size": 20, "max_position_embeddings": 8}
    config = transformers.SiglipConfig(vision_config=vision, text_config=words)
    transformers.SiglipModel(config).save_pretrained(folder)
    _image_processor(transformers.SiglipImageProcessor, folder)
    return folder


def vit(folder: Path) -> Path:
    torch.manual_seed(0)
    config = transformers.ViTConfig(intermediate_size=64, image_size=32, patch_size=8, **SMALL)
    transformers.ViTModel(config).save_pretrained(folder)
    _image_processor(transformers.ViTImageProcessor, folder)
    return folder


def dinov2(folder: Path) -> Path:
    torch.manual_seed(0)
    config = transformers.Dinov2Config(image_size=32, patch_size=8, **SMALL)
    transformers.Dinov2Model(config).save_pretrained(folder)
    _image_processor(transformers.BitImageProcessor, folder)
    return folder


def resnet(folder: Path) -> Path:
    torch.manual_seed(0)
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1])
    transformers.ResNetModel(config).save_pretrained(folder)
    _image_processor(transformers.ConvNextImageProcessor, folder)
    return folder


def whisper(folder: Path) -> Path:
    torch.manual_seed(0)
    config = transformers.WhisperConfig(
        vocab_size=64,
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    transformers.WhisperModel(config).save_pretrained(folder)
    transformers.WhisperFeatureExtractor().save_pretrained(folder)
    return folder


def wav2vec2(folder: Path) -> Path:
    torch.manual_seed(0)
    config = transformers.Wav2Vec2Config(
        intermediate_size=64,
        conv_dim=(16, 16, 16),
        conv_stride=(10, 8, 4),
        conv_kernel=(10, 8, 4),
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        **SMALL,
    )
    transformers.Wav2Vec2Model(config).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder


def ast(folder: Path) -> Path:
    torch.manual_seed(0)
    config = transformers.ASTConfig(intermediate_size=64, max_length=128, num_mel_bins=32, **SMALL)
    transformers.ASTModel(config).save_pretrained(folder)
    transformers.ASTFeatureExtractor(num_mel_bins=32, max_length=128).save_pretrained(folder)
    return folder


def clap(folder: Path) -> Path:
    torch.manual_seed(0)
    sound = {
        "spec_size": 64,
        "num_mel_bins": 32,
        "patch_embeds_hidden_size": 16,
        "hidden_size": 64,
        "depths": [1, 1, 1],
        "num_attention_heads": [2, 2, 2],
        "window_size": 2,
        "num_hidden_layers": 3,
    }
    words = {**SMALL, "intermediate_size": 64, "vocab_size": 20, "max_position_embeddings": 16}
    config = transformers.ClapConfig(audio_config=sound, text_config=words, projection_dim=16)
    transformers.ClapModel(config).save_pretrained(folder)
    transformers.ClapFeatureExtractor(
        feature_size=32, max_length_s=1, truncation="rand_trunc", padding="repeatpad"
    ).save_pretrained(folder)
    return folder


def _image_processor(kind, folder: Path) -> None:
    size = {"height": 32, "width": 32}
    if kind in (transformers.CLIPImageProcessor, transformers.BitImageProcessor):
        processor = kind(size={"shortest_edge": 32}, crop_size=size)
    elif kind is transformers.ConvNextImageProcessor:
        processor = kind(size={"shortest_edge": 32}, crop_pct=1.0)
    else:
        processor = kind(size=size)
    processor(images=Image.fromarray(np.zeros((40, 40, 3), np.uint8)), return_tensors="pt")
    processor.save_pretrained(folder)
