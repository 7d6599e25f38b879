"""The encoder that made the text vectors of a catalogue, found again: for queries and comments."""

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import polars as pl

from kinoloop.data.histories import Histories
from kinoloop.data.tables import Tables
from kinoloop.data.written_texts import load_written
from kinoloop.encoders import base as encoders
from kinoloop.encoders.fingerprint import composition_of
from kinoloop.errors import ConfigError

logger = logging.getLogger(__name__)


def text_encoder(tables: Tables, fingerprints: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the settings of the encoder of the text vectors, with which a search encodes queries.

    Returns:
        `{"text": settings}`, also when `[extract]` names another encoder by now whose vectors are
        not complete; empty where there are no text vectors, or where the model that made them has
        gone or changed: then search goes by words alone until the next extract.
    """
    if "text" not in fingerprints:
        return {}
    wanted = fingerprints["text"]
    recorded = tables.scan("encoders").filter(pl.col("fingerprint") == wanted).collect()
    for text in recorded["settings"]:
        settings: dict[str, Any] = json.loads(text)
        try:
            found = encoders.identify(settings)
        except ConfigError as err:
            found = f"gone ({err})"
        if composition_of(wanted, found) is not None:
            return {"text": settings}
        logger.warning(
            "the text vectors are of %s, but its encoder is %s: this release searches by words "
            "only; run `kinoloop extract`, then retrain",
            wanted,
            found,
        )
    return {}


def with_written(
    histories: Histories,
    tables: Tables,
    fingerprints: Mapping[str, str],
    *,
    until: datetime | None = None,
) -> Histories:
    """Add what the users wrote; nothing where the encoder of the text vectors is not here.

    Args:
        histories: Rows with pseudonyms.
        tables: Table `events` is read, and what made the text vectors is looked up.
        fingerprints: Of the catalogue's vectors.
        until: What was written at or after it is left out (UTC).
    """
    settings = text_encoder(tables, fingerprints).get("text")
    if settings is None:
        return histories
    encoder = encoders.build(settings)
    assert isinstance(encoder, encoders.TextEncoder)  # it made the text vectors
    space, users = fingerprints["text"], histories.user_ids
    written = load_written(tables, users, encoder.encode_text, space=space, until=until)
    logger.info("%d searches and comments are read", len(written.texts))
    return replace(histories, written=written)
