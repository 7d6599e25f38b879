"""Extract: decode what is new, make what is missing, write it shard by shard.

How it goes (`plan` → `shard` → `store`):

1. `inventory` and `pending` compare the catalogue with the tables and cut what is missing into
   shards. Nothing missing: nothing is loaded.
2. The guarded decoders run ahead of everybody by `decode_ahead` videos, across shards.
3. This thread makes shards (`shard.make`): windows of videos go through every product that looks
   at frames or sound, in batches that cross videos; then the words of the whole shard go through
   those that read text.
4. One thread commits a shard while the next one is made. A shard is committed table by table,
   `media` last; whoever is killed loses the shards in flight, and nothing is ever done twice.

Where to plug in:

- A new *encoder* is a file in `kinoloop/encoders/` (docs/guides/adding-an-encoder.md) and nothing
  here.
- Anything else that is made of decoded videos (a perceptual hash, a description) is a `Product`
  (`products.py`): name its table in `schema.py` with the key columns, what it reads and its
  fingerprint, write `make`, and add it in `make_products`. It gets whole windows, is found pending
  by its own fingerprint, harms no other when it fails, and runs under Ray like the rest. What
  can be made of vectors or words alone is better made from the tables, after extraction.
- Words that are not there yet are heard (`speech`) and read (`reader`) between decoding and making;
  they go where subtitles go, to the text encoder and to `media.words`.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

from kinoloop.data.tables import Tables
from kinoloop.extraction.config import ExtractConfig
from kinoloop.extraction.decoding import decode_all
from kinoloop.extraction.inventory import Roots
from kinoloop.extraction.plan import ExtractionPlan, Progress, planned
from kinoloop.extraction.products import decoding_for
from kinoloop.extraction.reader import reader
from kinoloop.extraction.report import ExtractReport
from kinoloop.extraction.rows import Decoded
from kinoloop.extraction.shard import Made, make
from kinoloop.extraction.speech import transcriber
from kinoloop.media.guard import DecoderPool


def extract(
    tables: Tables,
    config: ExtractConfig,
    *,
    roots: Roots,
    state_dir: Path,
    retry: bool = False,
    progress: Progress | None = None,
) -> ExtractReport:
    """Bring the tables `media` and `features` up to date with the table `videos`, in this process.

    Args:
        tables: The data directory.
        config: What to take and which encoders to run.
        roots: Where relative media references are looked for.
        state_dir: Where hashes are remembered and the lock is.
        retry: Whether to decode again what failed for a reason that may pass (`reasons.PASSING`).
        progress: Called with (videos done, videos to do) after each shard.

    Returns:
        What was done, and what could not be.

    Raises:
        DataError: Another extraction is running.
        ConfigError: An encoder cannot be loaded, or decoders do not start.
    """
    with planned(
        tables, config, roots=roots, state_dir=state_dir, retry=retry, progress=progress
    ) as plan:
        _run(plan)
    return plan.report


def _run(plan: ExtractionPlan) -> None:
    """Make shard after shard while the decoders are ahead and the writer is behind."""
    with ExitStack() as stack:
        writer = stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="writer"))
        written: Future[None] | None = None
        for made in _make_all(plan, stack):
            if written is not None:
                written.result()  # at most one shard waits; its error ends the run
            written = writer.submit(plan.commit, made)
        if written is not None:
            written.result()


def _make_all(plan: ExtractionPlan, stack: ExitStack) -> Iterator[Made]:
    config = plan.config
    items = [task.item for shard in plan.shards if shard.decodes for task in shard.tasks]
    decoded: Iterator[Decoded] = iter(())
    if items:
        reads = reader(config.reading)
        decode = decoding_for(config, reads=reads is not None)
        pool = stack.enter_context(DecoderPool(decode, config.guard, plan.fetcher))
        listener = transcriber(config.speech)
        decoded = decode_all(
            *(pool, items),
            ahead=config.decode_ahead,
            listener=listener,
            reader=reads,
        )
    for shard in plan.shards:
        n = len(shard.tasks)
        found = islice(decoded, n) if shard.decodes else iter([None] * n)
        yield make(shard, found, plan.products, window_videos=config.window_videos)
