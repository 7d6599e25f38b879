import copy

import numpy as np
import polars as pl
import pytest

import kinoloop as kl
from kinoloop.models.base import RECOMMENDERS
from kinoloop.release.release import Release
from tests.library import toy

DATA = kl.Dataset.from_frames(toy.events(), toy.videos())
TINY = {
    "sequence": {"epochs": 1, "dim": 8, "layers": 1},
    "concat_match": {"epochs": 1},
    "blend": {"parts": ["item_knn", "content_cosine"]},
}


@pytest.fixture(scope="module")
def model():
    return kl.build("item_knn").fit(DATA)


def test_slates_carry_the_callers_own_ids(model):
    slates = model.recommend(["u01", "u00"], k=2)
    assert slates.columns == ["user_id", "rank", "video_id", "score"]
    assert slates["user_id"].to_list() == ["u01", "u01", "u00", "u00"]
    assert slates["rank"].to_list() == [1, 2, 1, 2]
    taste = dict(zip(DATA.videos["video_id"], DATA.videos["category"], strict=True))
    assert [taste[video] for video in slates["video_id"]][::2] == ["nature", "comedy"]


def test_what_was_seen_is_left_out_unless_it_may_come_again(model):
    seen = set(toy.events().filter(pl.col("user_id") == "u03")["video_id"])
    everything = model.recommend("u03", k=12)
    assert not seen & set(everything["video_id"])
    assert everything.height == 12 - len(seen)
    assert seen <= set(model.recommend("u03", k=12, exclude_seen=False)["video_id"])


def test_histories_are_answered_as_users_are(model):
    watched = toy.events().filter(pl.col("user_id") == "u03")["video_id"].to_list()
    by_name = model.recommend({"guest": watched}, k=5)
    assert set(by_name["user_id"]) == {"guest"}
    assert by_name["video_id"].to_list() == model.recommend(["u03"], k=5)["video_id"].to_list()
    plain = model.recommend([watched, []], k=5)
    assert set(plain["user_id"]) == {"0", "1"}
    prior = dict(zip(DATA.videos["video_id"], model.recommender.prior.tolist(), strict=True))
    popular = sorted(prior.values(), reverse=True)[:5]
    assert [prior[video] for video in plain.filter(user_id="1")["video_id"]] == popular


def test_filters_and_exclusions_hold(model):
    comedies = model.recommend(["u01"], k=12, where=pl.col("category") == "comedy")
    assert set(comedies["video_id"]) == set(toy.videos().filter(category="comedy")["video_id"])
    without = model.recommend(["u01"], k=12, exclude=["v00", "v02"])
    assert not {"v00", "v02"} & set(without["video_id"])


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"users": ["u1"]}, "no user is called 'u1' among the 30 that are known; did you mean"),
        ({"users": [["v0"]]}, "no video is called 'v0' among the 12"),
        ({"users": 3}, "no user is called '3'"),
        ({"users": 3.5}, "got 3.5, expected user ids, or histories"),
        ({"users": ["u01", ["v00"]]}, "0: got 'u01', expected a list of video ids"),
        ({"users": ["u01"], "k": 0}, "k is 0, expected a whole number from 1 up"),
        ({"users": ["u01"], "k": "5"}, "k is '5'"),
        ({"users": ["u01"], "exclude": ["v99"]}, "no video is called 'v99'"),
        ({"users": ["u01"], "where": pl.col("genre") == "x"}, 'where: .*"?genre"?.* columns video'),
        ({"users": toy.events().select("user_id")}, "got polars.* expected user ids; name its col"),
        ({"users": [1.0]}, "0: got 1.0, .* user ids are text or whole numbers"),
        ({"users": ["u01"], "exclude": 1.5}, "exclude takes ids of videos, got builtins.float"),
        ({"users": ["u01"], "where": [True] * 12}, "where is .*, expected an expression of Pol"),
        ({"users": b"u01"}, "got b'u01', expected user ids"),
        ({"users": [[None]]}, "got None for an id, expected text"),
        ({"users": [b"v00"]}, "0: got b'v00', expected a list of video ids"),
        ({"users": {1: ["v00"], "1": []}}, "two histories are called '1'; rename one"),
        ({"users": ["u01"], "k": True}, "k is True"),
        ({"users": ["u01"], "exclude": None}, "exclude takes ids of videos"),
        ({"users": ["u01"], "exclude": [None]}, "got None for an id"),
        ({"users": ["u01"], "exclude_seen": "no"}, "exclude_seen is true or false, got"),
        (
            {
                "users": ["u01"],
                "where": pl.col("title").map_elements(lambda _: 1 / 0, return_dtype=pl.Boolean),
            },
            "where: division by zero",
        ),
        ({"users": ["u01"], "where": pl.col("title")}, "where gives 12 of String, expected true"),
    ],
)
def test_what_cannot_be_answered_is_refused_by_name(model, asked, message):
    with pytest.raises(kl.KinoloopError, match=message):
        model.recommend(**asked)


def test_similar_videos_are_those_that_are_watched_together(model):
    found = model.similar("v00", k=3)
    assert found.columns == ["rank", "video_id", "score"]
    assert all(int(video[1:]) % 2 == 0 for video in found["video_id"])
    assert "v00" not in model.similar("v00", k=12)["video_id"]
    with pytest.raises(kl.DataError, match="no video is called 'v77'"):
        model.similar("v77")


def test_ids_that_are_whole_numbers_are_asked_for_as_they_are():
    number = pl.col("video_id").str.slice(1).cast(pl.Int64)
    data = kl.Dataset.from_frames(
        toy.events().with_columns(number), toy.videos().with_columns(number)
    )
    model = kl.build("item_knn").fit(data)
    assert model.similar(2, k=3).equals(model.similar("2", k=3))
    assert model.similar(2, k=3)["video_id"].dtype == pl.String
    assert "4" not in model.similar(2, k=12, exclude=4)["video_id"]


def test_scores_of_another_shape_are_refused_by_the_name_of_the_recommender(monkeypatch):
    model = kl.build("popularity").fit(DATA)
    for wrong, shape in ((DATA.histories.weights[:12], r"\(12,\)"), (None, r"\(\)")):
        monkeypatch.setattr(model.recommender, "_score", lambda histories, wrong=wrong: wrong)
        message = rf"recommender 'popularity': _score gave .* {shape}, expected \(1, 12\)"
        with pytest.raises(kl.DataError, match=message):
            model.recommend(["u01"])


def test_who_speaks_for_no_video_names_none():
    assert kl.build("popularity").fit(DATA).similar("v00").is_empty()


def test_a_model_that_is_not_fitted_says_so(tmp_path):
    model = kl.build("ease")
    assert repr(model) == "Model(ease, not fitted)"
    for ask in (
        lambda: model.recommend(["u01"]),
        lambda: model.similar("v00"),
        lambda: model.save(tmp_path / "x"),
    ):
        with pytest.raises(kl.KinoloopError, match="ease is not fitted: call fit"):
            ask()


@pytest.mark.parametrize("kind", [kind for kind in RECOMMENDERS.names() if kind not in TINY])
def test_every_kind_answers_alike_after_save_and_load(kind, tmp_path, monkeypatch, request):
    if kind == "llm":  # finds the language model converted
        converted = request.getfixturevalue("smollm2_folder")
        monkeypatch.setenv("KINOLOOP_STATE_DIR", str(converted.parent.parent))
    fitted = kl.build(kind, seed=1).fit(DATA)
    fitted.save(tmp_path / "model")
    loaded = kl.load(tmp_path / "model")
    assert repr(loaded) == repr(fitted)
    ask = {"users": ["u00", "u07"], "k": 4}
    assert loaded.recommend(**ask).equals(fitted.recommend(**ask))
    assert loaded.recommend([["v02"]]).equals(fitted.recommend([["v02"]]))
    assert loaded.similar("v03").equals(fitted.similar("v03"))


@pytest.mark.parametrize("kind", sorted(TINY))
def test_kinds_that_read_content_take_the_callers_vectors(kind, tmp_path):
    vectors = [[1.0, 0.1 * i] if i % 2 else [0.1 * i, 1.0] for i in range(12)]
    features = pl.DataFrame({"video_id": toy.videos()["video_id"], "vector": vectors})
    data = kl.Dataset.from_frames(toy.events(), toy.videos(), features={"text": features})
    train, validation = data.split("leave_one_out")
    reported = []
    model = kl.build(kind, **TINY[kind]).fit(
        train, validation=validation, report=lambda name, value, step: reported.append(name)
    )
    model.save(tmp_path / "model")
    assert reported
    assert kl.load(tmp_path / "model").recommend(["u00"]).equals(model.recommend(["u00"]))


def test_a_saved_folder_is_what_the_service_opens(tmp_path, model):
    model.save(tmp_path / "model")
    release = Release.open(tmp_path / "model")
    release.ask_golden()
    assert release.info.kind == "item_knn"
    assert release.info.trained_until.year == 2026
    slate = release.recommend(release.history_of("u05"), top_k=3)
    assert [place.video_id for place in slate] == model.recommend("u05", 3)["video_id"].to_list()


def test_a_loaded_model_saves_again_and_a_folder_is_never_written_over(tmp_path, model):
    model.save(tmp_path / "one")
    loaded = kl.load(str(tmp_path / "one"))
    loaded.save(tmp_path / "two")
    assert kl.load(tmp_path / "two").recommend("u01").equals(loaded.recommend("u01"))
    for again in (model, loaded):
        with pytest.raises(kl.KinoloopError, match="two exists already"):
            again.save(tmp_path / "two")
    with pytest.raises(kl.DataError, match="no user is called 'nobody' among the 30 that"):
        loaded.recommend(["nobody"])


def test_a_single_id_of_numpy_is_an_id(model):
    assert model.recommend(np.array("u01")).equals(model.recommend("u01"))
    assert model.recommend(np.str_("u01"), np.int64(3)).equals(model.recommend("u01", 3))


@pytest.mark.parametrize("loaded", [False, True])
def test_a_folder_that_cannot_be_written_is_named(tmp_path, model, loaded):
    model.save(tmp_path / "model")
    saved = kl.load(tmp_path / "model") if loaded else model
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file" / "model", tmp_path / ("x" * 300)):
        with pytest.raises(kl.KinoloopError, match="cannot be written: "):
            saved.save(folder)
    for folder in (None, 3, b"model", "a\0b"):
        with pytest.raises(kl.ConfigError, match="save takes the path of a folder"):
            saved.save(folder)


def test_a_loaded_model_is_not_copied_into_itself(tmp_path, model):
    model.save(tmp_path / "model")
    with pytest.raises(kl.KinoloopError, match="lies in the model that it would copy"):
        kl.load(tmp_path / "model").save(tmp_path / "model" / "inner")
    kl.load(tmp_path / "model")


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy])
def test_models_are_copied(tmp_path, model, again):
    model.save(tmp_path / "model")
    for one in (model, kl.load(tmp_path / "model")):
        assert again(one).recommend("u01").equals(one.recommend("u01"))


@pytest.mark.parametrize("folder", [None, 3, b"model", "a\0b"])
def test_what_is_no_path_is_not_loaded(folder):
    with pytest.raises(kl.ConfigError, match="load takes the path of a folder"):
        kl.load(folder)


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(kl.KinoloopError, match="is not a release bundle"):
        kl.load(tmp_path)


def test_build_raises_what_it_documents():
    with pytest.raises(kl.ConfigError, match="no recommender is called 'itemknn'; did you mean"):
        kl.build("itemknn")
    with pytest.raises(kl.ConfigError, match="no setting 'neighbors'; there are decay,"):
        kl.build("item_knn", neighbors=5)
    with pytest.raises(kl.ConfigError, match="no recommender is called '3'"):
        kl.build(3)
    with pytest.raises(kl.ConfigError, match="the seed is True"):
        kl.build("ease", seed=True)


@pytest.mark.parametrize(
    ("fit", "message"),
    [
        (
            lambda m: m.fit(toy.events()),
            "fit learns from .* got polars.*; expected a Data",
        ),
        (lambda m: m.fit(DATA, validation=DATA), "validation is the second part of .*; expected a"),
    ],
)
def test_what_is_no_dataset_is_refused(fit, message):
    with pytest.raises(kl.ConfigError, match=message):
        fit(kl.build("popularity"))
