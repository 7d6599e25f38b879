"""Settings of the ranker: sections `[ranker]` and `[ranker.label]` of `kinoloop.toml`."""

from typing import Literal, get_args

from pydantic import Field

from kinoloop.settings import Config

Group = Literal[
    "text", "content", "behaviour", "popularity", "user", "video", "context", "situation", "written"
]

OUTCOMES = (
    *("watch", "like", "save", "share", "comment"),
    *("skip", "dislike", "hide", "report"),
)
"""What may come of showing a video; a position is the code of one, in releases, too."""

GROUPS: tuple[Group, ...] = get_args(Group)
"""Groups of features, see kinoloop/ranking/features.py."""


class LabelConfig(Config):
    """When an exposure counts as "should have been recommended"."""

    positive: tuple[str, ...] = Field(
        ("like", "save", "share", "comment"), description="Any of these events: yes."
    )
    negative: tuple[str, ...] = Field(
        ("dislike", "skip", "not_interested", "report"),
        description="Any of these events: no, whatever else happened.",
    )
    watch: Literal["view", "share", "quantile"] = Field(
        "quantile",
        description="What a view counts by: itself, the watched share, or the quantile of watch "
        "time among videos equally long, which rewards no length.",
    )
    min_watch: float = Field(0.5, ge=0, le=1, description="Lowest share or quantile that is a yes.")
    rating_liked_from: float | None = Field(
        None, description="Lowest rating that is a yes; None: from the middle of their scale."
    )


class ValueConfig(Config):
    """What a slate is ordered by, and what each outcome of showing a video is worth.

    The weights are those that X published for its heavy ranker, as far as their outcomes are ours;
    where they are not, those of the nearest outcome.

    Source: github.com/twitter/the-algorithm-ml, projects/home/recap/README.md, April 2023
    (video_playback50, fav, retweet, reply, negative_feedback_v2, report).
    """

    order: Literal["label", "value"] = Field(
        "label",
        description="label: how likely it is wanted; value: the weighted sum of the probabilities "
        "of all outcomes, which the ranker then learns besides.",
    )
    blend: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Share of retrieval in the order by value; None: chosen by NDCG@10, which "
        "knows nothing of value.",
    )
    watch: float = Field(0.005, description="Watched far enough, as [ranker.label] has it.")
    like: float = Field(0.5, description="Liked, or rated well.")
    save: float = Field(0.5, description="Saved; weighed as a like.")
    share: float = Field(1.0, description="Shared.")
    comment: float = Field(13.5, description="Commented.")
    skip: float = Field(0.0, description="Skipped.")
    dislike: float = Field(-74.0, description="Disliked, or rated badly.")
    hide: float = Field(-74.0, description="Not interested.")
    report: float = Field(-369.0, description="Reported.")

    def weights(self) -> dict[str, float]:
        """Weights by outcome."""
        return {name: float(getattr(self, name)) for name in OUTCOMES}


class LanguageConfig(Config):
    """How much of the language model is trained, with the head; on a GPU above all."""

    tune: Literal["head", "top", "lora", "adalora", "full"] = Field(
        "head", description="head: its vectors stay as they are, and words are read once."
    )
    top_layers: int = Field(2, ge=1, description="Last layers that `top` trains.")
    rank: int = Field(8, ge=1, description="Of LoRA; AdaLoRA keeps as many on average.")
    learning_rate: float = Field(1e-4, gt=0, description="Of its weights and adapters.")
    batch_size: int = Field(
        64,
        ge=1,
        description="Exposures read at a time, for memory; a step is `batch_size` of the ranker.",
    )
    max_tokens: int = Field(64, ge=4, description="Longer words of a video are cut.")


class RankerConfig(Config):
    """What the ranker reads, how it is trained, and when it may take part in an answer."""

    enabled: bool = Field(default=True, description="Train one in retrain, and re-rank with it.")
    model: str = Field(
        "minilm", description="Language model: minilm (embedded), a hub name or a folder."
    )
    groups: tuple[Group, ...] = Field(GROUPS, description="Features that are used.")
    length: int = Field(20, ge=1, description="Newest videos of a history that are read.")
    decay: float = Field(
        0.8, gt=0, le=1, description="Weight of each video relative to the next newer one."
    )
    text_dim: int = Field(32, ge=1, description="Length that text vectors are projected to.")
    hidden: int = Field(64, ge=1, description="Width of the head.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Share of activations dropped.")
    epochs: int = Field(20, ge=1, description="Passes over the training exposures, at most.")
    patience: int = Field(3, ge=1, description="Epochs without a better validation log loss.")
    batch_size: int = Field(1024, ge=1, description="Exposures per step, whatever is trained.")
    learning_rate: float = Field(2e-3, gt=0, description="Of AdamW.")
    weight_decay: float = Field(0.01, ge=0, description="Of AdamW.")
    max_exposures: int = Field(
        500_000, ge=1, description="Newest training exposures that are learned from."
    )
    negatives: int = Field(4, ge=1, description="Drawn per positive on days without impressions.")
    warm_share: float = Field(
        0.2,
        ge=0,
        lt=1,
        description="Oldest share of the exposures that only fills counts and neighbours.",
    )
    calibration: Literal["temperature", "isotonic"] = Field(
        "temperature", description="How probabilities are calibrated on the validation window."
    )
    candidates: int = Field(100, ge=1, description="Best videos of retrieval that are re-ranked.")
    language: LanguageConfig = Field(
        LanguageConfig(), description="How much of the language model is trained."
    )
    label: LabelConfig = Field(LabelConfig(), description="What the ranker predicts.")
    value: ValueConfig = Field(ValueConfig(), description="What slates are ordered by.")

    @property
    def reads_written(self) -> bool:
        """Whether searches and comments are read."""
        return self.enabled and "written" in self.groups
