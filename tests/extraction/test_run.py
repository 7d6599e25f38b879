import os
import shutil

import filelock
import numpy as np
import polars as pl
import pytest

from kinoloop.data.catalogue import load_catalogue, load_thumbnails
from kinoloop.data.video_text import read_texts
from kinoloop.encoders import base as encoders
from kinoloop.encoders.fingerprint import text_space
from kinoloop.errors import ConfigError, DataError
from kinoloop.extraction.inventory import Roots
from kinoloop.media.access import AccessConfig, remember_folder
from kinoloop.media.process import GuardConfig
from kinoloop.media.sampling import Uniform
from tests.media.hostile_server import hostile_server


def test_extracts_words_pictures_and_sound(world):
    world.put(
        complete=("red fox", world.clip("a.mp4", subtitles=("how to bake bread",))),
        mute=("static", world.clip("b.mp4", tone_hz=None)),
        words="jazz",
    )
    report = world.extract()
    assert (report.videos, report.done, dict(report.outcomes)) == (3, 3, {"ok": 2})
    present = {key: row["present"] for key, row in world.features().items()}
    assert present == {
        ("complete", "text"): True,
        ("complete", "visual"): True,
        ("complete", "audio"): True,
        ("mute", "text"): True,
        ("mute", "visual"): True,
        ("mute", "audio"): False,
        ("words", "text"): True,
        ("words", "visual"): False,
        ("words", "audio"): False,
    }
    media = world.media()
    assert set(media) == {"complete", "mute"}
    assert media["complete"]["words"] == "how to bake bread"
    assert media["complete"]["duration_s"] == pytest.approx(0.4, abs=0.1)
    assert load_thumbnails(world.tables)["video_id"].to_list() == ["complete", "mute"]
    catalogue = load_catalogue(world.tables)
    assert catalogue.fingerprints == report.fingerprints
    assert catalogue.modalities["audio"].present.sum() == 1


def test_cues_keep_their_times_beside_the_words(world):
    (world.landing / "a.srt").write_text(
        "1\n00:00:00,100 --> 00:00:00,200\nred fox\n\n2\n00:00:00,250 --> 00:00:00,300\njazz\n"
    )
    world.put(said=("how to", world.clip("a.mp4"), "a.srt"), silent=("dog", world.clip("b.mp4")))
    world.extract()
    media = world.media()
    assert media["said"]["words"] == "red fox jazz"
    assert media["said"]["cues"] == [
        {"start_s": 0.1, "end_s": 0.2, "text": "red fox"},
        {"start_s": 0.25, "end_s": 0.3, "text": "jazz"},
    ]
    assert media["silent"]["cues"] == []


def test_a_text_vector_is_that_of_the_text_that_others_read_of_the_tables(world):
    world.put(
        said=("red fox", world.clip("a.mp4", subtitles=("how to bake bread",))),
        words="jazz",
    )
    world.extract()
    catalogue = load_catalogue(world.tables)
    texts = read_texts(world.tables, catalogue.ids)
    assert texts == ["red fox. how to bake bread", "jazz"]
    encoder = encoders.build(world.config.encoders[0])
    text = catalogue.modalities["text"]
    assert text.fingerprint == text_space(encoder.fingerprint)
    np.testing.assert_allclose(text.vectors, encoder.encode_documents(texts), atol=1e-5)


def test_a_media_table_of_an_older_version_is_filled_up_and_nothing_is_encoded_again(world):
    (world.landing / "a.srt").write_text("1\n00:00:00,100 --> 00:00:00,200\nred fox\n")
    world.put(a=("how to", world.clip("a.mp4"), "a.srt"))
    world.extract()
    before = world.features()
    older = world.rows("media").drop("cues").with_columns(content_hash=pl.lit("of older code"))
    older.write_delta(
        str(world.tables.path("media")),
        mode="overwrite",
        delta_write_options={"schema_mode": "overwrite"},
    )
    assert world.extract().done == 1
    assert [cue["text"] for cue in world.media()["a"]["cues"]] == ["red fox"]
    assert world.features() == before
    assert world.extract().done == 0


def test_second_run_does_nothing(world):
    world.put(a=("red fox", world.clip("a.mp4")), b="jazz")
    world.extract()
    versions = [world.tables.version(name) for name in ("features", "media", "quarantine")]
    report = world.extract()
    assert (report.pending, report.done) == (0, 0)
    assert [world.tables.version(n) for n in ("features", "media", "quarantine")] == versions


def test_one_new_video_is_all_that_is_touched(world):
    world.put(**{f"v{i}": f"jazz {i}" for i in range(5)}, a=("fox", world.clip("a.mp4")))
    old = world.landing / "a.mp4"
    os.utime(old, (1, 1))  # settled: its hash is remembered
    assert world.extract().hashed == 1
    before = world.features()
    world.put(new=("red fox", world.clip("new.mp4")))
    report = world.extract()
    assert (report.pending, report.done, report.hashed) == (1, 1, 1)
    after = world.features()
    assert {key: row for key, row in after.items() if key[0] != "new"} == before


def test_changed_title_encodes_words_only_and_keeps_the_subtitles(world):
    world.put(a=("red fox", world.clip("a.mp4", subtitles=("dog",))))
    world.extract()
    before, media = world.features(), world.media()
    world.put(a=("jazz", "a.mp4"))
    report = world.extract()
    assert dict(report.features) == {"text": 1}
    after = world.features()
    assert after["a", "text"]["vector"] != before["a", "text"]["vector"]
    assert after["a", "visual"] == before["a", "visual"]
    assert world.media() == media
    world.put(b=("jazz. dog"))
    world.extract()
    assert world.features()["b", "text"]["vector"] == pytest.approx(
        after["a", "text"]["vector"], abs=1e-5
    )


def test_changed_file_replaces_its_rows(world):
    world.put(a=("red fox", world.clip("a.mp4")), b=("dog", world.clip("b.mp4")))
    world.extract()
    before = world.features()
    world.clip("a.mp4", colour=(0, 200, 0), tone_hz=None)
    report = world.extract()
    assert report.done == 1
    after = world.features()
    assert after["a", "visual"]["vector"] != before["a", "visual"]["vector"]
    assert not after["a", "audio"]["present"]
    assert after["b", "visual"] == before["b", "visual"]
    assert len(world.rows("media")) == 2


def test_new_encoder_adds_its_space_beside_the_old_one(world):
    world.put(a=("red fox", world.clip("a.mp4")))
    first = world.extract()
    encoders = (*world.config.encoders[:1], {"kind": "classical_visual", "side": 64})
    second = world.extract(encoders=encoders)
    assert dict(second.features) == {"visual": 1}
    assert len(world.rows("features")) == 4
    assert second.fingerprints["visual"] != first.fingerprints["visual"]
    assert load_catalogue(world.tables).fingerprints["visual"] == second.fingerprints["visual"]


def test_other_frames_are_another_space_but_words_stay(world):
    world.put(a=("red fox", world.clip("a.mp4")))
    first = world.extract()
    decode = world.config.decode.model_copy(update={"sampling": Uniform(frames=4)})
    second = world.extract(decode=decode)
    assert second.fingerprints["visual"] != first.fingerprints["visual"]
    assert second.fingerprints["text"] == first.fingerprints["text"]
    assert dict(second.features) == {"visual": 1}


@pytest.fixture
def bad_world(world):
    fake = world.landing / "fake.mp4"
    fake.write_text("I am not a video")
    os.mkfifo(world.landing / "fifo.mp4")
    whole = world.landing / world.clip("whole.mp4")
    (world.landing / "cut.mp4").write_bytes(whole.read_bytes()[:1500])
    (world.landing / "words.srt").write_text(srt_of("dog"))
    world.put(
        fake=("red fox", "fake.mp4"),
        fifo=("red fox", "fifo.mp4"),
        cut=("red fox", "cut.mp4", "words.srt"),
        gone=("red fox", "gone.mp4"),
        strange=("red fox", "gopher://host/clip.mp4"),
        no_words=("red fox", "whole.mp4", "gone.srt"),
        good=("red fox", "whole.mp4"),
    )
    return world


def srt_of(line):
    return f"1\n00:00:00,000 --> 00:00:01,000\n{line}\n"


def test_unreadable_media_are_quarantined_and_the_flow_goes_on_with_words(bad_world):
    report = bad_world.extract()
    assert dict(report.outcomes) == {"quarantined": 5, "partial": 1, "ok": 1}
    reasons = {video: row["reason"] for video, row in bad_world.media().items()}
    assert reasons == {
        "fake": "not_media",
        "fifo": "not_a_regular_file",
        "cut": "truncated",
        "gone": "not_found",
        "strange": "scheme_not_allowed",
        "no_words": "subtitles_unreadable",
        "good": "",
    }
    features = bad_world.features()
    assert all(features[video, "text"]["present"] for video in reasons)
    assert not features["fake", "visual"]["present"]
    assert features["no_words", "visual"]["present"]
    assert bad_world.media()["cut"]["words"] == "dog"  # its subtitle file is sound
    quarantine = bad_world.rows("quarantine")
    assert sorted(quarantine["key"]) == ["cut", "fake", "fifo", "gone", "strange"]
    assert set(quarantine["kind"]) == {"media"}
    (why,) = quarantine.filter(pl.col("key") == "gone")["reasons"].to_list()
    assert why[0].startswith("not_found: there is no file 'gone.mp4'; looked at ")


def test_quarantine_is_not_repeated_and_a_mended_file_is_read(bad_world):
    bad_world.extract()
    assert bad_world.extract().done == 0
    assert len(bad_world.rows("quarantine")) == 5
    shutil.copy(bad_world.landing / "whole.mp4", bad_world.landing / "gone.mp4")
    report = bad_world.extract()
    assert (report.done, dict(report.outcomes)) == (1, {"ok": 1})
    assert bad_world.features()["gone", "visual"]["present"]


def test_what_needed_too_much_is_tried_again_when_asked(world):
    world.put(a=("red fox", world.clip("a.mp4", size=(3840, 2160), seconds=0.2, tone_hz=None)))
    narrow = world.extract(guard=GuardConfig(workers=1, memory_bytes=256 << 20))
    assert dict(narrow.reasons) == {"memory": 1}
    assert world.extract().done == 0
    assert dict(world.extract(retry=True).outcomes) == {"ok": 1}
    assert world.features()["a", "visual"]["present"]
    assert world.extract(retry=True).done == 0


def test_what_was_left_out_for_want_of_time_is_read_in_the_next_run(world):
    world.put(a=("red fox", world.clip("a.mp4")))
    hurried = world.extract(guard=GuardConfig(workers=1, timeout_s=0.0001))
    assert (dict(hurried.outcomes), hurried.left_out) == ({"waiting": 1}, 1)
    assert hurried.to_dict()["left_out"] == 1
    assert world.media()["a"]["reason"] == "stuck"
    assert len(world.rows("quarantine")) == 0  # it is not the file's fault
    report = world.extract()
    assert (dict(report.outcomes), report.left_out) == ({"ok": 1}, 0)
    assert world.features()["a", "visual"]["present"]
    assert world.extract().done == 0


def test_text_only_catalogue_needs_no_media_table(world):
    world.put(**{f"v{i}": f"jazz {i}" for i in range(7)}, untitled="")
    report = world.extract(shard_texts=3)
    assert report.done == 8
    assert not world.tables.exists("media")
    assert not world.features()["untitled", "text"]["present"]


def test_empty_catalogue_is_done_at_once(world):
    assert world.extract().videos == 0


def test_remote_media_is_read_through_fsspec(world):
    import fsspec

    world.clip("a.mp4")
    with fsspec.open("memory://landing/a.mp4", "wb") as target:
        target.write((world.landing / "a.mp4").read_bytes())
    (world.landing / "a.mp4").unlink()
    world.put(a=("red fox", "memory://landing/a.mp4"), b=("dog", "a.mp4"))
    report = world.extract(access=AccessConfig(buckets=("memory://landing",)))
    assert world.media()["a"]["outcome"] == "ok"
    assert world.media()["b"]["reason"] == "not_found"
    assert report.done == 2


@pytest.fixture
def web(world):
    """A web server with a clip, that the settings name."""
    with hostile_server() as server:
        server.body = (world.landing / world.clip("a.mp4")).read_bytes()
        access = AccessConfig(
            hosts=(f"127.0.0.1:{server.port}",), networks=("127.0.0.1/32",), stall_s=2.0
        )
        world.config = world.config.model_copy(update={"access": access})
        yield server


def test_no_row_of_the_catalogue_ends_an_extraction(world, web):
    rows = {
        "bracket": "http://[::1",
        "port": "http://host:abc/a.mp4",
        "smiley": "http://\N{GRINNING FACE}/a.mp4",
        "long": "a" * 5000,
        "zero": "a\0b",
        "silent": web.url("silent"),
        "short": web.url("short"),
        "gone": web.url("gone"),
        "loop": web.url("loop"),
        "bucket": "s3://bucket/a.mp4",
    }
    world.put(
        **{name: ("jazz", reference) for name, reference in rows.items()},
        good=("red fox", web.url("good")),
        words=("red fox", "a.mp4", web.url("short")),
    )
    report = world.extract()
    assert report.done == len(rows) + 2
    reasons = {video: row["reason"] for video, row in world.media().items()}
    assert reasons == {
        "bracket": "bad_name",
        "port": "bad_name",
        "smiley": "bad_name",
        "long": "bad_name",
        "zero": "bad_name",
        "silent": "unreachable",
        "short": "unreachable",
        "gone": "not_found",
        "loop": "not_found",
        "bucket": "not_allowed",
        "good": "",
        "words": "unreachable",
    }
    assert report.left_out == 2


def test_server_that_is_away_costs_no_vector(world, web):
    world.put(a=("red fox", web.url("good")))
    world.extract()
    before, media = world.features(), world.media()
    web.stop()
    report = world.extract()
    assert (report.done, report.unreachable, report.left_out) == (0, 1, 1)
    assert (world.features(), world.media()) == (before, media)


def test_nothing_is_read_outside_of_what_the_settings_name(world, web):
    secret = world.root / "secret.srt"
    secret.write_text(srt_of("hunter2"))
    (world.landing / "link.srt").symlink_to(secret)
    web.location, web.body = "http://localhost/", secret.read_bytes()
    world.put(
        absolute=("jazz", None, str(secret)),
        climbing=("jazz", None, "../secret.srt"),
        linked=("jazz", None, "link.srt"),
        loopback=("jazz", None, f"http://localhost:{web.port}/good"),
        redirected=("jazz", None, web.url("moved")),
        beside=("jazz", world.clip("b.mp4"), str(secret)),
    )
    world.extract()
    media = world.media()
    assert {row["words"] for row in media.values()} == {""}
    assert media["beside"]["reason"] == "subtitles_unreadable"
    del media["beside"]
    assert {row["reason"] for row in media.values()} == {"not_allowed"}


def test_credentials_in_addresses_reach_no_table_of_extraction(world, web):
    world.put(
        user=("jazz", "https://me:hunter2@host/a.mp4"),
        signed=("jazz", f"{web.url('good')}?X-Amz-Signature=hunter2", "s3://id:hunter2@b/a.srt"),
    )
    report = world.extract()
    assert dict(report.reasons) == {"credentials": 2}
    for name in ("media", "quarantine", "features"):
        assert "hunter2" not in str(world.rows(name).to_dicts())


def test_relative_reference_in_a_remote_landing_zone(tmp_path):
    roots = Roots.of(
        "s3://bucket/landing/", tmp_path, access=AccessConfig(), state_dir=tmp_path / "state"
    )
    assert roots.locate("media/a.mp4") == "s3://bucket/landing/media/a.mp4"
    assert roots.locate("s3://bucket/landing/media/a.mp4") == "s3://bucket/landing/media/a.mp4"
    (tmp_path / "a.mp4").touch()
    assert roots.locate("a.mp4") == tmp_path / "a.mp4"


def test_clips_of_an_import_are_read_where_they_lie(tmp_path):
    clips = tmp_path / "elsewhere"
    clips.mkdir()
    (clips / "a.mp4").touch()
    remember_folder(tmp_path / "state", clips)
    roots = Roots.of(
        str(tmp_path / "landing"),
        tmp_path / "data",
        access=AccessConfig(),
        state_dir=tmp_path / "state",
    )
    assert roots.locate(str(clips / "a.mp4")) == clips / "a.mp4"


def test_small_files_are_compacted(world):
    world.put(**{f"v{i}": f"jazz {i}" for i in range(6)})
    world.extract(shard_texts=1, compact_files=3)
    import deltalake

    table = deltalake.DeltaTable(str(world.tables.path("features")))
    assert len(table.file_uris()) <= 3
    assert len(world.features()) == 18


def test_two_extractions_do_not_run_at_once(world):
    world.put(a="jazz")
    (world.root / "state").mkdir()
    with (
        filelock.FileLock(world.root / "state" / "extract.lock"),
        pytest.raises(DataError, match=r"another extraction holds .*extract\.lock"),
    ):
        world.extract(lock_wait_s=0.1)


def test_two_encoders_of_one_modality_are_refused(world):
    world.put(a="jazz")
    with pytest.raises(ConfigError, match="two encoders for visual; keep one per modality"):
        world.extract(encoders=({"kind": "classical_visual"},) * 2)
