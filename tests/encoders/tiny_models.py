"""Tiny checkpoints with random weights, written by `save_pretrained`: real classes, no download."""

import json
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "red", "fox", "jazz", "bread", "dog", "s", "##t",
         "how", "to", "bake", "an", "evening", "of", "snow", "static", "x"]  # fmt: skip
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


PATCHES = {**SMALL, "intermediate_size": 64, "image_size": 32, "patch_size": 8}
SQUARE = {"height": 32, "width": 32}


def text(folder: Path, *, seed: int = 0) -> Path:
    config = transformers.BertConfig(
        vocab_size=len(WORDS), intermediate_size=64, max_position_embeddings=64, **SMALL
    )
    return _tokenizer(_save(folder, transformers.BertModel, config, seed=seed))


def roberta(folder: Path) -> Path:
    config = transformers.XLMRobertaConfig(
        vocab_size=len(WORDS),
        intermediate_size=64,
        max_position_embeddings=66,
        pad_token_id=0,
        **SMALL,
    )
    _save(folder, transformers.XLMRobertaModel, config)
    return _tokenizer(folder, model_max_length=64)


def decoder(folder: Path) -> Path:
    config = transformers.Qwen3Config(
        head_dim=16,
        vocab_size=len(WORDS),
        intermediate_size=64,
        num_key_value_heads=1,
        max_position_embeddings=64,
        **SMALL,
    )
    return _tokenizer(_save(folder, transformers.Qwen3Model, config))


def clip(folder: Path) -> Path:
    words = {**SMALL, "intermediate_size": 64, "vocab_size": 20, "max_position_embeddings": 8}
    config = transformers.CLIPConfig(vision_config=PATCHES, text_config=words, projection_dim=16)
    processor = transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=SQUARE)
    return _save(folder, transformers.CLIPModel, config, processor)


def siglip(folder: Path) -> Path:
    words = {**SMALL, "intermediate_size": 64, "vocab_size": 20, "max_position_embeddings": 8}
    config = transformers.SiglipConfig(vision_config=PATCHES, text_config=words)
    processor = transformers.SiglipImageProcessor(size=SQUARE)
    return _save(folder, transformers.SiglipModel, config, processor)


def vit(folder: Path, *, side: int = 32) -> Path:
    config = transformers.ViTConfig(**{**PATCHES, "image_size": side})
    processor = transformers.ViTImageProcessor(size={"height": side, "width": side})
    return _save(folder, transformers.ViTModel, config, processor)


def vit_classifier(folder: Path) -> Path:
    """A ViT as most are published: with a classifier, and without a pooler."""
    config, processor = (
        transformers.ViTConfig(**PATCHES),
        transformers.ViTImageProcessor(size=SQUARE),
    )
    return _save(folder, transformers.ViTForImageClassification, config, processor)


def dinov2(folder: Path) -> Path:
    config = transformers.Dinov2Config(image_size=32, patch_size=8, **SMALL)
    processor = transformers.BitImageProcessor(size={"shortest_edge": 32}, crop_size=SQUARE)
    return _save(folder, transformers.Dinov2Model, config, processor)


def resnet(folder: Path) -> Path:
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1])
    processor = transformers.ConvNextImageProcessor(size={"shortest_edge": 32}, crop_pct=1.0)
    return _save(folder, transformers.ResNetModel, config, processor)


def convnext(folder: Path) -> Path:
    config = transformers.ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], num_stages=2)
    processor = transformers.ConvNextImageProcessor(size={"shortest_edge": 32})
    return _save(folder, transformers.ConvNextModel, config, processor)


def mobilenet_v1(folder: Path) -> Path:
    config = transformers.MobileNetV1Config(depth_multiplier=0.25, min_depth=4)
    processor = _cropping(transformers.MobileNetV1ImageProcessor)
    return _save(folder, lambda c: _loud(transformers.MobileNetV1Model(c)), config, processor)


def mobilenet_v2(folder: Path) -> Path:
    config = transformers.MobileNetV2Config(depth_multiplier=0.25, min_depth=4)
    processor = _cropping(transformers.MobileNetV2ImageProcessor)
    return _save(folder, lambda c: _loud(transformers.MobileNetV2Model(c)), config, processor)


def efficientnet(folder: Path) -> Path:
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
    processor = transformers.EfficientNetImageProcessor(size=SQUARE)
    return _save(folder, transformers.EfficientNetModel, config, processor)


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


def videomae(folder: Path, *, frames: int = 4) -> Path:
    config = transformers.VideoMAEConfig(
        **{**PATCHES, "patch_size": 16}, num_frames=frames, tubelet_size=2
    )
    processor = _cropping(transformers.VideoMAEImageProcessor)
    return _save(folder, transformers.VideoMAEModel, config, processor)


def whisper(folder: Path) -> Path:
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
    extractor = transformers.WhisperFeatureExtractor()
    return _save(folder, transformers.WhisperModel, config, extractor)


def wav2vec2(folder: Path, *, rate: int = 16_000) -> Path:
    config = transformers.Wav2Vec2Config(
        intermediate_size=64,
        conv_dim=(16, 16, 16),
        conv_stride=(10, 8, 4),
        conv_kernel=(10, 8, 4),
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        **SMALL,
    )
    extractor = transformers.Wav2Vec2FeatureExtractor(sampling_rate=rate)
    return _save(folder, transformers.Wav2Vec2Model, config, extractor)


def ast(folder: Path) -> Path:
    config = transformers.ASTConfig(intermediate_size=64, max_length=128, num_mel_bins=32, **SMALL)
    extractor = transformers.ASTFeatureExtractor(num_mel_bins=32, max_length=128)
    return _save(folder, transformers.ASTModel, config, extractor)


def clap(folder: Path) -> Path:
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
    extractor = transformers.ClapFeatureExtractor(
        feature_size=32, max_length_s=1, truncation="rand_trunc", padding="repeatpad"
    )
    return _save(folder, transformers.ClapModel, config, extractor)


def _save(folder: Path, kind, config, *beside, seed: int = 0) -> Path:
    """A model with random weights, and what belongs beside it."""
    torch.manual_seed(seed)
    for one in (kind(config), *beside):
        one.save_pretrained(folder)
    return folder


def _tokenizer(folder: Path, **settings) -> Path:
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    tokenizer = transformers.BertTokenizerFast(str(folder / "vocab.txt"), **settings)
    tokenizer.save_pretrained(folder)
    return folder


def _loud(model):
    """So many random layers let nothing through unless each makes its input larger."""
    for name, weights in model.named_parameters():
        if "normalization.weight" in name:
            torch.nn.init.constant_(weights, 8)
    return model


def _cropping(kind):
    return kind(size={"shortest_edge": 36}, crop_size=SQUARE)
