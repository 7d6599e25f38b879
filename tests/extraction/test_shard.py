import polars as pl
import pytest

from kinoloop.encoders.classical_visual import ClassicalVisual, ClassicalVisualConfig
from kinoloop.errors import ConfigError, MediaError
from kinoloop.extraction.inventory import Item
from kinoloop.extraction.pending import Task
from kinoloop.extraction.products import VectorProduct, make_products
from kinoloop.extraction.remote import make_remotely
from kinoloop.extraction.rows import Decoded
from kinoloop.extraction.shard import Made, Shard, cut, make
from kinoloop.media.decoded import DecodeConfig, DecodedMedia
from kinoloop.media.guard import DecoderPool, Job
from kinoloop.testing.encoder_contract import sample_videos


class Watched(ClassicalVisual):
    """A real encoder that remembers how many videos it got at once; it cannot take some."""

    def __init__(self, refused=()):
        super().__init__(ClassicalVisualConfig())
        self.refused, self.batches = set(refused), []

    def encode(self, contents):
        self.batches.append(len(contents))
        if self.refused & {content.video_id for content in contents}:
            raise ValueError("cannot take it")
        return super().encode(contents)


def watched(*refused):
    space = VectorProduct({"kind": "classical_visual"}, DecodeConfig())
    space.encoder = Watched(refused)
    return space


class Words(VectorProduct):
    """Reads words only, and remembers what it got."""

    def __init__(self):
        super().__init__({"kind": "classical_audio"}, DecodeConfig())
        self.reads, self.name, self.modality, self.got = frozenset({"text"}), "text", "text", []

    def make(self, contents):
        self.got.append([(c.text, len(c.frames), len(c.audio)) for c in contents])
        return [self.blank() for _ in contents]


def task(name, products=(0,)):
    item = Item(
        video_id=name,
        text=name,
        media=f"{name}.mp4",
        subtitles=None,
        media_at=None,
        subtitles_at=None,
        content_hash=f"content {name}",
        media_hash=f"content {name}",
        text_hash=f"text {name}",
        fault="",
    )
    return Task(item, tuple(products), media_row=True, words=None)


def decoded(video, error=None):
    frames, sound = video.frames, video.audio
    found = DecodedMedia(frames, video.frame_times_s, sound, 16_000, words=f"said {video.text}")
    return Decoded(found, error)


def shard_of(n, products=(0,)):
    videos = (sample_videos() * n)[:n]
    tasks = tuple(task(f"v{i}", products) for i in range(n))
    return Shard(0, tasks, decodes=True), [decoded(video) for video in videos]


def test_pictures_pass_by_in_windows_and_words_come_together_at_the_end():
    pictures, words = watched(), Words()
    shard, found = shard_of(5, products=(0, 1))
    made = make(shard, iter(found), [pictures, words], window_videos=2)
    assert pictures.encoder.batches == [2, 2, 1]
    (texts,) = words.got
    assert texts[0][0] == "v0. said a red fox runs through the snow"
    assert all(frames == sound == 0 for _, frames, sound in texts)  # they were let go
    assert made.frames["features"].height == 10
    assert made.frames["media"].height == 5


def test_window_is_let_go_before_the_next_one_is_taken():
    shard, found = shard_of(6)
    taken = []

    def one_by_one():
        for i, one in enumerate(found):
            taken.append(i)
            yield one

    product = watched()
    encode = product.encoder.encode

    def at_most_two_are_waiting(contents):
        assert len(taken) == sum(product.encoder.batches) + len(contents)
        return encode(contents)

    product.encoder.encode = at_most_two_are_waiting
    make(shard, one_by_one(), [product], window_videos=2)
    assert product.encoder.batches == [2, 2, 2]


def test_all_that_is_wrong_with_a_video_is_one_row_of_the_quarantine():
    shard, found = shard_of(3)
    found[1] = decoded(sample_videos()[1], MediaError("truncated", "it ends early"))
    made = make(shard, iter(found), [watched("v1")], window_videos=3)
    (row,) = made.frames["quarantine"].to_dicts()
    assert row["key"] == "v1"
    assert [reason.partition(":")[0] for reason in row["reasons"]] == [
        "encoder_failed",
        "truncated",
    ]


def test_rows_survive_the_way_between_machines():
    shard, found = shard_of(4)
    made = make(shard, iter(found), [watched()], window_videos=2)
    back = Made.from_bytes(shard, made.to_bytes())
    assert (back.number, back.videos, back.replaces) == (0, 4, False)
    for name, frame in made.frames.items():
        assert back.frames[name].equals(frame)
        assert back.frames[name].schema == frame.schema


def test_words_are_cut_apart_from_what_must_be_decoded_and_come_first():
    products = [watched(), Words()]
    bare = [
        Task(Item(f"t{i}", "t", None, None, None, None, "", "", "h", ""), (1,), False, "")
        for i in range(3)
    ]
    shards = cut([task("a"), *bare, task("b"), task("c")], products, sizes=(2, 2))
    assert [[t.item.video_id for t in shard.tasks] for shard in shards] == [
        ["t0", "t1"], ["t2"], ["a", "b"], ["c"],
    ]  # fmt: skip
    assert [shard.decodes for shard in shards] == [False, False, True, True]
    assert [shard.number for shard in shards] == [0, 1, 2, 3]


def test_worker_that_would_make_other_vectors_is_refused(world):
    with pytest.raises(ConfigError, match=r"the plan wants \['x'\]: its model files or library"):
        make_remotely(Shard(0, (), decodes=False), world.config, ["x"])


def test_shard_without_media_is_made_apart_without_a_decoder(world):
    prints = [product.fingerprint for product in make_products(world.config)]
    item = Item("t", "jazz", None, None, None, None, "", "", "h", "")
    parts = make_remotely(
        Shard(0, (Task(item, (0, 1, 2), False, ""),), decodes=False), world.config, prints
    )
    frame = pl.read_ipc_stream(parts["features"])
    assert frame.sort("modality")["present"].to_list() == [False, True, False]


def test_decoders_run_ahead_by_the_bound_and_no_further(world):
    clip = world.landing / world.clip("a.mp4")
    asked = []

    def jobs():
        for i in range(8):
            asked.append(i)
            yield Job(clip)

    with DecoderPool(world.config.decode, world.config.guard) as pool:
        results = pool.map(jobs(), ahead=4)
        next(results)
        assert len(asked) == 4
        next(results)
        assert len(asked) == 5
        assert len(list(results)) == 6
