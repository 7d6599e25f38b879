"""Remove vectors that nobody needs any more: those of encoders that were replaced.

A new encoder writes its vectors beside the old ones; these stay until they are pruned. What stays:
the spaces of today's settings, what training takes (`catalogue.chosen_fingerprints`), and whatever
the caller names, such as the champion's.
"""

import logging
from collections import Counter
from collections.abc import Collection

import deltalake

from kinoloop.data.catalogue import chosen_fingerprints
from kinoloop.data.tables import Tables
from kinoloop.data.writers_lock import WRITER_WAIT_S, exclusive
from kinoloop.extraction.config import ExtractConfig
from kinoloop.extraction.products import make_products

logger = logging.getLogger(__name__)


def prune(tables: Tables, config: ExtractConfig, *, keep: Collection[str]) -> dict[str, int]:
    """Delete rows of fingerprints that nothing uses, then files that nothing has named for a while.

    Files go when they have been out of use for `[extract] prune_keep_h`: a run that reads an older
    version of the table meanwhile goes on undisturbed. A second call after that time frees the
    disk.

    Args:
        tables: The data directory.
        config: Settings in force.
        keep: Fingerprints in use elsewhere.

    Returns:
        Rows deleted by fingerprint.
    """
    kept = {*keep, *chosen_fingerprints(tables).values()}
    kept |= {product.fingerprint for product in make_products(config)}
    with exclusive(tables, timeout_s=WRITER_WAIT_S):
        deleted: Counter[str] = Counter()
        for name in sorted({product.table for product in make_products(config)}):
            deleted += _prune_table(tables, name, kept, config.prune_keep_h)
    logger.info("pruned %d rows of %d fingerprints", deleted.total(), len(deleted))
    return dict(deleted)


def _prune_table(tables: Tables, name: str, kept: set[str], keep_h: int) -> Counter[str]:
    if not tables.exists(name):
        return Counter()
    counts = tables.scan(name).group_by("fingerprint").len().collect()
    stale = {f: n for f, n in counts.sort("fingerprint").iter_rows() if f not in kept}
    table = deltalake.DeltaTable(str(tables.path(name)))
    for fingerprint in stale:
        table.delete(f"fingerprint = '{fingerprint}'")
    table.vacuum(retention_hours=keep_h, dry_run=False, enforce_retention_duration=False)
    return Counter(stale)
