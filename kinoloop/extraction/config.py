"""Settings of extraction: section `extract` of `kinoloop.toml`."""

from typing import Any, Literal

from pydantic import Field

from kinoloop.media.access import AccessConfig
from kinoloop.media.decoded import DecodeConfig
from kinoloop.media.process import GuardConfig
from kinoloop.settings import Config

DEFAULT_ENCODERS: tuple[dict[str, Any], ...] = (
    {"kind": "minilm"},
    {"kind": "efficientnet_lite"},
    {"kind": "classical_audio"},
)


class RayConfig(Config):
    """What `runner = "ray"` takes of a cluster."""

    cpus: float = Field(default=2.0, gt=0, description="Reserved for a shard; decoders share them.")
    gpus: float = Field(
        default=0.0, ge=0, description="Reserved for a shard; 0.5 lets two share one GPU."
    )
    shards_ahead: int = Field(
        default=16, ge=1, description="Shards submitted and not yet committed; bounds memory."
    )


class SpeechConfig(Config):
    """Which model listens where there are no words."""

    model: str = Field(
        default="",
        description="`tiny.en` (a package), hub name or folder; empty: off.",
    )
    revision: str | None = Field(default=None, description="Commit or tag on the hub.")
    language: str = Field(
        default="", description="Spoken, such as `en`; empty: the model detects it."
    )
    batch_size: int = Field(default=4, ge=1, description="Videos at a time; 16 on a GPU.")


class ReadingConfig(Config):
    """Whether and how words in the picture are read."""

    enabled: bool = Field(
        default=True, description="Read titles, signs and captions, where the package is here."
    )
    min_score: float = Field(
        default=0.8, ge=0, le=1, description="Lines that are less sure are left out."
    )


class ExtractConfig(Config):
    """What is taken from videos, with which limits, and which encoders describe it."""

    runner: Literal["local", "ray"] = Field(
        default="local", description="`ray`: the same shards on a Ray cluster."
    )
    shard_videos: int = Field(
        default=64, ge=1, description="Videos with media per commit: what a kill can cost."
    )
    shard_texts: int = Field(
        default=1024, ge=1, description="Videos without media per commit; they are much cheaper."
    )
    window_videos: int = Field(
        default=16, ge=1, description="Decoded videos that encoders see at once; about 6 MB each."
    )
    decode_ahead: int = Field(
        default=24, ge=1, description="Videos that decoders may be ahead of the encoders."
    )
    compact_files: int = Field(
        default=32, ge=2, description="A table of more small files than this is compacted."
    )
    prune_keep_h: int = Field(
        default=24, ge=0, description="Replaced files stay this long: a run may still read them."
    )
    lock_wait_s: float = Field(
        default=21_600.0, ge=0, description="How long to wait for another extraction to end."
    )
    encoders: tuple[dict[str, Any], ...] = Field(
        default=DEFAULT_ENCODERS, description="One per modality; `kind` names the class."
    )
    harm_frames: int = Field(
        default=4, ge=0, le=64, description="Pictures of a video scored for harm; 0: none."
    )
    decode: DecodeConfig = Field(default=DecodeConfig(), description="What is taken from a file.")
    ray: RayConfig = Field(default=RayConfig(), description='What `runner = "ray"` takes.')
    speech: SpeechConfig = Field(
        default=SpeechConfig(), description="Who listens where there are no words."
    )
    reading: ReadingConfig = Field(
        default=ReadingConfig(), description="Who reads the words in pictures."
    )
    access: AccessConfig = Field(
        default=AccessConfig(), description="Where media and subtitles may come from."
    )
    guard: GuardConfig = Field(default=GuardConfig(), description="What a decoder may use.")
