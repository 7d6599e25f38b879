"""A generated catalogue of any size: clustered vectors, titles whose words follow Zipf's law.

Topics are of Zipf's sizes; a video's vectors lie around its topic's, and two of the six words of
its title are the topic's name. What users watched is of two or three topics. The recommender is a
two-tower model whose towers pass vectors on as they are: its vectors are generated, not learned, so
that no training stands before a release of ten million videos.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.data.catalogue import Catalogue, Modality
from kinoloop.data.histories import Histories
from kinoloop.data.ids import IdMap
from kinoloop.encoders import base as encoders
from kinoloop.encoders.fingerprint import text_space
from kinoloop.models.matching.config import TwoTowerConfig
from kinoloop.models.two_tower import TwoTower
from kinoloop.testing.service import START_US

AREAS, TOPICS, VOCABULARY, CATEGORIES = 50, 2_000, 50_000, 100
EVENTS = 20  # of a user
AT_A_TIME = 250_000
TEXT = {"kind": "minilm"}


@dataclass(frozen=True)
class World:
    """Videos and those who watched them.

    Attributes:
        catalogue: With text vectors, visual ones, or none.
        histories: Of all users.
        recommender: Over the catalogue.
    """

    catalogue: Catalogue
    histories: Histories
    recommender: TwoTower


def make_world(n: int, *, dim: int, users: int, content: str, seed: int = 0) -> World:
    """Generate a world.

    Args:
        n: Videos.
        dim: Length of the recommender's vectors, and of the visual ones.
        users: How many.
        content: `text`: titles and their vectors, 384 numbers each; `visual`: titles and vectors of
            `dim` numbers; `none`: neither, and one column to filter by.
        seed: Of everything.
    """
    rng = np.random.default_rng(seed)
    topic = zipf(rng, TOPICS, n, 0.8).astype(np.int32)
    videos, every = _rows(rng, topic), np.ones(n, dtype=bool)
    modalities = {}
    if content == "text":
        mark = text_space(encoders.build(TEXT).fingerprint)
        modalities["text"] = Modality(_text_vectors(rng, topic), every, mark)
    elif content == "visual":
        modalities["visual"] = Modality(_around(rng, topic, dim), every, "generated")
    else:
        languages = pl.Series(zipf(rng, 1_000, n, 1.0).astype(np.int32)).cast(pl.String)
        videos = videos.select("video_id", "duration_s", languages.alias("language"))
    published = START_US + np.arange(n, dtype=np.int64)
    catalogue = Catalogue(IdMap(videos["video_id"]), published, videos, modalities)
    histories = _histories(rng, topic, users)
    return World(catalogue, histories, _recommender(rng, topic, dim, catalogue))


def zipf(rng: np.random.Generator, kinds: int, n: int, power: float) -> NDArray[np.int64]:
    """Draw n of some kinds, the k-th with chance 1 / k^power."""
    chance = 1 / np.arange(1, kinds + 1) ** power
    return np.searchsorted(np.cumsum(chance / chance.sum()), rng.random(n)).clip(0, kinds - 1)


def phrase(topic: int) -> str:
    """Return what a topic is called."""
    return f"{_word(7 * topic)} {_word(7 * topic + 3)}"


def _word(number: int) -> str:
    parts = ("ka", "to", "mi", "re", "su", "no", "ha", "li", "pe", "du", "va", "zo")
    word = ""
    for _ in range(4):
        number, at = divmod(number, len(parts))
        word += parts[at]
    return word + (str(number) if number else "")


def _rows(rng: np.random.Generator, topic: NDArray[np.int32]) -> pl.DataFrame:
    """Ids, titles, and columns to filter by."""
    n = len(topic)
    words = pl.Series([_word(i) for i in range(VOCABULARY)])
    phrases = pl.Series([phrase(i) for i in range(TOPICS)])
    drawn = [words.gather(zipf(rng, VOCABULARY, n, 1.0)) for _ in range(4)]
    frame = pl.DataFrame({"p": phrases.gather(topic), **{f"w{i}": w for i, w in enumerate(drawn)}})
    return pl.DataFrame(
        {
            "video_id": pl.select(pl.format("video-{}", pl.int_range(n))).to_series(),
            "title": frame.select(
                pl.concat_str("p", "w0", "w1", "w2", "w3", separator=" ")
            ).to_series(),
            "category": pl.Series((topic % CATEGORIES).astype(np.int32)).cast(pl.String),
            "language": pl.Series(zipf(rng, 40, n, 1.5).astype(np.int32)).cast(pl.String),
            "creator_id": pl.Series(zipf(rng, max(2, n // 50), n, 0.9)).cast(pl.String),
            "duration_s": rng.uniform(5, 600, n),
        }
    )


def _around(
    rng: np.random.Generator, topic: NDArray[np.int32], dim: int, *, noise: float = 0.6
) -> NDArray[np.float32]:
    """Vectors of length 1 around those of their topics, which lie around those of areas."""
    area = rng.integers(0, AREAS, TOPICS).astype(np.int32)
    centres = rng.standard_normal((AREAS, dim)).astype(np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    return _noisy(rng, topic, _noisy(rng, area, centres, noise), noise)


def _text_vectors(rng: np.random.Generator, topic: NDArray[np.int32]) -> NDArray[np.float32]:
    encoder = encoders.build(TEXT)
    assert isinstance(encoder, encoders.TextEncoder)
    return _noisy(rng, topic, encoder.encode_text([phrase(i) for i in range(TOPICS)]), 0.6)


def _noisy(
    rng: np.random.Generator,
    topic: NDArray[np.int32],
    centres: NDArray[np.float32],
    noise: float,
) -> NDArray[np.float32]:
    dim = centres.shape[1]
    vectors = np.empty((len(topic), dim), dtype=np.float32)
    for start in range(0, len(topic), AT_A_TIME):
        part = slice(start, start + AT_A_TIME)
        rows = rng.standard_normal((len(topic[part]), dim), dtype=np.float32)
        rows *= np.float32(noise / dim**0.5)
        rows += centres[topic[part]]
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        vectors[part] = rows
    return vectors


def _histories(rng: np.random.Generator, topic: NDArray[np.int32], users: int) -> Histories:
    order = np.argsort(topic, kind="stable")
    starts = np.searchsorted(topic[order], np.arange(TOPICS + 1))
    mine = rng.integers(0, TOPICS, (users, 3))[np.arange(users)[:, None], zipf3(rng, users)]
    sizes = np.diff(starts)[mine]
    inside = (rng.random(mine.shape) ** 2 * np.maximum(sizes, 1)).astype(np.int64)
    watched = order[np.minimum(starts[mine] + inside, len(topic) - 1)]
    rows = np.repeat(np.arange(users), EVENTS)
    unique = np.unique(rows * len(topic) + watched.ravel())
    rows, watched = unique // len(topic), unique % len(topic)
    n = len(unique)
    return Histories(
        offsets=np.searchsorted(rows, np.arange(users + 1)).astype(np.int64),
        videos=watched.astype(np.int32),
        weights=np.ones(n, dtype=np.float32),
        timestamps=START_US + np.arange(n, dtype=np.int64) * 1_000_000,
        kinds=np.ones(n, dtype=np.uint8),
        watch_shares=np.full(n, np.nan, dtype=np.float32),
        user_ids=tuple(f"{user:032d}" for user in range(users)),
    )


def zipf3(rng: np.random.Generator, users: int) -> NDArray[np.int64]:
    """Draw which of a user's three topics each event is of."""
    return zipf(rng, 3, users * EVENTS, 1.0).reshape(users, EVENTS)


def _recommender(
    rng: np.random.Generator, topic: NDArray[np.int32], dim: int, catalogue: Catalogue
) -> TwoTower:
    """Make a fitted recommender out of generated vectors."""
    model = TwoTower(TwoTowerConfig(dim=dim))
    vectors = _around(rng, topic, dim)
    through = {
        f"{tower}.{name}.{part}": np.zeros((dim, dim) if part == "weight" else dim, np.float32)
        for tower in ("history", "video")
        for name in ("first", "second")
        for part in ("weight", "bias")
    }
    projections = {
        f"project.{name}": rng.standard_normal((dim, m.vectors.shape[1])).astype(np.float32) / 20
        for name, m in catalogue.modalities.items()
    }
    nothing = {"ids": np.zeros((0, dim), np.float32), "unseen": np.zeros(dim, np.float32)}
    model._catalogue = catalogue
    model._prior = (1 / (1 + rng.permutation(len(topic)))).astype(np.float32)
    model._restore({"videos": vectors, **nothing, **projections, **through})
    return model
