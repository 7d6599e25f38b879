from datetime import UTC, datetime

import polars as pl
import pytest

from kinoloop.data.catalogue import load_catalogue
from kinoloop.data.growth import grow
from kinoloop.data.moderation import standing, withheld
from kinoloop.errors import ConfigError, DataError
from kinoloop.safety.config import Levels, SafetyConfig
from kinoloop.safety.review import decide, history, waiting
from kinoloop.safety.screen import screen
from tests.safety.conftest import HARMFUL, HARMLESS

CONFIG = SafetyConfig()
STRICT = CONFIG.model_copy(update={"levels": dict.fromkeys(CONFIG.levels, Levels(wait=0.5))})


def outcomes(world):
    return dict(standing(world.tables).select("video_id", "outcome").collect().iter_rows())


def kept(world):
    rows = withheld(world.tables).filter("withheld").select("video_id").collect()
    return set(rows["video_id"])


def entries(world, video_id):
    rows = world.tables.scan("safety").filter(pl.col("video_id") == video_id).collect()
    return {(one["kind"], one["source"]): one for one in rows["scores"][0].to_list()}


def test_harmful_words_wait_or_are_hidden_and_benign_traps_are_shown(world):
    for video_id, title in (HARMFUL | HARMLESS).items():
        world.say(video_id, title)
    report = screen(world.tables, CONFIG)
    assert (report.videos, report.scored) == (6, 6)
    assert kept(world) == set(HARMFUL)
    assert report.changed == report.standing
    assert load_catalogue(world.tables, {}).videos.filter("withheld")["video_id"].sort().to_list() \
        == sorted(HARMFUL)  # fmt: skip


def test_nothing_new_scores_nothing_and_logs_nothing(world):
    world.say("porn", HARMFUL["porn"])
    screen(world.tables, CONFIG)
    version = world.tables.version("moderation")
    again = screen(world.tables, CONFIG)
    assert (again.scored, again.changed) == (0, {})
    assert world.tables.version("moderation") == version


def test_other_levels_take_effect_without_scoring_again_and_are_logged(world):
    world.say("porn", HARMFUL["porn"])
    screen(world.tables, CONFIG)
    mild = CONFIG.model_copy(update={"levels": dict.fromkeys(CONFIG.levels, Levels(mark=0.4))})
    report = screen(world.tables, mild)
    assert (report.scored, report.changed) == (0, {"marked": 1})
    assert not kept(world)
    assert history(world.tables, limit=9)["outcome"].to_list()[0] == "marked"


def test_what_is_said_has_its_time_and_one_odd_line_of_many_does_not_count(world):
    long = [(float(i), "and now we mix flour and water until it is smooth") for i in range(60)]
    bad = (4.0, "watch the hardcore porn scene where they have sex on camera now")
    for video_id, cues in {"short": [bad], "long": [*long[:4], bad, *long[5:]]}.items():
        world.say(video_id, "")
        world.hear(video_id, cues)
    screen(world.tables, CONFIG)
    said = entries(world, "short")["sexual", "speech"]
    assert said["start_s"] == 4.0
    assert said["score"] > 0.7
    assert ("sexual", "speech") not in entries(world, "long")


def test_words_on_screen_are_read_with_their_time(world):
    world.say("sign", "")
    read = {"start_s": 7.0, "end_s": 9.0, "text": "watch uncensored porn for free", "score": 0.9}
    world.add("media", {"video_id": "sign", "screen": [read], "extracted_at": datetime.now(UTC)})
    screen(world.tables, CONFIG)
    assert kept(world) == {"sign"}
    assert entries(world, "sign")["sexual", "screen"]["start_s"] == 7.0


def test_pictures_count_by_their_second_highest(world):
    for video_id, scores in {"two": [0.1, 0.95, 0.92], "one": [0.1, 0.95, 0.1]}.items():
        world.say(video_id, "a day at the beach")
        world.see(video_id, scores)
    screen(world.tables, CONFIG)
    assert kept(world) == {"two"}
    assert entries(world, "two")["sexual", "picture"]["evidence"] == "2 of 3 pictures"


def test_comments_mark_a_video_and_never_take_it_away_nor_are_quoted(world):
    world.say("fox", "red fox in the snow")
    world.comment("fox", *["watch uncensored porn for free"] * 20)
    screen(world.tables, STRICT)
    assert outcomes(world) == {"fox": "marked"}
    assert (
        entries(world, "fox")["sexual", "comments"]["evidence"] == "one of the newest 20 comments"
    )


def test_a_decision_comes_before_scores_survives_new_ones_and_can_be_undone(world):
    world.say("porn", HARMFUL["porn"])
    world.say("fox", "red fox in the snow")
    screen(world.tables, CONFIG)
    decide(world.tables, ["porn"], "shown", by="ada", why="a documentary")
    decide(world.tables, ["fox"], "hidden", by="ada", why="stolen")
    assert kept(world) == {"fox"}
    world.see("porn", [0.99, 0.99])  # new content, new scores
    assert screen(world.tables, CONFIG).decided == 2
    assert kept(world) == {"fox"}
    decide(world.tables, ["porn", "fox"], "undone", by="bob", why="again")
    assert kept(world) == {"porn"}
    log = history(world.tables, limit=20)
    assert log.filter(pl.col("by") == "ada").select("video_id", "outcome", "why").rows() == [
        ("fox", "hidden", "stolen"),
        ("porn", "shown", "a documentary"),
    ]


def test_what_shows_the_same_as_a_rejected_video_waits(world):
    for video_id in ("fox", "copy", "other"):
        world.say(video_id, "red fox in the snow")
    world.add(
        "duplicates",
        *({"video_id": one, "group_id": "copy"} for one in ("copy", "fox")),
        {"video_id": "other"},
    )
    decide(world.tables, ["fox"], "hidden", by="ada", why="")
    screen(world.tables, CONFIG)
    assert outcomes(world) == {"copy": "waiting", "fox": "hidden"}
    assert "the same as fox" in waiting(world.tables)["evidence"][0]


def test_a_decision_reaches_the_next_catalogue_version_at_its_place(world):
    for video_id in ("fox", "owl"):
        world.say(video_id, "an animal in the snow")
    before = load_catalogue(world.tables, {})
    decide(world.tables, ["owl"], "hidden", by="ada", why="")
    grown = grow(world.tables, before)
    assert grown.changed.tolist() == [before.ids.index("owl")]
    assert grown.catalogue.videos.filter("withheld")["video_id"].to_list() == ["owl"]


@pytest.mark.parametrize(
    ("videos", "decision", "by", "message"),
    [
        (["fox", "no"], "hidden", "ada", "'no' is not in the catalogue of 1; nothing was decided"),
        (["fox"], "undone", "ada", "nobody decided on video 'fox'"),
        (["fox"], "shown", " ", "needs somebody who made it"),
    ],
)
def test_wrong_decisions_are_refused_whole(world, videos, decision, by, message):
    world.say("fox", "red fox in the snow")
    with pytest.raises(DataError, match=message):
        decide(world.tables, videos, decision, by=by, why="")
    assert world.tables.version("moderation") == -1


def test_a_kind_without_levels_is_refused(world):
    world.say("fox", "red fox in the snow")
    levels = {kind: value for kind, value in CONFIG.levels.items() if kind != "hate"}
    with pytest.raises(ConfigError, match=r"\[safety.levels\] has no hate"):
        screen(world.tables, CONFIG.model_copy(update={"levels": levels}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = ", "is not valid TOML"),
        ("hate = ['a']", "hate must be a list of at least 5 lines"),
        ("harmless = ['a', 'b', 'c', 'd', 'e']", "expected kinds of harm and harmless"),
        (None, r"cannot be read.*see \[safety\] lines"),
    ],
)
def test_wrong_lines_are_refused(world, tmp_path, text, message):
    path = tmp_path / "lines.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        screen(world.tables, CONFIG.model_copy(update={"lines": str(path)}))


def test_levels_must_not_fall():
    with pytest.raises(ValueError, match="must not fall"):
        Levels(mark=0.9, hide=0.4)
