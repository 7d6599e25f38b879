"""The toy world as Delta tables, as ingest and extract would leave them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from kinoloop.data.tables import Tables
from kinoloop.schema import EVENT_KINDS, EVENTS, FEATURES, VIDEOS
from kinoloop.testing.toy import toy_catalogue, toy_histories

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def write_toy_tables(
    data_dir: Path, *, users: int = 60, seed: int = 0, videos: int = 40, later_days: int = 0
) -> None:
    """Append users (and, beyond what is there, videos), whose events may come later."""
    catalogue = toy_catalogue(videos)
    known = set(Tables(data_dir).scan("videos").collect()["video_id"])
    histories = toy_histories(catalogue, users, seed=seed)
    _write(
        data_dir / "videos",
        [v for v in catalogue.videos.to_dicts() if v["video_id"] not in known],
        VIDEOS,
    )
    events = []
    for row, name in enumerate(histories.user_ids):
        user_id = f"{name}-{seed}"
        for at in range(int(histories.offsets[row]), int(histories.offsets[row + 1])):
            since = int(histories.timestamps[at])
            moment = EPOCH + timedelta(days=later_days, microseconds=since)
            share = float(histories.watch_shares[at])
            events.append(
                {
                    "user_id": user_id,
                    "video_id": catalogue.ids.ids[int(histories.videos[at])],
                    "timestamp": moment,
                    "event": EVENT_KINDS[int(histories.kinds[at])],
                    "watch_s": 30 * share,
                    "event_id": f"{user_id}-{at}",
                    "date": moment.date(),
                }
            )
    _write(data_dir / "events", events, EVENTS)
    features = [
        {
            "video_id": video_id,
            "modality": name,
            "fingerprint": modality.fingerprint,
            "present": bool(modality.present[i]),
            "vector": modality.vectors[i].tolist() if modality.present[i] else None,
            "extracted_at": datetime.now(UTC),
        }
        for name, modality in catalogue.modalities.items()
        for i, video_id in enumerate(catalogue.ids.ids)
        if video_id not in known
    ]
    _write(data_dir / "features", features, FEATURES)


def _write(path: Path, rows: list[dict[str, object]], schema: dict[str, object]) -> None:
    full = [{column: row.get(column) for column in schema} for row in rows]
    if not rows:
        return
    pl.DataFrame(full, schema=schema).write_delta(str(path), mode="append")
