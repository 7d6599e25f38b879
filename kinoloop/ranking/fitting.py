"""Fitting a ranker: windows of exposures, labels, features, the head, calibration.

Windows follow time: the oldest `warm_share` of the exposures before `validation_from` only fills
neighbours and counts, the rest is learned from; those up to `test_from` stop the training and
calibrate; the newest are only reported on.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.exposures import Exposures
from kinoloop.data.video_text import texts_of
from kinoloop.encoders import base as encoders
from kinoloop.encoders.fingerprint import text_space
from kinoloop.errors import DataError
from kinoloop.evaluation.metrics.auc import roc_auc
from kinoloop.evaluation.metrics.calibration import calibration_error
from kinoloop.evaluation.metrics.log_loss import log_loss
from kinoloop.extras import explained
from kinoloop.models.base import Report, State, silent
from kinoloop.models.neighbours import Neighbours
from kinoloop.models.prior import popularity_prior
from kinoloop.ranking.calibrate import fit_calibration
from kinoloop.ranking.config import RankerConfig
from kinoloop.ranking.counts import DailyCounts
from kinoloop.ranking.data import RankerData, labelled
from kinoloop.ranking.features import Features, Knowledge
from kinoloop.ranking.pairs import Pairs, exposed_pairs
from kinoloop.ranking.ranker import Ranker
from kinoloop.ranking.taught import Taught
from kinoloop.ranking.trends import HALF_LIVES_DAYS
from kinoloop.ranking.vocabulary import Vocabulary

if TYPE_CHECKING:  # they import torch
    from kinoloop.ranking.training import Examples, Words

logger = logging.getLogger(__name__)

NEIGHBOURS, SHRINKAGE = 200, 10.0  # of the behaviour features: the defaults of item-kNN
HALF_LIFE_DAYS = 14.0  # of the popularity prior
ENCODED_AT_A_TIME = 1024  # videos


@dataclass(frozen=True)
class Fitted:
    """A ranker and what it achieved.

    Attributes:
        ranker: Ready, with blend 0.
        metrics: `auc`, `log_loss` and `ece` of the validation and the test window, and `served`:
            of the test window as a client asks who says neither surface nor device. Of each
            outcome that is learned those of the test window, as `outcome/like/auc`.
        train: What was learned from.
        validation: What stopped it and calibrated it.
        test: What was reported on.
        probabilities: What was predicted of it.
    """

    ranker: Ranker
    metrics: dict[str, float]
    train: "Examples"
    validation: "Examples"
    test: "Examples"
    probabilities: NDArray[np.float64]


@explained("fitting the ranker")
def fit_ranker(
    config: RankerConfig,
    data: RankerData,
    catalogue: Catalogue,
    *,
    texts: Callable[[], Sequence[str]] | None = None,
    seed: int = 0,
    report: Report = silent,
) -> Fitted:
    """Fit, calibrate and measure.

    Args:
        config: Settings.
        data: Exposures and where they are cut.
        catalogue: All videos.
        texts: Gives the text of each video, where it must be read; None: what the catalogue says,
            without what is said in the video.
        seed: Of everything random.
        report: Receives metrics per epoch.

    Raises:
        DataError: There are no exposures, or a window has none or only one label.
        ConfigError: The language model does not exist.
        MissingExtraError: torch is not installed.
    """
    from kinoloop.ranking.training import Examples, train_head

    if not len(data.exposures):
        raise DataError("ranker: no events of any video of the catalogue; ingest events first")
    exposures, labels = labelled(data, catalogue, config, seed)
    times = exposures.timestamps
    ranked = exposures.shown
    train = np.flatnonzero(ranked & (times < data.validation_from))
    learned = train[int(len(train) * config.warm_share) :][-config.max_exposures :]
    validated = np.flatnonzero(ranked & (times >= data.validation_from) & (times < data.test_from))
    tested = np.flatnonzero(ranked & (times >= data.test_from))
    for name, rows in (("training", learned), ("validation", validated), ("test", tested)):
        if not len(rows) or labels[rows].all() or not labels[rows].any():
            raise DataError(
                f"ranker: the {name} window has {int(labels[rows].sum())} wanted of {len(rows)} "
                "exposures, both kinds are needed; lengthen the windows or change [ranker.label]"
            )
    windows = (learned, validated)
    taught = Taught.of(config, data, exposures, catalogue, windows=windows)
    learn_from = int(times[learned[0]])
    knowledge = _knowledge(exposures, labels, data, catalogue, (learn_from, config.decay))
    if "situation" in config.groups:
        known = Vocabulary.of(exposures.facts, exposures.situations[learned])
        knowledge = replace(knowledge, vocabulary=known)
    features = Features(knowledge, config.groups)
    names, raw = features.of(_pairs(exposures.select(learned), data, knowledge, config))
    state: State = {**_standardisation(names, raw), "blend": np.array([0.0])}

    def examples(rows: NDArray[np.integer], made: NDArray[np.float32] | None = None) -> Examples:
        pairs = _pairs(exposures.select(rows), data, knowledge, config)
        found = features.of(pairs)[1] if made is None else made
        standardised = np.asarray((found - state["mean"]) / state["deviation"], dtype=np.float32)
        brought = None if taught is None else taught.happened[rows]
        return Examples(pairs, standardised, labels[rows], brought)

    train_examples, validation = examples(learned, raw), examples(validated)
    state |= train_head(
        config,
        train_examples,
        validation,
        words=_reader(config, catalogue, texts or partial(texts_of, catalogue.videos)),
        situation=np.flatnonzero(_is_situation(names)),
        seed=seed,
        report=report,
    )
    uncalibrated = Ranker(config, knowledge, state)
    state |= fit_calibration(
        uncalibrated.logits(validation.pairs), validation.labels, config.calibration
    )
    if taught is not None:
        state |= taught.calibrated(uncalibrated.outcome_logits(validation.pairs), validated)
    ranker = Ranker(config, knowledge, state)
    test = examples(tested)
    probabilities = ranker.probabilities(test.pairs)
    metrics = {
        **window_metrics("validation", validation.labels, ranker.probabilities(validation.pairs)),
        **window_metrics("test", test.labels, probabilities),
        **window_metrics("served", test.labels, ranker.probabilities(test.pairs.anywhere())),
    }
    if taught is not None:
        came = taught.came(tested)
        for name, p in ranker.outcomes(test.pairs).items():
            if came[name].any() and not came[name].all():
                metrics |= window_metrics(f"outcome/{name}", came[name], p)
    logger.info("ranker: test AUC %.4f of %d exposures", metrics["test/auc"], len(tested))
    return Fitted(ranker, metrics, train_examples, validation, test, probabilities)


def window_metrics(
    window: str, labels: NDArray[np.bool_], probabilities: NDArray[np.float64]
) -> dict[str, float]:
    """AUC, log loss and expected calibration error of a window, by `window/metric`."""
    return {
        f"{window}/auc": roc_auc(labels, probabilities),
        f"{window}/log_loss": log_loss(labels, probabilities),
        f"{window}/ece": calibration_error(labels, probabilities),
        f"{window}/exposures": float(len(labels)),
        f"{window}/wanted": float(labels.mean()),
    }


def text_vectors(
    catalogue: Catalogue, model: str, texts: Callable[[], Sequence[str]]
) -> NDArray[np.float32]:
    """Encode each video's text by the language model, (n_videos, dim) float32.

    The vectors of the features table are taken where the same model made them of the same text.

    Args:
        catalogue: All videos.
        model: `minilm`, a hub name or a folder.
        texts: Gives the text of each video.

    Raises:
        ConfigError: There is no such model.
    """
    kind = {"kind": "minilm"} if model == "minilm" else {"kind": "hf_text", "model": model}
    encoder = encoders.build(kind)
    known = catalogue.modalities.get("text")
    if known is not None and known.fingerprint == text_space(encoder.fingerprint):
        return np.asarray(known.vectors)
    assert isinstance(encoder, encoders.TextEncoder)  # both kinds are
    asked = texts()
    rows = {text: row for row, text in enumerate(dict.fromkeys(asked))}  # many say the same
    unique = list(rows)
    parts = [
        encoder.encode_documents(unique[start : start + ENCODED_AT_A_TIME])
        for start in range(0, len(unique), ENCODED_AT_A_TIME)
    ]
    return np.concatenate(parts)[[rows[text] for text in asked]]


def _reader(
    config: RankerConfig, catalogue: Catalogue, texts: Callable[[], Sequence[str]]
) -> "Words | None":
    """Return what gives text vectors: the stored ones, or a language model that is trained."""
    if "text" not in config.groups:
        return None
    if config.language.tune == "head":
        from kinoloop.ranking.training import Stored

        return Stored(text_vectors(catalogue, config.model, texts))
    from kinoloop.ranking.language import Language

    read = texts()
    return lambda steps: Language(config.model, config.language, read, steps=steps)


def _knowledge(
    exposures: Exposures,
    labels: NDArray[np.bool_],
    data: RankerData,
    catalogue: Catalogue,
    limits: tuple[int, float],
) -> Knowledge:
    """Collect counts by day, and neighbours of what happened before anything is learned from."""
    learn_from, decay = limits
    histories = data.histories
    older = histories.select((histories.timestamps < learn_from) & (histories.weights > 0))
    watched = older.matrix(len(catalogue))
    past = exposures.timestamps < data.test_from
    return Knowledge(
        catalogue=catalogue,
        prior=popularity_prior(older, len(catalogue), HALF_LIFE_DAYS),
        counts=DailyCounts.of(
            exposures.videos[past],
            exposures.timestamps[past],
            shown=exposures.shown[past],
            liked=labels[past],
        ),
        neighbours=Neighbours.of(watched.T.tocsr(), top_n=NEIGHBOURS, shrinkage=SHRINKAGE),
        decay=decay,
        vocabulary=Vocabulary({}),
        half_lives=HALF_LIVES_DAYS,
    )


def _pairs(
    exposures: Exposures, data: RankerData, knowledge: Knowledge, config: RankerConfig
) -> Pairs:
    known = knowledge.vocabulary
    return exposed_pairs(exposures, data.histories, length=config.length, vocabulary=known)


def _standardisation(names: list[str], raw: NDArray[np.float32]) -> State:
    """Mean and deviation of each feature; a situation stays as it is, so that 0 is unknown."""
    mean, deviation = raw.mean(axis=0), raw.std(axis=0)
    plain = _is_situation(names)
    return {
        "mean": np.where(plain, 0, mean).astype(np.float32),
        "deviation": np.where(plain | (deviation < 1e-6), 1, deviation).astype(np.float32),
    }


def _is_situation(names: list[str]) -> NDArray[np.bool_]:
    return np.array([name.startswith("situation.") for name in names], dtype=np.bool_)
