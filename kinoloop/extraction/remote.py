"""Make one shard far from the process that holds the plan: on a Ray worker, on another machine.

What comes in is a shard and the settings, what goes out are Arrow streams. Models are loaded once
per process. Media is opened where the shard is made: its path or URL must mean the same file there.
"""

from collections.abc import Iterator
from functools import lru_cache

from kinoloop.errors import ConfigError
from kinoloop.extraction.config import ExtractConfig, ReadingConfig, SpeechConfig
from kinoloop.extraction.decoding import decode_all
from kinoloop.extraction.products import Product, decoding_for, make_products
from kinoloop.extraction.reader import Reader, reader
from kinoloop.extraction.rows import Decoded
from kinoloop.extraction.shard import Shard, make
from kinoloop.extraction.speech import transcriber
from kinoloop.extraction.transcriber import Transcriber
from kinoloop.media.fetch import Fetcher
from kinoloop.media.guard import DecoderPool


def make_remotely(shard: Shard, config: ExtractConfig, fingerprints: list[str]) -> dict[str, bytes]:
    """Make a shard with what this process has.

    Args:
        shard: What to make.
        config: Settings of the plan.
        fingerprints: Of the plan's products; those here must be the same.

    Returns:
        `Made.to_bytes`.

    Raises:
        ConfigError: This machine would make other vectors.
    """
    products = _products(config.model_dump_json())
    found = [product.fingerprint for product in products]
    if found != fingerprints:
        raise ConfigError(
            f"this worker makes vectors of {found}, the plan wants {fingerprints}: its model files "
            "or library versions differ; install requirements.lock and the same models on every "
            "node"
        )
    if not shard.decodes:
        return _make(shard, iter([None] * len(shard.tasks)), products, config)
    items = [task.item for task in shard.tasks]
    reads = _reader(config.reading.model_dump_json())
    decode = decoding_for(config, reads=reads is not None)
    with DecoderPool(decode, config.guard, Fetcher(config.access)) as pool:
        listener = _listener(config.speech.model_dump_json())
        decoded = decode_all(
            pool, items, ahead=config.decode_ahead, listener=listener, reader=reads
        )
        return _make(shard, decoded, products, config)


def _make(
    shard: Shard,
    decoded: Iterator[Decoded | None],
    products: list[Product],
    config: ExtractConfig,
) -> dict[str, bytes]:
    return make(shard, decoded, products, window_videos=config.window_videos).to_bytes()


@lru_cache(maxsize=1)
def _products(config: str) -> list[Product]:
    return make_products(ExtractConfig.model_validate_json(config))


@lru_cache(maxsize=1)
def _reader(config: str) -> Reader | None:
    return reader(ReadingConfig.model_validate_json(config))


@lru_cache(maxsize=1)
def _listener(config: str) -> Transcriber | None:
    return transcriber(SpeechConfig.model_validate_json(config))
