import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from kinoloop.data.catalogue import Modality
from kinoloop.data.histories import Histories, Interaction
from kinoloop.data.video_text import COMPOSITION, texts_of
from kinoloop.encoders import base as encoders
from kinoloop.encoders.fingerprint import text_space
from kinoloop.errors import BundleError, ConfigError
from kinoloop.release.bundle import write_bundle
from kinoloop.release.info import Provenance
from kinoloop.release.release import Release
from kinoloop.release.user_histories import UserHistories, write_histories
from tests.encoders import tiny_models
from tests.release import tiny
from tests.release.test_parts import reseal


@pytest.fixture
def release(bundle):
    return Release.open(bundle)


def _ids(slate):
    return [place.video_id for place in slate]


def test_a_written_bundle_passes_its_check(release):
    release.check()
    release.warm_up()


def test_a_moved_bundle_passes_its_check(bundle, tmp_path):
    shutil.move(bundle, tmp_path / "elsewhere")
    Release.open(tmp_path / "elsewhere").check()


def test_large_arrays_are_memory_mapped(release):
    vectors = release.catalogue.modalities["text"].vectors
    assert isinstance(vectors.base, np.memmap)
    assert not vectors.flags.writeable


def test_a_history_counts(release):
    assert _ids(release.recommend([Interaction(0)], top_k=2)) == ["v1", "v2"]


def test_an_empty_history_gets_what_is_popular(release):
    slate = release.recommend([], top_k=3)
    assert _ids(slate)[0] in {"v0", "v1", "v2"}
    assert {place.reason for place in slate} == {"Popular right now"}


def test_seen_and_excluded_videos_stay_away(release):
    history = [Interaction(0), Interaction(1)]
    assert set(_ids(release.recommend(history, top_k=8, exclude=["v2", "gone"]))) == {
        "v3", "v4", "v5", "v6", "v7",
    }  # fmt: skip
    assert "v0" in _ids(release.recommend(history, top_k=8, seen=()))


def test_unknown_videos_in_a_history_are_passed_over(release):
    strange = [Interaction(-1), Interaction(0), Interaction(99)]
    assert release.recommend(strange, top_k=3) == release.recommend([Interaction(0)], top_k=3)


def test_of_two_interactions_with_one_video_the_last_counts(release):
    twice = [Interaction(0, weight=-1), Interaction(2), Interaction(0, weight=2)]
    once = [Interaction(2), Interaction(0, weight=2)]
    assert release.recommend(twice, top_k=3) == release.recommend(once, top_k=3)


def test_equal_scores_keep_catalogue_order(release):
    slate = release.recommend([Interaction(0)], top_k=8, seen=())
    silent = [p.video_id for p in slate if p.score == 0]
    assert silent == sorted(silent)


def test_a_video_without_title_shows_its_id(release):
    slate = release.recommend([Interaction(0)], top_k=8)
    assert next(p.title for p in slate if p.video_id == "v7") == "v7"


def test_stored_histories_come_back(release):
    assert [e.video for e in release.history_of(tiny.USERS[2])] == [0, 1, 4]
    assert release.history_of("f" * 32) == []
    assert release.history_of("f" * 99) == []


def test_what_is_older_than_the_window_is_known_as_seen(tmp_path):
    rows = [[0, 1, 2], [3], [0, 1, 4, 5, 6]]
    histories = Histories.from_rows(
        [[Interaction(v, timestamp=n) for n, v in enumerate(row)] for row in rows],
        user_ids=["c" * 32, "b" * 32, "a" * 32],
    )
    write_histories(tmp_path, histories, limit=2)
    stored = UserHistories(tmp_path)
    for user, row in zip(histories.user_ids, rows, strict=True):
        assert [e.video for e in stored.of(user)] == row[-2:]
        assert sorted(stored.seen_by(user)) == row
    assert stored.seen_by("f" * 32).tolist() == []
    for part in ("older.npy", "older_offsets.npy"):  # a bundle of before there was more
        (tmp_path / part).unlink()
    assert UserHistories(tmp_path).seen_by("a" * 32).tolist() == [5, 6]


def test_seen_videos_beyond_the_history_stay_away_too(release):
    slate = _ids(release.recommend([Interaction(0)], top_k=8, seen=np.array([0, 3, 5, 3])))
    assert set(slate) == {"v1", "v2", "v4", "v6", "v7"}


def test_similar_prefers_the_same_topic_and_never_itself(release):
    slate = release.similar("v4", top_k=7)
    assert _ids(slate)[0] == "v5"
    assert "v4" not in _ids(slate)


def test_similar_puts_a_missing_modality_in_the_middle(release):
    scores = {place.video_id: place.score for place in release.similar("v0", top_k=8)}
    assert scores["v7"] == 0.0
    assert scores["v1"] > 0


def test_similar_falls_back_on_words(tmp_path):
    plain = tiny.catalogue(vectors=False)
    write_bundle(
        tmp_path / "b",
        recommender=tiny.fitted(plain),
        catalogue=plain,
        histories=tiny.histories(),
    )
    release = Release.open(tmp_path / "b")
    release.check()
    (place,) = release.similar("v2", top_k=1)
    assert place.video_id == "v3"
    assert place.reason.startswith("Shares words with “")
    assert place.reason.endswith("”, whose content was not extracted")


def test_similar_names_an_unknown_video(release):
    with pytest.raises(ConfigError, match="'gone' is not in this release"):
        release.similar("gone", top_k=3)


@pytest.mark.parametrize(
    ("query", "first"),
    [("jazz piano", "v3"), ("sourdough", "v5"), ("foxes", "v1"), ("跳舞", "v6")],
)
def test_search_finds_words_inflections_and_other_scripts(release, query, first):
    assert _ids(release.search(query, top_k=1)) == [first]


def test_search_leaves_out_what_matches_in_no_way(release):
    assert release.search("qqqq", top_k=5) == []
    assert release.search("", top_k=5) == []


def test_thumbnails_come_back_in_any_order(release):
    pictures = [release.thumbnail(v) for v in ("v0", "v1", "v3", "gone")]
    assert pictures == [b"zero", None, b"three", None]


def test_golden_requests_notice_another_model(bundle):
    golden = json.loads((bundle / "golden.json").read_text())
    golden[1]["answer"][0][1] *= 1.5
    (bundle / "golden.json").write_text(json.dumps(golden))
    reseal(bundle)
    with pytest.raises(BundleError, match="golden request 1"):
        Release.open(bundle).check()


def test_a_truncated_array_is_named(bundle):
    (bundle / "published_at.npy").write_bytes(b"\x93NUMPY")
    reseal(bundle)
    with pytest.raises(BundleError, match=r"published_at\.npy cannot be read"):
        Release.open(bundle)


def test_parts_of_two_bundles_do_not_mix(bundle):
    np.save(bundle / "published_at.npy", np.zeros(3, dtype=np.int64))
    reseal(bundle)
    with pytest.raises(BundleError, match="parts disagree"):
        Release.open(bundle)


def test_a_missing_part_is_named(bundle):
    (bundle / "model" / "config.json").unlink()
    reseal(bundle)
    with pytest.raises(BundleError, match="cannot be opened"):
        Release.open(bundle)


@pytest.mark.parametrize(
    ("encoder", "fault"),
    [({"kind": "minilm"}, "the one here is"), ({"kind": "unheard_of"}, "unheard_of")],
)
def test_without_the_encoder_of_the_vectors_words_are_searched(tmp_path, caplog, encoder, fault):
    write_bundle(
        tmp_path / "b",
        recommender=tiny.fitted(),
        catalogue=tiny.catalogue(),
        histories=tiny.histories(),
        provenance=Provenance(encoders={"text": encoder}),
    )
    release = Release.open(tmp_path / "b")
    release.check()
    release.warm_up()
    title = release.catalogue.videos["title"][0]
    assert release.search(title, top_k=1)[0].reason == "Matches your words"
    assert "with fingerprint print-of-text" in caplog.text
    assert fault in caplog.text


@pytest.mark.parametrize("composition", [1, COMPOSITION])
def test_vectors_of_an_earlier_composition_are_searched_and_reported(tmp_path, caplog, composition):
    settings = {"kind": "hf_text", "model": str(tiny_models.text(tmp_path / "model"))}
    encoder, videos = encoders.build(settings), tiny.catalogue()
    vectors = encoder.encode_documents(texts_of(videos.videos))
    space = text_space(encoder.fingerprint, composition)
    text = Modality(vectors, vectors.any(axis=1), space)
    videos = replace(videos, modalities={"text": text})
    write_bundle(
        tmp_path / "b",
        recommender=tiny.fitted(videos),
        catalogue=videos,
        histories=tiny.histories(),
        provenance=Provenance(encoders={"text": settings}),
    )
    reasons = {place.reason for place in Release.open(tmp_path / "b").search("bread", top_k=8)}
    assert "Close in meaning" in reasons
    assert ("as an earlier version composed them" in caplog.text) == (composition < COMPOSITION)
