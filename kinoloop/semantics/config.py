"""Settings of labelling: section `semantics` of `kinoloop.toml`."""

from pydantic import Field

from kinoloop.settings import Config


class GenerativeConfig(Config):
    """A model that tells in a sentence what it sees; off unless `model` is set."""

    model: str = Field(
        default="", description="Image-text-to-text checkpoint, hub name or folder; empty: none."
    )
    revision: str | None = Field(default=None, description="Commit or tag on the hub.")
    prompt: str = Field(
        default="Describe this video in one sentence.", description="What chat models are asked."
    )
    max_tokens: int = Field(default=40, ge=4, le=400, description="Length of the answer.")


class SemanticsConfig(Config):
    """What videos are labelled with, and how sure a label must be."""

    enabled: bool = Field(default=True, description="Whether the extract flow labels videos.")
    labels: str = Field(
        default="", description="Label file; empty: kinoloop/semantics/labels.toml."
    )
    min_score: float = Field(
        default=0.4, ge=0, le=1, description="Labels below this probability are not given."
    )
    free_tags: int = Field(default=6, ge=0, le=30, description="Free tags per video at most.")
    heads: bool = Field(
        default=True, description="Learn category and tags of the catalogue where it has enough."
    )
    head_min_videos: int = Field(
        default=200, ge=20, description="Fewer videos with a category or tags teach nothing."
    )
    head_min_class: int = Field(
        default=20, ge=5, description="Fewer videos of one category or tag do not teach it."
    )
    generative: GenerativeConfig = Field(
        default=GenerativeConfig(), description="Describes pictures in words."
    )
