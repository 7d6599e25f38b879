"""Tiny checkpoints with random weights, written by `save_pretrained`: real classes, no download."""

import json
from pathlib import Path

import numpy as np
import torch
import transformers
from PIL import Image
from safetensors.torch import save_file

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


def roberta(folder: Path) -> Path:
    torch.manual_seed(0)
    config = transformers.XLMRobertaConfig(
        vocab_size=len(WORDS),
        intermediate_size=64,
        max_position_embeddings=66,
        pad_token_id=0,
        **SMALL,
    )
    transformers.XLMRobertaModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    tokenizer = transformers.BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=64)
    tokenizer.save_pretrained(folder)
    return folder


def decoder(folder: Path) -> Path:
    torch.manual_seed(0)
    config = transformers.Qwen3Config(
        head_dim=16,
        vocab_size=len(WORDS),
        intermediate_size=64,
        num_key_value_heads=1,
        max_position_embeddings=64,
        **SMALL,
    )
    transformers.Qwen3Model(config).save_pretrained(folder)
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


def vit_classifier(folder: Path) -> Path:
    """A ViT as most are published: with a classifier, and without a pooler."""
    torch.manual_seed(0)
    config = transformers.ViTConfig(intermediate_size=64, image_size=32, patch_size=8, **SMALL)
    transformers.ViTForImageClassification(config).save_pretrained(folder)
    _image_processor(transformers.ViTImageProcessor, folder)
    return folder


def convnext(folder: Path) -> Path:
    torch.manual_seed(0)
    config = transformers.ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], num_stages=2)
    transformers.ConvNextModel(config).save_pretrained(folder)
    transformers.ConvNextImageProcessor(size={"shortest_edge": 32}).save_pretrained(folder)
    return folder


def mobilenet_v1(folder: Path) -> Path:
    torch.manual_seed(0)
    config = transformers.MobileNetV1Config(depth_multiplier=0.25, min_depth=4)
    _loud(transformers.MobileNetV1Model(config)).save_pretrained(folder)
    _cropping(transformers.MobileNetV1ImageProcessor, folder)
    return folder


def mobilenet_v2(folder: Path) -> Path:
    torch.manual_seed(0)
    config = transformers.MobileNetV2Config(depth_multiplier=0.25, min_depth=4)
    _loud(transformers.MobileNetV2Model(config)).save_pretrained(folder)
    _cropping(transformers.MobileNetV2ImageProcessor, folder)
    return folder


def efficientnet(folder: Path) -> Path:
    torch.manual_seed(0)
    config = transformers.EfficientNetConfig(
        image_size=32,
        width_coefficient=0.25,
        depth_coefficient=0.2,
        hidden_dim=320,
        in_channels=[32, 16],
        out_channels=[16, 24],
        kernel_sizes=[3, 3],
        strides=[1, 2],
        num_block_repeats=[1, 1],
        expand_ratios=[1, 6],
        depthwise_padding=[],
        initializer_range=0.5,
    )
    transformers.EfficientNetModel(config).save_pretrained(folder)
    size = {"height": 32, "width": 32}
    transformers.EfficientNetImageProcessor(size=size).save_pretrained(folder)
    return folder


def vgg(folder: Path, *, normalised: bool = False) -> Path:
    """Weights and config as timm saves them."""
    torch.manual_seed(0)
    layers: list[torch.nn.Module] = []
    for into, out in ((3, 4), (4, 6), (6, 8)):
        layers.append(torch.nn.Conv2d(into, out, 3, padding=1))
        layers += [torch.nn.BatchNorm2d(out)] if normalised else []
        layers += [torch.nn.ReLU(), torch.nn.MaxPool2d(2)][: 1 if out == 6 else 2]
    model = torch.nn.Module()
    model.features = torch.nn.Sequential(*layers)
    model.head = torch.nn.Linear(8, 3)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(model.state_dict(), folder / "model.safetensors")
    numbers = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "crop_pct": 0.875}
    said = {**numbers, "input_size": [3, 32, 32], "interpolation": "bilinear"}
    config = {"architecture": "vgg_tiny", "pretrained_cfg": said}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def videomae(folder: Path) -> Path:
    torch.manual_seed(0)
    config = transformers.VideoMAEConfig(
        intermediate_size=64, image_size=32, patch_size=16, num_frames=4, tubelet_size=2, **SMALL
    )
    transformers.VideoMAEModel(config).save_pretrained(folder)
    _cropping(transformers.VideoMAEImageProcessor, folder)
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


def _loud(model):
    """So many random layers let nothing through unless each makes its input larger."""
    for name, weights in model.named_parameters():
        if "normalization.weight" in name:
            torch.nn.init.constant_(weights, 8)
    return model


def _cropping(kind, folder: Path) -> None:
    size = {"height": 32, "width": 32}
    kind(size={"shortest_edge": 36}, crop_size=size).save_pretrained(folder)


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
