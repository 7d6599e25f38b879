"""What every recommender must do: subclass it in a test, name the class, and that is the test.

class TestItemKnn(RecommenderContract):
    recommender = ItemKnn
"""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from kinoloop.data.catalogue import Catalogue, Modality
from kinoloop.data.histories import Histories, Interaction
from kinoloop.errors import BundleError, DataError, NotFittedError
from kinoloop.evaluation.ranks import scored_chunks
from kinoloop.models.base import RECOMMENDERS, Recommender, RecommenderConfig, build, load
from kinoloop.testing.toy import grown_catalogue, toy_catalogue, toy_histories

TOLERANCE = 1e-4
N_NEW = 5


class RecommenderContract:
    """Rules for a recommender; `settings` makes it small enough for a test.

    Attributes:
        recommender: The class.
        settings: Config fields that differ from the defaults, for speed.
        beats_popularity: Whether it must tell the two topics of the toy world apart; where not, it
            must score all histories alike.
        places_new_videos: Whether its settings give places of a slate to new videos, so that one
            more of them moves the others.
        asks_by_vector: Whether its scores are those of a query vector (`vector_query`).
    """

    recommender: ClassVar[type[Recommender]]
    settings: ClassVar[dict[str, Any]] = {}
    beats_popularity: ClassVar[bool] = True
    places_new_videos: ClassVar[bool] = False
    asks_by_vector: ClassVar[bool] = False

    @pytest.fixture(scope="class")
    @classmethod
    def histories(cls) -> Histories:
        """Return the toy world's histories."""
        return toy_histories(toy_catalogue())

    @pytest.fixture(scope="class")
    @classmethod
    def fitted(cls, histories: Histories) -> Recommender:
        """Fit the recommender once for the class."""
        return cls._build().fit(histories, toy_catalogue())

    @pytest.fixture(scope="class")
    @classmethod
    def grown(cls, fitted: Recommender) -> Recommender:
        """Extend it by videos that came after training, the last one without content."""
        return fitted.extended(grown_catalogue(N_NEW))

    def test_default_config_builds_and_is_registered(self) -> None:
        config = self._config()
        assert RECOMMENDERS.get(config.kind) is self.recommender
        assert self.recommender(config).config == config

    def test_config_round_trips_through_json(self) -> None:
        config = self._build().config
        again = type(config).model_validate_json(config.model_dump_json())
        assert again == config
        assert isinstance(again, RecommenderConfig)

    def test_refuses_to_score_before_fit(self, histories: Histories) -> None:
        with pytest.raises(NotFittedError, match=r"not fitted: call fit\(\) or load\(\) first"):
            self._build().score(histories)

    def test_score_has_a_finite_float32_for_every_video(
        self, fitted: Recommender, histories: Histories
    ) -> None:
        scores = fitted.score(histories)
        assert scores.shape == (len(histories), len(fitted.catalogue))
        assert scores.dtype == np.float32
        assert np.isfinite(scores).all()

    def test_fit_is_deterministic(self, fitted: Recommender, histories: Histories) -> None:
        again = self._build().fit(histories, toy_catalogue())
        for name, value in again._state().items():
            np.testing.assert_array_equal(value, fitted._state()[name], err_msg=name)
        _assert_close(again.score(histories), fitted.score(histories))

    def test_fit_leaves_the_histories_alone(self, histories: Histories) -> None:
        disliked = np.arange(len(histories.videos)) % 7 == 3
        weights = np.where(disliked, -histories.weights, histories.weights)
        given = replace(histories, weights=weights)
        kept = [getattr(given, field.name) for field in fields(given)]
        before = [np.array(values) for values in kept]
        self._build().fit(given, toy_catalogue())
        for field, values, value in zip(fields(given), kept, before, strict=True):
            np.testing.assert_array_equal(values, value, err_msg=field.name)

    def test_save_and_load_give_equal_scores(
        self, fitted: Recommender, histories: Histories, tmp_path: Path
    ) -> None:
        fitted.save(tmp_path)
        loaded = load(tmp_path, toy_catalogue())
        assert loaded.config == fitted.config
        for name, value in loaded._state().items():
            np.testing.assert_array_equal(value, fitted._state()[name], err_msg=name)
        _assert_close(loaded.score(histories), fitted.score(histories))

    def test_a_video_it_was_not_trained_on_is_scored_by_its_content(
        self, fitted: Recommender, grown: Recommender, histories: Histories
    ) -> None:
        known, scores = len(fitted.catalogue), grown.score(histories)
        assert scores.shape == (len(histories), known + N_NEW)
        assert scores.dtype == np.float32
        assert np.isfinite(scores).all()
        old, new = scores[:, :known], scores[:, known : known + N_NEW - 1]
        spread = np.maximum(np.ptp(old, axis=1, keepdims=True), TOLERANCE)  # on one scale
        assert (new >= old.min(axis=1, keepdims=True) - spread / 2).all()
        assert (new <= old.max(axis=1, keepdims=True) + spread / 2).all()
        if self.beats_popularity:  # each topic's followers want the new videos of that topic
            clicks = [[Interaction(v, timestamp=v) for v in (t, t + 2, t + 4)] for t in (0, 1)]
            wanted = grown.score(Histories.from_rows(clicks))[:, known : known + N_NEW - 1]
            own = np.arange(known, known + N_NEW - 1) % 2 == np.array([[0], [1]])
            assert wanted[own].mean() > wanted[~own].mean()

    def test_a_new_video_without_content_gets_what_the_prior_gives(
        self, fitted: Recommender, grown: Recommender
    ) -> None:
        bare = len(fitted.catalogue) + N_NEW - 1
        assert grown.prior[bare] == 0
        empty = grown.score(Histories.from_rows([[]]))[0]
        np.testing.assert_array_equal(empty, grown.prior)
        np.testing.assert_array_equal(grown.prior[: len(fitted.prior)], fitted.prior)

    def test_new_videos_move_no_other_score(
        self, fitted: Recommender, grown: Recommender, histories: Histories
    ) -> None:
        known = len(fitted.catalogue)
        if not self.places_new_videos:
            _assert_close(grown.score(histories)[:, :known], fitted.score(histories))
        fewer = fitted.extended(grown.catalogue.first(known + 2))
        if not self.places_new_videos:
            _assert_close(fewer.score(histories), grown.score(histories)[:, : known + 2])

    def test_changed_videos_move_no_other_score(
        self, fitted: Recommender, grown: Recommender, tmp_path: Path
    ) -> None:
        if self.places_new_videos:
            pytest.skip("its places move the others")
        others = Histories.from_rows([[Interaction(v, timestamp=v) for v in (9, 10, 13)]])
        known, changed = len(fitted.catalogue), np.array([3, 4])
        catalogue = grown.catalogue
        for other, rows in ((5, changed[:1]), (22, changed)):  # one after the other
            catalogue = _as_another(catalogue, rows, other)
            grown = grown.extended(catalogue, changed=rows[-1:])
            grown.save(tmp_path / str(other))
            grown = load(tmp_path / str(other), catalogue)
        same = np.setdiff1d(np.arange(known), changed)
        _assert_close(grown.score(others)[:, same], fitted.score(others)[:, same])

    def test_a_history_with_a_new_video_is_read(self, grown: Recommender) -> None:
        new = len(grown.catalogue) - N_NEW
        rows = [[Interaction(new)], [Interaction(0), Interaction(new + 1)], [Interaction(new + 4)]]
        assert np.isfinite(grown.score(Histories.from_rows(rows))).all()
        slate = np.array([0, new + 2, new])
        reasons = grown.explain(Histories.from_rows([rows[1]]), slate)
        assert set(reasons) <= {None, 0, new + 1}
        assert reasons[0] != 0

    def test_an_extension_grows_step_by_step_and_survives_the_disk(
        self, fitted: Recommender, grown: Recommender, histories: Histories, tmp_path: Path
    ) -> None:
        known, catalogue = len(fitted.catalogue), grown.catalogue
        halfway = fitted.extended(catalogue.first(known + 2))
        halfway.save(tmp_path)
        again = load(tmp_path, catalogue.first(known + 2)).extended(
            catalogue, changed=np.array([known + 1])
        )
        _assert_close(again.score(histories), grown.score(histories))

    def test_a_query_vector_gives_the_scores(
        self, fitted: Recommender, grown: Recommender, histories: Histories
    ) -> None:
        assert (fitted.video_vectors() is not None) == self.asks_by_vector
        met = [[Interaction(3)], [Interaction(3, -1.0), Interaction(5)]]
        new = [[Interaction(3), Interaction(len(fitted.prior))]]
        given = [*(histories.rows(slice(row, row + 1)) for row in (0, 1)), *map(_one, met)]
        for recommender, asking in ((fitted, given), (grown, [*given, *map(_one, new)])):
            compared = recommender.video_vectors()
            for row in asking if compared is not None else []:
                asked, scores = recommender.vector_query(row), recommender.score(row)[0]
                assert compared is not None
                assert asked is not None
                assert (np.diff(asked.videos) > 0).all()
                _assert_close(asked.scores(compared, np.arange(len(scores))), scores)

    def test_refuses_a_catalogue_in_which_trained_videos_moved(self, fitted: Recommender) -> None:
        with pytest.raises(DataError, match=r"at place 39, expected 'v039'.*keep their places"):
            fitted.extended(toy_catalogue().first(39))

    def test_saves_no_pickle(self, fitted: Recommender, tmp_path: Path) -> None:
        fitted.save(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {"config.json", "state.safetensors"}

    def test_refuses_another_catalogue(self, fitted: Recommender, tmp_path: Path) -> None:
        fitted.save(tmp_path)
        with pytest.raises(BundleError, match="fitted on 40 videos, got a catalogue of 41"):
            load(tmp_path, toy_catalogue(41))

    def test_empty_history_gets_the_prior(self, fitted: Recommender) -> None:
        np.testing.assert_array_equal(fitted.score(Histories.from_rows([[]]))[0], fitted.prior)

    def test_unknown_user_with_one_click_is_served(self, fitted: Recommender) -> None:
        scores = fitted.score(Histories.from_rows([[Interaction(3)]]))
        assert np.isfinite(scores).all()

    def test_batch_equals_single(self, fitted: Recommender, histories: Histories) -> None:
        batch = fitted.score(histories)
        for row in range(0, len(histories), 7):
            single = fitted.score(histories.rows(slice(row, row + 1)))
            _assert_close(single[0], batch[row])

    def test_score_leaves_the_history_alone(
        self, fitted: Recommender, histories: Histories
    ) -> None:
        before = histories.weights.copy()
        fitted.score(histories)
        np.testing.assert_array_equal(histories.weights, before)

    def test_seen_videos_are_excluded_when_asked(
        self, fitted: Recommender, histories: Histories
    ) -> None:
        for rows, scores in scored_chunks(fitted.score, histories):
            part = histories.rows(rows)
            slates = np.argsort(-scores, axis=1)[:, :10]
            for row, slate in enumerate(slates):
                assert not set(slate) & set(part.videos[part.row(row)])

    def test_learns_the_topics_or_scores_all_histories_alike(self, fitted: Recommender) -> None:
        clicks = [[Interaction(v, timestamp=v) for v in (t, t + 2, t + 4)] for t in (0, 1)]
        scores = fitted.score(Histories.from_rows(clicks))
        if not self.beats_popularity:
            _assert_close(scores[0], scores[1])
            return
        for topic in (0, 1):
            scores[topic, [event.video for event in clicks[topic]]] = -np.inf
            slate = np.argsort(-scores[topic])[:10]
            assert (slate % 2 == topic).mean() >= 0.8

    def test_the_explanation_names_a_liked_video_of_the_history_or_nothing(
        self, fitted: Recommender
    ) -> None:
        clicks = [Interaction(0), Interaction(1, weight=-1.0), Interaction(2)]
        slate = np.array([4, 5, 0])
        reasons = fitted.explain(Histories.from_rows([clicks]), slate)
        assert len(reasons) == len(slate)
        assert set(reasons) <= {None, 0, 2}
        assert reasons[2] != 0  # no video is its own reason
        assert fitted.explain(Histories.from_rows([[]]), slate) == [None, None, None]

    @classmethod
    def _build(cls) -> Recommender:
        return build({"kind": cls._config().kind, **cls.settings}, seed=3)

    @classmethod
    def _config(cls) -> RecommenderConfig:
        return cls.recommender.Config.model_validate({})


def _assert_close(found: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    """Equal up to the order of additions, which changes with the alignment of memory."""
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE)


def _one(row: list[Interaction]) -> Histories:
    return Histories.from_rows([row])


def _as_another(catalogue: Catalogue, rows: NDArray[np.integer], other: int) -> Catalogue:
    """Give some videos the words and vectors of another one."""
    taken = np.arange(len(catalogue))
    taken[rows] = other
    ids = catalogue.videos["video_id"]
    modalities = {
        name: Modality(m.vectors[taken], m.present[taken], m.fingerprint)
        for name, m in catalogue.modalities.items()
    }
    videos = catalogue.videos[taken.tolist()].with_columns(video_id=ids)
    return Catalogue(catalogue.ids, catalogue.published_at, videos, modalities)
