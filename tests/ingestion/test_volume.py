import re

import pytest

from kinoloop.ingestion.rule import IngestConfig
from tests.ingestion.landing_zone import VIDEOS

CONFIG = IngestConfig(volume_min_batches=2, volume_min_mean=50)


def put(zone, name, rows, day):
    lines = [f"u{i},v1,2025-12-{day:02d},view,1\n" for i in range(rows)]
    zone.put(name, "user_id,video_id,timestamp,event,watch_s\n" + "".join(lines))


@pytest.fixture
def steady(zone):
    zone.put("videos/a.csv", VIDEOS)
    for day in (1, 2):
        put(zone, f"events/shop/{day}.csv", 100, day)
        zone.ingest(CONFIG)
    return zone


def test_a_collapse_sets_the_files_of_its_folder_aside_and_no_other(steady):
    put(steady, "events/shop/3.csv", 9, 3)
    put(steady, "events/club/3.csv", 7, 3)
    staged = steady.ingest(CONFIG)
    (aside,) = staged.set_aside
    message = (
        r"events/shop/3.csv was set aside: volume_collapsed \(9 .* 9% of the mean .*--any-volume"
    )
    assert re.match(message, aside.message)
    assert (staged.total("accepted"), len(staged.files)) == (7, 1)


def test_a_trickle_of_feedback_is_not_held_to_a_volume(steady):
    config = CONFIG.model_copy(update={"row_by_row": ("events/shop",)})
    put(steady, "events/shop/3.csv", 9, 3)
    assert steady.ingest(config).total("accepted") == 9


def test_a_collapse_is_accepted_when_asked(steady):
    put(steady, "events/shop/3.csv", 9, 3)
    assert steady.ingest(CONFIG, any_volume=True).total("accepted") == 9


def test_what_arrives_later_completes_a_batch_that_was_too_small(steady):
    put(steady, "events/shop/3.csv", 9, 3)
    put(steady, "events/shop/4.csv", 80, 4)
    assert steady.ingest(CONFIG).total("accepted") == 89


def test_a_low_volume_is_warned_of(steady):
    put(steady, "events/shop/3.csv", 40, 3)
    (warning,) = steady.ingest(CONFIG).warnings
    assert warning.startswith("volume_low: events/shop/ brought 40 rows, 40% of the mean")


def test_folders_are_held_to_their_own_past_only(steady):
    put(steady, "events/feedback/1.csv", 1, 3)
    assert steady.ingest(CONFIG).warnings == []


def test_small_means_and_short_pasts_are_not_judged(steady):
    put(steady, "events/shop/3.csv", 1, 3)
    assert steady.ingest(IngestConfig()).warnings == []


def test_the_rule_can_be_switched_off(steady):
    put(steady, "events/shop/3.csv", 1, 3)
    off = {**CONFIG.model_dump(), "rules": {"volume_collapsed": "off", "volume_low": "off"}}
    assert steady.ingest(IngestConfig(**off)).warnings == []
