"""The world behind the sample: videos, users and what each user truly likes.

Affinity of user u for video v at time t, the chance that u enjoys v:

    p = σ(b + topic[u, v, t] + style[u, v] + creator[u, v] + quality[v])

Tastes come in moods (whoever likes chess tends to like maths), some users change a favourite topic
in the last week, and some join late. All of it follows from `SampleConfig` alone.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AwareDatetime, Field

from kinoloop.sample import words
from kinoloop.sample.topics import STYLES, TOPICS
from kinoloop.settings import Config

CREATORS_PER_TOPIC = 3
SIZES = ((256, 144), (256, 144), (192, 144), (144, 256))  # every fourth clip is vertical
SUBTITLES = ("embedded", "none", "srt", "none", "vtt", "none")
TRENDING = (TOPICS[2].name, TOPICS[8].name)  # trains and chess: small before, big in the last week


class SampleConfig(Config):
    """How large the sample is and when it happens."""

    seed: int = Field(default=20, ge=0, description="Of everything random.")
    videos: int = Field(default=144, ge=12, description="Clips, spread over topics and styles.")
    users: int = Field(default=600, ge=10, description="Simulated users.")
    days: int = Field(default=60, ge=14, description="Length of the simulation, days.")
    last_days: int = Field(default=7, ge=1, description="Days of the second batch; taste drifts.")
    new_videos: int = Field(default=10, ge=1, description="Videos published in the last days.")
    sessions: float = Field(default=14.0, gt=0, description="Mean sessions per user.")
    start: AwareDatetime = Field(
        default=datetime(2026, 9, 1, tzinfo=UTC), description="The first day."
    )

    @property
    def history_days(self) -> int:
        """Days of the first batch."""
        return self.days - self.last_days

    def at(self, day: float) -> datetime:
        """Return the moment `day` days after the start."""
        moment: datetime = self.start + timedelta(days=day)
        return moment


@dataclass(frozen=True)
class SampleVideo:
    """One video as its maker knows it.

    Attributes:
        topic: Index into `TOPICS`.
        style: Index into `STYLES`.
        creator: Index into `World.creators`.
        quality: Logit that everybody adds.
        published: Days after the start.
        subtitles: "embedded", "srt", "vtt" or "none".
    """

    video_id: str
    title: str
    description: str
    tags: list[str]
    topic: int
    style: int
    creator: int
    quality: float
    published: float
    seconds: float
    fps: int
    size: tuple[int, int]
    sound: bool
    subtitles: str


@dataclass(frozen=True)
class World:
    """Videos, users and true tastes.

    Attributes:
        user_ids: Raw ids, one per user.
        creators: Ids of creators.
        topic_taste: (n_users, n_topics) logits.
        late_taste: (n_users, n_topics) logits from `drifts` on.
        drifts: (n_users,) day at which `late_taste` takes over; inf for most.
        style_taste: (n_users, n_styles) logits.
        creator_taste: (n_users, n_creators) logits.
        joined: (n_users,) day of the first session.
    """

    config: SampleConfig
    videos: list[SampleVideo]
    user_ids: list[str]
    creators: list[str]
    topic_taste: NDArray[np.float64]
    late_taste: NDArray[np.float64]
    drifts: NDArray[np.float64]
    style_taste: NDArray[np.float64]
    creator_taste: NDArray[np.float64]
    joined: NDArray[np.float64]

    @property
    def published(self) -> NDArray[np.float64]:
        """(n_videos,) days after the start."""
        return self._about["published"]

    @cached_property
    def _about(self) -> dict[str, NDArray[Any]]:
        names = ("topic", "style", "creator", "quality", "published")
        return {name: np.array([getattr(v, name) for v in self.videos]) for name in names}

    def taste(self, user: int, day: float) -> NDArray[np.float64]:
        """Topic logits of a user at a time, (n_topics,)."""
        late = day >= self.drifts[user]
        return np.asarray(self.late_taste[user] if late else self.topic_taste[user])

    def affinity(self, user: int, day: float) -> NDArray[np.float64]:
        """Return the chance that a user enjoys each video at a time, (n_videos,) in (0, 1)."""
        about = self._about
        logits = (
            self.taste(user, day)[about["topic"]]
            + self.style_taste[user, about["style"]]
            + self.creator_taste[user, about["creator"]]
            + about["quality"]
        )
        return np.asarray(1 / (1 + np.exp(-logits)))


def build_world(config: SampleConfig | None = None) -> World:
    """Draw the world of a config; equal configs give equal worlds."""
    config = config or SampleConfig()
    rng = np.random.default_rng([config.seed, 1])
    creators = [
        words.creator(topic, number + 1, rng)
        for topic in TOPICS
        for number in range(CREATORS_PER_TOPIC)
    ]
    videos = _draw_videos(config, rng)
    taste = _draw_taste(config.users, rng)
    late, drifts = _draw_drift(taste, config, rng)
    newcomers = rng.random(config.users) < 0.15
    joined = np.where(newcomers, rng.uniform(3, config.days - 2, config.users), 0.0)
    return World(
        config=config,
        videos=videos,
        user_ids=[f"user-{number:04d}" for number in range(1, config.users + 1)],
        creators=creators,
        topic_taste=taste,
        late_taste=late,
        drifts=drifts,
        style_taste=rng.normal(0, 0.8, (config.users, len(STYLES))),
        creator_taste=rng.normal(0, 0.5, (config.users, len(creators))),
        joined=joined,
    )


def _draw_videos(config: SampleConfig, rng: np.random.Generator) -> list[SampleVideo]:
    """Draw a launch catalogue, a steady stream, and the new videos of the last days."""
    launch = config.videos // 3
    stream = config.videos - launch - config.new_videos
    published = np.concatenate(
        [
            rng.uniform(-3, 0, launch),
            rng.uniform(0, config.history_days, stream),
            config.history_days + np.linspace(0.1, config.last_days - 1.5, config.new_videos),
        ]
    )
    combinations = len(TOPICS) * len(STYLES)
    order = np.concatenate(
        [rng.permutation(combinations) for _ in range(config.videos // combinations + 1)]
    )
    used: set[str] = set()
    videos = []
    for number, day in enumerate(np.sort(published)):
        topic, style = divmod(int(order[number]), len(STYLES))
        videos.append(
            SampleVideo(
                video_id=f"v{number + 1:04d}",
                title=words.title(TOPICS[topic], STYLES[style], rng, used),
                description=words.description(TOPICS[topic], STYLES[style], rng),
                tags=words.tags(TOPICS[topic], STYLES[style], rng),
                topic=topic,
                style=style,
                creator=topic * CREATORS_PER_TOPIC + int(rng.integers(CREATORS_PER_TOPIC)),
                quality=float(rng.normal(0, 0.5)),
                published=float(day),
                seconds=float(rng.integers(6, 11)) / 2,
                fps=int(rng.choice([12, 15])),
                size=SIZES[number % len(SIZES)],
                sound=number % 9 != 4,
                subtitles=SUBTITLES[number % len(SUBTITLES)],
            )
        )
    return videos


def _draw_taste(users: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Two or three favourites per user, mostly of one mood; the rest leaves them cold."""
    taste = rng.normal(-2.2, 0.5, (users, len(TOPICS)))
    moods = sorted({topic.mood for topic in TOPICS})
    # popular topics exist, otherwise popularity would be worth nothing
    fame = np.array([1 / (1 + 0.15 * rank) for rank in rng.permutation(len(TOPICS))])
    fame[[topic.name in TRENDING for topic in TOPICS]] = 0.3
    for user in range(users):
        mood = moods[int(rng.integers(len(moods)))]
        weights = fame * np.array([6.0 if topic.mood == mood else 1.0 for topic in TOPICS])
        chosen = rng.choice(
            len(TOPICS), size=int(rng.integers(2, 4)), replace=False, p=weights / weights.sum()
        )
        taste[user, chosen] = rng.normal(1.4, 0.4, len(chosen))
    return taste


def _draw_drift(
    taste: NDArray[np.float64], config: SampleConfig, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """In the last days every second user swaps a favourite for a topic that is trending."""
    late = taste.copy()
    drifts = np.full(config.users, np.inf)
    trending = [index for index, topic in enumerate(TOPICS) if topic.name in TRENDING]
    for user in np.flatnonzero(rng.random(config.users) < 0.5):
        favourite = int(np.argmax(taste[user]))
        late[user, favourite] = -1.5
        late[user, trending[int(rng.integers(len(trending)))]] = 1.8
        drifts[user] = config.history_days + rng.uniform(0, min(2.0, config.last_days / 2))
    return late, drifts
